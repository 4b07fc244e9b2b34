//! The containers of the pod in the request: main, init and ephemeral ones have the same family of fields.

use std::borrow::Cow;

use kubevigil_audit::json::{Json, JsonKind};

use super::readers::{
    Member, array, below, elements, flatten, members, skip, strict, text, truth, value,
};
use super::{ArgumentKind, Entry};
use crate::field::{Inputs, Value, Values};

members! {
    AddCapabilities = ["securityContext", "capabilities", "add"];
    AllowPrivilegeEscalation = ["securityContext", "allowPrivilegeEscalation"];
    Args = ["args"];
    Command = ["command"];
    Image = ["image"];
    Name = ["name"];
    Privileged = ["securityContext", "privileged"];
    ProcMount = ["securityContext", "procMount"];
    ReadOnlyRootFilesystem = ["securityContext", "readOnlyRootFilesystem"];
    RunAsGroup = ["securityContext", "runAsGroup"];
    RunAsUser = ["securityContext", "runAsUser"];
    TopLevelRunAsGroup = ["runAsGroup"];
    TopLevelRunAsUser = ["runAsUser"];
}

/// The fields of one kind of containers. `$key` is the key of the pod's spec, `$kind` the word for people.
macro_rules! family {
    ($key:literal, $kind:literal, $note:expr $(, $more:expr)*) => {
        &[
            family!(@list $key, "name", strict::<Name>, "The names of the ", $kind, $note),
            family!(@list $key, "image", strict::<Image>, "The images of the ", $kind, $note),
            family!(@list $key, "image.repository", repositories, "The image repositories of the ", $kind, Some(
                "Defect: the image up to its first `:` and then up to the first `@`, so `registry:5000/team/app` \
                 gives `registry`.",
            )),
            family!(@list $key, "command", joined::<Command>, "The commands, words joined by blanks, of the ", $kind, $note),
            family!(@list $key, "args", joined::<Args>, "The arguments, joined by blanks, of the ", $kind, $note),
            family!(@list $key, "privileged", skip::<Privileged>,
                "Whether they are privileged, where that is set, of the ", $kind, $note),
            family!(@list $key, "allow_privilege_escalation", skip::<AllowPrivilegeEscalation>,
                "Whether processes may gain privileges, where that is set, of the ", $kind, $note),
            family!(@list $key, "read_only_fs", skip::<ReadOnlyRootFilesystem>,
                "Whether the root file system is read-only, where that is set, of the ", $kind, $note),
            family!(@list $key, "run_as_user", skip::<RunAsUser>,
                "The users that processes run as, where that is set, of the ", $kind, $note),
            family!(@list $key, "run_as_group", skip::<RunAsGroup>,
                "The groups that processes run as, where that is set, of the ", $kind, $note),
            family!(@list $key, "proc_mount", skip::<ProcMount>,
                "The kinds of /proc mount, where that is set, of the ", $kind, $note),
            family!(@list $key, "add_capabilities", skip::<AddCapabilities>,
                "The capabilities that are added, of the ", $kind, Some(
                "Defect: one element a container, the JSON of its whole list. With fixed fields: one element a \
                 capability.",
            )).mended(flatten::<AddCapabilities>, &[&["requestObject", "spec", $key]]),
            family!(@effective $key, "eff_run_as_user", TopLevelRunAsUser, RunAsUser, "runAsUser",
                "The users that processes run as, pod defaults included, of the ", $kind),
            family!(@effective $key, "eff_run_as_group", TopLevelRunAsGroup, RunAsGroup, "runAsGroup",
                "The groups that processes run as, pod defaults included, of the ", $kind),
            $($more,)*
        ]
    };
    (@list $key:literal, $name:literal, $read:expr, $doc:literal, $kind:literal, $note:expr) => {
        Entry::list(
            concat!("ka.req.pod.", $key, ".", $name),
            $read,
            &[&["requestObject", "spec", $key]],
            concat!($doc, $kind, "."),
        )
        .argument(ArgumentKind::Index)
        .noted($note)
    };
    (@effective $key:literal, $name:literal, $own:ty, $mended:ty, $pod:literal, $doc:literal, $kind:literal) => {
        Entry::list(
            concat!("ka.req.pod.", $key, ".", $name),
            effective::<$own>,
            &[&["requestObject", "spec", $key], &["requestObject", "spec", $pod]],
            concat!($doc, $kind, "."),
        )
        .argument(ArgumentKind::Index)
        .note(
            "Defect: security contexts are not read, so every container gives `0` in practice, and with an index the \
             field is absent. With fixed fields: the container's security context, else the pod's, else `0`.",
        )
        .mended(
            effective_in_context::<$mended>,
            &[&["requestObject", "spec", $key], &["requestObject", "spec", "securityContext", $pod]],
        )
    };
}

const SINCE_0_18: Option<&str> = Some("Since version 0.18 of Falco's plugin.");

pub(super) const MAIN: &[Entry] = family!(
    "containers",
    "main containers",
    None,
    family!(@list "containers", "host_port", host_ports,
        "The ports of the node, or where there is none of the container, of the ", "main containers", None)
);

pub(super) const INIT: &[Entry] = family!(
    "initContainers",
    "init containers",
    SINCE_0_18,
    family!(@list "initContainers", "host_port", host_ports,
        "The ports of the node, or where there is none of the container, of the ", "init containers", SINCE_0_18)
);

pub(super) const EPHEMERAL: &[Entry] =
    family!("ephemeralContainers", "ephemeral containers", SINCE_0_18);

const CONTAINERS: &[super::Path] = &[&["requestObject", "spec", "containers"]];

pub(super) const ANY_MAIN: &[Entry] = &[
    Entry::made("ka.req.container.image", first_image, CONTAINERS, "The image of the first main container.")
        .note("Deprecated: looks at one container only; see ka.req.pod.containers.image."),
    Entry::made(
        "ka.req.container.image.repository",
        first_repository,
        CONTAINERS,
        "The image repository of the first main container.",
    )
    .note("Deprecated: looks at one container only, and cuts like ka.req.pod.containers.image.repository."),
    Entry::made(
        "ka.req.container.privileged",
        any_privileged,
        CONTAINERS,
        "Whether any main container is privileged.",
    )
    .note("Deprecated: see ka.req.pod.containers.privileged, and the same for init and ephemeral containers."),
];

/// The image up to its first colon and then up to its first `@`.
fn repository(image: &[u8]) -> &[u8] {
    image
        .split(|&byte| matches!(byte, b':' | b'@'))
        .next()
        .unwrap_or_default()
}

fn repository_value(image: Json<'_>) -> Value<'_> {
    Value::Text(match text(image) {
        Cow::Borrowed(image) => Cow::Borrowed(repository(image)),
        Cow::Owned(image) => Cow::Owned(repository(&image).to_vec()),
    })
}

fn repositories<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let images = elements(inputs).and_then(|containers| {
        let image = |container: Json<'e>| container.member("image").map(repository_value);
        containers.map(image).collect::<Option<Vec<_>>>()
    });
    Values::list(images.unwrap_or_default())
}

/// Each container's array of texts, joined by blanks; absent when one holds something else than texts.
fn joined<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let arrays = elements(inputs).into_iter().flatten();
    let arrays = arrays.filter_map(|container| below(container, M::KEYS));
    let joined: Option<Vec<_>> = arrays
        .filter(|array| array.kind() == JsonKind::Array)
        .map(joined_words)
        .collect();
    Values::list(joined.unwrap_or_default())
}

fn joined_words(array: Json<'_>) -> Option<Value<'_>> {
    let words = array
        .elements()
        .map(|word| (word.kind() == JsonKind::String).then(|| text(word)));
    let words: Vec<Cow<'_, [u8]>> = words.collect::<Option<_>>()?;
    Some(Value::Text(Cow::Owned(words.join(b" ".as_slice()))))
}

fn host_ports<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let containers = elements(inputs).into_iter().flatten();
    let ports = containers
        .filter_map(|container| container.member("ports"))
        .flat_map(Json::elements);
    let number = |port: Json<'e>| {
        port.member("hostPort")
            .or_else(|| port.member("containerPort"))
    };
    Values::list(ports.filter_map(number).map(value).collect())
}

/// One value a container: its own, else the second input's, else `0`. With an index only its own counts.
fn effective<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    if inputs.argument.is_some() {
        skip::<M>(inputs)
    } else {
        effective_in_context::<M>(inputs)
    }
}

fn effective_in_context<'e, M: Member>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let default = inputs.first(1).map_or(Value::borrowed(b"0"), value);
    let containers = elements(inputs).into_iter().flatten();
    let own = |container| below(container, M::KEYS).map_or_else(|| default.clone(), value);
    Values::list(containers.map(own).collect())
}

fn first_image<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    image_of_first(inputs).map_or(Values::Absent, |image| Values::One(value(image)))
}

fn first_repository<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    image_of_first(inputs).map_or(Values::Absent, |image| Values::One(repository_value(image)))
}

fn image_of_first<'e>(inputs: &Inputs<'_, 'e>) -> Option<Json<'e>> {
    array(inputs)?.elements().next()?.member("image")
}

fn any_privileged<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let Some(containers) = array(inputs) else {
        return Values::Absent;
    };
    let privileged =
        |container| below(container, Privileged::KEYS).is_some_and(|flag| flag.raw() == b"true");
    truth(containers.elements().any(privileged))
}
