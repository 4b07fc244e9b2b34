//! Small rule sets, as text, and how they are loaded.

use std::sync::Arc;

use kubevigil_rules::Rule;
use kubevigil_rules::sigma::{Loader, Options};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// The rules of Sigma files.
pub(crate) fn load(texts: &[String]) -> Vec<Arc<Rule>> {
    let mut loader = Loader::new(Options::default());
    for (number, text) in texts.iter().enumerate() {
        loader.load_file(&format!("rule-{number}.yml"), text);
    }
    let loaded = loader.finish();
    assert_eq!(loaded.rules.len(), texts.len(), "{texts:?}");
    loaded.rules
}

/// One to three rules.
pub(crate) fn rule_texts() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(question(), 1..4).prop_map(|questions| {
        let numbered = questions.into_iter().enumerate();
        numbered
            .map(|(number, question)| format!("title: Rule {number}\n{question}"))
            .collect()
    })
}

/// A rule without its title.
pub(crate) fn question() -> impl Strategy<Value = String> {
    let condition = select(vec!["one", "one and not two", "one or two", "one and two"]);
    (selection(), selection(), condition).prop_map(|(one, two, condition)| {
        format!(
            "logsource: {{product: kubernetes, service: audit}}\ndetection:\n  one:\n{one}  two:\n{two}  condition: {condition}\n"
        )
    })
}

fn selection() -> impl Strategy<Value = String> {
    let field = |name: &'static str, values: &'static [&'static str]| {
        let most = values.len().min(3);
        subsequence(values, 1..=most)
            .prop_map(move |values| format!("    {name}: [{}]\n", values.join(", ")))
            .boxed()
    };
    let fields = vec![
        field(
            "verb",
            &[
                "get", "list", "watch", "create", "update", "patch", "delete",
            ],
        ),
        field(
            "objectRef.resource",
            &[
                "pods",
                "secrets",
                "configmaps",
                "deployments",
                "widgets",
                "clusterroles",
            ],
        ),
        field("objectRef.subresource", &["exec", "status", "token"]),
        field("objectRef.namespace", &["kube-system", "dev"]),
        field(
            "stage",
            &["RequestReceived", "ResponseComplete", "ResponseStarted"],
        ),
        field("kv.identity", &["person", "node", "anonymous", "none"]),
        field("kv.answered", &["true"]),
        field("user.username", &["jane", "\"system:anonymous\""]),
        field("requestObject.spec.hostNetwork", &["true"]),
        field("responseObject.status.phase", &["Failed"]),
        field("kv.pod.privileged", &["true"]),
    ];
    let count = fields.len();
    (
        prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        fields,
    )
        .prop_map(move |(chosen, fields)| {
            let mut numbers: Vec<usize> = chosen.iter().map(|index| index.index(count)).collect();
            numbers.sort_unstable();
            numbers.dedup();
            numbers
                .into_iter()
                .filter_map(|number| fields.get(number).cloned())
                .collect()
        })
}
