//! What is run in a container, from the query of the request.

use std::borrow::Cow;

use crate::derived::query;
use crate::derived::values::{input, input_is, list, made};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Kind, Read, Values};

const PATHS: &[Path] = &[
    &["requestURI"],
    &["objectRef", "subresource"],
    &["objectRef", "resource"],
];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::new(
        "kv.execCommand",
        Kind::TextList,
        Read::With(words),
        PATHS,
        "The command that an exec runs, word by word, decoded from the request URI. For the node proxy the command that the kubelet \
         is asked to run.",
    )
    .note("What is typed into a shell afterwards is in no audit event."),
    Entry::new(
        "kv.execCommandLine",
        Kind::Text,
        Read::With(line),
        PATHS,
        "kv.execCommand joined by blanks.",
    ),
    Entry::new(
        "kv.execContainer",
        Kind::Text,
        Read::With(container),
        PATHS,
        "The container that an exec or attach names.",
    ),
];

/// The words of the command; none for requests that run nothing.
fn command<'u>(inputs: &Inputs<'_, '_>, uri: &'u [u8]) -> Vec<Cow<'u, [u8]>> {
    if input_is(inputs, 1, b"exec") {
        return query::values(uri, "command").collect();
    }
    if input_is(inputs, 1, b"proxy") && input_is(inputs, 2, b"nodes") {
        // The kubelet's `/exec/` takes `command`, its `/run/` takes `cmd`.
        let named = |name: &[u8]| matches!(name, b"command" | b"cmd");
        let words = query::parameters(uri).filter(|(name, _)| named(name));
        return words.map(|(_, value)| value).collect();
    }
    Vec::new()
}

fn words<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let uri = input(inputs, 0).unwrap_or_default();
    let words = command(inputs, &uri).into_iter();
    list(words.map(|word| Cow::Owned(word.into_owned())))
}

fn line<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let uri = input(inputs, 0).unwrap_or_default();
    let words = command(inputs, &uri);
    made((!words.is_empty()).then(|| words.join(b" ".as_slice())))
}

fn container<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let uri = input(inputs, 0).unwrap_or_default();
    let in_container = input_is(inputs, 1, b"exec") || input_is(inputs, 1, b"attach");
    let mut named = query::values(&uri, "container").filter(|_| in_container);
    let value = named.next().filter(|value| !value.is_empty());
    made(value.map(Cow::into_owned))
}
