//! Beginnings of names that stand for several places.

const BODIES: [&str; 2] = ["requestObject", "responseObject"];

/// A beginning of names.
#[derive(Clone, Copy, Debug)]
pub struct Root {
    /// With the dot behind it.
    pub name: &'static str,
    /// What the rest of the name is looked up in, for users.
    pub doc: &'static str,
    below: &'static [&'static str],
}

impl Root {
    /// The dotted paths under which the rest of a name is looked up, each in the request and in the response.
    pub fn paths(self) -> impl Iterator<Item = String> {
        let of_body = move |body: &'static str| {
            let below = self.below.iter();
            below.map(move |path| [body, path].concat())
        };
        BODIES.into_iter().flat_map(of_body)
    }
}

/// All beginnings.
pub const ROOTS: [Root; 2] = [
    Root {
        name: "kv.podSpec.",
        doc: "What follows is looked up in every place where a pod can be specified, of the request and of the response: \
              `kv.podSpec.volumes.hostPath.path`. Only in Sigma. Operations of a JSON Patch are not seen; kv.pod fields see them.",
        below: &[
            ".spec.",
            ".spec.template.spec.",
            ".spec.jobTemplate.spec.template.spec.",
            ".template.spec.",
        ],
    },
    Root {
        name: "kv.object.",
        doc: "What follows is looked up in the object of the request and in that of the response, which is the object after the call: \
              `kv.object.spec.type`. Only in Sigma.",
        below: &["."],
    },
];

/// The dotted names that a name below `kv.podSpec.` or `kv.object.` stands for; `None` for any other name.
pub fn places(name: &str) -> Option<Vec<String>> {
    ROOTS.into_iter().find_map(|root| {
        let rest = name
            .strip_prefix(root.name)
            .filter(|rest| !rest.is_empty())?;
        Some(root.paths().map(|path| path + rest).collect())
    })
}
