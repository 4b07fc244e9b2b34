//! Filters: conditions that other documents add to rules.

use kubevigil_diagnostics::Diagnostic;
use kubevigil_yaml::Node;

use crate::condition::Condition;
use crate::sigma::codes;
use crate::sigma::condition::Expr;
use crate::sigma::document;
use crate::sigma::item::joined;
use crate::sigma::load::Draft;
use crate::sigma::problems::Problems;
use crate::sigma::selection::Compiler;

/// A filter, compiled.
pub(super) struct Filter {
    log_source: LogSource,
    /// Identifiers and names; `None` for any rule.
    rules: Option<Vec<String>>,
    condition: Condition,
}

/// Filters and whether any rule had use for them.
#[derive(Default)]
pub(super) struct Filters {
    /// Each with its file and the warning for when it is for no rule.
    list: Vec<(Filter, usize, Diagnostic)>,
    used: Vec<bool>,
}

impl Filters {
    /// Adds a filter that stands in the file of this number.
    pub(super) fn add(&mut self, filter: Filter, draft: &Draft) {
        let unused = Diagnostic::warning(
            codes::UNUSED_FILTER,
            "the filter is for no rule that was loaded",
        )
        .help("its log source must be stated by the rule as well, and `rules` must have the `id` or `name` of a detection; correlations have no filters")
        .within(document::label(&draft.node))
        .at(&draft.source, document::first_key(&draft.node));
        self.list.push((filter, draft.file, unused));
        self.used.push(false);
    }

    /// The condition with those of the filters that are for the rule.
    pub(super) fn apply(
        &mut self,
        condition: Condition,
        log_source: &LogSource,
        id: Option<&str>,
        name: Option<&str>,
    ) -> Condition {
        let mut parts = vec![condition];
        for ((filter, ..), used) in self.list.iter().zip(&mut self.used) {
            if filter.is_for(log_source, id, name) {
                *used = true;
                parts.push(filter.condition.clone());
            }
        }
        joined(parts, Condition::All)
    }

    /// The files of filters that were for no rule, each with its warning.
    pub(super) fn unused(self) -> impl Iterator<Item = (usize, Diagnostic)> {
        let unused = self
            .list
            .into_iter()
            .zip(self.used)
            .filter(|(_, used)| !used);
        unused.map(|((_, file, warning), _)| (file, warning))
    }
}

/// What a log source states.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct LogSource {
    category: Option<String>,
    product: Option<String>,
    service: Option<String>,
}

impl LogSource {
    /// Reads the `logsource` of a document; other keys of it (`definition`) say nothing about events.
    pub(super) fn of(node: &Node) -> Self {
        let text = |key: &str| Some(node.get("logsource")?.get(key)?.text()?.to_owned());
        Self {
            category: text("category"),
            product: text("product"),
            service: text("service"),
        }
    }

    /// Whether rules for it are about Kubernetes audit events: what it states of product and service must be theirs, and it must
    /// state one of them. A category is no obstacle, since none is defined for Kubernetes.
    pub(super) fn is_kubernetes_audit(&self) -> bool {
        let fits = |stated: &Option<String>, ours: &str| {
            stated.as_deref().is_none_or(|stated| stated == ours)
        };
        let states_any = self.product.is_some() || self.service.is_some();
        states_any && fits(&self.product, "kubernetes") && fits(&self.service, "audit")
    }

    /// Whether everything that this states is stated by the other, too.
    fn covers(&self, other: &Self) -> bool {
        let covers =
            |mine: &Option<String>, theirs: &Option<String>| mine.is_none() || mine == theirs;
        covers(&self.category, &other.category)
            && covers(&self.product, &other.product)
            && covers(&self.service, &other.service)
    }
}

impl Filter {
    /// Reads and compiles the filter of a document.
    pub(super) fn read(node: &Node, compiler: &mut Compiler<'_>) -> Option<Self> {
        let body = node.get("filter")?;
        let rules = rules(body, compiler.problems);
        let detection = compiler.detection(body, &["rules"])?;
        if !detection.expressions.iter().any(has_not) {
            let span = body
                .get("condition")
                .map_or(body.span.clone(), |value| value.span.clone());
            let message = "the filter keeps only what it selects: its condition is added to that of the rules with `and`";
            compiler.problems.warning(
                codes::FILTER_WITHOUT_NOT,
                span,
                message,
                "write `not SELECTION` to leave out what is selected",
            );
        }
        Some(Self {
            log_source: LogSource::of(node),
            rules: rules?,
            condition: detection.condition,
        })
    }

    /// Whether the filter is for a rule with these identifiers.
    fn is_for(&self, log_source: &LogSource, id: Option<&str>, name: Option<&str>) -> bool {
        let named = |rules: &Vec<String>| {
            rules
                .iter()
                .any(|rule| Some(rule.as_str()) == id || Some(rule.as_str()) == name)
        };
        self.log_source.covers(log_source) && self.rules.as_ref().is_none_or(named)
    }
}

/// The rules that a filter names; the inner `None` stands for any.
fn rules(body: &Node, problems: &mut Problems) -> Option<Option<Vec<String>>> {
    let help = "name rules by `id` or `name` in a list, or write `rules: any`";
    let Some(value) = body.get("rules") else {
        let span = body
            .pairs()
            .and_then(<[_]>::first)
            .map_or(body.span.clone(), |(key, _)| key.span.clone());
        return problems.error_with_help(codes::STRUCTURE, span, "key `rules` is missing", help);
    };
    let nodes = value.items().unwrap_or(std::slice::from_ref(value));
    let names: Option<Vec<String>> = nodes
        .iter()
        .map(|node| node.text().map(str::to_owned))
        .collect();
    match names {
        Some(names) if names.is_empty() || names == ["any"] => Some(None),
        Some(names) => Some(Some(names)),
        None => problems.error_with_help(
            codes::STRUCTURE,
            value.span.clone(),
            "`rules` must be a list of texts",
            help,
        ),
    }
}

fn has_not(expression: &Expr) -> bool {
    match expression {
        Expr::Not(_) => true,
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(has_not),
        Expr::Name(..) | Expr::Of { .. } => false,
    }
}
