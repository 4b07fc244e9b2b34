//! Pods wherever they are specified: pods themselves, and the templates of workloads, cron jobs and whatever else has one.

use kubevigil_audit::json::{Json, JsonKind};

use crate::derived::bodies::{below, each_operation, json_patch};
use crate::derived::values::{input, text};
use crate::falco::fields::Path;
use crate::field::Inputs;

/// What is read of a request, in the order of [`each_pod`].
pub(super) const REQUEST: &[Path] = &[
    &["requestObject"],
    &["objectRef", "resource"],
    &["requestObject", "spec"],
    &["requestObject", "spec", "template", "spec"],
    &[
        "requestObject",
        "spec",
        "jobTemplate",
        "spec",
        "template",
        "spec",
    ],
    &["requestObject", "template", "spec"],
];
/// What is read besides: the specifications in a response, then the annotations of all pods in the order of the specifications.
pub(super) const ALSO: &[Path] = &[
    &["responseObject", "spec"],
    &["responseObject", "spec", "template", "spec"],
    &[
        "responseObject",
        "spec",
        "jobTemplate",
        "spec",
        "template",
        "spec",
    ],
    &["responseObject", "template", "spec"],
    &["requestObject", "metadata", "annotations"],
    &[
        "requestObject",
        "spec",
        "template",
        "metadata",
        "annotations",
    ],
    &[
        "requestObject",
        "spec",
        "jobTemplate",
        "spec",
        "template",
        "metadata",
        "annotations",
    ],
    &["requestObject", "template", "metadata", "annotations"],
    &["responseObject", "metadata", "annotations"],
    &[
        "responseObject",
        "spec",
        "template",
        "metadata",
        "annotations",
    ],
    &[
        "responseObject",
        "spec",
        "jobTemplate",
        "spec",
        "template",
        "metadata",
        "annotations",
    ],
    &["responseObject", "template", "metadata", "annotations"],
];

/// How many places there are, in both bodies together.
const PLACES: usize = 2 * TEMPLATES.len();

/// Where pods and templates stand in an object: pods themselves, workloads, cron jobs, pod templates.
const TEMPLATES: [&[&str]; 4] = [
    &[],
    &["spec", "template"],
    &["spec", "jobTemplate", "spec", "template"],
    &["template"],
];

/// The first input with a specification.
const SPECS: usize = 2;

/// The specification of a pod; in a patch only what it changes.
#[derive(Clone, Copy)]
pub(super) struct Pod<'b> {
    pub(super) spec: Json<'b>,
    annotations: Option<Json<'b>>,
}

/// Calls `visit` with every pod of the event's bodies: those of the request first, then that of the response.
pub(super) fn each_pod(inputs: &Inputs<'_, '_>, visit: &mut dyn FnMut(Pod<'_>)) {
    // Other resources have a `spec` with the same words in it: VolumeAttachments a nodeName.
    let is_pod = input(inputs, 1).is_none_or(|resource| *resource == *b"pods");
    let patch = json_patch(inputs);
    if let Some(patch) = patch {
        let skipped = usize::from(!is_pod);
        each_operation(patch, &mut |object| {
            let templates = TEMPLATES.iter().skip(skipped);
            let templates = templates.filter_map(|keys| below(object, keys));
            templates.filter_map(Pod::in_object).for_each(&mut *visit);
        });
    }
    for place in 0..PLACES {
        let (in_request, of_object) = (place < TEMPLATES.len(), place % TEMPLATES.len() == 0);
        if (in_request && patch.is_some()) || (of_object && !is_pod) {
            continue;
        }
        let annotations = inputs.first(SPECS + PLACES + place);
        let specs = inputs.places(SPECS + place).iter();
        specs
            .filter_map(|&spec| Pod::new(spec, annotations))
            .for_each(&mut *visit);
    }
}

impl<'b> Pod<'b> {
    fn new(spec: Json<'b>, annotations: Option<Json<'b>>) -> Option<Self> {
        (spec.kind() == JsonKind::Object).then_some(Self { spec, annotations })
    }

    fn in_object(object: Json<'b>) -> Option<Self> {
        let annotations = below(object, &["metadata", "annotations"]);
        Self::new(object.last_member("spec")?, annotations)
    }

    /// Whether an annotation with this beginning has this value.
    pub(super) fn is_annotated(self, beginning: &[u8], value: &[u8]) -> bool {
        self.annotations.is_some_and(|annotations| {
            annotations.members().any(|(key, found)| {
                key.starts_with(beginning)
                    && text(Some(found)).is_some_and(|found| *found == *value)
            })
        })
    }
}
