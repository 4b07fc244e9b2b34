//! The rules that a correlation counts, and where each has the values that matter.

use std::sync::Arc;

use crate::correlation::{CorrelationKind, EventValue, Member};
use crate::field::Kind;
use crate::json_test::Subject;
use crate::rule::Rule;
use crate::sigma::codes;
use crate::sigma::correlation::Statement;
use crate::sigma::correlation::aliases::Alias;
use crate::sigma::correlation::body::Word;
use crate::sigma::correlation::names::{Names, Target};
use crate::sigma::fields::Fields;
use crate::sigma::problems::Problems;

/// Lists that every event has, and what to group by instead.
const LISTS: [(&str, &str); 3] = [
    (
        "sourceIPs",
        "`kv.address` is the one address that the client cannot choose",
    ),
    (
        "user.groups",
        "`user.username` or `kv.identity` has one value",
    ),
    (
        "impersonatedUser.groups",
        "`kv.effectiveUser` or `kv.effectiveIdentity` has one value",
    ),
];

/// What is needed to find the values of a statement.
pub(super) struct Reader<'r> {
    pub(super) statement: &'r Statement,
    /// What the rules of the statement lead to, in the same order.
    pub(super) targets: &'r [Option<Target>],
    pub(super) names: &'r Names,
    pub(super) fields: &'r Fields,
}

impl Reader<'_> {
    /// The members, when all that they need is there. Mistakes are noted.
    pub(super) fn members(
        &self,
        rules: Vec<Arc<Rule>>,
        problems: &mut Problems,
    ) -> Option<Vec<Member>> {
        self.check_aliases(problems);
        let group = self.all_values(&self.statement.group_by, problems);
        let values = self.all_values(&self.statement.values, problems);
        self.warn_of_lists(problems);
        let (group, values) = (group?, values?);
        let of_member = |columns: &[Vec<EventValue>], member: usize| -> Vec<EventValue> {
            columns
                .iter()
                .filter_map(|column| column.get(member).cloned())
                .collect()
        };
        let members = rules.into_iter().enumerate().map(|(number, rule)| Member {
            rule,
            group: of_member(&group, number),
            values: of_member(&values, number),
        });
        Some(members.collect())
    }

    /// For each word its value in every member.
    fn all_values(&self, words: &[Word], problems: &mut Problems) -> Option<Vec<Vec<EventValue>>> {
        let values: Vec<_> = words
            .iter()
            .map(|word| self.values(word, problems))
            .collect();
        values.into_iter().collect()
    }

    fn values(&self, word: &Word, problems: &mut Problems) -> Option<Vec<EventValue>> {
        let Some(alias) = self.alias(&word.text) else {
            let value = value(word, self.fields, problems)?;
            return Some(vec![value; self.statement.rules.len()]);
        };
        let mut values = Vec::new();
        for (rule, target) in self.statement.rules.iter().zip(self.targets) {
            let mut fields = alias.fields.iter();
            let field = fields.find(|(name, _)| {
                target.is_some() && self.names.find(&name.text, &problems.source) == *target
            });
            values.push(match field {
                Some((_, field)) => value(field, self.fields, problems),
                None => {
                    let (alias, rule) = (&alias.name, &rule.text);
                    let message = format!(
                        "alias `{}` does not say which field it is for rule `{rule}`",
                        alias.text
                    );
                    let help = format!("add `{rule}: FIELD` to it");
                    problems.error_with_help(codes::CORRELATION, alias.span.clone(), message, help)
                }
            });
        }
        values.into_iter().collect()
    }

    fn alias(&self, name: &str) -> Option<&Alias> {
        let mut aliases = self.statement.aliases.iter();
        aliases.find(|alias| alias.name.text == name)
    }

    fn check_aliases(&self, problems: &mut Problems) {
        let statement = self.statement;
        for alias in &statement.aliases {
            for (rule, _) in &alias.fields {
                let target = self.names.find(&rule.text, &problems.source);
                if target.is_none() || !self.targets.contains(&target) {
                    let message = format!(
                        "alias `{}` is for rule `{}`, which is not in `rules`",
                        alias.name.text, rule.text
                    );
                    let known = statement.rules.iter().map(|rule| rule.text.as_str());
                    problems.unknown::<()>(
                        codes::CORRELATION,
                        rule.span.clone(),
                        message,
                        &rule.text,
                        known,
                    );
                }
            }
            let mut used = statement.group_by.iter().chain(&statement.values);
            if !used.any(|word| word.text == alias.name.text) {
                let message = format!("alias `{}` is not used", alias.name.text);
                let help = "name it in `group-by`, or leave it out";
                problems.warning(codes::UNUSED_ALIAS, alias.name.span.clone(), message, help);
            }
        }
    }

    /// In a join each member of a list is a group of its own; elsewhere the list as a whole is one.
    fn warn_of_lists(&self, problems: &mut Problems) {
        if matches!(self.statement.kind, Some(CorrelationKind::Join)) {
            return;
        }
        for word in &self.statement.group_by {
            let aliased = self
                .alias(&word.text)
                .into_iter()
                .flat_map(|alias| &alias.fields);
            let plain = Some(word).filter(|word| self.alias(&word.text).is_none());
            for field in aliased.map(|(_, field)| field).chain(plain) {
                if let Some(help) = instead_of_list(&field.text, self.fields) {
                    let message = format!(
                        "`{}` is a list, and the list as a whole makes the group",
                        field.text
                    );
                    problems.warning(codes::GROUP_BY_ARRAY, field.span.clone(), message, help);
                }
            }
        }
    }
}

fn value(word: &Word, fields: &Fields, problems: &mut Problems) -> Option<EventValue> {
    match fields.resolve(&word.text) {
        Ok(resolved) => match resolved.subject {
            Subject::Field(field) => Some(EventValue::Field(field)),
            Subject::Lookup(lookup) => Some(EventValue::Lookup(lookup)),
            Subject::AnyScalar => None,
        },
        Err(unknown) => unknown.report(word.span.clone(), problems),
    }
}

/// What to group by in place of a list.
fn instead_of_list(name: &str, fields: &Fields) -> Option<&'static str> {
    let names = fields.names(name);
    if let Some((_, help)) = LISTS
        .iter()
        .find(|(list, _)| names.iter().any(|name| name == list))
    {
        return Some(help);
    }
    match fields.resolve(name).ok()?.subject {
        Subject::Field(field) if field.kind == Kind::TextList => {
            Some("a `join` and `value_count` look at the members of a list one by one")
        }
        _ => None,
    }
}
