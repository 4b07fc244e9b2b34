//! What rules are called in names of folders.

use kubevigil_rules::Rule;

/// The folder of cases in which nothing fires.
pub(super) const QUIET: &str = "quiet";

/// A rule's name in names of folders: its short name; without one, its title in lower case with `-` for everything but letters and
/// digits.
pub(super) fn name_of(rule: &Rule) -> String {
    match &rule.short_name {
        Some(name) => name.to_string(),
        None => slug(&rule.name),
    }
}

fn slug(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars() {
        if letter.is_alphanumeric() {
            slug.extend(letter.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}

/// The names in the name of a folder.
pub(super) fn split(names: &str) -> Vec<&str> {
    if names == QUIET {
        return Vec::new();
    }
    names.split('+').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_names_that_a_folder_can_have() {
        for (title, name) in [
            ("Exec into a pod", "exec-into-a-pod"),
            ("  Secrets (bulk), refused! ", "secrets-bulk-refused"),
            ("Über/../etc", "über-etc"),
            ("T1609: exec", "t1609-exec"),
            ("!", ""),
        ] {
            assert_eq!(slug(title), name, "{title}");
        }
    }

    #[test]
    fn quiet_names_no_rule() {
        assert!(split("quiet").is_empty());
        assert_eq!(split("one+other"), ["one", "other"]);
    }
}
