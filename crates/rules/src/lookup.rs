//! Looking values up by dotted names in JSON whose keys may have dots themselves.
//!
//! `annotations.authorization.k8s.io/decision` names a key with dots inside an object. Which dots separate and which belong to a
//! key is known only when an event is there: at each object the whole rest of the name is tried as one key first, then shorter
//! beginnings, and the first that leads anywhere counts. An array on the way stands for its elements. Of equal keys in
//! one object the last counts, as Go reads them.
//!
//! The rejected alternative, one path for each way to cut the name, doubles with every dot. The matcher instead reads the ordinary
//! cut in its pass over the event, notices when any other cut might apply, and only then comes here.

use std::fmt;
use std::sync::Arc;

use kubevigil_audit::json::{Json, JsonKind};

/// Where values are looked up: a name and what it stands for.
///
/// Two lookups are equal when their paths are.
#[derive(Clone)]
pub struct Lookup {
    /// The name as the rule's author wrote it.
    pub name: Arc<str>,
    /// What the name stands for; the values of several paths count together.
    pub paths: Arc<[Dotted]>,
}

/// A dotted path: one step, or several with elements of arrays picked between them.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Dotted {
    /// Outermost first; at least one.
    pub steps: Box<[Step]>,
}

/// A part of a [`Dotted`] path.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Step {
    /// The name cut at every dot; empty for the value itself.
    pub segments: Box<[Box<str>]>,
    /// The element of the array that stands there, counted from 0, or from the end when negative; `None` for what stands there.
    pub element: Option<i64>,
}

impl Lookup {
    /// A lookup of one dotted name.
    pub fn dotted(name: &str) -> Self {
        Self::of_paths(name, [Dotted::new(name)])
    }

    /// A name that stands for several paths.
    pub fn of_paths(name: &str, paths: impl IntoIterator<Item = Dotted>) -> Self {
        Self {
            name: name.into(),
            paths: paths.into_iter().collect(),
        }
    }

    /// Appends what stands at the lookup's paths, beginning at `from`. Arrays that stand there are not taken apart.
    pub fn places<'e>(&self, from: Json<'e>, places: &mut Vec<Json<'e>>) {
        self.paths.iter().for_each(|path| path.places(from, places));
    }
}

impl Dotted {
    /// The path of a name; `.` alone is the value itself.
    pub fn new(name: &str) -> Self {
        Self {
            steps: Box::new([Step::new(name, None)]),
        }
    }

    /// Whether the path is the value itself.
    pub fn is_self(&self) -> bool {
        matches!(self.steps.as_ref(), [step] if step.segments.is_empty() && step.element.is_none())
    }

    /// Appends what stands at the path, beginning at `from`.
    pub fn places<'e>(&self, from: Json<'e>, places: &mut Vec<Json<'e>>) {
        let mut current = vec![from];
        for step in &self.steps {
            let mut next = Vec::new();
            for place in current {
                resolve(place, &step.segments, &mut next);
            }
            current = match step.element {
                Some(number) => next
                    .into_iter()
                    .filter_map(|place| element(place, number))
                    .collect(),
                None => next,
            };
        }
        places.append(&mut current);
    }
}

impl Step {
    /// The step of a name and the element picked behind it.
    pub fn new(name: &str, element: Option<i64>) -> Self {
        let segments = match name {
            "." | "" => Box::default(),
            name => name.split('.').map(Box::from).collect(),
        };
        Self { segments, element }
    }
}

/// Appends what stands at the segments below `from`. The depth of recursion is the number of segments: arrays within
/// arrays are walked without.
pub fn resolve<'e>(from: Json<'e>, segments: &[Box<str>], places: &mut Vec<Json<'e>>) {
    if segments.is_empty() {
        places.push(from);
        return;
    }
    match from.kind() {
        JsonKind::Array => {
            any_member(from, &mut |member| {
                if member.kind() == JsonKind::Object {
                    resolve_in_object(member, segments, places);
                }
                false
            });
        }
        JsonKind::Object => resolve_in_object(from, segments, places),
        _ => {}
    }
}

fn resolve_in_object<'e>(object: Json<'e>, segments: &[Box<str>], places: &mut Vec<Json<'e>>) {
    let mut found: Vec<(usize, Json<'e>)> = Vec::new();
    for (key, value) in object.members() {
        if let Some(taken) = segments_of(&key, segments) {
            found.retain(|(other, _)| *other != taken);
            found.push((taken, value));
        }
    }
    found.sort_by_key(|(taken, _)| std::cmp::Reverse(*taken));
    for (taken, value) in found {
        let before = places.len();
        resolve(value, segments.get(taken..).unwrap_or_default(), places);
        if places.len() > before {
            return;
        }
    }
}

/// How many segments, joined by dots, are the key.
fn segments_of(key: &[u8], segments: &[Box<str>]) -> Option<usize> {
    let mut rest = key;
    for (number, segment) in segments.iter().enumerate() {
        rest = rest.strip_prefix(segment.as_bytes())?;
        if rest.is_empty() {
            return Some(number + 1);
        }
        rest = rest.strip_prefix(b".")?;
        // A key that ends in a dot has an empty segment behind it, which the next turn asks for.
        if rest.is_empty() && segments.get(number + 1).is_none_or(|next| !next.is_empty()) {
            return None;
        }
    }
    None
}

fn element(array: Json<'_>, number: i64) -> Option<Json<'_>> {
    let forward = usize::try_from(number).ok();
    let position = match forward {
        Some(position) => position,
        None => {
            let back = usize::try_from(number.unsigned_abs()).ok()?;
            array.elements().count().checked_sub(back)?
        }
    };
    array.elements().nth(position)
}

/// Whether `holds` for the value, or for some member when the value is an array; arrays in arrays count as their members.
///
/// One pass and no recursion, whatever the nesting: to go into an array is to step over its bracket.
pub fn any_member<'e>(value: Json<'e>, holds: &mut dyn FnMut(Json<'e>) -> bool) -> bool {
    if value.kind() != JsonKind::Array {
        return holds(value);
    }
    let raw = value.raw();
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        if matches!(byte, b'[' | b']' | b',' | b' ' | b'\t' | b'\n' | b'\r') {
            at += 1;
            continue;
        }
        let member = raw.get(at..).and_then(Json::first_in);
        at += member.map_or(1, |member| member.raw().len().max(1));
        if member.is_some_and(&mut *holds) {
            return true;
        }
    }
    false
}

/// Whether `holds` for some string, number, truth value or null at any depth. Keys are not values. One pass, no recursion.
pub fn any_scalar<'e>(value: Json<'e>, holds: &mut dyn FnMut(Json<'e>) -> bool) -> bool {
    let raw = value.raw();
    let mut at = 0;
    while let Some(byte) = raw.get(at) {
        if matches!(
            byte,
            b'[' | b']' | b'{' | b'}' | b',' | b':' | b' ' | b'\t' | b'\n' | b'\r'
        ) {
            at += 1;
            continue;
        }
        let scalar = raw.get(at..).and_then(Json::first_in);
        at += scalar.map_or(1, |scalar| scalar.raw().len().max(1));
        if !is_colon_next(raw, at) && scalar.is_some_and(&mut *holds) {
            return true;
        }
    }
    false
}

fn is_colon_next(raw: &[u8], at: usize) -> bool {
    let rest = raw.get(at..).unwrap_or_default();
    let next = rest
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    next == Some(&b':')
}

impl PartialEq for Lookup {
    fn eq(&self, other: &Self) -> bool {
        self.paths == other.paths
    }
}

/// Shows the paths, which decide what it means; the name is for people.
impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.paths.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(event: &str, path: &Dotted) -> Vec<String> {
        let mut places = Vec::new();
        path.places(Json::first_in(event.as_bytes()).unwrap(), &mut places);
        places
            .iter()
            .map(|place| String::from_utf8_lossy(place.raw()).into_owned())
            .collect()
    }

    #[test]
    fn the_longest_key_that_leads_anywhere_counts() {
        for (event, name, expected) in [
            (r#"{"a":{"b":2}}"#, "a.b", vec!["2"]),
            (r#"{"a.b":1,"a":{"b":2}}"#, "a.b", vec!["1"]),
            (r#"{"a.b":{"x":1},"a":{"b":{"c":2}}}"#, "a.b.c", vec!["2"]),
            (r#"{"a":{"b.c":1,"b":{"c":2}}}"#, "a.b.c", vec!["1"]),
            (r#"{"a.b":{"c":1},"a":{"b.c":2}}"#, "a.b.c", vec!["1"]),
            (r#"{"a":1,"a":2}"#, "a", vec!["2"]),
            (
                r#"{"a":[{"b":1},[{"b":2}],3,{"b.c":4}]}"#,
                "a.b",
                vec!["1", "2"],
            ),
            (r#"{"a":[]}"#, "a", vec!["[]"]),
            (r#"{"a":[]}"#, "a.b", vec![]),
            (r#"{"a.":1}"#, "a.", vec!["1"]),
            (r#"{"a":{"":1}}"#, "a.", vec!["1"]),
            (r#"{"a.":1}"#, "a.b", vec![]),
        ] {
            assert_eq!(
                found(event, &Dotted::new(name)),
                expected,
                "{name} in {event}"
            );
        }
    }

    #[test]
    fn elements_are_picked_from_both_ends() {
        let event = r#"{"a":[{"b":1},{"b":2},{"b":3}]}"#;
        for (number, expected) in [(0, vec!["1"]), (-1, vec!["3"]), (3, vec![]), (-4, vec![])] {
            let steps = [Step::new("a", Some(number)), Step::new("b", None)];
            let path = Dotted {
                steps: Box::new(steps),
            };
            assert_eq!(found(event, &path), expected, "{number}");
        }
    }

    #[test]
    fn scalars_are_found_at_any_depth_and_keys_are_none() {
        let event = r#"{"a" : "x", "b":[1,{"c":null,"d":[true, "e:"]}], "f":"g\":h"}"#;
        let mut seen = Vec::new();
        any_scalar(Json::first_in(event.as_bytes()).unwrap(), &mut |scalar| {
            seen.push(String::from_utf8_lossy(scalar.raw()).into_owned());
            false
        });
        assert_eq!(seen, ["\"x\"", "1", "null", "true", "\"e:\"", r#""g\":h""#]);
    }

    #[test]
    fn a_hundred_thousand_nested_arrays_are_one_pass() {
        let event = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let value = Json::first_in(event.as_bytes()).unwrap();
        assert!(any_member(value, &mut |member| member.raw() == b"1"));
    }
}
