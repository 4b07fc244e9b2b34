//! `--audit-*`: kube-apiserver's checks at its start, and what the flags mean (spec 8).
//!
//! A backend is checked only if it is on, its batch options only in mode `batch`, its sizes of truncation always, the version of
//! the webhook even if that is off: exactly as the server does it. Two things differ. All mistakes are shown, not the first group
//! of them; and where the server would record nothing without a word, since it has no policy or no backend, there is an error.

use std::path::Path;
use std::time::Duration;

use kubevigil_record::backend::{BackendOptions, Contradiction, Mode};
use kubevigil_record::buffered::{BufferOptions, ThrottleOptions};
use kubevigil_record::log::{LogFormat, LogOptions};
use kubevigil_record::truncate::TruncateOptions;
use kubevigil_record::webhook::INITIAL_BACKOFF;

use crate::args::record::{LogArgs, RecordArgs, WebhookArgs};
use crate::gate::backends::{Backends, LogBackend, WebhookBackend};
use crate::mistakes::Mistakes;

const VERSION: &str = "audit.k8s.io/v1";

/// The backends that the flags ask for.
pub(super) fn backends(arguments: &RecordArgs, mistakes: &mut Mistakes) -> Backends {
    let log = log(&arguments.log, mistakes);
    let webhook = webhook(&arguments.webhook, mistakes);
    if log.is_none() && webhook.is_none() {
        let problem = "or --audit-webhook-config-file is needed: without them there is nowhere for events to go (kube-apiserver would record nothing)";
        mistakes.about("audit-log-path", problem);
    }
    if arguments.policy.audit_policy_file.is_none() {
        let problem = "is needed: without a policy nothing would be recorded (kube-apiserver would say nothing about it); \
                       `kubevigil policy recommend` proposes one";
        mistakes.about("audit-policy-file", problem);
    }
    Backends { log, webhook }
}

/// Flags that are still understood and will go away, in the words of a warning.
pub(super) fn deprecated(arguments: &RecordArgs) -> Option<&'static str> {
    arguments
        .webhook
        .audit_webhook_batch_initial_backoff
        .map(|_| "--audit-webhook-batch-initial-backoff is deprecated: it is called --audit-webhook-initial-backoff now")
}

fn log(arguments: &LogArgs, mistakes: &mut Mistakes) -> Option<LogBackend> {
    let path = given(arguments.audit_log_path.as_deref())?;
    let around = Around {
        backend: "log",
        mode: &arguments.audit_log_mode,
        buffer_size: arguments.audit_log_batch_buffer_size,
        max_size: arguments.audit_log_batch_max_size,
        max_wait: arguments.audit_log_batch_max_wait,
        throttles: arguments.audit_log_batch_throttle_enable,
        qps: arguments.audit_log_batch_throttle_qps,
        burst: arguments.audit_log_batch_throttle_burst,
        truncates: arguments.audit_log_truncate_enabled,
        max_event_size: arguments.audit_log_truncate_max_event_size,
        max_batch_size: arguments.audit_log_truncate_max_batch_size,
    };
    let around = around.check(BackendOptions::log(), mistakes);
    check_version("log", &arguments.audit_log_version, mistakes);
    let format = match arguments.audit_log_format.as_str() {
        "json" => LogFormat::Json,
        "legacy" => LogFormat::Legacy,
        other => {
            let problem = format!("cannot be `{other}`; write json or legacy");
            mistakes.about("audit-log-format", problem);
            LogFormat::Json
        }
    };
    let mut count = |flag: &str, value: i64| {
        let problem = format!("is {value}, and must not be negative; 0 means no limit");
        mistakes.unless(value >= 0, flag, problem);
        u64::try_from(value).unwrap_or_default()
    };
    let options = LogOptions {
        path: path.to_owned(),
        format,
        max_size: count("audit-log-maxsize", arguments.audit_log_maxsize),
        max_backups: usize::try_from(count("audit-log-maxbackup", arguments.audit_log_maxbackup))
            .unwrap_or(usize::MAX),
        max_age: count("audit-log-maxage", arguments.audit_log_maxage),
        compress: arguments.audit_log_compress,
    };
    Some(LogBackend { options, around })
}

fn webhook(arguments: &WebhookArgs, mistakes: &mut Mistakes) -> Option<WebhookBackend> {
    let kubeconfig = given(arguments.audit_webhook_config_file.as_deref());
    let version = &arguments.audit_webhook_version;
    let Some(kubeconfig) = kubeconfig else {
        let can_be_read = version.split('/').count() <= 2;
        let problem = format!("cannot be `{version}`; write {VERSION}");
        mistakes.unless(can_be_read, "audit-webhook-version", problem);
        return None;
    };
    check_version("webhook", version, mistakes);
    let around = Around {
        backend: "webhook",
        mode: &arguments.audit_webhook_mode,
        buffer_size: arguments.audit_webhook_batch_buffer_size,
        max_size: arguments.audit_webhook_batch_max_size,
        max_wait: arguments.audit_webhook_batch_max_wait,
        throttles: arguments.audit_webhook_batch_throttle_enable,
        qps: arguments.audit_webhook_batch_throttle_qps,
        burst: arguments.audit_webhook_batch_throttle_burst,
        truncates: arguments.audit_webhook_truncate_enabled,
        max_event_size: arguments.audit_webhook_truncate_max_event_size,
        max_batch_size: arguments.audit_webhook_truncate_max_batch_size,
    };
    let around = around.check(BackendOptions::webhook(), mistakes);
    // The server has one value under two names. Which of them came last is not known here; what was given at all is.
    let initial_backoff = match arguments.audit_webhook_batch_initial_backoff {
        Some(old) if arguments.audit_webhook_initial_backoff == INITIAL_BACKOFF => old,
        _ => arguments.audit_webhook_initial_backoff,
    };
    Some(WebhookBackend {
        kubeconfig: kubeconfig.to_owned(),
        initial_backoff,
        around,
    })
}

/// A path that is given and not empty: `--audit-log-path=` turns a backend off.
pub(super) fn given(path: Option<&Path>) -> Option<&Path> {
    path.filter(|path| !path.as_os_str().is_empty())
}

fn check_version(backend: &str, version: &str, mistakes: &mut Mistakes) {
    let problem = format!("cannot be `{version}`; only {VERSION} is written");
    mistakes.unless(
        version == VERSION,
        &format!("audit-{backend}-version"),
        problem,
    );
}

/// The flags that both backends have.
struct Around<'a> {
    backend: &'static str,
    mode: &'a str,
    buffer_size: i64,
    max_size: i64,
    max_wait: Option<Duration>,
    throttles: bool,
    qps: f64,
    burst: i64,
    truncates: bool,
    max_event_size: i64,
    max_batch_size: i64,
}

impl Around<'_> {
    fn check(&self, defaults: BackendOptions, mistakes: &mut Mistakes) -> BackendOptions {
        let mode = self.mode(mistakes).unwrap_or(defaults.mode);
        let usual = defaults.in_mode(mode).buffer;
        let throttle = ThrottleOptions {
            qps: self.qps,
            burst: u32::try_from(self.burst.max(0)).unwrap_or(u32::MAX),
        };
        let options = BackendOptions {
            mode,
            buffer: BufferOptions {
                buffer_size: size(self.buffer_size),
                max_batch_size: size(self.max_size),
                max_batch_wait: self.max_wait.unwrap_or(usual.max_batch_wait),
                throttle: self.throttles.then_some(throttle),
                ..usual
            },
            truncates: self.truncates,
            truncate: TruncateOptions {
                max_event_size: size(self.max_event_size),
                max_batch_size: size(self.max_batch_size),
            },
        };
        for Contradiction { setting, problem } in options.contradictions() {
            let flags = format!("--{}", self.flag("truncate-"));
            mistakes.about(&self.flag(setting), problem.replace("truncate-", &flags));
        }
        options
    }

    fn mode(&self, mistakes: &mut Mistakes) -> Option<Mode> {
        let mode = Mode::parse(self.mode);
        if mode.is_none() {
            let names = Mode::ALL.map(Mode::as_str).join(", ");
            let problem = format!("cannot be `{}`; write one of {names}", self.mode);
            mistakes.about(&self.flag("mode"), problem);
        }
        mode
    }

    fn flag(&self, rest: &str) -> String {
        format!("audit-{}-{rest}", self.backend)
    }
}

/// Less than nothing is nothing: where that is a mistake, so is nothing.
fn size(number: i64) -> usize {
    usize::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends_of(line: &str) -> Backends {
        let arguments = RecordArgs::of_line(&format!("--audit-policy-file=p {line}"));
        let mut mistakes = Mistakes::default();
        let backends = backends(&arguments, &mut mistakes);
        assert!(mistakes.is_empty(), "{mistakes:?}");
        backends
    }

    #[test]
    fn without_other_flags_a_backend_has_the_defaults_of_kube_apiserver() {
        let backends = backends_of("--audit-log-path=a --audit-webhook-config-file=w");
        let (log, webhook) = (backends.log.unwrap(), backends.webhook.unwrap());
        assert_eq!(log.options, LogOptions::new("a"));
        assert_eq!(log.around, BackendOptions::log());
        assert_eq!(webhook.kubeconfig, Path::new("w"));
        assert_eq!(webhook.initial_backoff, INITIAL_BACKOFF);
        assert_eq!(webhook.around, BackendOptions::webhook());
    }

    #[test]
    fn each_flag_of_the_log_sets_what_it_names() {
        let backends = backends_of(
            "--audit-log-path=a --audit-log-maxage=1 --audit-log-maxbackup=2 --audit-log-maxsize=3 --audit-log-format=legacy
             --audit-log-compress=true --audit-log-mode=batch --audit-log-batch-buffer-size=4 --audit-log-batch-max-size=5
             --audit-log-batch-max-wait=6s --audit-log-batch-throttle-enable=true --audit-log-batch-throttle-qps=7
             --audit-log-batch-throttle-burst=8 --audit-log-truncate-enabled=true --audit-log-truncate-max-event-size=9
             --audit-log-truncate-max-batch-size=10",
        );
        let log = backends.log.unwrap();
        let options = LogOptions {
            path: "a".into(),
            format: LogFormat::Legacy,
            max_size: 3,
            max_backups: 2,
            max_age: 1,
            compress: true,
        };
        assert_eq!(log.options, options);
        assert_eq!(log.around, numbered(Mode::Batch, 4, false));
        assert!(backends.webhook.is_none());
    }

    #[test]
    fn each_flag_of_the_webhook_sets_what_it_names() {
        let backends = backends_of(
            "--audit-webhook-config-file=w --audit-webhook-initial-backoff=3s --audit-webhook-mode=blocking-strict
             --audit-webhook-batch-buffer-size=4 --audit-webhook-batch-max-size=5 --audit-webhook-batch-max-wait=6s
             --audit-webhook-batch-throttle-enable=true --audit-webhook-batch-throttle-qps=7
             --audit-webhook-batch-throttle-burst=8 --audit-webhook-truncate-enabled=true
             --audit-webhook-truncate-max-event-size=9 --audit-webhook-truncate-max-batch-size=10",
        );
        let webhook = backends.webhook.unwrap();
        assert_eq!(webhook.initial_backoff, Duration::from_secs(3));
        assert_eq!(webhook.around, numbered(Mode::BlockingStrict, 4, true));
        assert!(backends.log.is_none());
    }

    #[test]
    fn batches_wait_less_where_nothing_is_throttled_unless_told() {
        let wait = |flags: &str| {
            let line = format!("--audit-webhook-config-file=w --audit-webhook-mode={flags}");
            let buffer = backends_of(&line).webhook.unwrap().around.buffer;
            buffer.max_batch_wait.as_secs()
        };
        assert_eq!((wait("batch"), wait("durable")), (30, 5));
        assert_eq!(wait("durable --audit-webhook-batch-max-wait=7s"), 7);
    }

    #[test]
    fn the_old_name_of_the_backoff_counts_unless_the_new_one_is_given() {
        let backoff = |flags: &str| {
            let line = format!("--audit-webhook-config-file=w {flags}");
            backends_of(&line).webhook.unwrap().initial_backoff
        };
        let old = "--audit-webhook-batch-initial-backoff=3s";
        assert_eq!(backoff(old), Duration::from_secs(3));
        let both = format!("{old} --audit-webhook-initial-backoff=4s");
        assert_eq!(backoff(&both), Duration::from_secs(4));
    }

    #[test]
    fn an_empty_path_turns_a_backend_off() {
        let backends =
            backends_of("--audit-log-path=a --audit-log-path= --audit-webhook-config-file=w");
        assert!(backends.log.is_none());
    }

    /// What is around a backend whose flags are numbered from `first` on.
    fn numbered(mode: Mode, first: usize, side_by_side: bool) -> BackendOptions {
        BackendOptions {
            mode,
            buffer: BufferOptions {
                buffer_size: first,
                max_batch_size: first + 1,
                max_batch_wait: Duration::from_secs(6),
                throttle: Some(ThrottleOptions { qps: 7.0, burst: 8 }),
                side_by_side,
            },
            truncates: true,
            truncate: TruncateOptions {
                max_event_size: 9,
                max_batch_size: 10,
            },
        }
    }
}
