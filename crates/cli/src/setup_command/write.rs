//! Files into a folder, and nowhere else.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use kubevigil_setup::File;

use crate::args::setup::OutputArgs;

/// Refuses a folder that others use.
pub(super) fn check_folder(output: &OutputArgs) -> anyhow::Result<()> {
    if output.dry_run || output.force {
        return Ok(());
    }
    let folder = &output.output;
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!(
                "{} is not empty: choose another folder, or use --force, which overwrites all but keys, certificates and tokens",
                folder.display()
            ),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("cannot use the folder {}", folder.display()))
        }
    }
}

/// Writes the files and prints the steps, or prints the files.
pub(super) fn write(output: &OutputArgs, files: &[File], steps: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    if output.dry_run {
        for file in files {
            writeln!(
                out,
                "==> {} ({:04o})\n{}",
                file.path,
                file.mode(),
                file.contents
            )?;
        }
        return Ok(());
    }
    for file in files {
        write_file(&output.output, file)
            .with_context(|| format!("cannot write {}/{}", output.output.display(), file.path))?;
    }
    writeln!(out, "Written to {}:\n", output.output.display())?;
    for file in files {
        writeln!(out, "    {:04o} {}", file.mode(), file.path)?;
    }
    write!(out, "\n{steps}")?;
    Ok(())
}

fn write_file(folder: &Path, file: &File) -> io::Result<()> {
    let path = folder.join(&file.path);
    if let Some(parent) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    // A name of its own until it is complete: no half-written file, and nobody else's file behind a link.
    let mut name = path.clone().into_os_string();
    name.push(".new");
    let mut opened = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(file.mode())
        .open(&name)?;
    let written = opened
        .set_permissions(fs::Permissions::from_mode(file.mode()))
        .and_then(|()| opened.write_all(file.contents.as_bytes()))
        .and_then(|()| opened.sync_all())
        .and_then(|()| fs::rename(&name, &path));
    if written.is_err() {
        drop(fs::remove_file(&name));
    }
    written
}
