//! Who is recognised: kube-apiserver's flags as the gateway's configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kubevigil_gateway::identity::{
    FrontProxyConfig, IdentityConfig, IdentityMode, KeySource, OidcConfig, ServiceAccountConfig,
    SigningAlgorithm, TokenReviewConfig,
};

use super::audit_flags::given;
use crate::args::record::{FrontProxyArgs, IdentityArgs, IdentityChoice, OidcArgs};
use crate::mistakes::Mistakes;

/// Who is recognised, and how the upstream learns of it.
pub(super) fn identity(
    arguments: &IdentityArgs,
    mode: IdentityChoice,
    mistakes: &mut Mistakes,
) -> IdentityConfig {
    let is_passed_on = mode == IdentityChoice::Passthrough;
    let client_ca = given(arguments.client_ca_file.as_deref()).filter(|_| !is_passed_on);
    let authorization =
        given(arguments.authorization_kubeconfig.as_deref()).filter(|_| !is_passed_on);
    let authentication = given(arguments.authentication_kubeconfig.as_deref());
    let mut identity = IdentityConfig {
        mode: match mode {
            IdentityChoice::Impersonate => IdentityMode::Impersonate,
            IdentityChoice::Passthrough => IdentityMode::Passthrough,
        },
        client_ca: client_ca.map(Into::into),
        front_proxy: front_proxy(&arguments.front_proxy).filter(|_| !is_passed_on),
        service_accounts: service_accounts(arguments, mistakes),
        oidc: oidc(&arguments.oidc, mistakes).into_iter().collect(),
        token_review: arguments.token_review.then(|| TokenReviewConfig {
            audiences: arguments.api_audiences.clone(),
            ..TokenReviewConfig::default()
        }),
        authentication_kubeconfig: authentication.map(Into::into),
        authorization_kubeconfig: authorization.map(Into::into),
        anonymous: arguments.anonymous_auth,
    };
    if !identity.asks_about_tokens() {
        identity.authentication_kubeconfig = None;
    }
    identity
}

/// The flags of extension API servers that `identity` was made without, since nobody would be asked, in the words of warnings.
pub(super) fn never_asked(
    arguments: &IdentityArgs,
    identity: &IdentityConfig,
) -> impl Iterator<Item = &'static str> {
    let is_left_out = |flag: &Option<PathBuf>, setting: &Option<PathBuf>| {
        given(flag.as_deref()).is_some() && setting.is_none()
    };
    let authentication = is_left_out(
        &arguments.authentication_kubeconfig,
        &identity.authentication_kubeconfig,
    );
    let authorization = is_left_out(
        &arguments.authorization_kubeconfig,
        &identity.authorization_kubeconfig,
    );
    let warnings = [
        (
            authentication,
            "--authentication-kubeconfig: left out, since nobody is asked about tokens without --token-review",
        ),
        (
            authorization,
            "--authorization-kubeconfig: left out, since credentials are passed through and the API server itself decides who may \
             impersonate whom; with --identity impersonate it counts",
        ),
    ];
    let warnings = warnings.into_iter().filter(|(matters, _)| *matters);
    warnings.map(|(_, warning)| warning)
}

/// The flags that mean nothing as long as credentials are passed through, in the words of a warning. They are in most command lines
/// of a kube-apiserver, so they are no mistake.
pub(super) fn left_out(arguments: &IdentityArgs, mode: IdentityChoice) -> Option<String> {
    let front_proxy = &arguments.front_proxy.requestheader_client_ca_file;
    let flags = [
        ("--client-ca-file", &arguments.client_ca_file),
        ("--requestheader-client-ca-file", front_proxy),
    ];
    let given: Vec<&str> = flags
        .into_iter()
        .filter(|(_, file)| given(file.as_deref()).is_some())
        .map(|(flag, _)| flag)
        .collect();
    let matters = mode == IdentityChoice::Passthrough && !given.is_empty();
    matters.then(|| {
        format!(
            "{}: left out, since a certificate cannot be passed through to the API server; with --identity impersonate it counts",
            given.join(", ")
        )
    })
}

/// What is lost when the gateway alone judges tokens of service accounts, in the words of a warning.
pub(super) fn never_looked_up(
    arguments: &IdentityArgs,
    mode: IdentityChoice,
) -> Option<&'static str> {
    let verifies = !arguments.service_account_issuer.is_empty();
    (verifies && mode == IdentityChoice::Impersonate).then_some(
        "tokens of service accounts are verified by their signature alone: those of deleted service accounts, pods and secrets work \
         until they expire (--service-account-lookup means nothing here); without --service-account-issuer, --token-review asks the API server",
    )
}

fn front_proxy(arguments: &FrontProxyArgs) -> Option<FrontProxyConfig> {
    let ca = given(arguments.requestheader_client_ca_file.as_deref())?.to_owned();
    let usual = FrontProxyConfig::new(ca);
    let headers = [
        &arguments.requestheader_username_headers,
        &arguments.requestheader_uid_headers,
        &arguments.requestheader_group_headers,
        &arguments.requestheader_extra_headers_prefix,
    ];
    let usual = FrontProxyConfig {
        allowed_names: arguments.requestheader_allowed_names.clone(),
        ..usual
    };
    if headers.iter().all(|headers| headers.is_empty()) {
        return Some(usual);
    }
    let [
        username_headers,
        uid_headers,
        group_headers,
        extra_headers_prefixes,
    ] = headers.map(Clone::clone);
    Some(FrontProxyConfig {
        username_headers,
        uid_headers,
        group_headers,
        extra_headers_prefixes,
        ..usual
    })
}

fn service_accounts(
    arguments: &IdentityArgs,
    mistakes: &mut Mistakes,
) -> Option<ServiceAccountConfig> {
    let (issuers, files) = (
        &arguments.service_account_issuer,
        &arguments.service_account_key_file,
    );
    if issuers.is_empty() {
        let problem = "needs --service-account-issuer, which says whose tokens the keys verify";
        mistakes.unless(files.is_empty(), "service-account-key-file", problem);
        return None;
    }
    Some(ServiceAccountConfig {
        issuers: issuers.clone(),
        audiences: arguments.api_audiences.clone(),
        keys: match files.as_slice() {
            [] => KeySource::Upstream,
            files => KeySource::Files(files.to_vec()),
        },
    })
}

fn oidc(arguments: &OidcArgs, mistakes: &mut Mistakes) -> Option<OidcConfig> {
    let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let issuer = text(&arguments.oidc_issuer_url);
    let client = text(&arguments.oidc_client_id);
    let (issuer, client) = match (issuer, client) {
        (Some(issuer), Some(client)) => (issuer, client),
        (None, None) => return None,
        (Some(_), None) => {
            mistakes.about(
                "oidc-issuer-url",
                "needs --oidc-client-id, the audience of its tokens",
            );
            return None;
        }
        (None, Some(_)) => {
            mistakes.about(
                "oidc-client-id",
                "needs --oidc-issuer-url, which issues the tokens",
            );
            return None;
        }
    };
    Some(OidcConfig {
        username_claim: arguments.oidc_username_claim.clone(),
        username_prefix: text(&arguments.oidc_username_prefix),
        groups_claim: text(&arguments.oidc_groups_claim),
        groups_prefix: text(&arguments.oidc_groups_prefix),
        required_claims: required_claims(arguments, mistakes),
        signing_algorithms: algorithms(arguments, mistakes),
        ca_file: given(arguments.oidc_ca_file.as_deref()).map(Into::into),
        ..OidcConfig::new(issuer, client)
    })
}

fn required_claims(arguments: &OidcArgs, mistakes: &mut Mistakes) -> BTreeMap<String, String> {
    let mut claims = BTreeMap::new();
    for pair in &arguments.oidc_required_claim {
        match pair.split_once('=') {
            Some((claim, value)) => {
                claims.insert(claim.trim().to_owned(), value.trim().to_owned());
            }
            None => mistakes.about(
                "oidc-required-claim",
                format!("cannot be `{pair}`; write CLAIM=VALUE"),
            ),
        }
    }
    claims
}

fn algorithms(arguments: &OidcArgs, mistakes: &mut Mistakes) -> Vec<SigningAlgorithm> {
    let names = arguments.oidc_signing_algs.iter();
    let algorithm = |name: &String| {
        let algorithm = serde_json::from_value(name.as_str().into()).ok();
        if algorithm.is_none() {
            let problem = format!(
                "cannot be `{name}`; write RS256, RS384, RS512, PS256, PS384, PS512, ES256 or ES384"
            );
            mistakes.about("oidc-signing-algs", problem);
        }
        algorithm
    };
    names.filter_map(algorithm).collect()
}
