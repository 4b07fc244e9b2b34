//! Telling Sigma's files from Falco's.

/// The keys with which an item of a Falco file begins.
const FALCO: [&str; 4] = ["rule", "macro", "list", "required_"];

/// Whether a rule file is Sigma's: a map, where Falco's are lists.
///
/// The first line that says anything decides, so a file that is broken further down still gets the messages of its own language. A
/// map that begins like an item of Falco's is one whose author forgot the dash.
pub fn is_sigma(text: &str) -> bool {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text
        .lines()
        .map(|line| line.strip_prefix("---").unwrap_or(line).trim());
    let says = |line: &&str| !line.is_empty() && !line.starts_with(['#', '%']);
    let Some(first) = lines.find(says) else {
        return false;
    };
    let is_list = first.starts_with("- ") || first == "-" || first.starts_with('[');
    !is_list && !FALCO.iter().any(|key| first.starts_with(key))
}

#[cfg(test)]
mod tests {
    use super::is_sigma;

    #[test]
    fn the_first_line_that_says_anything_decides() {
        for (text, expected) in [
            ("title: x\n", true),
            ("# note\n---\n\ntitle: x\n", true),
            ("\u{feff}title: x\n", true),
            ("--- {title: x}\n", true),
            ("action: global\n", true),
            ("- rule: x\n", false),
            ("# note\n- list: x\n", false),
            ("---\n-\n  rule: x\n", false),
            ("[{rule: x}]", false),
            ("rule: x\n", false),
            ("required_engine_version: 1\n", false),
            ("", false),
        ] {
            assert_eq!(is_sigma(text), expected, "{text:?}");
        }
    }
}
