//! Questions to any value of an event, wherever it stands (Sigma's keywords).
//!
//! A rule asks for a dozen words and expressions, an event has a hundred values, and asking each of each takes longer than all other rules
//! together. So the texts of all values are written one behind the other, once an event, and a question first searches them at once, with
//! a [`Hint`]: an expression that matches in every text in which the question's does, and maybe in others. Only when it matches are
//! values asked one by one.
//!
//! A hint is what the question's expression has between its repetitions, mostly a few words, which a search finds at several bytes a cycle.
//! The whole expression took more time than it saved: one that begins with "no letter, or the start" has to be tried at every byte.

use std::cell::OnceCell;

use kubevigil_audit::json::Json;
use kubevigil_rules::JsonPredicate;
use kubevigil_rules::json_test::scalar_text;
use kubevigil_rules::lookup::any_scalar;
use kubevigil_rules::pattern;
use regex::bytes::Regex;
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Capture, Hir, HirKind, Repetition};

/// What the texts of an event match when one of them satisfies a question.
#[derive(Debug)]
pub(crate) struct Hint(Regex);

/// The texts of all values of an event.
#[derive(Debug, Default)]
pub(crate) struct Texts(OnceCell<Vec<u8>>);

impl Hint {
    /// The hint of a predicate; `None` for one that is no search for text, or that little says about the text.
    pub(crate) fn new(predicate: &JsonPredicate) -> Option<Self> {
        let pattern = match predicate {
            JsonPredicate::Regex(pattern) => pattern.to_string(),
            JsonPredicate::Like(patterns, letters) => pattern::any_of(patterns, *letters),
            _ => return None,
        };
        // Whether letters beyond ASCII are the same depends on whose tables are newer.
        let hir = pattern.is_ascii().then(|| parse(&pattern))??;
        let core = core(&without_looks(&hir));
        let says_something = core.properties().minimum_len() > Some(0);
        let regex = says_something.then(|| Regex::new(&core.to_string()))?;
        regex.ok().map(Self)
    }

    /// Whether some value may satisfy the question.
    pub(crate) fn may_hold(&self, texts: &Texts, event: Json<'_>) -> bool {
        self.0.is_match(texts.0.get_or_init(|| all_texts(event)))
    }
}

fn all_texts(event: Json<'_>) -> Vec<u8> {
    let mut all = Vec::with_capacity(event.raw().len());
    any_scalar(event, &mut |value| {
        if let Some(text) = scalar_text(value) {
            all.extend_from_slice(&text);
            all.push(b'\n');
        }
        false
    });
    all
}

fn parse(pattern: &str) -> Option<Hir> {
    let mut parser = ParserBuilder::new().utf8(false).build();
    parser.parse(pattern).ok()
}

/// The expression without what it says about the text around it. Recursion follows the nesting of the expression, which its parser bounds.
fn without_looks(hir: &Hir) -> Hir {
    let all = |parts: &[Hir]| parts.iter().map(without_looks).collect();
    match hir.kind() {
        HirKind::Look(_) => Hir::empty(),
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) => hir.clone(),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(without_looks(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(Capture { sub, .. }) => without_looks(sub),
        HirKind::Concat(parts) => Hir::concat(all(parts)),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)),
    }
}

/// An expression that matches somewhere within every match of this one: what stands between repetitions.
fn core(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(core).collect()),
        HirKind::Concat(parts) => {
            let says_little = |part: &Hir| {
                let is_repeated = matches!(part.kind(), HirKind::Repetition(_));
                is_repeated || part.properties().minimum_len() == Some(0)
            };
            let runs = parts
                .split(says_little)
                .map(|run| Hir::concat(run.to_vec()));
            let longest = runs.max_by_key(|run| run.properties().minimum_len());
            longest.unwrap_or_else(Hir::empty)
        }
        _ => hir.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_holds_wherever_its_question_does() {
        for (pattern, text) in [
            ("^ab$", "ab"),
            (r"\bab\b", "x ab"),
            ("(?m)^a.*$", "x\na"),
            ("(^|[^a])bb($|c)", "bbb"),
            ("(?i)PASS(word|wd)$", "my PassWD"),
            (r"\Aa\xC3\z", "a\u{c3}"),
            (r"(?s)\Aa.b\z", "a\nb"),
            (r"x?(a+|b)c\d+def*", "yac1de"),
            (r"(key|(word)+)\s*=", "wordword ="),
        ] {
            let regex = Regex::new(pattern).unwrap();
            assert!(regex.is_match(text.as_bytes()), "{pattern}");
            let hint = Hint::new(&JsonPredicate::Regex(pattern.into())).unwrap();
            let event = format!(r#"{{"first":1,"text":{text:?},"last":[true]}}"#);
            let event = Json::first_in(event.as_bytes()).unwrap();
            assert!(hint.may_hold(&Texts::default(), event), "{pattern}");
        }
    }

    #[test]
    fn what_matches_everything_gives_no_hint() {
        for pattern in ["", "^", "a*", "(^|b?)", "(a|b*)", r"\d+\s+"] {
            let hint = Hint::new(&JsonPredicate::Regex(pattern.into()));
            assert!(hint.is_none(), "{pattern}");
        }
    }
}
