//! Who is given which role by a binding.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{REQUEST, RESPONSE, below, each_object, elements};
use crate::derived::collected::Collected;
use crate::derived::identity::account_in;
use crate::derived::values::{made, text, truth};
use crate::falco::fields::Entry;
use crate::field::{Inputs, Kind, Read, ReadFn, Values};

const fn entry(name: &'static str, kind: Kind, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, kind, Read::With(read), REQUEST, doc).also(RESPONSE)
}

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
        |inputs| everyone(inputs),
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

/// Kind and name of the role; that of the response where there is one.
fn role(inputs: &Inputs<'_, '_>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut role = None;
    each_object(inputs, &mut |object| {
        let part = |key| text(below(object, &["roleRef", key])).map(|text| text.into_owned());
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
    each_object(inputs, &mut |object| {
        let binds = |key| {
            object
                .last_member(key)
                .is_some_and(|value| value.kind() != JsonKind::Null)
        };
        if binds("subjects") || binds("roleRef") {
            let any = elements(object, "subjects").any(|subject| Subject(subject).is_everyone());
            found = Some(found == Some(true) || any);
        }
    });
    found.map_or(Values::Absent, truth)
}

fn gathered<'e>(inputs: &Inputs<'_, 'e>, show: fn(&Subject<'_>) -> Option<Vec<u8>>) -> Values<'e> {
    let mut values = Collected::default();
    each_object(inputs, &mut |object| {
        let shown = elements(object, "subjects").filter_map(|subject| show(&Subject(subject)));
        shown.for_each(|text| values.add(&text));
    });
    values.into_values()
}
