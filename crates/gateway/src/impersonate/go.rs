//! Lists as Go's `%#v` writes them, for messages in the server's words.

use kubevigil_record::quote::literal;

/// A list of texts (`[]string`).
pub(super) fn quoted_list(texts: &[String]) -> String {
    if texts.is_empty() {
        return "[]string(nil)".to_owned();
    }
    let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
    format!("[]string{{{}}}", texts.join(", "))
}
