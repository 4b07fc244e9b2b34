//! Parts of conditions in words.

use std::fmt::Write as _;

use kubevigil_rules::condition::Case;
use kubevigil_rules::json_test::{Network, Relation, TimePart};
use kubevigil_rules::pattern::Token;
use kubevigil_rules::{
    Compare, Condition, Expr, JsonPredicate, Kind, Letters, Members, Needle, Pattern, Predicate,
    Quantifier, Subject, Transform,
};

/// The most values of a list that are written out.
const MAX_LISTED: usize = 12;

/// A part of a condition, without the parts in it.
pub(super) fn condition(condition: &Condition) -> String {
    match condition {
        Condition::All(_) => "all of these".to_owned(),
        Condition::Any(_) => "one of these".to_owned(),
        Condition::ExactlyOne(_) => "exactly one of these".to_owned(),
        Condition::Not(_) => "not".to_owned(),
        Condition::Test(test) => {
            let every = match (&test.subject, test.members) {
                (Expr::Field(field), Members::All) if field.kind == Kind::TextList => "every ",
                _ => "",
            };
            format!(
                "{every}{} {}",
                expr(&test.subject),
                predicate(&test.predicate)
            )
        }
        Condition::Json(test) => format!(
            "{} {}",
            subject(&test.subject),
            json_predicate(&test.predicate)
        ),
        Condition::Elements(elements) => {
            let quantifier = match elements.quantifier {
                Quantifier::Any => "an element of",
                Quantifier::All => "every element of, of which there must be one:",
                Quantifier::AllOrEmpty => "every element of",
                Quantifier::None => "no element of",
            };
            format!("{quantifier} {}", elements.of.name)
        }
    }
}

/// Where values come from.
pub(super) fn expr(expr: &Expr) -> String {
    match expr {
        Expr::Field(field) => field.name.to_string(),
        Expr::Constant(texts) => match texts.as_slice() {
            [text] => format!("\"{text}\""),
            texts => list(texts),
        },
        Expr::Transform(transform, arguments) => {
            let arguments: Vec<String> = arguments.iter().map(self::expr).collect();
            format!("{}({})", transform_name(*transform), arguments.join(", "))
        }
    }
}

/// Which values of the event.
pub(super) fn subject(subject: &Subject) -> String {
    match subject {
        Subject::Lookup(lookup) => lookup.name.to_string(),
        Subject::Field(field) => field.name.to_string(),
        Subject::AnyScalar => "any value of the event".to_owned(),
    }
}

fn predicate(predicate: &Predicate) -> String {
    let with = |words: &str, text: &Needle, case: Case| {
        let case = if case == Case::AsciiInsensitive {
            " (in any letter case)"
        } else {
            ""
        };
        format!("{words} {}{case}", needle(text))
    };
    match predicate {
        Predicate::Exists => "exists".to_owned(),
        Predicate::Compare(compare, text) => format!("{} {}", sign(*compare), needle(text)),
        Predicate::Contains(text, case) => with("contains", text, *case),
        Predicate::EndsWith(text, case) => with("ends with", text, *case),
        Predicate::StartsWith(text, case) => with("starts with", text, *case),
        Predicate::OneOf(texts) => format!("is one of {}", list(texts)),
        Predicate::OneOfValues(other) => format!("is one of the values of {}", expr(other)),
        Predicate::Glob(pattern, case) => {
            with("matches the pattern", &Needle::Text(pattern.clone()), *case)
        }
        Predicate::PathPrefix(paths) => format!("lies under one of {}", list(paths)),
        Predicate::Regex(pattern) => format!("matches /{pattern}/"),
    }
}

fn json_predicate(predicate: &JsonPredicate) -> String {
    match predicate {
        JsonPredicate::Exists => "exists".to_owned(),
        JsonPredicate::HasValue => "has a value".to_owned(),
        JsonPredicate::Null => "is null or missing".to_owned(),
        JsonPredicate::Bool(truth) => format!("is {truth}"),
        JsonPredicate::Number(number, texts) if texts.is_empty() => format!("is {number}"),
        JsonPredicate::Number(number, texts) => format!("is {number} or one of {}", list(texts)),
        JsonPredicate::OneOf(texts, letters) => match texts.as_slice() {
            [text] => format!("is \"{text}\"{}", case(*letters)),
            texts => format!("is one of {}{}", list(texts), case(*letters)),
        },
        JsonPredicate::Like(patterns, letters) => {
            let patterns: Vec<String> = patterns.iter().map(pattern).collect();
            match patterns.as_slice() {
                [pattern] => format!("is like \"{pattern}\"{}", case(*letters)),
                patterns => format!("is like one of {}{}", list(patterns), case(*letters)),
            }
        }
        JsonPredicate::Regex(pattern) => format!("matches /{pattern}/"),
        JsonPredicate::Network(networks) => {
            let networks: Vec<String> = networks.iter().map(network).collect();
            format!("is an address in {}", list(&networks))
        }
        JsonPredicate::Compare(compare, number) => format!("{} {number}", sign(*compare)),
        JsonPredicate::TimePart(part, compare, number) => {
            format!(
                "is a time whose {} {} {number}",
                part_name(*part),
                sign(*compare)
            )
        }
        JsonPredicate::Against(other, relation, letters) => {
            format!(
                "{} {}{}",
                relation_words(*relation),
                subject(other),
                case(*letters)
            )
        }
    }
}

/// Folding is what most rules mean, so only the other is said.
fn case(letters: Letters) -> &'static str {
    match letters {
        Letters::Exact => " (in exactly these letters)",
        Letters::Folded => "",
    }
}

fn needle(needle: &Needle) -> String {
    match needle {
        Needle::Integer(number) => number.to_string(),
        Needle::Text(text) => format!("\"{text}\""),
        Needle::Value(other) => expr(other),
    }
}

fn list<T: std::fmt::Display>(texts: &[T]) -> String {
    let mut list = String::from("(");
    for (number, text) in texts.iter().take(MAX_LISTED).enumerate() {
        let separator = if number == 0 { "" } else { ", " };
        let _ = write!(list, "{separator}{text}");
    }
    if texts.len() > MAX_LISTED {
        let _ = write!(list, ", and {} more", texts.len() - MAX_LISTED);
    }
    list.push(')');
    list
}

/// As a rule writes it.
fn pattern(pattern: &Pattern) -> String {
    let mut text = String::new();
    for token in &pattern.0 {
        match token {
            Token::Many => text.push('*'),
            Token::One => text.push('?'),
            Token::Char(character @ ('*' | '?')) => text.extend(['\\', *character]),
            Token::Char(character) => text.push(*character),
        }
    }
    text
}

fn network(network: &Network) -> String {
    format!("{}/{}", network.address, network.bits)
}

fn sign(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "=",
        Compare::Greater => ">",
        Compare::GreaterOrEqual => ">=",
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
    }
}

fn relation_words(relation: Relation) -> &'static str {
    match relation {
        Relation::Equals => "is the same as",
        Relation::Contains => "contains",
        Relation::StartsWith => "starts with",
        Relation::EndsWith => "ends with",
    }
}

fn part_name(part: TimePart) -> &'static str {
    match part {
        TimePart::Minute => "minute is",
        TimePart::Hour => "hour is",
        TimePart::Day => "day is",
        TimePart::Week => "week is",
        TimePart::Month => "month is",
        TimePart::Year => "year is",
    }
}

fn transform_name(transform: Transform) -> &'static str {
    match transform {
        Transform::Base64 => "b64",
        Transform::Basename => "basename",
        Transform::Concat => "concat",
        Transform::GetOpt => "getopt",
        Transform::Join => "join",
        Transform::LenList | Transform::LenText => "len",
        Transform::ToLower => "tolower",
        Transform::ToUpper => "toupper",
    }
}
