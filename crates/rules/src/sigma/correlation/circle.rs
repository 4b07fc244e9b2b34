//! Correlations that count each other in a circle.

/// The circle into which the way from a document leads: each counts the next, the last the first.
///
/// `next` is some document that one counts and that is not settled. Where none is left the way ends in one document, which
/// then is all there is to report.
pub(super) fn find(from: usize, next: impl Fn(usize) -> Option<usize>) -> Vec<usize> {
    let mut way = vec![from];
    let mut places = std::collections::HashMap::from([(from, 0)]);
    let mut current = from;
    while let Some(number) = next(current) {
        if let Some(place) = places.insert(number, way.len()) {
            return way.split_off(place);
        }
        way.push(number);
        current = number;
    }
    vec![current]
}

/// The names of a circle; of a long one its beginning.
pub(super) fn shown(names: &[&str]) -> String {
    const LONGEST: usize = 8;
    let shown: Vec<String> = names
        .iter()
        .take(LONGEST)
        .map(|name| format!("`{name}`"))
        .collect();
    let rest = names.len().saturating_sub(LONGEST);
    let shown = shown.join(" counts ");
    if rest == 0 {
        shown
    } else {
        format!("{shown} and so on, {rest} more")
    }
}
