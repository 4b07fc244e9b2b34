//! The policy file while requests are on their way: read again when it changes, put into force at once, and the change recorded.
//!
//! kube-apiserver reads its policy when it starts and never again. A gateway that drops connections for a new rule would make
//! people put off the rule, so here the content of the file is looked at every few seconds and on demand. Its content decides, not its
//! time: a mounted ConfigMap swaps a symbolic link, and copying tools keep old times.
//!
//! - A request is judged by one policy throughout, the one that was in force when it came in.
//! - A broken file changes nothing. It is said once, with everything that is wrong with it, and counted.
//! - A file that is being written may be a valid policy at that moment, with half of its rules. So what is new counts
//!   only when it is the same a moment later.
//! - The policy of the start leaves no event, only its digest in this process's log: whoever may restart a process with other files can
//!   also restart it without recording.
//! - Whoever may change the policy can hide what comes next, so the change is an event like any other, sent before
//!   the new policy is in force. If a sink says that it lost the event, the old policy stays and the change is tried again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kubevigil_audit::event::{Level, Stage};
use kubevigil_audit::policy::{Policy, PolicyFile};
use kubevigil_audit::time::Timestamp;
use kubevigil_diagnostics::{Diagnostic, render_text};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::auditing::{Auditing, wall_clock};
use crate::event::{Annotations, AuditEvent, ObjectReference, ResponseStatus, UserInfo};
use crate::sink::SinkError;

/// Between two looks at the file.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long new content has to stay the same.
const MOMENT: Duration = Duration::from_millis(100);

/// The annotation with the path of the file.
pub const POLICY_FILE: &str = "kubevigil.io/policy-file";
/// The annotation with the digest of what is in force from now on: `blake3:` and hexadecimal digits, as `b3sum` prints them.
pub const POLICY_DIGEST: &str = "kubevigil.io/policy-digest";
/// The annotation with the digest of what was in force before.
pub const PREVIOUS_DIGEST: &str = "kubevigil.io/policy-previous-digest";

/// A policy that can be put into force, and where it is from.
#[derive(Clone, Debug)]
pub struct LoadedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The file.
    pub path: PathBuf,
    /// The digest of its content, as in [`POLICY_DIGEST`].
    pub digest: String,
    /// What is odd in it, though it is valid: keys that the server drops, for instance.
    pub warnings: Vec<Diagnostic>,
}

/// Why a policy is not put into force.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file is not there, or not for us.
    #[error("cannot read the audit policy {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It is no text.
    #[error("the audit policy {} is no UTF-8 text: byte {at} is none; write it as YAML", path.display())]
    NoText {
        /// The file.
        path: PathBuf,
        /// The first byte that is wrong.
        at: usize,
    },
    /// An API server would not start with it.
    #[error("the audit policy {} is not valid:\n{}", path.display(), render_text(diagnostics, false).trim_end())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong with it, and odd.
        diagnostics: Vec<Diagnostic>,
    },
    /// The event of the change is lost.
    #[error("the change of the audit policy {} cannot be recorded, so it is put off: {source}", path.display())]
    NotRecorded {
        /// The file.
        path: PathBuf,
        /// Who lost it.
        source: SinkError,
    },
}

impl LoadedPolicy {
    /// Reads a policy as the API server reads it (spec 3.2).
    ///
    /// # Errors
    ///
    /// When the API server would not start with it; the text says everything that is wrong at once.
    pub fn read(path: impl Into<PathBuf>) -> Result<Self, PolicyError> {
        let path = path.into();
        match std::fs::read(&path) {
            Ok(content) => Self::of(path, content),
            Err(source) => Err(PolicyError::Read { path, source }),
        }
    }

    fn of(path: PathBuf, content: Vec<u8>) -> Result<Self, PolicyError> {
        let digest = digest(&content);
        let text = match String::from_utf8(content) {
            Ok(text) => text,
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                return Err(PolicyError::NoText { path, at });
            }
        };
        let file = PolicyFile::read(&path.to_string_lossy(), &text);
        let is_valid = file.is_valid();
        match file.policy {
            Some(policy) if is_valid => Ok(Self {
                policy,
                path,
                digest,
                warnings: file.diagnostics,
            }),
            _ => Err(PolicyError::Invalid {
                path,
                diagnostics: file.diagnostics,
            }),
        }
    }

    /// Says what is odd in it.
    fn warn(&self) {
        if !self.warnings.is_empty() {
            let warnings = render_text(&self.warnings, false);
            tracing::warn!(file = %self.path.display(), "the audit policy is odd:\n{warnings}");
        }
    }
}

/// What a look at the file found.
#[derive(Debug)]
pub enum Look {
    /// What is in force, or what was refused before.
    Unchanged,
    /// Another policy, which is in force now.
    Changed {
        /// The digest of what is in force.
        digest: String,
        /// The digest of what was.
        previous: String,
    },
    /// Something that cannot be put into force; the old policy stays.
    Refused(PolicyError),
}

/// The file whose policy is in force.
pub struct LivePolicy {
    path: PathBuf,
    auditing: Arc<Auditing>,
    state: Mutex<State>,
    reloads: AtomicU64,
    failed_reloads: AtomicU64,
}

struct State {
    in_force: String,
    /// The content that was refused at the last look.
    refused: Option<Refused>,
}

#[derive(Eq, PartialEq)]
enum Refused {
    Unreadable,
    Content(String),
}

impl LivePolicy {
    /// Goes on from the policy that `auditing` was made with.
    pub fn new(loaded: LoadedPolicy, auditing: Arc<Auditing>) -> Arc<Self> {
        loaded.warn();
        tracing::info!(file = %loaded.path.display(), digest = loaded.digest, "the audit policy is in force");
        Arc::new(Self {
            path: loaded.path,
            auditing,
            state: Mutex::new(State {
                in_force: loaded.digest,
                refused: None,
            }),
            reloads: AtomicU64::default(),
            failed_reloads: AtomicU64::default(),
        })
    }

    /// How often another policy was put into force.
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// How often that failed, so that the old one stayed.
    pub fn failed_reloads(&self) -> u64 {
        self.failed_reloads.load(Ordering::Relaxed)
    }

    /// Looks at the file every [`LOOK_EVERY`], until it is told to stop.
    pub async fn watch(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            self.look(false).await;
        }
    }

    /// Looks at the file, and puts its policy into force if it is another one. What comes of it is in the log, too; a refusal that was
    /// said before only if `insist`, which is for people who ask (SIGHUP).
    pub async fn look(&self, insist: bool) -> Look {
        let mut state = self.state.lock().await;
        let look = self.take(&mut state, insist).await;
        match &look {
            Look::Unchanged => {
                tracing::debug!(file = %self.path.display(), "the audit policy is as it was")
            }
            Look::Changed { digest, previous } => {
                self.reloads.fetch_add(1, Ordering::Relaxed);
                tracing::info!(file = %self.path.display(), digest, previous, "the audit policy has changed");
            }
            Look::Refused(error) => {
                self.failed_reloads.fetch_add(1, Ordering::Relaxed);
                tracing::error!("the policy before stays in force: {error}");
            }
        }
        look
    }

    async fn take(&self, state: &mut State, insist: bool) -> Look {
        let content = match self.read().await {
            Ok(Some(content)) => content,
            Ok(None) => return Look::Unchanged,
            Err(source) => {
                let path = self.path.clone();
                let error = PolicyError::Read { path, source };
                return state.refuse(Refused::Unreadable, error, insist);
            }
        };
        let digest = digest(&content);
        if digest == state.in_force {
            state.refused = None;
            return Look::Unchanged;
        }
        match LoadedPolicy::of(self.path.clone(), content) {
            Ok(loaded) => self.put_into_force(state, loaded).await,
            Err(error) => state.refuse(Refused::Content(digest), error, insist),
        }
    }

    /// The content, if it is the same for a moment.
    async fn read(&self) -> io::Result<Option<Vec<u8>>> {
        let content = tokio::fs::read(&self.path).await?;
        tokio::time::sleep(MOMENT).await;
        let again = tokio::fs::read(&self.path).await?;
        Ok((content == again).then_some(content))
    }

    async fn put_into_force(&self, state: &mut State, loaded: LoadedPolicy) -> Look {
        loaded.warn();
        let event = change_event(
            &self.path,
            &loaded.digest,
            &state.in_force,
            Uuid::new_v4(),
            wall_clock(),
        );
        if let Err(source) = self.auditing.emit(event).await {
            let path = self.path.clone();
            return Look::Refused(PolicyError::NotRecorded { path, source });
        }
        self.auditing.set_policy(loaded.policy);
        state.refused = None;
        Look::Changed {
            previous: std::mem::replace(&mut state.in_force, loaded.digest.clone()),
            digest: loaded.digest,
        }
    }
}

impl State {
    fn refuse(&mut self, what: Refused, error: PolicyError, insist: bool) -> Look {
        let what = Some(what);
        if self.refused == what && !insist {
            return Look::Unchanged;
        }
        self.refused = what;
        Look::Refused(error)
    }
}

/// The event of a change: as if `system:kubevigil` had updated the object `current` of a resource `auditpolicies`, so that
/// whatever reads audit logs can show it and search for it. Digests are as in [`POLICY_DIGEST`].
pub fn change_event(
    file: &Path,
    digest: &str,
    previous: &str,
    id: Uuid,
    now: Timestamp,
) -> AuditEvent {
    let annotations = [
        (POLICY_FILE, file.to_string_lossy().into_owned()),
        (POLICY_DIGEST, digest.to_owned()),
        (PREVIOUS_DIGEST, previous.to_owned()),
    ];
    AuditEvent {
        level: Level::Metadata,
        audit_id: id.to_string(),
        stage: Stage::ResponseComplete,
        request_uri: "/apis/kubevigil.io/v1/auditpolicies/current".to_owned(),
        verb: "update".to_owned(),
        user: UserInfo {
            username: "system:kubevigil".to_owned(),
            ..UserInfo::default()
        },
        user_agent: concat!("kubevigil/", env!("CARGO_PKG_VERSION")).to_owned(),
        object_ref: Some(ObjectReference {
            resource: "auditpolicies".to_owned(),
            name: "current".to_owned(),
            api_group: "kubevigil.io".to_owned(),
            api_version: "v1".to_owned(),
            ..ObjectReference::default()
        }),
        response_status: Some(ResponseStatus {
            code: 200,
            ..ResponseStatus::default()
        }),
        request_received: Some(now),
        stage_time: Some(now),
        annotations: annotations
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect::<Annotations>(),
        ..AuditEvent::default()
    }
}

fn digest(content: &[u8]) -> String {
    format!("blake3:{}", blake3::hash(content).to_hex())
}
