//! What the layer adds to a request, without any network: a service that answers at once, bare and audited at each level.

#![expect(clippy::unwrap_used, reason = "benchmark")]

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use kubevigil_audit::policy::PolicyFile;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::{AuditLayer, AuditedRequestBody, Caller};
use kubevigil_record::sink::{Events, Sink, SinkError};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Takes events and forgets them: what is measured is the layer.
struct Nothing;

#[async_trait]
impl Sink for Nothing {
    fn name(&self) -> String {
        "nothing".to_owned()
    }

    async fn emit(&self, _events: Events<'_>) -> Result<(), SinkError> {
        Ok(())
    }
}

fn request() -> Request<Full<Bytes>> {
    let user = UserInfo {
        username: "system:serviceaccount:dev:builder".to_owned(),
        uid: "1f0d0aeb-5a9f-4e0c-9f5c-0f4a8a1e1f0d".to_owned(),
        groups: [
            "system:serviceaccounts",
            "system:serviceaccounts:dev",
            "system:authenticated",
        ]
        .map(ToOwned::to_owned)
        .to_vec(),
        ..UserInfo::default()
    };
    let request = Request::get("/api/v1/namespaces/dev/pods/web?resourceVersion=1")
        .header(
            "user-agent",
            "kubectl/v1.36.2 (linux/amd64) kubernetes/f1b4c9e",
        )
        .header("accept", "application/json")
        .extension(Caller::Known(user));
    request.body(Full::default()).unwrap()
}

fn answer() -> Response<Full<Bytes>> {
    let pod = format!(r#"{{"kind":"Pod","text":"{}"}}"#, "x".repeat(4_000));
    Response::new(Full::from(pod))
}

async fn ask<S, RB>(service: S)
where
    S: Service<Request<Full<Bytes>>, Response = Response<RB>>,
    S::Error: std::fmt::Debug,
    RB: Body<Error: std::fmt::Debug>,
{
    let answer = service.oneshot(request()).await.unwrap();
    answer.into_body().collect().await.unwrap();
}

fn layer(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let mut group = criterion.benchmark_group("layer");
    group.bench_function("bare", |bencher| {
        let service = service_fn(async |_: Request<Full<Bytes>>| Ok::<_, Infallible>(answer()));
        bencher.iter(|| runtime.block_on(ask(service)));
    });
    for level in ["None", "Metadata", "Request", "RequestResponse"] {
        let text =
            format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{{level: {level}}}]\n");
        let policy = PolicyFile::read("policy.yaml", &text).policy.unwrap();
        let auditing = Auditing::new(policy, Arc::new(Nothing));
        let service = service_fn(async |_: Request<AuditedRequestBody<Full<Bytes>>>| {
            Ok::<_, Infallible>(answer())
        });
        let service = AuditLayer::new(auditing).layer(service);
        group.bench_function(level, |bencher| {
            bencher.iter(|| runtime.block_on(ask(service.clone())));
        });
    }
    group.finish();
}

criterion_group!(benches, layer);
criterion_main!(benches);
