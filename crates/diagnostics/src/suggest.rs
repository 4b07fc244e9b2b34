//! Near misses.

/// The candidate that is most like `word`, if one is near enough to be what was meant.
///
/// Near enough is a Jaro-Winkler similarity of 0.8, which finds a swapped, missing or doubled letter in a word and does
/// not offer unrelated ones.
pub fn closest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|&(similarity, candidate)| similarity >= 0.8 && candidate != word)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}
