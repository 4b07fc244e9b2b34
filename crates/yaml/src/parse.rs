//! A file's text to the documents in it.

use granit_parser::{Parser, ScanError};

use crate::build::Builder;
use crate::node::Document;

/// Reads all documents of a file.
///
/// # Errors
///
/// The first place at which the text is no YAML, nests deeper than [`MAX_DEPTH`](crate::MAX_DEPTH), or has aliases that are unknown, name
/// a node that they stand in, or copy more than [`MAX_ALIASED`](crate::MAX_ALIASED).
pub fn parse(text: &str) -> Result<Vec<Document>, SyntaxError> {
    let options = granit_parser::options! { emit_comments: false };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| SyntaxError::of(&error, text))?;
        builder.take(event, &span)?;
    }
    Ok(builder.documents)
}

/// The file is no YAML, or asks for too much.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// The byte of the file at which reading stopped.
    pub offset: usize,
    /// What is wrong there.
    pub message: String,
}

impl SyntaxError {
    pub(crate) fn of(error: &ScanError, text: &str) -> Self {
        Self {
            offset: error.marker().byte_offset().unwrap_or(text.len()),
            message: error.info().to_owned(),
        }
    }
}

#[cfg(test)]
#[expect(clippy::string_slice, reason = "tests cut texts that they wrote")]
mod tests {
    use proptest::prelude::*;

    use super::parse;
    use crate::MAX_DEPTH;

    fn message(text: &str) -> String {
        let error = parse(text).unwrap_err();
        format!("{}: {}", error.offset, error.message)
    }

    #[test]
    fn a_file_is_any_number_of_documents() {
        assert_eq!(parse("").unwrap(), []);
        assert_eq!(parse("# only a comment\n").unwrap(), []);
        let documents = parse("---\n---\n- a\n").unwrap();
        assert!(documents[0].root.is_null());
        assert_eq!(documents[1].root.items().unwrap()[0].text(), Some("a"));
    }

    #[test]
    fn scalars_keep_what_was_written() {
        let root = parse("[yes, 010, 2.50, 00000429, 0x10, 'a', \"b\\n\", 1e3]")
            .unwrap()
            .remove(0)
            .root;
        let texts: Vec<_> = root
            .items()
            .unwrap()
            .iter()
            .filter_map(|node| node.text())
            .collect();
        assert_eq!(
            texts,
            ["yes", "010", "2.50", "00000429", "0x10", "a", "b\n", "1e3"]
        );
    }

    #[test]
    fn the_first_of_repeated_keys_is_found_and_all_are_kept() {
        let root = parse("a: 1\nb: 2\na: 3\n").unwrap().remove(0).root;
        assert_eq!(root.get("a").unwrap().text(), Some("1"));
        assert_eq!(root.pairs().unwrap().len(), 3);
    }

    #[test]
    fn merge_keys_are_ordinary_keys() {
        let root = parse("- &base {a: 1}\n- <<: *base\n  b: 2\n")
            .unwrap()
            .remove(0)
            .root;
        let merged = &root.items().unwrap()[1];
        assert!(merged.get("a").is_none());
        assert_eq!(
            merged.get("<<").unwrap().get("a").unwrap().text(),
            Some("1")
        );
    }

    #[test]
    fn nodes_know_their_bytes() {
        let text = "é: [a, 'b']\nlist:\n  - x\n  - y: z\n\nnext: 1\n";
        let root = parse(text).unwrap().remove(0).root;
        let (key, value) = root.entry("list").unwrap();
        assert_eq!(&text[key.span.clone()], "list");
        assert_eq!(&text[value.span.clone()], "- x\n  - y: z");
        assert_eq!(&text[root.get("é").unwrap().span.clone()], "[a, 'b']");
    }

    #[test]
    fn an_alias_is_a_copy() {
        let root = parse("a: &x [1, 2]\nb: *x\n").unwrap().remove(0).root;
        assert_eq!(root.get("a"), root.get("b"));
    }

    #[test]
    fn an_alias_bomb_is_an_error() {
        let mut bomb = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for level in 1..12 {
            let below = format!("*a{}, ", level - 1).repeat(8);
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(
            message(&bomb).contains("copy more than 8 MiB"),
            "{}",
            message(&bomb)
        );
    }

    #[test]
    fn depth_is_bounded_with_and_without_aliases() {
        let brackets = format!("{}{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(message(&brackets).contains("more than 100"));
        assert!(parse(&brackets[1..brackets.len() - 1]).is_ok());
        let mut ladder = "- &a0 [x]\n".to_owned();
        for level in 1..MAX_DEPTH {
            ladder.push_str(&format!("- &a{level} [*a{}]\n", level - 1));
        }
        assert!(message(&ladder).contains("more than 100"));
    }

    #[test]
    fn what_is_no_yaml_is_an_error_with_its_place() {
        assert_eq!(
            message("this : is : not : yaml\n"),
            "10: mapping values are not allowed in this context"
        );
        assert_eq!(
            message("- *nowhere\n"),
            "2: while parsing node, found unknown anchor"
        );
        assert_eq!(
            message("- &a [*a]\n"),
            "6: alias to a node that it stands in"
        );
        assert_eq!(message("a: [1, 2\n"), "3: unclosed bracket '['");
    }

    #[test]
    fn a_bracket_may_close_at_the_column_of_its_parent() {
        assert!(parse("- list: l\n  items: [\n    a,\n  ]\n").is_ok());
        assert!(parse("list: [\n  a,\n]\n").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = parse(&text);
        }

        #[test]
        fn texts_made_of_yaml_are_read_or_refused_and_their_places_are_in_them(
            pieces in proptest::collection::vec(
                prop::sample::select(vec![
                    "- ", "a", ": ", "\n", "  ", "[", "]", "{", "}", ",", "'", "\"", "\\x4", "&a ", "*a", "|\n", ">-\n",
                    "---\n", "...", "#", "é", "\t", "? ", "!!str ", "~", "%YAML 1.1\n", "\r", "\u{85}", "\u{feff}",
                ]), 0..40)
        ) {
            let text = pieces.concat();
            for document in parse(&text).unwrap_or_default() {
                walk(&document.root, &text);
            }
        }
    }

    fn walk(node: &crate::Node, text: &str) {
        assert!(node.span.start <= node.span.end && node.span.end <= text.len());
        for offset in 0..node.text().map_or(0, str::len) + 2 {
            let place = node.source_offset(text, offset);
            assert!(place <= text.len(), "{offset} of {node:?} led to {place}");
        }
        node.items()
            .unwrap_or_default()
            .iter()
            .for_each(|item| walk(item, text));
        node.pairs()
            .unwrap_or_default()
            .iter()
            .for_each(|(key, value)| {
                walk(key, text);
                walk(value, text);
            });
    }
}
