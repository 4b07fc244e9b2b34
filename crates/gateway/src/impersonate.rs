//! In whose name somebody asks: what clients want to be taken for, and whom the gateway speaks for.
//!
//! With mode `passthrough` the upstream decides about `Impersonate-*` headers as it always did, and the gateway only records what
//! comes of it. With mode `impersonate` the gateway's own credentials may impersonate anybody, so the gateway decides first, by
//! asking the upstream in the name of the caller, and only what was allowed is written into headers anew. The rejected
//! alternative, to pass the client's headers on beside the gateway's own, cannot work: a request has one impersonated user.
//!
//! | | |
//! |---|---|
//! | [`ImpersonateLayer`] | the service around the one that forwards |
//! | [`ForwardAs`] | whom the upstream shall take the request for, exactly |

mod authorise;
mod forward_as;
mod go;
mod layer;
mod wanted;

pub use self::forward_as::{ForwardAs, Unwritable};
pub use self::layer::{Asked, Impersonate, ImpersonateLayer, Impersonating};
