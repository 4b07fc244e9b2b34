//! Callers known by a client certificate.
//!
//! The common name is the user, organisations are the groups, and one attribute of the subject may hold the uid (OID
//! 1.3.6.1.4.1.57683.2, Kubernetes 1.34 and later). Chains that were verified are remembered for some seconds, because a
//! busy connection brings the same chain with each request, and building it costs more than all the rest of a request.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use kubevigil_record::event::UserInfo;
use kubevigil_tls::{Authorities, CredentialsError, Look, Reloadable};
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::oid_registry::{
    OID_X509_COMMON_NAME, OID_X509_ORGANIZATION_NAME, Oid, asn1_rs::oid,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

use super::account::CREDENTIAL_ID;
use super::cache::{Keyed, Remembered};
use super::refused::Refused;

/// How long a verified chain is taken without verifying it again.
const REMEMBER: Duration = Duration::from_secs(10);
const MOST_REMEMBERED: usize = 10_000;
const UID: Oid<'static> = oid!(1.3.6.1.4.1.57683.2);

/// Somebody who is vouched for: the subject of a certificate, as far as it matters here.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Subject {
    pub(super) common_name: String,
    organizations: Vec<String>,
    uid: String,
    fingerprint: String,
}

/// Authorities, and whom they vouched for lately.
pub(super) struct Vouchers {
    file: Reloadable<Authorities>,
    /// Those who are asked. What the file holds may have been refused (see `renewal`).
    in_force: ArcSwap<InForce>,
    remembered: Remembered<Subject>,
    keyed: Keyed,
}

struct InForce {
    authorities: Arc<Authorities>,
    /// How often they were others: what was remembered of those no longer counts.
    generation: u64,
}

impl Vouchers {
    pub(super) fn new(file: Reloadable<Authorities>, keyed: Keyed) -> Self {
        let in_force = InForce {
            authorities: file.current(),
            generation: 0,
        };
        Self {
            file,
            in_force: ArcSwap::from_pointee(in_force),
            remembered: Remembered::new(MOST_REMEMBERED),
            keyed,
        }
    }

    /// Reads the file again; see [`Reloadable::reload`]. Nothing new is in force yet.
    pub(super) fn look(&self, insist: bool) -> Result<Look, CredentialsError> {
        self.file.reload(insist)
    }

    /// What the file held when it was last good.
    pub(super) fn latest(&self) -> Arc<Authorities> {
        self.file.current()
    }

    /// Those who are asked.
    pub(super) fn in_force(&self) -> Arc<Authorities> {
        Arc::clone(&self.in_force.load().authorities)
    }

    /// Has others asked from now on. Whether they are others.
    pub(super) fn put_in_force(&self, authorities: Arc<Authorities>) -> bool {
        let current = self.in_force.load();
        let are_others = current.authorities.certificates() != authorities.certificates();
        if are_others {
            self.in_force.store(Arc::new(InForce {
                authorities,
                generation: current.generation + 1,
            }));
        }
        are_others
    }

    /// The subject of a chain, its own certificate first, if an authority vouches for it as a client.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Subject, Refused> {
        let in_force = self.in_force.load();
        let generation = in_force.generation.to_le_bytes();
        let parts = chain.iter().map(AsRef::as_ref);
        let key = self
            .keyed
            .of(std::iter::once(generation.as_slice()).chain(parts));
        if let Some(subject) = self.remembered.get(&key, now) {
            return Ok(subject);
        }
        let (subject, expires) = judge(&in_force.authorities, chain, now)?;
        let until = expires.min(now + REMEMBER);
        self.remembered.put(key, subject.clone(), now, until);
        Ok(subject)
    }
}

impl Subject {
    /// The user of a client certificate; `None` when it has no common name.
    pub(super) fn user(self) -> Option<UserInfo> {
        let credential = format!("X509SHA256={}", self.fingerprint);
        (!self.common_name.is_empty()).then(|| UserInfo {
            username: self.common_name,
            uid: self.uid,
            groups: self.organizations,
            extra: BTreeMap::from([(CREDENTIAL_ID.to_owned(), vec![credential])]),
        })
    }
}

fn judge(
    authorities: &Authorities,
    chain: &[CertificateDer<'_>],
    now: SystemTime,
) -> Result<(Subject, SystemTime), Refused> {
    let leaf = chain.first().map_or(&[][..], AsRef::as_ref);
    let refused = |subject: &str, problem: String| Refused::Certificate {
        subject: subject.to_owned(),
        problem,
    };
    let (_, certificate) = X509Certificate::from_der(leaf)
        .map_err(|error| refused("that cannot be read", error.to_string()))?;
    let name = certificate.subject().to_string();
    authorities
        .verify(chain, UnixTime::since_unix_epoch(since_epoch(now)))
        .map_err(|error| refused(&name, error.to_string()))?;
    let subject = subject(certificate.subject(), leaf);
    let subject = subject.map_err(|problem| refused(&name, problem.to_owned()))?;
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Ok((
        subject,
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
    ))
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}

/// Of several common names the last counts, as in Go. Of uids there may be one.
fn subject(name: &X509Name<'_>, certificate: &[u8]) -> Result<Subject, &'static str> {
    let mut subject = Subject {
        fingerprint: fingerprint(certificate),
        ..Subject::default()
    };
    let mut has_uid = false;
    for attribute in name.iter_attributes() {
        let kind = attribute.attr_type();
        let is_uid = *kind == UID;
        if *kind != OID_X509_COMMON_NAME && *kind != OID_X509_ORGANIZATION_NAME && !is_uid {
            continue;
        }
        let text = attribute
            .as_str()
            .map_err(|_| "a name of the subject is no text that can be read")?
            .to_owned();
        if is_uid && (has_uid || text.is_empty()) {
            return Err("the subject must have one uid that is not empty, or none");
        }
        match is_uid {
            true => (subject.uid, has_uid) = (text, true),
            false if *kind == OID_X509_COMMON_NAME => subject.common_name = text,
            false => subject.organizations.push(text),
        }
    }
    Ok(subject)
}

fn fingerprint(certificate: &[u8]) -> String {
    let hash = digest(&SHA256, certificate);
    let mut text = String::with_capacity(64);
    for byte in hash.as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
