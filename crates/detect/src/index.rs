//! Which rules can hold for an event, told from a few of its fields.
//!
//! From a condition follows, for some simple fields, the set of values without which it cannot hold: `verb = create and
//! (resource = pods or resource = nodes)` needs one verb and one of two resources; that there is none can be such a value, too. For each
//! such field the index keeps, by value, the rules that can hold; an event's candidates are the intersection over the fields. With ten
//! thousand rules that is some hundred words to intersect a field, where evaluating the rules one by one would be all of the time.
//!
//! A key that cannot tell the remaining candidates apart is not read.
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
    Compare, Condition, Expr, Field, JsonPredicate, Kind, Lookup, Needle, Predicate, Read, Rule,
};

use crate::bits::Bits;
use crate::compile::{ExprPlan, Program, TextPlan};
use crate::lookup::LookupPlan;
use crate::recurring::is_remembered;

/// The index of a set of rules.
#[derive(Debug, Default)]
pub(crate) struct RuleIndex {
    all: Bits,
    keys: Vec<Key>,
    /// Those of derived fields.
    derived: Vec<Key>,
}

/// One field of the index.
#[derive(Debug)]
pub(crate) struct Key {
    plan: KeyPlan,
    /// The rules that can hold whatever the value, or without one.
    unconstrained: Bits,
    /// Those that can hold without a value.
    without: Option<Admitted>,
    by_value: HashMap<BString, Admitted>,
}

/// Where the value of a key stands.
#[derive(Debug)]
pub(crate) enum KeyPlan {
    /// The text of a field.
    Text(TextPlan),
    /// The text of a JSON value; it and the values of the index are folded.
    Lookup(LookupPlan),
    /// The only value of a derived field, folded likewise.
    Derived(ExprPlan),
}

/// What a key is of.
#[derive(Clone, Debug, PartialEq)]
enum Subject {
    Field(Field),
    Lookup(Lookup),
    Derived(Field),
}

/// The rules that a value admits besides the unconstrained ones.
#[derive(Debug)]
enum Admitted {
    /// Unconstrained ones included.
    Dense(Bits),
    Sparse(Vec<usize>),
}

/// The values without which a condition cannot hold. `None` is that there is no text.
type Required = BTreeSet<Option<BString>>;

/// More keys than this cost an event more than they save it.
const MAX_KEYS: usize = 12;

impl RuleIndex {
    pub(crate) fn new(
        rules: &[Arc<Rule>],
        program: &mut Program,
        paths: &mut PathsBuilder,
    ) -> Self {
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
        let keys = fields.into_iter().filter_map(|(subject, constrained)| {
            let plan = KeyPlan::new(&subject, program, paths)?;
            Some(Key::new(plan, &constrained, rules.len()))
        });
        let (derived, keys) = keys.partition(|key| matches!(key.plan, KeyPlan::Derived(_)));
        let mut all = Bits::none(rules.len());
        // Correlations ask nothing of one event.
        (0..)
            .zip(rules)
            .filter(|(_, rule)| rule.condition().is_some())
            .for_each(|(number, _)| all.insert(number));
        Self { all, keys, derived }
    }

    /// The rules that ask something of one event.
    pub(crate) fn all(&self) -> &Bits {
        &self.all
    }

    /// Takes keys out, so that somebody else can ask them.
    pub(crate) fn take(&mut self, mut wanted: impl FnMut(&KeyPlan) -> bool) -> Vec<Key> {
        self.keys.extract_if(.., |key| wanted(&key.plan)).collect()
    }

    /// Leaves in `candidates` the rules that can hold. `text` gives the value of a key; `Err` when it cannot be told.
    pub(crate) fn narrow<'e>(
        &self,
        candidates: &mut Bits,
        text: impl Fn(&KeyPlan) -> Result<Option<Cow<'e, [u8]>>, Unknown>,
    ) {
        narrow(&self.keys, candidates, text);
    }

    /// Leaves in `candidates` the rules that can hold for the derived fields, too. They cost more to read than what stands in the
    /// event, so they are asked last.
    pub(crate) fn narrow_by_derived<'e>(
        &self,
        candidates: &mut Bits,
        text: impl Fn(&KeyPlan) -> Result<Option<Cow<'e, [u8]>>, Unknown>,
    ) {
        narrow(&self.derived, candidates, text);
    }
}

/// Leaves in `candidates` the rules that can hold for the values of some keys.
pub(crate) fn narrow<'e>(
    keys: &[Key],
    candidates: &mut Bits,
    text: impl Fn(&KeyPlan) -> Result<Option<Cow<'e, [u8]>>, Unknown>,
) {
    for key in keys {
        if candidates.is_within(&key.unconstrained) {
            continue;
        }
        let Ok(value) = text(&key.plan) else { continue };
        let admitted = match value {
            Some(value) => key.by_value.get(value.as_bstr()),
            None => key.without.as_ref(),
        };
        match admitted {
            None => candidates.intersect(&key.unconstrained),
            Some(Admitted::Dense(admitted)) => candidates.intersect(admitted),
            Some(Admitted::Sparse(admitted)) => key.intersect_sparse(candidates, admitted),
        }
    }
}

/// The value of a key stands at several places.
pub(crate) struct Unknown;

impl Key {
    fn new(plan: KeyPlan, constrained: &[(usize, Required)], rules: usize) -> Self {
        let bound: BTreeSet<usize> = constrained.iter().map(|(number, _)| *number).collect();
        let mut unconstrained = Bits::none(rules);
        (0..rules)
            .filter(|number| !bound.contains(number))
            .for_each(|number| unconstrained.insert(number));
        let mut lists: HashMap<Option<BString>, Vec<usize>> = HashMap::new();
        for (number, values) in constrained {
            values
                .iter()
                .for_each(|value| lists.entry(value.clone()).or_default().push(*number));
        }
        let without = lists.remove(&None);
        let without = without.map(|list| Admitted::new(list, &unconstrained));
        let by_value = lists
            .into_iter()
            .filter_map(|(value, list)| Some((value?, Admitted::new(list, &unconstrained))));
        let by_value = by_value.collect();
        Self {
            plan,
            unconstrained,
            without,
            by_value,
        }
    }

    /// Whether the rule needs one of some values.
    pub(crate) fn constrains(&self, rule: usize) -> bool {
        !self.unconstrained.contains(rule)
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
    fn new(subject: &Subject, program: &mut Program, paths: &mut PathsBuilder) -> Option<Self> {
        let field = match subject {
            Subject::Field(field) => field,
            Subject::Lookup(lookup) => return Some(Self::Lookup(LookupPlan::new(lookup, paths))),
            Subject::Derived(field) => return Some(Self::Derived(program.field(field, paths))),
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

/// The fields and lookups that conditions may compare with constants.
fn candidates(rules: &[Arc<Rule>]) -> Vec<Subject> {
    let mut fields: HashMap<Arc<str>, Field> = HashMap::new();
    let mut lookups: HashMap<String, Lookup> = HashMap::new();
    for condition in rules.iter().filter_map(|rule| rule.condition()) {
        condition.for_each_field(&mut |field| {
            fields
                .entry(Arc::clone(&field.name))
                .or_insert_with(|| field.clone());
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
    let fields = fields
        .into_iter()
        .filter_map(|field| match (field.read, field.kind) {
            (Read::Text { .. }, _) => Some(Subject::Field(field)),
            // Numbers and times can be printed in several ways.
            (_, Kind::Integer | Kind::Time) => None,
            _ if is_remembered(&field) => None,
            (Read::With(_) | Read::Part(..), _) => Some(Subject::Derived(field)),
        });
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
            (Expr::Field(tested), Subject::Derived(field)) if tested == field => {
                let folded = |text: Option<BString>| Some(fold(&text?).into_owned().into());
                constants(&test.predicate).map(|texts| texts.into_iter().map(folded).collect())
            }
            _ => None,
        },
        Condition::Json(test) => {
            let asked = match (&test.subject, subject) {
                (kubevigil_rules::Subject::Lookup(tested), Subject::Lookup(lookup)) => {
                    tested == lookup
                }
                (kubevigil_rules::Subject::Field(tested), Subject::Derived(field)) => {
                    tested == field
                }
                _ => false,
            };
            asked.then(|| json_constants(&test.predicate)).flatten()
        }
    }
}

fn constants(predicate: &Predicate) -> Option<Required> {
    match predicate {
        Predicate::Compare(Compare::Equal, Needle::Text(text)) => {
            Some(Required::from([Some(text.clone())]))
        }
        Predicate::OneOf(texts) => Some(texts.iter().cloned().map(Some).collect()),
        _ => None,
    }
}

/// Folded, whether letter case matters or not: what the index lets through is evaluated.
fn json_constants(predicate: &JsonPredicate) -> Option<Required> {
    let folded = |text: &str| Some(BString::from(fold(text.as_bytes()).into_owned()));
    match predicate {
        JsonPredicate::Null => Some(Required::from([None])),
        JsonPredicate::Bool(value) => Some(Required::from([Some(value.to_string().into())])),
        JsonPredicate::Number(number, texts) => {
            let decimal = whole(*number)?;
            let texts = texts.iter().map(|text| folded(text));
            Some(texts.chain([Some(decimal.into())]).collect())
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
