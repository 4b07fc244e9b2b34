//! Roles and their bindings in the request.

use std::borrow::Cow;

use kubevigil_audit::json::Json;

use super::readers::{array, each, flatten, members, text, truth, value};
use super::{ArgumentKind, Entry};
use crate::field::{Inputs, Value, Values};

members! {
    ApiGroups = ["apiGroups"];
    NonResourceUrls = ["nonResourceURLs"];
    Resources = ["resources"];
    Verbs = ["verbs"];
}

const SUBJECTS: &[super::Path] = &[&["requestObject", "subjects"]];
const RULES: &[super::Path] = &[&["requestObject", "rules"]];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::list(
        "ka.req.binding.subjects",
        each,
        SUBJECTS,
        "The subjects of the binding, each as JSON.",
    ),
    Entry::list(
        "ka.req.binding.subjects.user_names",
        names::<User>,
        SUBJECTS,
        "The names of the users that the binding gives the role to.",
    ),
    Entry::list(
        "ka.req.binding.subjects.group_names",
        names::<Group>,
        SUBJECTS,
        "The names of the groups that the binding gives the role to.",
    ),
    Entry::list(
        "ka.req.binding.subjects.serviceaccount_names",
        names::<ServiceAccount>,
        SUBJECTS,
        "The names of the service accounts that the binding gives the role to.",
    ),
    Entry::list(
        "ka.req.binding.subjects.serviceaccount_ns_names",
        namespaced_names,
        SUBJECTS,
        "The service accounts that the binding gives the role to, as `namespace:name`.",
    ),
    Entry::text(
        "ka.req.binding.role",
        &[&["requestObject", "roleRef", "name"]],
        "The name of the role that the binding gives.",
    ),
    Entry::made(
        "ka.req.binding.subject.has_name",
        |_| truth(true),
        &[],
        "Whether the binding has a subject of this name.",
    )
    .argument(ArgumentKind::Key)
    .note("Defect: always `true`."),
    Entry::list(
        "ka.req.role.rules",
        each,
        RULES,
        "The rules of the role, each as JSON.",
    ),
    Entry::list(
        "ka.req.role.rules.apiGroups",
        flatten::<ApiGroups>,
        RULES,
        "The API groups of the role's rules.",
    )
    .argument(ArgumentKind::Index),
    Entry::list(
        "ka.req.role.rules.nonResourceURLs",
        flatten::<NonResourceUrls>,
        RULES,
        "The URLs of the role's rules.",
    )
    .argument(ArgumentKind::Index),
    Entry::list(
        "ka.req.role.rules.resources",
        flatten::<Resources>,
        RULES,
        "The resources of the role's rules.",
    )
    .argument(ArgumentKind::Index),
    Entry::list(
        "ka.req.role.rules.verbs",
        flatten::<Verbs>,
        RULES,
        "The verbs of the role's rules.",
    )
    .argument(ArgumentKind::Index),
];

trait SubjectKind {
    const NAME: &'static [u8];
}

enum User {}
enum Group {}
enum ServiceAccount {}

impl SubjectKind for User {
    const NAME: &'static [u8] = b"User";
}

impl SubjectKind for Group {
    const NAME: &'static [u8] = b"Group";
}

impl SubjectKind for ServiceAccount {
    const NAME: &'static [u8] = b"ServiceAccount";
}

fn subjects<'e, K: SubjectKind>(inputs: &Inputs<'_, 'e>) -> impl Iterator<Item = Json<'e>> {
    let subjects = array(inputs).into_iter().flat_map(Json::elements);
    subjects.filter(|subject| {
        subject
            .member("kind")
            .is_some_and(|kind| text(kind).as_ref() == K::NAME)
    })
}

fn names<'e, K: SubjectKind>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let names = subjects::<K>(inputs).filter_map(|subject| subject.member("name"));
    Values::list(names.map(value).collect())
}

fn namespaced_names<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let name = |subject: Json<'e>| {
        let namespace = text(subject.member("namespace")?);
        let name = text(subject.member("name")?);
        Some(Value::Text(Cow::Owned(
            [namespace.as_ref(), b":", name.as_ref()].concat(),
        )))
    };
    Values::list(
        subjects::<ServiceAccount>(inputs)
            .filter_map(name)
            .collect(),
    )
}
