//! docs/metrics.md says what the catalogue says.

use std::fs;

use crate::run::metrics::catalogue::{
    ANSWERS, CORRELATIONS, DETECTION, JOURNALS, Kind, MATCHES, Metric, OUTPUTS, READERS, RULES,
    SOURCES, STATE, WEBHOOK,
};
use crate::run::metrics::recording::APISERVER_PREFIX;
use crate::run::metrics::recording::tables::{
    APISERVER, APISERVER_ERRORS, APISERVER_LEVELS, DURABLE, GATEWAY, GATEWAY_MALFORMED, RECORD,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
/// What the tables stand between.
const MARKS: [&str; 2] = ["<!-- tables: begin -->\n", "<!-- tables: end -->\n"];

/// A table of metrics that have the same labels.
fn table<T>(title: &str, labels: &str, metrics: &[Metric<T>]) -> String {
    table_of("kubevigil", title, labels, metrics)
}

/// The same with another beginning of names.
fn table_of<T>(prefix: &str, title: &str, labels: &str, metrics: &[Metric<T>]) -> String {
    let rows = metrics.iter().map(|metric| {
        let (suffix, kind) = match metric.kind {
            Kind::Counter => ("_total", "counter"),
            Kind::Gauge | Kind::Seconds => ("", "gauge"),
        };
        format!(
            "| `{prefix}_{}{suffix}` | {kind} | {} |\n",
            metric.name, metric.help
        )
    });
    let labels = match labels {
        "" => String::new(),
        labels => format!("Labels: {labels}.\n\n"),
    };
    let rows: String = rows.collect();
    format!("\n## {title}\n\n{labels}| metric | type | meaning |\n| --- | --- | --- |\n{rows}")
}

fn tables() -> String {
    [
        table(
            "Sources",
            "`source` (`webhook`, `file`, `stdin`, `record`)",
            SOURCES,
        ),
        table("Webhook", "", WEBHOOK),
        table("Answers of the webhook", "`status`", ANSWERS),
        table("Detection", "", DETECTION),
        table("Rules", "", RULES),
        table(
            "Each rule",
            "`rule`; of those suppressed also `reason` (`repeated`)",
            MATCHES,
        ),
        table("Each correlation", "`rule`", CORRELATIONS),
        table("State of all correlations", "", STATE),
        table("Journals", "`journal` (`events`, `alerts`)", JOURNALS),
        table("Readers of journals", "`journal`, `reader`", READERS),
        table("Outputs", "`output`", OUTPUTS),
        table_of(
            APISERVER_PREFIX,
            "Auditing, as kube-apiserver counts it",
            "",
            APISERVER,
        ),
        table_of(
            APISERVER_PREFIX,
            "Levels that the policy chose",
            "`level`",
            APISERVER_LEVELS,
        ),
        table_of(
            APISERVER_PREFIX,
            "Errors of backends",
            "`plugin` (`log`, `webhook`, `buffered`, `truncate`)",
            APISERVER_ERRORS,
        ),
        table("Auditing gateway", "", GATEWAY),
        table(
            "Requests that are none",
            "`reason` (`syntax`, `too_large`, `framing`, `target`, `meaning`, `tls`, `http2`)",
            GATEWAY_MALFORMED,
        ),
        table("Recording", "", RECORD),
        table(
            "Backends in mode durable",
            "`backend` (`log`, `webhook`)",
            DURABLE,
        ),
    ]
    .concat()
        + "\n"
}

/// `UPDATE_DOCS=1 cargo test -p kubevigil --bin kubevigil documented` writes the tables anew.
#[test]
fn the_documentation_lists_every_metric_as_it_is() {
    let page = fs::read_to_string(PAGE).unwrap();
    let [begin, end] = MARKS;
    let (before, rest) = page.split_once(begin).unwrap();
    let (listed, after) = rest.split_once(end).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, [before, begin, &tables(), end, after].concat()).unwrap();
        return;
    }
    assert!(
        listed == tables(),
        "docs/metrics.md is stale; run the tests with UPDATE_DOCS=1"
    );
}
