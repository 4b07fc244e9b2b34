//! Where a request goes, and in whose name: settled when it comes in, for all of its life.
//!
//! Kubeconfigs and authorities change while requests are under way. Address, authority and credentials are replaced together, and a
//! connection serves the requests of its own way only: one that was made when a withdrawn authority still counted may lead to anybody.

use http::Request;
use http::header::{HeaderValue, VIA};
use http::request::Parts;
use kubevigil_kubeconfig::Access;

use super::acting::UpstreamIdentity;
use super::failure::Failure;
use super::link::Version;
use super::upload::{self, Upload};
use super::upstream::{Upstream, UpstreamError};
use super::{Facts, headers};
use crate::Peer;
use crate::identity::IdentityMode;

/// An upstream, and how it learns who asks.
pub(super) struct Way {
    pub(super) upstream: Upstream,
    pub(super) identity: UpstreamIdentity,
    /// Ways are counted.
    number: u64,
}

/// What follows from an access: its credentials in mode `impersonate`, none in mode `passthrough`.
pub(super) fn of(
    access: &Access,
    mode: IdentityMode,
) -> Result<(Upstream, UpstreamIdentity), UpstreamError> {
    let upstream = Upstream::of(access, mode == IdentityMode::Impersonate)?;
    let identity = match mode {
        IdentityMode::Passthrough => UpstreamIdentity::Passthrough,
        IdentityMode::Impersonate => UpstreamIdentity::Impersonate(access.credentials.clone()),
    };
    Ok((upstream, identity))
}

impl Way {
    /// The first one.
    pub(super) fn new(upstream: Upstream, identity: UpstreamIdentity) -> Self {
        Self {
            upstream,
            identity,
            number: 0,
        }
    }

    /// The one after this.
    pub(super) fn next(&self, upstream: Upstream, identity: UpstreamIdentity) -> Self {
        Self {
            number: self.number + 1,
            ..Self::new(upstream, identity)
        }
    }

    /// What a connection must have been made for to carry a request: this way, and the client certificate of the moment.
    pub(super) fn version(&self) -> Version {
        Version {
            way: self.number,
            certificate: self.identity.version(),
        }
    }

    /// The request as the upstream is to see it, but for who asks, marked as sent by this gateway. Nothing here waits, so that it is no part
    /// of the future.
    pub(super) fn prepare(
        &self,
        mut parts: Parts,
        body: Upload,
        mark: &HeaderValue,
    ) -> Result<(Request<Upload>, Facts), Failure> {
        let protocol = headers::wanted_upgrade(&parts.headers, parts.version);
        let facts = Facts::of(&mut parts, &body, protocol.is_some())?;
        let protocol = protocol.filter(|_| facts.upgrade.is_some());
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.address.ip());
        let mut request = Request::new(body);
        *request.uri_mut() = self.upstream.target(&parts.uri)?;
        *request.method_mut() = parts.method;
        let headers = request.headers_mut();
        *headers = parts.headers;
        if headers::has_mark(headers, mark) {
            return Err(Failure::Loop);
        }
        headers::outgoing(headers, protocol, |meaning| {
            self.identity.keeps(meaning, facts.is_proxied)
        });
        headers::address(headers, self.upstream.authority(), peer);
        headers.append(VIA, mark.clone());
        let is_empty = request.body().is_empty();
        headers::frame(request.headers_mut(), !is_empty);
        if !is_empty && headers::expects_continue(request.headers()) {
            upload::wait_to_be_asked(&mut request);
        }
        Ok((request, facts))
    }
}
