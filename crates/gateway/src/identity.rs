//! Who asks: front proxy, client certificate, bearer token or nobody, as kube-apiserver finds out.
//!
//! The first method that recognises somebody decides; credentials that none accepts are refused, also where requests without
//! credentials are allowed. Two rules go beyond kube-apiserver's, because behind a gateway there is a second judge: what goes
//! on to the upstream is exactly what was judged ([`AuthenticateLayer`]), and a caller without a name is nobody.
//!
//! | | |
//! |---|---|
//! | [`IdentityConfig`] | what can be configured |
//! | [`Authenticator`] | all methods, in order |
//! | [`AuthenticateLayer`] | the service in front of the audit layer |
//! | [`Reviewer`] | questions that the gateway asks the upstream in its own name |

mod account;
mod authenticator;
mod bearer;
mod budget;
mod cache;
mod certificate;
mod config;
mod extra;
mod front_proxy;
mod issuer;
mod jwt;
mod keys;
mod layer;
mod overlap;
mod refused;
mod renewal;
mod reviewer;
mod token_review;
mod tokens;

pub(crate) use self::account::{
    ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, says_recognised, service_account,
    service_account_groups,
};
pub use self::authenticator::{Authenticator, Identity, IdentityError, Method, Refusal};
pub(crate) use self::budget::Budget;
pub(crate) use self::cache::{Key, Keyed, Remembered, Shared};
pub(crate) use self::config::{AUTHENTICATION_KUBECONFIG, AUTHORIZATION_KUBECONFIG};
pub use self::config::{
    FrontProxyConfig, IdentityConfig, IdentityMode, KeySource, OidcConfig, ServiceAccountConfig,
    SigningAlgorithm, TokenReviewConfig,
};
pub(crate) use self::extra::{encode as encode_extra_key, extra_key};
pub use self::keys::{KeyError, KeySourceError};
pub(crate) use self::layer::AuthenticationTook;
pub use self::layer::{Authenticate, AuthenticateLayer};
pub use self::renewal::Renewal;
pub use self::reviewer::{ReviewError, Reviewer, UpstreamReviewer};
