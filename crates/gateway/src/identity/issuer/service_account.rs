//! Service accounts, as the claims of their tokens have them.

use std::collections::BTreeMap;

use kubevigil_audit::request_info::is_subdomain;
use kubevigil_record::event::UserInfo;
use serde::Deserialize;
use serde_json::Value;

use super::super::account::{
    CREDENTIAL_ID, is_label, service_account_groups, service_account_name,
};
use super::super::jwt::Jwt;

const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_UID: &str = "authentication.kubernetes.io/node-uid";

/// The claim `kubernetes.io`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Bound {
    namespace: String,
    serviceaccount: Object,
    pod: Option<Object>,
    node: Option<Object>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    name: String,
    uid: String,
}

/// The user of a verified token.
pub(super) fn user(jwt: &Jwt<'_>) -> Result<UserInfo, String> {
    let claim = jwt.claims.get("kubernetes.io").cloned();
    let bound: Bound = serde_json::from_value(claim.unwrap_or(Value::Null))
        .map_err(|error| format!("claim kubernetes.io: {error}"))?;
    let account = &bound.serviceaccount;
    if !is_label(&bound.namespace) || !is_subdomain(&account.name) {
        return Err("claim kubernetes.io: namespace or name of the service account".to_owned());
    }
    let username = service_account_name(&bound.namespace, &account.name);
    if jwt.text("sub") != Some(&username) {
        return Err(format!("its subject is not {username}"));
    }
    Ok(UserInfo {
        username,
        uid: account.uid.clone(),
        groups: service_account_groups(&bound.namespace),
        extra: extra(&bound, jwt.text("jti")),
    })
}

fn extra(bound: &Bound, id: Option<&str>) -> BTreeMap<String, Vec<String>> {
    let mut extra = BTreeMap::new();
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            extra.insert(key.to_owned(), vec![value.to_owned()]);
        }
    };
    if let Some(id) = id.filter(|id| !id.is_empty()) {
        add(CREDENTIAL_ID, &format!("JTI={id}"));
    }
    if let Some(pod) = bound.pod.as_ref()
        && !pod.name.is_empty()
        && !pod.uid.is_empty()
    {
        add(POD_NAME, &pod.name);
        add(POD_UID, &pod.uid);
    }
    if let Some(node) = bound.node.as_ref().filter(|node| !node.name.is_empty()) {
        add(NODE_NAME, &node.name);
        add(NODE_UID, &node.uid);
    }
    extra
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn user_of(claims: &str) -> Result<UserInfo, String> {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.x", encode(r#"{"alg":"RS256"}"#), encode(claims));
        user(&Jwt::read(&token).unwrap())
    }

    #[test]
    fn a_token_of_a_pod_names_pod_and_node() {
        let user = user_of(
            r#"{"sub":"system:serviceaccount:dev:ci-bot","jti":"j","kubernetes.io":{"namespace":"dev",
            "serviceaccount":{"name":"ci-bot","uid":"u"},"pod":{"name":"p","uid":"pu"},"node":{"name":"n","uid":"nu"},"warnafter":1}}"#,
        )
        .unwrap();
        assert_eq!(user.username, "system:serviceaccount:dev:ci-bot");
        assert_eq!(user.uid, "u");
        assert_eq!(
            user.groups,
            ["system:serviceaccounts", "system:serviceaccounts:dev"]
        );
        let extra: Vec<_> = user
            .extra
            .iter()
            .map(|(key, values)| (key.as_str(), values.join(",")))
            .collect();
        let expected = [
            (CREDENTIAL_ID, "JTI=j"),
            (NODE_NAME, "n"),
            (NODE_UID, "nu"),
            (POD_NAME, "p"),
            (POD_UID, "pu"),
        ];
        assert_eq!(extra, expected.map(|(key, value)| (key, value.to_owned())));
    }

    #[test]
    fn claims_that_do_not_fit_together_are_refused() {
        let account =
            r#""kubernetes.io":{"namespace":"dev","serviceaccount":{"name":"ci-bot","uid":"u"}}"#;
        let cases = [
            format!(r#"{{"sub":"system:serviceaccount:dev:ci-bot",{account}}}"#),
            format!(r#"{{"sub":"system:serviceaccount:prod:ci-bot",{account}}}"#),
            format!(r#"{{"sub":"system:admin",{account}}}"#),
            format!("{{{account}}}"),
            r#"{"sub":"system:serviceaccount:dev:ci-bot"}"#.to_owned(),
            r#"{"sub":"system:serviceaccount::","kubernetes.io":{}}"#.to_owned(),
            r#"{"sub":"system:serviceaccount:a:b:c","kubernetes.io":{"namespace":"a:b","serviceaccount":{"name":"c"}}}"#.to_owned(),
            r#"{"sub":"x","kubernetes.io":"dev"}"#.to_owned(),
        ];
        let good: Vec<bool> = cases.iter().map(|claims| user_of(claims).is_ok()).collect();
        assert_eq!(
            good,
            [true, false, false, false, false, false, false, false]
        );
    }
}
