//! Callers named by a proxy in front, in headers that are believed because the proxy proved who it is.

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::HeaderMap;
use http::header::{HeaderName, InvalidHeaderName};
use kubevigil_record::event::UserInfo;
use rustls_pki_types::CertificateDer;

use super::certificate::Vouchers;
use super::config::FrontProxyConfig;
use super::extra::extra_key;
use super::refused::Refused;

/// A proxy that is believed.
pub(super) struct FrontProxy {
    vouchers: Vouchers,
    allowed_names: Vec<String>,
    users: Vec<HeaderName>,
    uids: Vec<HeaderName>,
    groups: Vec<HeaderName>,
    /// Lower case.
    extra_prefixes: Vec<String>,
    /// Names and beginnings as above, with `-` for `_`.
    folded: Folded,
}

/// What a header must not look like.
struct Folded {
    names: Vec<String>,
    prefixes: Vec<String>,
}

impl FrontProxy {
    /// Fails when a header of the configuration could not be one.
    pub(super) fn new(
        config: &FrontProxyConfig,
        vouchers: Vouchers,
    ) -> Result<Self, InvalidHeaderName> {
        let prefixes = names(&config.extra_headers_prefixes)?;
        let users = names(&config.username_headers)?;
        let uids = names(&config.uid_headers)?;
        let groups = names(&config.group_headers)?;
        let named = users.iter().chain(&uids).chain(&groups);
        let folded = Folded {
            names: named.map(fold).collect(),
            prefixes: prefixes.iter().map(fold).collect(),
        };
        Ok(Self {
            vouchers,
            allowed_names: config.allowed_names.clone(),
            users,
            uids,
            groups,
            folded,
            extra_prefixes: prefixes
                .iter()
                .map(|name| name.as_str().to_owned())
                .collect(),
        })
    }

    /// Who vouches for proxies.
    pub(super) fn vouchers(&self) -> &Vouchers {
        &self.vouchers
    }

    /// Whether a proxy's certificate may have any name.
    pub(super) fn takes_any_name(&self) -> bool {
        self.allowed_names.is_empty()
    }

    /// Whom the proxy names; `None` when there is no certificate, or no name.
    pub(super) fn identify(
        &self,
        headers: &HeaderMap,
        chain: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<Option<UserInfo>, Refused> {
        if chain.is_empty() {
            return Ok(None);
        }
        let subject = self.vouchers.verify(chain, now)?;
        if !self.takes_any_name() && !self.allowed_names.contains(&subject.common_name) {
            let name = subject.common_name;
            return Err(Refused::ProxyName { name });
        }
        let username = first(headers, &self.users)?;
        if username.is_empty() {
            return Ok(None);
        }
        Ok(Some(UserInfo {
            username,
            uid: first(headers, &self.uids)?,
            groups: self.groups(headers)?,
            extra: self.extra(headers)?,
        }))
    }

    /// Whether a header, in lower case and with `_` as `-`, could be taken for one that names a caller.
    pub(super) fn names_caller(&self, name: &str) -> bool {
        let Folded { names, prefixes } = &self.folded;
        let begins = |prefix: &String| name.starts_with(prefix.as_str());
        names.iter().any(|other| other == name) || prefixes.iter().any(begins)
    }

    fn groups(&self, headers: &HeaderMap) -> Result<Vec<String>, Refused> {
        let lines = self.groups.iter().flat_map(|name| {
            let values = headers.get_all(name).into_iter();
            values.map(move |value| text(name, value.as_bytes()))
        });
        lines
            .filter(|group| group.as_ref().map_or(true, |group| !group.is_empty()))
            .collect()
    }

    fn extra(&self, headers: &HeaderMap) -> Result<BTreeMap<String, Vec<String>>, Refused> {
        let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for prefix in &self.extra_prefixes {
            for (name, value) in headers {
                let Some(key) = name.as_str().strip_prefix(prefix.as_str()) else {
                    continue;
                };
                let key = text(name, &extra_key(key))?;
                extra
                    .entry(key)
                    .or_default()
                    .push(text(name, value.as_bytes())?);
            }
        }
        Ok(extra)
    }
}

fn fold(name: &HeaderName) -> String {
    name.as_str().replace('_', "-")
}

fn names(names: &[String]) -> Result<Vec<HeaderName>, InvalidHeaderName> {
    names.iter().map(|name| name.trim().parse()).collect()
}

/// The first value that is not empty of the first header that has one; of each header, the first line counts.
fn first(headers: &HeaderMap, names: &[HeaderName]) -> Result<String, Refused> {
    let value = names
        .iter()
        .filter_map(|name| Some((name, headers.get(name)?.as_bytes())))
        .find(|(_, value)| !value.is_empty());
    value.map_or_else(|| Ok(String::new()), |(name, value)| text(name, value))
}

fn text(header: &HeaderName, value: &[u8]) -> Result<String, Refused> {
    let text = std::str::from_utf8(value).map_err(|_| Refused::NotText {
        header: header.to_string(),
    })?;
    Ok(text.to_owned())
}
