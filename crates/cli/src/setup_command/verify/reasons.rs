//! Why a step failed, and what to do.

use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::target::Target;
use crate::terminal;

/// A step that failed.
pub(super) struct Failure {
    /// What went wrong, as part of a sentence.
    pub(super) what: String,
    /// What to do, as a sentence.
    pub(super) remedy: String,
}

impl Failure {
    fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

pub(super) fn connecting(target: &Target, error: &io::Error) -> Failure {
    let port = target.port;
    match error.kind() {
        ErrorKind::ConnectionRefused => Failure::new(
            format!("connecting to {target}: refused"),
            format!(
                "Nothing listens there. Is kubevigil running, and does `sources.webhook.listen` name this address? On its machine, `ss -ltn 'sport = :{port}'` shows what listens."
            ),
        ),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::new(
            format!("connecting to {target}: no answer"),
            "A firewall or a wrong address: nothing says no. Try from the API server's own machine.",
        ),
        _ => Failure::new(
            format!("connecting to {target}: {}", terminal::reason(error)),
            "Check the host. An API server in a static pod resolves names as its node does, and knows no Services.",
        ),
    }
}

pub(super) fn handshake(target: &Target, error: &io::Error, has_certificate: bool) -> Failure {
    let Some(problem) = tls(error) else {
        let what = format!("TLS with {target}: {}", terminal::reason(error));
        return Failure::new(
            what,
            "Something hung up that may be no kubevigil, or speaks no TLS. Try http:// on the same machine.",
        );
    };
    match problem {
        TlsError::InvalidCertificate(problem) => certificate(target, problem),
        TlsError::InvalidMessage(_) => Failure::new(
            format!("TLS with {target}: the answer is no TLS"),
            format!(
                "The webhook speaks plain HTTP: set `sources.webhook.tls`, or try http://{target}."
            ),
        ),
        TlsError::AlertReceived(alert) => client(*alert, has_certificate),
        other => Failure::new(
            format!("TLS with {target}: {other}"),
            "See kubevigil's log for its side of it.",
        ),
    }
}

fn certificate(target: &Target, problem: &CertificateError) -> Failure {
    let what = |reason: &str| format!("TLS with {target}: kubevigil's certificate {reason}");
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => Failure::new(
            what("is of another authority than --ca"),
            "Give the authority that signed it: client/ca.crt of the folder whose kubevigil.yaml the daemon runs with. The API server's kubeconfig must hold the same one.",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Failure::new(
                what("is not for this name"),
                "Use a name that is in it, or run `kubevigil setup` with --address naming this one. `openssl x509 -noout -ext subjectAltName -in kubevigil/tls.crt` lists them.",
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Failure::new(
            what("has expired"),
            "The API server's events are lost for the same reason: run `kubevigil setup` again into a new folder and apply it.",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Failure::new(
                what("is not valid yet"),
                "Check the clocks of both machines.",
            )
        }
        other => Failure::new(
            what(&format!("cannot be used: {other}")),
            "Make a new one: `kubevigil setup` does.",
        ),
    }
}

/// The server did not like the client's certificate, or missed it.
fn client(alert: AlertDescription, has_certificate: bool) -> Failure {
    if has_certificate {
        Failure::new(
            format!("authentication: kubevigil refuses the client certificate ({alert:?})"),
            "It must be of an authority in `sources.webhook.tls.client_ca` of the running configuration, for clients, and valid today.",
        )
    } else {
        Failure::new(
            "authentication: kubevigil asks for a client certificate",
            "Give --cert and --key: client/client.crt and client/client.key of the folder that `kubevigil setup` wrote.",
        )
    }
}

pub(super) fn posting(target: &Target, error: &io::Error, has_certificate: bool) -> Failure {
    if let Some(TlsError::AlertReceived(alert)) = tls(error) {
        return client(*alert, has_certificate);
    }
    if !target.is_tls
        && matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
        )
    {
        return Failure::new(
            format!("sending to {target}: the answer is no HTTP"),
            format!("The webhook wants TLS: use https://{target} with --ca."),
        );
    }
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Failure::new(
            format!("sending to {target}: no answer within ten seconds"),
            "kubevigil answers when the event is on disk: its log says whether the disk is slow or full.",
        ),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof
            if target.is_tls && !has_certificate =>
        {
            Failure::new(
                format!("sending to {target}: hung up without an answer"),
                "Perhaps for want of a client certificate: give --cert and --key. kubevigil's log says why.",
            )
        }
        _ => Failure::new(
            format!("sending to {target}: {}", terminal::reason(error)),
            "See kubevigil's log for its side of it.",
        ),
    }
}

pub(super) fn refused(status: u16, reason: &str, target: &Target) -> Failure {
    let what = if reason.is_empty() {
        format!("answered with {status}")
    } else {
        format!("answered with {status}: {reason}")
    };
    let what = match status {
        401 | 403 => format!("authentication: {what}"),
        _ => what,
    };
    let remedy = match status {
        401 => {
            "Give --token-file with a token that is in the file of `sources.webhook.tokens`; the API server needs the same one in its kubeconfig."
        }
        403 => "The certificate's name must be in `sources.webhook.tls.allowed_names`.",
        400 if !target.is_tls => "If this is kubevigil, it may want TLS: use https:// with --ca.",
        404 => "The path must be one of `sources.webhook.paths`, /k8s_audit by default.",
        429 => "kubevigil is busy: try again, and see its metrics if this lasts.",
        503 => "kubevigil cannot write events, or is stopping: its log says why.",
        200..=299 => "Only 200 says that the event is on disk: this is no kubevigil.",
        _ => "Is this kubevigil? Its log says what it refused.",
    };
    Failure::new(what, remedy)
}

fn tls(error: &io::Error) -> Option<&TlsError> {
    error.get_ref()?.downcast_ref()
}
