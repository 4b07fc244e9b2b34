//! What findings ask of flags and policy.

use kubevigil_audit::policy::{Decision, Policy, PolicyLevel};
use kubevigil_diagnostics::{Diagnostic, Place};
use kubevigil_plan::probe::{Probe, USER_CLASSES};
use kubevigil_plan::resources::RESOURCES;

use super::Subject;
use crate::server::{Flags, Server};

/// A backend's settings, defaults included.
#[derive(Clone, Debug)]
pub(super) struct Backend<'f> {
    /// `log` or `webhook`.
    pub(super) name: &'static str,
    /// The flag that switches it on.
    pub(super) switch: &'static str,
    flags: &'f Flags,
}

impl<'f> Backend<'f> {
    pub(super) fn log(flags: &'f Flags) -> Self {
        Self {
            name: "log",
            switch: "audit-log-path",
            flags,
        }
    }

    pub(super) fn webhook(flags: &'f Flags) -> Self {
        Self {
            name: "webhook",
            switch: "audit-webhook-config-file",
            flags,
        }
    }

    /// The full name of one of its flags.
    pub(super) fn flag(&self, rest: &str) -> String {
        format!("audit-{}-{rest}", self.name)
    }

    pub(super) fn place(&self, rest: &str) -> Option<&'f Place> {
        self.flags.get(&self.flag(rest)).map(|flag| &flag.place)
    }

    pub(super) fn is_on(&self) -> bool {
        self.flags.text(self.switch).is_some()
    }

    fn is_webhook(&self) -> bool {
        self.name == "webhook"
    }

    pub(super) fn mode(&self) -> &'f str {
        let default = if self.is_webhook() {
            "batch"
        } else {
            "blocking"
        };
        self.flags.text(&self.flag("mode")).unwrap_or(default)
    }

    pub(super) fn buffer_size(&self) -> i64 {
        self.integer("batch-buffer-size", 10_000)
    }

    pub(super) fn batch_max_size(&self) -> i64 {
        self.integer("batch-max-size", if self.is_webhook() { 400 } else { 1 })
    }

    /// Seconds.
    pub(super) fn batch_max_wait(&self) -> f64 {
        let default = if self.is_webhook() { 30.0 } else { 0.0 };
        self.flags
            .seconds(&self.flag("batch-max-wait"))
            .unwrap_or(default)
    }

    pub(super) fn throttles(&self) -> bool {
        let given = self.flags.switch(&self.flag("batch-throttle-enable"));
        given.unwrap_or(self.is_webhook())
    }

    pub(super) fn qps(&self) -> f64 {
        let default = if self.is_webhook() { 10.0 } else { 0.0 };
        self.flags
            .number(&self.flag("batch-throttle-qps"))
            .unwrap_or(default)
    }

    pub(super) fn burst(&self) -> i64 {
        self.integer(
            "batch-throttle-burst",
            if self.is_webhook() { 15 } else { 0 },
        )
    }

    pub(super) fn truncates(&self) -> bool {
        self.flags
            .switch(&self.flag("truncate-enabled"))
            .unwrap_or(false)
    }

    pub(super) fn max_event_size(&self) -> i64 {
        self.integer("truncate-max-event-size", 102_400)
    }

    pub(super) fn max_batch_size(&self) -> i64 {
        self.integer("truncate-max-batch-size", 10_485_760)
    }

    /// Events a second that are passed on in the long run; `None` without a limit.
    pub(super) fn events_per_second(&self) -> Option<f64> {
        let size = self.batch_max_size() as f64;
        (self.mode() == "batch" && self.throttles()).then(|| self.qps() * size)
    }

    fn integer(&self, rest: &str, default: i64) -> i64 {
        self.flags.integer(&self.flag(rest)).unwrap_or(default)
    }
}

impl<'s> Subject<'s> {
    /// The policy, if one is given that an API server accepts.
    pub(super) fn policy(&self) -> Option<&'s Policy> {
        self.policy?.policy.as_ref()
    }

    /// The first request by any kind of user with one of these verbs whose decision is such, and the decision.
    pub(super) fn decided(
        &self,
        verbs: &[&str],
        such: impl Fn(&Decision) -> bool,
    ) -> Option<(String, Decision)> {
        let policy = self.policy()?;
        let probes = RESOURCES.iter().flat_map(|resource| {
            let of_verb = move |verb| {
                USER_CLASSES
                    .iter()
                    .map(move |class| (resource, verb, class))
            };
            verbs.iter().copied().flat_map(of_verb)
        });
        probes
            .map(|(resource, verb, class)| {
                let decision = Probe::resource(class, verb, resource, "").decide(policy);
                (resource, verb, decision)
            })
            .find(|(.., decision)| such(decision))
            .map(|(resource, verb, decision)| (format!("{verb} {}", resource.name), decision))
    }

    /// Whether the policy records bodies; without a policy, it may.
    pub(super) fn may_record_bodies(&self) -> bool {
        let verbs = ["create", "update", "patch", "get", "list"];
        self.policy().is_none()
            || self
                .decided(&verbs, |decision| decision.level >= PolicyLevel::Request)
                .is_some()
    }
}

impl Server {
    /// The place of a flag, or where it is missing.
    pub(super) fn place(&self, flag: &str) -> Option<&Place> {
        let given = self.flags.get(flag).map(|flag| &flag.place);
        given.or(self.anchor.as_ref())
    }
}

/// A diagnostic at a place that may not be known.
pub(super) fn at(diagnostic: Diagnostic, place: Option<&Place>) -> Diagnostic {
    Diagnostic {
        place: place.cloned(),
        ..diagnostic
    }
}
