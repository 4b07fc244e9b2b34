//! The volumes of the pod in the request.

use kubevigil_audit::json::JsonKind;

use super::readers::{array, below, elements, members, skip, text, truth};
use super::{ArgumentKind, Entry};
use crate::falco::fields::readers::Member as _;
use crate::field::{Inputs, Value, Values};

members! {
    FlexVolumeDriver = ["flexVolume", "driver"];
    HostPath = ["hostPath", "path"];
}

const VOLUMES: &[super::Path] = &[&["requestObject", "spec", "volumes"]];

pub(super) const ENTRIES: &[Entry] = &[
    Entry::list(
        "ka.req.pod.volumes.hostpath",
        skip::<HostPath>,
        VOLUMES,
        "The paths of the node that are mounted.",
    )
    .argument(ArgumentKind::Index),
    Entry::list(
        "ka.req.pod.volumes.flexvolume_driver",
        skip::<FlexVolumeDriver>,
        VOLUMES,
        "The drivers of flex volumes.",
    )
    .argument(ArgumentKind::Index),
    Entry::list(
        "ka.req.pod.volumes.volume_type",
        types,
        VOLUMES,
        "The kinds of volumes, such as `hostPath`.",
    )
    .argument(ArgumentKind::Index)
    .note("Every key of a volume except `name` counts as a kind."),
    Entry::made(
        "ka.req.volume.hostpath",
        mounts_path,
        VOLUMES,
        "Whether this path of the node is mounted; with a trailing `*`, any path that starts so.",
    )
    .argument(ArgumentKind::Key),
];

fn types<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let mut types = Vec::new();
    for volume in elements(inputs).into_iter().flatten() {
        if volume.kind() != JsonKind::Object {
            return Values::Absent;
        }
        let keys = volume
            .members()
            .map(|(key, _)| key)
            .filter(|key| key.as_ref() != b"name");
        types.extend(keys.map(Value::Text));
    }
    Values::list(types)
}

fn mounts_path<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (Some(volumes), Some(wanted)) = (array(inputs), inputs.argument) else {
        return Values::Absent;
    };
    let mut paths = volumes
        .elements()
        .filter_map(|volume| below(volume, HostPath::KEYS))
        .map(text);
    truth(match wanted.strip_suffix('*') {
        Some(start) => paths.any(|path| path.starts_with(start.as_bytes())),
        None => paths.any(|path| path.as_ref() == wanted.as_bytes()),
    })
}
