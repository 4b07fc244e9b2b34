//! An access that is made anew when what it was made of has changed.
//!
//! A kubeconfig is followed as a whole: who rotates an authority may write another one into the file, beside it, or name another file. To
//! replace authorities alone was the alternative, and would leave an inlined token or a new address for a restart. Token files and client
//! certificates in files are not looked at here: [`Credentials`](crate::Credentials) follows them by itself.

use std::fmt::Display;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kubevigil_tls::Look;

use crate::access::{Access, AccessError};
use crate::in_cluster::InCluster;
use crate::seen::Seen;

/// What an access is made of.
#[derive(Clone, Debug)]
pub enum AccessSource {
    /// A kubeconfig.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context to take instead of the current one.
        context: Option<String>,
    },
    /// A server that nothing but its address is known of.
    Server {
        /// Its address.
        address: String,
        /// The authorities of its certificate, PEM.
        authority: Option<PathBuf>,
    },
    /// What a pod is given.
    Pod(InCluster),
}

/// Looks after the files that an access was made of.
#[derive(Debug)]
pub struct Follower {
    source: AccessSource,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    files: Vec<Seen>,
    /// What was last said to be wrong, while it is.
    problem: Option<String>,
}

impl AccessSource {
    /// Makes the access. What it warns of is in [`Access::warnings`] and nowhere else.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, or is wrong; all mistakes at once.
    pub fn read(&self) -> Result<Access, AccessError> {
        match self {
            Self::Kubeconfig { path, context } => Access::read(path, context.as_deref()),
            Self::Server { address, authority } => Access::direct(address, authority.as_deref()),
            Self::Pod(pod) => pod.access(),
        }
    }

    /// Makes the access, and what tells when it has to be made anew. Warnings go to the log.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn follow(self) -> Result<(Access, Follower), AccessError> {
        let access = self.read()?;
        access.log_warnings();
        let state = State {
            files: access.files.clone(),
            problem: None,
        };
        let follower = Follower {
            source: self,
            state: Mutex::new(state),
        };
        Ok((access, follower))
    }
}

impl Follower {
    /// Looks at the files. If they have changed, `take` gets another access, and with `Ok` has put it in force; its warnings go to the log.
    /// While something is wrong, every look tries again, since what is missing may be a file that the old access does not know. Blocks
    /// while it reads.
    ///
    /// # Errors
    ///
    /// When changed files make no access, or none that can be taken; each time that something else is wrong, and with `insist`, in any case.
    pub fn look<E>(
        &self,
        insist: bool,
        take: impl FnOnce(&Access) -> Result<(), E>,
    ) -> Result<Look, E>
    where
        E: From<AccessError> + Display,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_quiet = !insist && state.problem.is_none();
        if is_quiet && state.files.iter().all(Seen::is_current) {
            return Ok(Look::Same);
        }
        let renewed = self.source.read().map_err(E::from).and_then(|access| {
            if access.files == state.files {
                return Ok(Look::Same);
            }
            take(&access)?;
            access.log_warnings();
            state.files = access.files;
            Ok(Look::Replaced)
        });
        let problem = renewed.as_ref().err().map(ToString::to_string);
        let is_told = problem.is_some() && state.problem == problem && !insist;
        state.problem = problem;
        if is_told { Ok(Look::Same) } else { renewed }
    }
}
