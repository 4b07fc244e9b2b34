//! Names that Kubernetes gives a meaning: service accounts, and the groups that everybody is in.

use kubevigil_audit::request_info::is_subdomain;
use kubevigil_record::event::UserInfo;

pub(crate) const ANONYMOUS: &str = "system:anonymous";
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The key under which a user's `extra` names the credential that was used.
pub(super) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
const LABEL_LIMIT: usize = 63;

/// Who asks without credentials.
pub(crate) fn anonymous() -> UserInfo {
    UserInfo {
        username: ANONYMOUS.to_owned(),
        groups: vec![UNAUTHENTICATED.to_owned()],
        ..UserInfo::default()
    }
}

/// Adds the group of everybody who was recognised, unless the groups say already how the caller stands to it.
pub(super) fn complete(mut user: UserInfo) -> UserInfo {
    if user.username != ANONYMOUS && !says_recognised(&user.groups) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    user
}

/// Whether groups hold one of the two that part callers into recognised and not.
pub(crate) fn says_recognised(groups: &[String]) -> bool {
    groups
        .iter()
        .any(|group| group == AUTHENTICATED || group == UNAUTHENTICATED)
}

/// The user name of a service account.
pub(super) fn service_account_name(namespace: &str, name: &str) -> String {
    format!("{SERVICE_ACCOUNT}{namespace}:{name}")
}

/// The groups of the service accounts of a namespace.
pub(crate) fn service_account_groups(namespace: &str) -> Vec<String> {
    vec![
        SERVICE_ACCOUNTS.to_owned(),
        format!("{SERVICE_ACCOUNTS}:{namespace}"),
    ]
}

/// Namespace and name, if a user name is that of a service account that could exist.
pub(crate) fn service_account(username: &str) -> Option<(&str, &str)> {
    let (namespace, name) = username.strip_prefix(SERVICE_ACCOUNT)?.split_once(':')?;
    (is_label(namespace) && is_subdomain(name)).then_some((namespace, name))
}

/// A DNS label (RFC 1123): what a namespace is called.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= LABEL_LIMIT && !text.contains('.') && is_subdomain(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_could_exist_are_service_accounts() {
        let long = "a".repeat(64);
        let cases = [
            ("system:serviceaccount:dev:ci-bot", Some(("dev", "ci-bot"))),
            ("system:serviceaccount:dev:a.b", Some(("dev", "a.b"))),
            ("system:serviceaccount:dev:", None),
            ("system:serviceaccount::x", None),
            ("system:serviceaccount:dev", None),
            ("system:serviceaccount:dev:a:b", None),
            ("system:serviceaccount:De:a", None),
            ("system:serviceaccount:d.e:a", None),
            ("system:serviceaccount:-d:a", None),
            ("system:serviceaccount:d:a-", None),
            ("system:serviceaccount:d:a..b", None),
            ("System:serviceaccount:d:a", None),
            (&format!("system:serviceaccount:{long}:a"), None),
            ("jane", None),
        ];
        for (name, expected) in cases {
            assert_eq!(service_account(name), expected, "{name}");
        }
    }

    #[test]
    fn everybody_recognised_is_in_one_group_more() {
        let cases: [(&str, &[&str], &[&str]); 5] = [
            ("jane", &["developers"], &["developers", AUTHENTICATED]),
            ("jane", &[], &[AUTHENTICATED]),
            ("jane", &[AUTHENTICATED, "x"], &[AUTHENTICATED, "x"]),
            ("jane", &[UNAUTHENTICATED], &[UNAUTHENTICATED]),
            (ANONYMOUS, &[], &[]),
        ];
        for (name, groups, expected) in cases {
            let user = UserInfo {
                username: name.to_owned(),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                ..UserInfo::default()
            };
            assert_eq!(complete(user).groups, expected, "{name} {groups:?}");
        }
    }
}
