//! The oracle: what `serde_json` makes of a text, and whether the reader agrees. Tests and the fuzz target share it.

use std::borrow::Cow;
use std::fmt;

use kubevigil_audit::json::{Duplicates, Json, JsonKind, PathId, PathScratch, Paths, PathsBuilder};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

const BOTH: [Duplicates; 2] = [Duplicates::First, Duplicates::Last];

/// JSON with all members of its objects, equal keys included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Object(Vec<(String, Tree)>),
    Array(Vec<Tree>),
    Scalar(serde_json::Value),
}

impl Tree {
    fn member(&self, key: &str, duplicates: Duplicates) -> Option<&Tree> {
        let Tree::Object(members) = self else {
            return None;
        };
        let mut equal = members
            .iter()
            .filter(|(name, _)| name == key)
            .map(|(_, value)| value);
        match duplicates {
            Duplicates::First => equal.next(),
            Duplicates::Last => equal.next_back(),
        }
    }

    /// All values at the path, arrays on the way taken apart.
    fn places<'t>(&'t self, keys: &[&str], duplicates: Duplicates, places: &mut Vec<&'t Tree>) {
        let [key, rest @ ..] = keys else {
            return places.push(self);
        };
        match self {
            Tree::Array(elements) => {
                elements
                    .iter()
                    .for_each(|element| element.places(keys, duplicates, places));
            }
            _ => {
                if let Some(value) = self.member(key, duplicates) {
                    value.places(rest, duplicates, places);
                }
            }
        }
    }

    /// The value at the path, through objects only.
    fn get(&self, keys: &[&str], duplicates: Duplicates) -> Option<&Tree> {
        keys.iter()
            .try_fold(self, |tree, key| tree.member(key, duplicates))
    }

    fn has_duplicates(&self, paths: &[Vec<&'static str>]) -> bool {
        let below = |key: &str| -> Vec<Vec<&'static str>> {
            let rest = paths.iter().filter(|path| path.first() == Some(&key));
            rest.map(|path| path[1..].to_vec()).collect()
        };
        let Tree::Object(members) = self else {
            return false;
        };
        members.iter().enumerate().any(|(at, (key, value))| {
            let below = below(key);
            let again = members[..at].iter().any(|(earlier, _)| earlier == key);
            !below.is_empty() && (again || value.has_duplicates(&below))
        })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keep;
        impl<'de> Visitor<'de> for Keep {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Tree::Object(members))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Tree::Array(elements))
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Scalar(serde_json::Value::Null))
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Scalar(value.into()))
            }
        }
        deserializer.deserialize_any(Keep)
    }
}

/// Every path of up to three of these keys.
pub(crate) struct Asked {
    pub(crate) paths: Paths,
    pub(crate) ids: Vec<PathId>,
    pub(crate) keys: Vec<Vec<&'static str>>,
}

impl Asked {
    pub(crate) fn new() -> Self {
        const KEYS: [&str; 4] = ["a", "é", "\\", "requestReceivedTimestamp"];
        let mut keys = vec![vec![]];
        for _ in 0..3 {
            let longer =
                |path: &Vec<&'static str>| KEYS.map(|key| [path.as_slice(), &[key]].concat());
            keys = keys.iter().flat_map(longer).chain([vec![]]).collect();
        }
        let mut builder = PathsBuilder::new();
        let ids = keys.iter().map(|path| builder.add(path)).collect();
        Self {
            paths: builder.build(),
            ids,
            keys,
        }
    }

    /// Holds the reader to the oracle for one text, which either may refuse.
    pub(crate) fn check(&self, text: &[u8]) {
        let tree = serde_json::from_slice::<Tree>(text).ok();
        if let Some(tree) = &tree {
            assert_eq!(&rebuild(Json::first_in(text).unwrap()), tree);
        }
        for duplicates in BOTH {
            let mut scratch = PathScratch::default();
            let found = self.paths.read(text, duplicates, &mut scratch);
            let Some(tree @ Tree::Object(_)) = &tree else {
                continue;
            };
            assert!(found.is_ok(), "refused {:?}: {:?}", text, found.err());
            let found = found.unwrap();
            assert_eq!(found.has_duplicates(), tree.has_duplicates(&self.keys));
            for (id, keys) in self.ids.iter().zip(&self.keys) {
                let mut places = Vec::new();
                found.places(*id, &mut places);
                let mut wanted = Vec::new();
                tree.places(keys, duplicates, &mut wanted);
                let places: Vec<Tree> = places.into_iter().map(parse).collect();
                assert_eq!(places.iter().collect::<Vec<_>>(), wanted, "{:?}", keys);
                let value = found.get(*id).map(parse);
                assert_eq!(value.as_ref(), tree.get(keys, duplicates), "{:?}", keys);
            }
        }
    }
}

fn parse(json: Json<'_>) -> Tree {
    serde_json::from_slice(json.raw()).unwrap()
}

/// The whole tree, by the members and elements of single values.
fn rebuild(json: Json<'_>) -> Tree {
    match json.kind() {
        JsonKind::Object => {
            let member = |(key, value): (Cow<'_, [u8]>, _)| {
                (String::from_utf8(key.into_owned()).unwrap(), rebuild(value))
            };
            Tree::Object(json.members().map(member).collect())
        }
        JsonKind::Array => Tree::Array(json.elements().map(rebuild).collect()),
        _ => parse(json),
    }
}
