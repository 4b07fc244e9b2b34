//! What files say of an API server: its flags, and what its pod mounts.
//!
//! The same is written in many ways: the static pod's manifest, a ClusterConfiguration of kubeadm in two versions, kind's patches of it, the
//! configuration of k3s and RKE2, or a command line. All of them become a [`Server`], with the place of every flag.

mod flags;
mod manifest;

use std::ops::Range;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, Place, Source};

pub use self::flags::{Flag, Flags, boolean, duration};

/// An API server as its files describe it.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// Its flags.
    pub flags: Flags,
    /// Its pod; `None` when the files do not show it or there is none.
    pub pod: Option<Pod>,
    /// Where it is said that there is an API server: the place of what is missing.
    pub anchor: Option<Place>,
}

/// What a pod's containers see of the machine.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// What is mounted into the API server's container.
    pub mounts: Vec<Mount>,
    /// The user that it runs as, if the manifest names one.
    pub user: Option<u64>,
}

/// A mounted file or folder.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The path in the container, without a slash at its end.
    pub path: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// Whether it is a single file as far as the manifest says.
    pub is_file: bool,
    /// The type of the volume on the host, such as `DirectoryOrCreate`; empty if none is named.
    pub host_type: String,
    /// Where it is written.
    pub place: Option<Place>,
}

impl Server {
    /// Reads a manifest or configuration file.
    ///
    /// # Errors
    ///
    /// The file is no YAML, or says nothing of an API server.
    pub fn from_manifest(name: &str, text: &str) -> Result<Self, Box<Diagnostic>> {
        manifest::read(&Source::file(name, text))
    }

    /// Reads flags as they stand on a command line or in a file, one a line or many.
    pub fn from_flags(name: &str, text: &str) -> Self {
        let source = Source::file(name, text);
        Self {
            flags: flags::of_text(&source),
            pod: None,
            anchor: Some(place(&source, 0..0)),
        }
    }
}

impl Pod {
    /// The mount that a path of the container lies in, the innermost of several.
    pub(crate) fn mount_of(&self, path: &str) -> Option<&Mount> {
        let covers = |mount: &&Mount| {
            path.strip_prefix(&mount.path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.mounts
            .iter()
            .filter(covers)
            .max_by_key(|mount| mount.path.len())
    }
}

pub(crate) fn place(source: &Arc<Source>, span: Range<usize>) -> Place {
    Place {
        source: Arc::clone(source),
        span,
    }
}
