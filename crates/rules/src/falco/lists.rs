//! Lists: named texts that are pasted into conditions.
//!
//! Falco replaces list names in the text of a condition before it parses it. So a list name is also replaced inside
//! quotes and on the right of `=`, and an item that holds a parenthesis breaks the condition. Rule files in the wild rely
//! on details of this; it is done here exactly so, as text. Replacing names in the parsed tree would be cleaner and would
//! accept, refuse and mean something else.

use std::collections::HashSet;
use std::sync::Arc;

use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::collection::{Collection, Named};
use crate::falco::items::{Noted, Read, Reader};
use crate::falco::overrides::{Mode, Operation, Overridable};
use crate::falco::text::{MAX_LENGTH, Text};

const OVERRIDABLE: Overridable = Overridable {
    append: &["items"],
    replace: &["items"],
};

/// Reads a `list` item into the collection.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, collection: &mut Collection) -> Read<()> {
    let name = reader.name(node, "list")?;
    reader.check_keys(node, &["list", "items", "append", "override"]);
    let items = reader
        .required(node, "items")
        .and_then(|items| reader.scalars(items, "items"));
    let mode = OVERRIDABLE.mode(reader, node);
    let (Ok(items), Ok(mode)) = (items, mode) else {
        collection.lists.mark_broken(&name);
        return Err(Noted);
    };
    if !is_sound_name(&name) {
        let message = "a list name should not hold blanks or any of ( ) \" ' = ,";
        reader.warning(codes::INVALID_LIST_NAME, reader.name_span.clone(), message);
    }
    let appends = match mode {
        Mode::Define => false,
        Mode::Append => true,
        Mode::Override(entries) => entries
            .iter()
            .any(|(_, operation)| *operation == Operation::Append),
    };
    if !appends {
        collection.lists.define(&name, items, reader);
        return Ok(());
    }
    if let Some(existing) = collection.lists.change(&name) {
        existing.extend(items);
    } else if !collection.lists.is_broken(&name) {
        return Err(reader.nothing_to_change("list", &name));
    }
    Ok(())
}

fn is_sound_name(name: &str) -> bool {
    !name.contains(|c: char| c.is_ascii_whitespace() || "()\"'=,".contains(c))
}

/// All lists, ready to be pasted, in the order of their first definition.
pub(super) struct Pasting {
    lists: Vec<(Arc<str>, String)>,
    used: HashSet<Arc<str>>,
}

/// A text grew beyond what any real condition has.
#[derive(Debug)]
pub(super) struct TooLong;

impl Pasting {
    /// Prepares the lists: puts the items of lists that are named as items in their place, one level deep.
    pub(super) fn of(lists: &Named<Vec<Text>>) -> Self {
        let mut used = HashSet::new();
        let mut prepared = Vec::new();
        for entry in lists.entries() {
            let mut pasted = String::new();
            for item in &entry.value {
                // Nothing that holds it will load; lists of lists grow with the square of the file.
                if pasted.len() > MAX_LENGTH {
                    break;
                }
                match lists
                    .entry(item.as_str())
                    .filter(|inner| inner.first < entry.latest)
                {
                    Some(inner) => {
                        used.insert(Arc::clone(&inner.name));
                        inner
                            .value
                            .iter()
                            .for_each(|item| push_item(&mut pasted, item.as_str()));
                    }
                    None => push_item(&mut pasted, item.as_str()),
                }
            }
            prepared.push((Arc::clone(&entry.name), pasted));
        }
        Self {
            lists: prepared,
            used,
        }
    }

    /// The text with all list names replaced.
    ///
    /// # Errors
    ///
    /// When the result is longer than [`MAX_LENGTH`].
    pub(super) fn paste(&mut self, text: &Text) -> Result<Text, TooLong> {
        let mut text = text.clone();
        for (name, items) in &self.lists {
            if let Some(pasted) = replace(&text, name, items)? {
                text = pasted;
                self.used.insert(Arc::clone(name));
            }
        }
        Ok(text)
    }

    /// The lists that have been pasted into any text or list.
    pub(super) fn used(&mut self) -> &mut HashSet<Arc<str>> {
        &mut self.used
    }
}

/// Adds an item to the text of a list. An empty first item vanishes: nothing separates it from the second.
fn push_item(pasted: &mut String, item: &str) {
    if !pasted.is_empty() {
        pasted.push_str(", ");
    }
    pasted.push_str(&quoted(item));
}

/// An item as it is pasted: in double quotes when it holds a blank and does not begin with a quote. Nothing is escaped.
pub(super) fn quoted(item: &str) -> String {
    if item.contains(is_blank) && !item.starts_with(['"', '\'']) {
        format!("\"{item}\"")
    } else {
        item.to_owned()
    }
}

/// Replaces every occurrence of a list name between blanks, parentheses, commas, equals signs or the text's ends.
/// Blanks around it are swallowed; `None` when there is none.
fn replace(text: &Text, name: &str, items: &str) -> Result<Option<Text>, TooLong> {
    let whole = text.as_str();
    let mut out = Text::default();
    let mut copied = 0;
    let mut from = 0;
    while let Some(start) = whole
        .get(from..)
        .and_then(|rest| rest.find(name))
        .map(|at| from + at)
    {
        let end = start + name.len();
        let rest = whole.get(end..).unwrap_or_default();
        let before = whole.get(copied..start).unwrap_or_default();
        from = end;
        if !before.chars().next_back().is_none_or(is_delimiter)
            || !rest.chars().next().is_none_or(is_delimiter)
        {
            continue;
        }
        out.append_part(text, copied..start);
        let after = paste_one(&mut out, items, rest);
        copied = whole.len() - after.len();
        from = copied;
        if out.as_str().len() > MAX_LENGTH {
            return Err(TooLong);
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    out.append_part(text, copied..whole.len());
    Ok(Some(out))
}

/// Puts the items at the end of `out`; returns what of the text behind the name is left. An empty list takes one comma
/// with it, the one on its left if there is one.
fn paste_one<'t>(out: &mut Text, items: &str, behind: &'t str) -> &'t str {
    out.truncate(out.as_str().trim_end_matches(is_blank).len());
    let mut behind = behind.trim_start_matches(is_blank);
    if items.is_empty() {
        match out.as_str().strip_suffix(',') {
            Some(shorter) => out.truncate(shorter.len()),
            None => behind = behind.strip_prefix(',').unwrap_or(behind),
        }
    }
    if !out.as_str().is_empty() {
        out.push(" ");
    }
    out.push(items);
    out.push(" ");
    behind
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn is_delimiter(character: char) -> bool {
    is_blank(character) || matches!(character, '(' | ')' | ',' | '=')
}

#[cfg(test)]
mod tests {
    use super::{quoted, replace};
    use crate::falco::text::Text;

    fn pasted(text: &str, items: &str) -> String {
        let mut whole = Text::default();
        whole.push(text);
        replace(&whole, "l", items)
            .unwrap()
            .map_or("-".to_owned(), |text| text.as_str().to_owned())
    }

    #[test]
    fn a_name_is_replaced_between_delimiters_only() {
        assert_eq!(pasted("v in (l)", "a, b"), "v in ( a, b )");
        assert_eq!(pasted("v in (  l , l)", "a"), "v in ( a , a )");
        assert_eq!(pasted("v=l", "a"), "v= a ");
        assert_eq!(pasted("l", "a"), "a ");
        assert_eq!(pasted("v = \"x l y\"", "a"), "v = \"x a y\"");
        assert_eq!(pasted("all l-x xl lé", "a"), "-");
    }

    #[test]
    fn an_empty_list_takes_a_comma_with_it() {
        assert_eq!(pasted("(a, l, b)", ""), "(a  , b)");
        assert_eq!(pasted("(l, b)", ""), "(   b)");
        assert_eq!(pasted("(a, l)", ""), "(a  )");
        assert_eq!(pasted("(l)", ""), "(  )");
        assert_eq!(pasted("(a, l, l)", ""), "(a    )");
    }

    #[test]
    fn items_with_blanks_are_quoted_unless_they_are() {
        assert_eq!(quoted("two words"), "\"two words\"");
        assert_eq!(quoted("'two words'"), "'two words'");
        assert_eq!(quoted("a,b"), "a,b");
    }
}
