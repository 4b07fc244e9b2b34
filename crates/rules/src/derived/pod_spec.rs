//! Pods wherever they are specified: pods themselves, and the templates of workloads, cron jobs and whatever else has one.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{below, each_object, elements, resource};
use crate::derived::values::text;
use crate::field::Inputs;

/// Where templates stand in an object: workloads, cron jobs, pod templates.
const TEMPLATES: [&[&str]; 3] = [
    &["spec", "template"],
    &["spec", "jobTemplate", "spec", "template"],
    &["template"],
];

/// A pod or the template of one; in a patch only what it changes.
#[derive(Clone, Copy)]
pub(super) struct Pod<'b> {
    object: Json<'b>,
    spec: Json<'b>,
}

/// Calls `visit` with every pod of the event's bodies.
pub(super) fn each_pod(inputs: &Inputs<'_, '_>, visit: &mut dyn FnMut(Pod<'_>)) {
    let resource = resource(inputs);
    // Other resources have a `spec` with the same words in it: VolumeAttachments a nodeName.
    let is_pod = resource.is_none_or(|resource| *resource == *b"pods");
    each_object(inputs, &mut |object| {
        let own = is_pod.then_some(object);
        let templates = TEMPLATES.iter().filter_map(|keys| below(object, keys));
        own.into_iter()
            .chain(templates)
            .filter_map(Pod::new)
            .for_each(&mut *visit);
    });
}

impl<'b> Pod<'b> {
    fn new(object: Json<'b>) -> Option<Self> {
        let spec = object.last_member("spec")?;
        (spec.kind() == JsonKind::Object).then_some(Self { object, spec })
    }

    /// What stands at `keys` in the specification.
    pub(super) fn at(self, keys: &[&str]) -> Option<Json<'b>> {
        below(self.spec, keys)
    }

    /// Whether `true` stands there.
    pub(super) fn says(self, keys: &[&str]) -> bool {
        is_true(self.at(keys))
    }

    /// The elements of the array at `key`.
    pub(super) fn each(self, key: &str) -> impl Iterator<Item = Json<'b>> {
        elements(self.spec, key)
    }

    /// Main, init and ephemeral containers.
    pub(super) fn containers(self) -> impl Iterator<Item = Json<'b>> {
        let lists = ["containers", "initContainers", "ephemeralContainers"];
        lists
            .into_iter()
            .flat_map(move |list| elements(self.spec, list))
    }

    /// The security contexts: the pod's own, then those of its containers.
    pub(super) fn contexts(self) -> impl Iterator<Item = Json<'b>> {
        let own = self.spec.last_member("securityContext");
        let of_containers = self.containers();
        own.into_iter()
            .chain(of_containers.filter_map(|container| container.last_member("securityContext")))
    }

    /// Whether an annotation with this beginning has this value.
    pub(super) fn is_annotated(self, beginning: &[u8], value: &[u8]) -> bool {
        let annotations = below(self.object, &["metadata", "annotations"]);
        annotations.is_some_and(|annotations| {
            annotations.members().any(|(key, found)| {
                key.starts_with(beginning)
                    && text(Some(found)).is_some_and(|found| *found == *value)
            })
        })
    }
}

/// Whether a value is `true`.
pub(super) fn is_true(value: Option<Json<'_>>) -> bool {
    value.is_some_and(|value| value.raw() == b"true")
}
