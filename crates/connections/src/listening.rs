//! A port, and the connections that come in on it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::warn;

use crate::throttle::Throttle;

/// How long to wait when the system has no file descriptor left for a connection.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// An address that cannot be listened on. The message says what to do.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {problem}{}", advice(problem, *address, setting))]
pub struct ListenError {
    /// The address asked for.
    pub address: SocketAddr,
    /// What the system says. It is in the text, and so no cause that is told behind it.
    pub problem: io::Error,
    /// The setting that the address stands in, such as `webhook.listen`.
    setting: &'static str,
}

/// Takes a port: the listener, and its address with the actual port when port 0 was asked for. `setting` is where people can change the
/// address.
pub async fn listen(
    address: SocketAddr,
    setting: &'static str,
) -> Result<(TcpListener, SocketAddr), ListenError> {
    let bound = TcpListener::bind(address).await;
    let named = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match named {
        Ok((actual, listener)) => Ok((listener, actual)),
        Err(problem) => Err(ListenError {
            address,
            problem,
            setting,
        }),
    }
}

/// The next connection. What cannot be accepted is logged and waited for.
pub async fn accept(listener: &TcpListener, throttle: &Throttle) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client has gone already; the next one shall not wait for that.
            Err(problem) if is_the_clients(&problem) => {}
            Err(problem) => {
                if let Some(held_back) = throttle.pass() {
                    warn!(%problem, held_back, "cannot accept a connection");
                }
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
}

fn is_the_clients(problem: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        problem.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// What to do when an address cannot be listened on.
fn advice(error: &io::Error, address: SocketAddr, setting: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "; another process has the port, perhaps another kubevigil: `ss -ltnp 'sport = :{port}'` shows it; stop it or \
             change {setting}"
        ),
        io::ErrorKind::AddrNotAvailable => format!(
            "; no interface of this machine has the address {ip}: `ip address` lists them, 0.0.0.0 stands for all"
        ),
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need privileges: choose a higher one in {setting}")
        }
        _ => String::new(),
    }
}
