//! Bodies of requests: pods, deployments, config maps.

use fastrand::Rng;

/// A pod as a controller or the kubelet sends it.
pub(crate) fn pod(rng: &mut Rng) -> String {
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{},"status":{{"phase":"Pending","qosClass":"Burstable"}}}}"#,
        metadata(rng),
        pod_spec(rng)
    )
}

/// A deployment with its pod template.
pub(crate) fn deployment(rng: &mut Rng) -> String {
    format!(
        r#"{{"kind":"Deployment","apiVersion":"apps/v1","metadata":{},"spec":{{"replicas":{},"selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{}}},"strategy":{{"type":"RollingUpdate"}}}}}}"#,
        metadata(rng),
        rng.u8(1..9),
        pod_spec(rng)
    )
}

/// A config map with a few settings.
pub(crate) fn configmap(rng: &mut Rng) -> String {
    format!(
        r#"{{"kind":"ConfigMap","apiVersion":"v1","metadata":{},"data":{{"app.yaml":"log:\n  level: info\n  interval: {}s\nserver:\n  port: 8080\n","flags":"--a=1 --b=\"two\""}}}}"#,
        metadata(rng),
        rng.u8(..)
    )
}

fn metadata(rng: &mut Rng) -> String {
    format!(
        r#"{{"name":"web-{:08x}","namespace":"team-cart","uid":"{:032x}","resourceVersion":"{}","labels":{{"app":"web","app.kubernetes.io/instance":"web","pod-template-hash":"{:x}"}},"annotations":{{"checksum/config":"{:064x}"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web","controller":true}}]}}"#,
        rng.u32(..),
        rng.u128(..),
        rng.u32(..),
        rng.u32(..),
        rng.u128(..)
    )
}

fn pod_spec(rng: &mut Rng) -> String {
    let privileged = rng.u32(..200) == 0;
    format!(
        r#"{{"volumes":[{{"name":"token","projected":{{"sources":[{{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},{{"configMap":{{"name":"kube-root-ca.crt","items":[{{"key":"ca.crt","path":"ca.crt"}}]}}}}],"defaultMode":420}}}}],"containers":[{{"name":"main","image":"registry.example.com/team/web:1.{}","command":["/bin/server"],"args":["--listen=:8080","--verbose"],"ports":[{{"name":"http","containerPort":8080,"protocol":"TCP"}}],"env":[{{"name":"REGION","value":"eu-1"}}],"resources":{{"limits":{{"cpu":"500m","memory":"256Mi"}}}},"securityContext":{{"privileged":{privileged},"runAsUser":1000,"capabilities":{{"drop":["ALL"]}}}}}}],"restartPolicy":"Always","serviceAccountName":"default","nodeName":"worker-{}","tolerations":[{{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}}]}}"#,
        rng.u8(..),
        rng.u8(1..20)
    )
}
