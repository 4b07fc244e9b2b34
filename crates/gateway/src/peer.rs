//! Who is at the other end of a connection.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;

/// The other end of a connection; in the extensions of each of its requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address and port that the connection came from.
    pub address: SocketAddr,
    /// The chain that the client presented, its own certificate first; empty without one. The handshake proved that the client
    /// has the key of the first. Who vouches for it is not known yet.
    pub certificates: Arc<[CertificateDer<'static>]>,
}
