//! Whatever stands in a file, reading it as a policy ends with an answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use kubevigil_audit::policy::PolicyFile;
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answered(&text)?;
    }

    #[test]
    fn any_text_that_looks_like_a_policy_is_answered(
        lines in prop::collection::vec((0_usize..5, line()), 0..30)
    ) {
        let text: String = lines
            .iter()
            .map(|(depth, line)| format!("{:1$}{line}\n", "", depth * 2))
            .collect();
        answered(&text)?;
    }
}

/// A line as policies have them, or near one.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("rules"),
        Just("level"),
        Just("users"),
        Just("resources"),
        Just("group"),
        Just("omitStages"),
        Just("nonResourceURLs"),
        Just("apiVersion"),
        Just("Rules"),
        Just("metadata"),
        Just("omitManagedFields"),
    ];
    let value = prop_oneof![
        Just(""),
        Just("None"),
        Just("Metadata"),
        Just("audit.k8s.io/v1"),
        Just("[a, b"),
        Just("[\"*\"]"),
        Just("{}"),
        Just("yes"),
        Just("1.5"),
        Just("&a"),
        Just("*a"),
        Just("|"),
        Just("'"),
        Just("~"),
        Just("[[]]"),
        Just("{resources: [é]}"),
        Just("/x*y"),
    ];
    (prop::bool::ANY, word, value).prop_map(|(is_item, word, value)| {
        let dash = if is_item { "- " } else { "" };
        format!("{dash}{word}: {value}")
    })
}

/// Places lie inside the text, and a file without a policy says why.
fn answered(text: &str) -> Result<(), TestCaseError> {
    let file = PolicyFile::read("policy.yaml", text);
    prop_assert!(file.policy.is_some() || !file.is_valid());
    prop_assert!(file.refusals.len() <= file.diagnostics.len());
    for diagnostic in &file.diagnostics {
        let place = diagnostic.place.as_ref().unwrap();
        prop_assert!(place.span.start <= text.len(), "{diagnostic:?}");
        prop_assert!(text.is_char_boundary(place.span.start), "{diagnostic:?}");
    }
    Ok(())
}
