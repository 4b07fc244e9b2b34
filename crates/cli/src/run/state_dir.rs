//! Where the daemon keeps what must survive it.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The folder to use: what was configured, else the usual place of the platform.
pub(crate) fn choose(configured: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(folder) = configured {
        return Ok(folder);
    }
    let variable = |name| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(folder) = variable("STATE_DIRECTORY") {
        return Ok(folder);
    }
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/kubevigil"));
    }
    variable("XDG_STATE_HOME")
        .or_else(|| Some(variable("HOME")?.join(".local/state")))
        .map(|folder| folder.join("kubevigil"))
        .context("no place for state: set state_dir in the configuration, --state-dir, or HOME")
}

/// Creates the folder for nobody but us, and refuses one that belongs to somebody else.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| {
            format!(
                "cannot create the state folder {}; choose another with --state-dir",
                folder.display()
            )
        })?;
    check(folder)
}

/// Refuses a folder that belongs to somebody else. One that is not there belongs to nobody.
pub(crate) fn check(folder: &Path) -> anyhow::Result<()> {
    use io::ErrorKind::{NotADirectory, NotFound};

    let metadata = match fs::metadata(folder) {
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(()),
        there => there,
    };
    let metadata =
        metadata.with_context(|| format!("cannot read the state folder {}", folder.display()))?;
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() != own {
        bail!(
            "the state folder {} belongs to user {}, and this is user {own}: run as that user, or choose another folder \
             with --state-dir; one below it will do, if this user may make it",
            folder.display(),
            metadata.uid()
        );
    }
    Ok(())
}
