//! Who is given which role by a binding.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{each_operation, json_patch};
use crate::derived::collected::Collected;
use crate::derived::identity::account_in;
use crate::derived::values::{made, text, truth};
use crate::falco::fields::{Entry, Path};
use crate::field::{Inputs, Kind, Read, ReadFn, Values};

const fn entry(name: &'static str, kind: Kind, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, kind, Read::With(read), REQUEST, doc).also(RESPONSE)
}

const REQUEST: &[Path] = &[
    &["requestObject"],
    &["requestObject", "roleRef"],
    &["requestObject", "subjects"],
];
const RESPONSE: &[Path] = &[
    &["responseObject", "roleRef"],
    &["responseObject", "subjects"],
];

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "kv.binding.role",
        Kind::Text,
        |inputs| made(role(inputs).map(|(kind, name)| [kind.as_slice(), b"/", &name].concat())),
        "The role that a binding gives, as `Kind/name`: `ClusterRole/cluster-admin`.",
    )
    .note("A patch cannot change it and mostly does not name it; the response does."),
    entry(
        "kv.binding.strong",
        Kind::Bool,
        |inputs| {
            role(inputs).map_or(Values::Absent, |(kind, name)| {
                truth(is_strong(&kind, &name))
            })
        },
        "Whether the role is one of those that give control over the cluster or a namespace: `cluster-admin`, `admin`, `edit`, those \
         that they are put together from, and the roles of controllers that read all secrets, write all pods or raise rights.",
    ),
    entry(
        "kv.binding.everyone",
        Kind::Bool,
        everyone,
        "Whether the binding is for everyone: `system:anonymous`, `system:unauthenticated`, `system:authenticated` or \
         `system:serviceaccounts`.",
    ),
    entry(
        "kv.binding.subjects",
        Kind::TextList,
        |inputs| gathered(inputs, |subject| subject.shown()),
        "Whom the binding is for: `User/name`, `Group/name`, `ServiceAccount/namespace/name`.",
    ),
    entry(
        "kv.binding.serviceAccounts",
        Kind::TextList,
        |inputs| gathered(inputs, |subject| subject.service_account()),
        "The service accounts that the binding is for, as `namespace/name`, also where they are named as users.",
    ),
];

/// The cluster roles that `kv.binding.strong` is about: they come with Kubernetes or with a distribution of it.
pub const STRONG_ROLES: &[&str] = &[
    "admin",
    "cluster-admin",
    "edit",
    "system:aggregate-to-admin",
    "system:aggregate-to-edit",
    "system:controller:clusterrole-aggregation-controller",
    "system:controller:cronjob-controller",
    "system:controller:daemon-set-controller",
    "system:controller:deployment-controller",
    "system:controller:generic-garbage-collector",
    "system:controller:job-controller",
    "system:controller:namespace-controller",
    "system:controller:replicaset-controller",
    "system:controller:replication-controller",
    "system:controller:statefulset-controller",
    "system:kube-controller-manager",
    "system:node",
    // OpenShift
    "sudoer",
    "system:openshift:controller:cluster-quota-reconciliation-controller",
    "system:openshift:controller:template-instance-controller",
];

/// Subjects that stand for everyone.
const EVERYONE: &[&[u8]] = &[
    b"system:anonymous",
    b"system:authenticated",
    b"system:serviceaccounts",
    b"system:unauthenticated",
];

/// A subject of a binding; in a patch it can be without its kind.
struct Subject<'b>(Json<'b>);

impl Subject<'_> {
    fn part(&self, key: &str) -> Option<Vec<u8>> {
        text(self.0.last_member(key)).map(|text| text.into_owned())
    }

    fn is_everyone(&self) -> bool {
        let named = self
            .part("name")
            .is_some_and(|name| EVERYONE.contains(&name.as_slice()));
        named
            && self
                .part("kind")
                .is_none_or(|kind| kind != b"ServiceAccount")
    }

    fn shown(&self) -> Option<Vec<u8>> {
        let (kind, name) = (self.part("kind")?, self.part("name")?);
        let namespace = self.part("namespace").filter(|_| kind == b"ServiceAccount");
        let parts = [Some(kind), namespace, Some(name)];
        Some(
            parts
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(b"/".as_slice()),
        )
    }

    fn service_account(&self) -> Option<Vec<u8>> {
        let (kind, name) = (self.part("kind")?, self.part("name")?);
        if kind == b"User" {
            let (namespace, account) = account_in(&name)?;
            return Some([namespace, b"/", account].concat());
        }
        let namespace = self
            .part("namespace")
            .filter(|_| kind == b"ServiceAccount")?;
        Some([namespace.as_slice(), b"/", &name].concat())
    }
}

/// What a body says of a binding.
#[derive(Clone, Copy)]
struct Binding<'b> {
    role: Option<Json<'b>>,
    subjects: Option<Json<'b>>,
}

impl<'b> Binding<'b> {
    fn new(role: Option<Json<'b>>, subjects: Option<Json<'b>>) -> Option<Self> {
        let is_there = |value: &Json<'_>| value.kind() != JsonKind::Null;
        let (role, subjects) = (role.filter(is_there), subjects.filter(is_there));
        (role.is_some() || subjects.is_some()).then_some(Self { role, subjects })
    }

    fn subjects(self) -> impl Iterator<Item = Subject<'b>> {
        let subjects = self.subjects.into_iter().flat_map(Json::elements);
        subjects.map(Subject)
    }
}

/// Calls `visit` with every binding of the event's bodies: those of the request first, then that of the response.
fn each_binding(inputs: &Inputs<'_, '_>, visit: &mut dyn FnMut(Binding<'_>)) {
    match json_patch(inputs) {
        Some(patch) => each_operation(patch, &mut |object| {
            let part = |key| object.last_member(key);
            Binding::new(part("roleRef"), part("subjects"))
                .into_iter()
                .for_each(&mut *visit);
        }),
        None => Binding::new(inputs.first(1), inputs.first(2))
            .into_iter()
            .for_each(&mut *visit),
    }
    Binding::new(inputs.first(3), inputs.first(4))
        .into_iter()
        .for_each(&mut *visit);
}

/// Kind and name of the role; that of the response where there is one.
fn role(inputs: &Inputs<'_, '_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut role = None;
    each_binding(inputs, &mut |binding| {
        let part = |key| Some(text(binding.role?.last_member(key))?.into_owned());
        if let (Some(kind), Some(name)) = (part("kind"), part("name")) {
            role = Some((kind, name));
        }
    });
    role
}

/// A role of a namespace can have any name.
fn is_strong(kind: &[u8], name: &[u8]) -> bool {
    kind == b"ClusterRole" && STRONG_ROLES.iter().any(|role| role.as_bytes() == name)
}

fn everyone<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut found = None;
    each_binding(inputs, &mut |binding| {
        let any = binding.subjects().any(|subject| subject.is_everyone());
        found = Some(found == Some(true) || any);
    });
    found.map_or(Values::Absent, truth)
}

fn gathered<'e>(inputs: &Inputs<'_, 'e>, show: fn(&Subject<'_>) -> Option<Vec<u8>>) -> Values<'e> {
    let mut values = Collected::default();
    each_binding(inputs, &mut |binding| {
        let shown = binding.subjects().filter_map(|subject| show(&subject));
        shown.for_each(|text| values.add(&text));
    });
    values.into_values()
}
