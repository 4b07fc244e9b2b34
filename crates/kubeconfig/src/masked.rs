//! A copy of a kubeconfig in which secrets are stars, byte for byte, so that all places stay what they are.

use kubevigil_yaml::{Kind, Node};

/// Fields that are not for everybody's eyes, wherever they stand.
const SECRETS: [&str; 4] = ["auth-provider", "client-key-data", "password", "token"];

/// Fields that may hold secrets among ordinary words.
const DOUBTFUL: [&str; 2] = ["args", "env"];

/// Fields whose URLs may hold a user and a password.
const URLS: [&str; 2] = ["proxy-url", "server"];

/// A secret of this length is also looked for elsewhere: an anchor may have been written far from the field that it ends up in.
const LONG_SECRET: usize = 8;

/// What is hidden of a node.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Hidden {
    Nothing,
    /// It.
    Itself,
    /// It, and the same words elsewhere.
    Everywhere,
}

impl Hidden {
    fn of(field: &str) -> Self {
        if SECRETS.contains(&field) {
            Self::Everywhere
        } else if DOUBTFUL.contains(&field) {
            Self::Itself
        } else {
            Self::Nothing
        }
    }
}

/// The text with a star for each byte of a secret.
pub(crate) fn without_secrets(text: &str, root: &Node) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut open = vec![(root, Hidden::Nothing)];
    while let Some((node, hidden)) = open.pop() {
        match &node.kind {
            Kind::Scalar { text: value, .. } => hide_scalar(&mut bytes, text, node, value, hidden),
            Kind::Sequence(items) => open.extend(items.iter().map(|item| (item, hidden))),
            Kind::Mapping(pairs) => {
                for (key, value) in pairs {
                    let name = key.text().unwrap_or_default();
                    if URLS.contains(&name) {
                        hide_user_of_url(&mut bytes, text, value);
                    }
                    open.push((value, hidden.max(Hidden::of(name))));
                    open.push((key, hidden.min(Hidden::Itself)));
                }
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

fn hide_scalar(bytes: &mut [u8], text: &str, node: &Node, value: &str, hidden: Hidden) {
    if hidden >= Hidden::Itself {
        hide(bytes, node.span.start, node.span.end);
    }
    if hidden == Hidden::Everywhere && value.len() >= LONG_SECRET {
        for (at, found) in text.match_indices(value) {
            hide(bytes, at, at + found.len());
        }
    }
}

/// Hides everything before the last `@` of a URL's authority.
fn hide_user_of_url(bytes: &mut [u8], text: &str, node: &Node) {
    let written = text.get(node.span.clone()).unwrap_or_default();
    let start = written.find("://").map_or(0, |at| at + 3);
    if let Some(end) = written.rfind('@').filter(|end| *end > start) {
        hide(bytes, node.span.start + start, node.span.start + end);
    }
}

fn hide(bytes: &mut [u8], start: usize, end: usize) {
    let hidden = bytes.get_mut(start..end).unwrap_or_default();
    for byte in hidden.iter_mut().filter(|byte| !byte.is_ascii_whitespace()) {
        *byte = b'*';
    }
}
