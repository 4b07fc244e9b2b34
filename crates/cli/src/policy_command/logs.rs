//! The events of logs, for commands that look at all of them.

use std::sync::Arc;

use anyhow::{anyhow, bail};
use kubevigil_sources::Arrival;
use kubevigil_sources::file::open::{Input, resolve};
use kubevigil_sources::file::scan::{Events, Found};

use crate::terminal;

/// The longest line that is read, in bytes.
const LINE_LIMIT: usize = 16 << 20;

/// Calls `each` with every event of the logs. Lines that cannot be read are counted and said to be left out.
pub(super) fn for_each_event(
    files: &[String],
    mut each: impl FnMut(&Arrival),
) -> anyhow::Result<()> {
    let inputs = if files.is_empty() {
        vec![Input::Stdin]
    } else {
        inputs(files)?
    };
    let mut problems = 0_u64;
    for input in &inputs {
        let stream = input.open().map_err(anyhow::Error::from)?;
        for found in Events::new(Arc::clone(&input.name()), Box::new(stream), LINE_LIMIT) {
            match found {
                Found::Event(arrival) => each(&arrival),
                Found::Problem(_) => problems += 1,
            }
        }
    }
    if problems > 0 {
        terminal::warn(&format!(
            "{problems} lines could not be read and are left out; `kubevigil scan --strict` shows them"
        ));
    }
    Ok(())
}

fn inputs(files: &[String]) -> anyhow::Result<Vec<Input>> {
    match resolve(files) {
        Ok(inputs) => Ok(inputs),
        Err(errors) => {
            let mut errors = errors.into_iter();
            match errors.next() {
                Some(first) => Err(anyhow!(first)),
                None => bail!("there is no log to read"),
            }
        }
    }
}
