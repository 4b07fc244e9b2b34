//! Which rules can hold for an event, told from a few of its fields.
//!
//! From a condition follows, for some simple fields, the set of values without which it cannot hold: `verb = create and
//! (resource = pods or resource = nodes)` needs one verb and one of two resources. For each such field the index keeps, by value, the
//! rules that can hold; an event's candidates are the intersection over the fields. With ten thousand rules that is some
//! hundred words to intersect a field, where evaluating the rules one by one would be all of the time.
//!
//! The rejected alternative, one hash from the most selective field to its rules, is cheaper for few fields but gives up when many
//! rules share a value (most rules say `verb = create`).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bstr::{BString, ByteSlice};
use hashbrown::HashMap;
use kubevigil_audit::json::PathsBuilder;
use kubevigil_rules::json_test::fold;
use kubevigil_rules::{
    Compare, Condition, Expr, Field, JsonPredicate, Lookup, Needle, Predicate, Read, Rule,
};

use crate::bits::Bits;
use crate::compile::TextPlan;
use crate::lookup::LookupPlan;

/// The index of a set of rules.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    all: Bits,
    keys: Vec<Key>,
}

/// One field of the index.
#[derive(Debug)]
struct Key {
    plan: KeyPlan,
    /// The rules that can hold whatever the value, or without one.
    unconstrained: Bits,
    by_value: HashMap<BString, Admitted>,
}

/// Where the value of a key stands.
#[derive(Debug)]
pub(crate) enum KeyPlan {
    /// The text of a field.
    Text(TextPlan),
    /// The text of a JSON value; it and the values of the index are folded.
    Lookup(LookupPlan),
}

/// What a key is of.
#[derive(Clone, Debug, PartialEq)]
enum Subject {
    Field(Field),
    Lookup(Lookup),
}

/// The rules that a value admits besides the unconstrained ones.
#[derive(Debug)]
enum Admitted {
    /// Unconstrained ones included.
    Dense(Bits),
    Sparse(Vec<usize>),
}

/// The values without which a condition cannot hold.
type Required = BTreeSet<BString>;

/// More keys than this cost an event more than they save it.
const MAX_KEYS: usize = 12;

impl RuleIndex {
    pub(crate) fn new(rules: &[Arc<Rule>], paths: &mut PathsBuilder) -> Self {
        let mut fields: Vec<(Subject, Vec<(usize, Required)>)> = candidates(rules)
            .into_iter()
            .map(|field| {
                let constrained = rules.iter().enumerate().filter_map(|(number, rule)| {
                    required(rule.condition()?, &field).map(|values| (number, values))
                });
                let constrained = constrained.collect();
                (field, constrained)
            })
            .filter(|(_, constrained): &(Subject, Vec<_>)| !constrained.is_empty())
            .collect();
        fields.sort_by_key(|(_, constrained)| std::cmp::Reverse(constrained.len()));
        fields.truncate(MAX_KEYS);
        let keys = fields
            .into_iter()
            .filter_map(|(field, constrained)| Key::new(&field, &constrained, rules.len(), paths));
        let keys = keys.collect();
        let mut all = Bits::none(rules.len());
        // Correlations ask nothing of one event.
        (0..)
            .zip(rules)
            .filter(|(_, rule)| rule.condition().is_some())
            .for_each(|(number, _)| all.insert(number));
        Self { all, keys }
    }

    /// Leaves in `candidates` the rules that can hold. `text` gives the value of a key; `Err` when it cannot be told.
    pub(crate) fn narrow<'e>(
        &self,
        candidates: &mut Bits,
        text: impl Fn(&KeyPlan) -> Result<Option<Cow<'e, [u8]>>, Unknown>,
    ) {
        candidates.copy_from(&self.all);
        for key in &self.keys {
            let Ok(value) = text(&key.plan) else { continue };
            match value.and_then(|value| key.by_value.get(value.as_bstr())) {
                None => candidates.intersect(&key.unconstrained),
                Some(Admitted::Dense(admitted)) => candidates.intersect(admitted),
                Some(Admitted::Sparse(admitted)) => key.intersect_sparse(candidates, admitted),
            }
            if candidates.is_empty() {
                return;
            }
        }
    }
}

/// The value of a key stands at several places.
pub(crate) struct Unknown;

impl Key {
    fn new(
        subject: &Subject,
        constrained: &[(usize, Required)],
        rules: usize,
        paths: &mut PathsBuilder,
    ) -> Option<Self> {
        let plan = KeyPlan::new(subject, paths)?;
        let bound: BTreeSet<usize> = constrained.iter().map(|(number, _)| *number).collect();
        let mut unconstrained = Bits::none(rules);
        (0..rules)
            .filter(|number| !bound.contains(number))
            .for_each(|number| unconstrained.insert(number));
        let mut lists: HashMap<BString, Vec<usize>> = HashMap::new();
        for (number, values) in constrained {
            values
                .iter()
                .for_each(|value| lists.entry(value.clone()).or_default().push(*number));
        }
        let by_value = lists
            .into_iter()
            .map(|(value, list)| (value, Admitted::new(list, &unconstrained)));
        let by_value = by_value.collect();
        Some(Self {
            plan,
            unconstrained,
            by_value,
        })
    }

    fn intersect_sparse(&self, candidates: &mut Bits, admitted: &[usize]) {
        let mut kept = [0_usize; Admitted::SPARSE];
        let mut count = 0;
        for (&number, slot) in admitted
            .iter()
            .filter(|&&number| candidates.contains(number))
            .zip(&mut kept)
        {
            *slot = number;
            count += 1;
        }
        candidates.intersect(&self.unconstrained);
        kept.iter()
            .take(count)
            .for_each(|&number| candidates.insert(number));
    }
}

impl KeyPlan {
    fn new(subject: &Subject, paths: &mut PathsBuilder) -> Option<Self> {
        let field = match subject {
            Subject::Field(field) => field,
            Subject::Lookup(lookup) => return Some(Self::Lookup(LookupPlan::new(lookup, paths))),
        };
        let ([path], Read::Text { cut_at_nul }) = (field.inputs.as_ref(), field.read) else {
            return None;
        };
        let mut add = |path: &kubevigil_rules::JsonPath| {
            let keys: Vec<&str> = path.keys.iter().map(AsRef::as_ref).collect();
            paths.add(&keys)
        };
        Some(Self::Text(TextPlan {
            path: add(path),
            needs: field.needs.as_ref().map(add),
            cut_at_nul,
        }))
    }
}

impl Admitted {
    /// The longest list that is kept as a list.
    const SPARSE: usize = 16;

    fn new(list: Vec<usize>, unconstrained: &Bits) -> Self {
        if list.len() <= Self::SPARSE && unconstrained.word_count() > Self::SPARSE {
            return Self::Sparse(list);
        }
        let mut admitted = unconstrained.clone();
        list.into_iter().for_each(|number| admitted.insert(number));
        Self::Dense(admitted)
    }
}

/// The simple fields and lookups that conditions compare with constants.
fn candidates(rules: &[Arc<Rule>]) -> Vec<Subject> {
    let mut fields: HashMap<Arc<str>, Field> = HashMap::new();
    let mut lookups: HashMap<String, Lookup> = HashMap::new();
    for rule in rules {
        let Some(condition) = rule.condition() else {
            continue;
        };
        condition.for_each_expr(&mut |expr| {
            if let Expr::Field(field) = expr
                && matches!(field.read, Read::Text { .. })
            {
                fields
                    .entry(Arc::clone(&field.name))
                    .or_insert_with(|| field.clone());
            }
        });
        condition.for_each_lookup(&mut |lookup| {
            if lookup.paths.len() == 1 {
                lookups
                    .entry(format!("{lookup:?}"))
                    .or_insert_with(|| lookup.clone());
            }
        });
    }
    let mut fields: Vec<Field> = fields.into_values().collect();
    fields.sort_by(|one, other| one.name.cmp(&other.name));
    let mut lookups: Vec<Lookup> = lookups.into_values().collect();
    lookups.sort_by(|one, other| one.name.cmp(&other.name));
    let fields = fields.into_iter().map(Subject::Field);
    fields
        .chain(lookups.into_iter().map(Subject::Lookup))
        .collect()
}

/// The values of `subject` without which the condition cannot hold; `None` when it can hold with any, or without one.
fn required(condition: &Condition, subject: &Subject) -> Option<Required> {
    match condition {
        Condition::All(parts) => {
            let mut sets = parts.iter().filter_map(|part| required(part, subject));
            let first = sets.next()?;
            Some(sets.fold(first, |all, set| all.intersection(&set).cloned().collect()))
        }
        Condition::Any(parts) | Condition::ExactlyOne(parts) => {
            let sets: Option<Vec<Required>> =
                parts.iter().map(|part| required(part, subject)).collect();
            Some(sets?.into_iter().flatten().collect())
        }
        Condition::Not(_) | Condition::Elements(_) => None,
        Condition::Test(test) => match (&test.subject, subject) {
            (Expr::Field(tested), Subject::Field(field)) if tested == field => {
                constants(&test.predicate)
            }
            _ => None,
        },
        Condition::Json(test) => match (&test.subject, subject) {
            (kubevigil_rules::Subject::Lookup(tested), Subject::Lookup(lookup))
                if tested == lookup =>
            {
                json_constants(&test.predicate)
            }
            _ => None,
        },
    }
}

fn constants(predicate: &Predicate) -> Option<Required> {
    match predicate {
        Predicate::Compare(Compare::Equal, Needle::Text(text)) => {
            Some(Required::from([text.clone()]))
        }
        Predicate::OneOf(texts) => Some(texts.iter().cloned().collect()),
        _ => None,
    }
}

/// Folded, whether letter case matters or not: what the index lets through is evaluated.
fn json_constants(predicate: &JsonPredicate) -> Option<Required> {
    let folded = |text: &str| BString::from(fold(text.as_bytes()).into_owned());
    match predicate {
        JsonPredicate::Bool(value) => Some(Required::from([value.to_string().into()])),
        JsonPredicate::Number(number, texts) => {
            let decimal = whole(*number)?;
            let texts = texts.iter().map(|text| folded(text));
            Some(texts.chain([decimal.into()]).collect())
        }
        JsonPredicate::OneOf(texts, _) => Some(texts.iter().map(|text| folded(text)).collect()),
        _ => None,
    }
}

/// The digits of a whole number that every way to write it in JSON leads to; `None` for numbers that have several.
fn whole(number: f64) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Zero has a negative twin.
    (number.fract() == 0.0 && number != 0.0 && number.abs() < EXACT).then(|| number.to_string())
}
