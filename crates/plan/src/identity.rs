//! Users with the groups that the API server gives them: policies select by group, people think of names.

/// Who a request is taken to be from when nobody says.
pub const ADMINISTRATOR: &str = "kubernetes-admin";

/// The user of a name, with the groups that the API server gives to such users.
pub fn user(name: &str, mut groups: Vec<String>) -> (Box<str>, Vec<Box<str>>) {
    if groups.is_empty() {
        groups = implied_groups(name);
    }
    (
        name.into(),
        groups.into_iter().map(String::into_boxed_str).collect(),
    )
}

fn implied_groups(name: &str) -> Vec<String> {
    let account = name
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    let mut groups = match (account, name) {
        (Some((namespace, _)), _) => vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
        ],
        (None, "system:anonymous") => return vec!["system:unauthenticated".to_owned()],
        (None, ADMINISTRATOR) => vec!["kubeadm:cluster-admins".to_owned()],
        (None, name) if name.starts_with("system:node:") => vec!["system:nodes".to_owned()],
        _ => Vec::new(),
    };
    groups.push("system:authenticated".to_owned());
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_get_the_groups_that_the_server_gives_them() {
        let (_, groups) = user("system:serviceaccount:dev:ci", Vec::new());
        assert_eq!(
            groups.join(" "),
            "system:serviceaccounts system:serviceaccounts:dev system:authenticated"
        );
        assert_eq!(
            user("system:anonymous", Vec::new()).1.join(" "),
            "system:unauthenticated"
        );
        assert_eq!(user("jane", vec!["dev".to_owned()]).1.join(" "), "dev");
    }
}
