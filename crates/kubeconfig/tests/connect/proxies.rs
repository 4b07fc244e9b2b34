//! The way through a proxy.

use std::env;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use kubevigil_kubeconfig::Access;

use crate::server::{Server, ask};

/// Names the kubeconfig for [`in_another_environment`].
const KUBECONFIG: &str = "KUBEVIGIL_TEST_KUBECONFIG";

/// A proxy for CONNECT that notes what it was asked, and connects to one port whatever the name.
async fn proxy(target: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            kept.lock().unwrap().push(String::from_utf8(head).unwrap());
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
        }
    });
    (port, asked)
}

#[tokio::test]
async fn a_proxy_of_the_kubeconfig_is_used_with_its_password() {
    let server = Server::start(&["audit.example"]).await;
    let (port, asked) = proxy(server.port).await;
    let cluster = format!(
        "server: https://audit.example:8765, certificate-authority: ca.crt, proxy-url: http://jane:pw@127.0.0.1:{port}"
    );
    let client = server.client(&cluster, "token: a");
    assert_eq!(ask(&client).await, Ok(200));
    assert!(!format!("{:?}", client.access()).contains("jane"));
    let asked = asked.lock().unwrap();
    assert!(
        asked[0].starts_with("CONNECT audit.example:8765 HTTP/1.1\r\n"),
        "{}",
        asked[0]
    );
    assert!(
        asked[0]
            .to_lowercase()
            .contains("proxy-authorization: basic amfuztpwdw=="),
        "{}",
        asked[0]
    );
    assert!(!asked[0].contains("Bearer"), "the token is for the server");
    let seen = server.seen();
    assert_eq!(seen[0].authorization.as_deref(), Some("Bearer a"));
}

#[tokio::test]
async fn through_a_proxy_another_name_is_checked_though_not_asked_for() {
    let server = Server::start(&["audit.example"]).await;
    let (port, asked) = proxy(server.port).await;
    let cluster = |name: &str| {
        format!(
            "server: https://192.0.2.1:8765, certificate-authority: ca.crt, tls-server-name: {name}, proxy-url: http://127.0.0.1:{port}"
        )
    };
    let client = server.client(&cluster("audit.example"), "token: a");
    assert_eq!(ask(&client).await, Ok(200));
    assert!(asked.lock().unwrap()[0].starts_with("CONNECT 192.0.2.1:8765 "));
    assert_eq!(server.seen()[0].name, None);
    let other = server.client(&cluster("other.example"), "token: a");
    assert!(ask(&other).await.is_err());
}

/// Asks the server of a kubeconfig in a process of its own, with this `HTTPS_PROXY`.
async fn ask_with_proxy(server: &Server, address: &str, proxy: u16) -> bool {
    let cluster = format!("server: {address}, certificate-authority: ca.crt");
    let status = tokio::process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "proxies::in_another_environment"])
        .env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"))
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .env(KUBECONFIG, server.kubeconfig(&cluster, "token: a"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.await.unwrap().success()
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_but_not_for_this_machine() {
    let server = Server::start(&["audit.example", "127.0.0.1"]).await;
    let (port, asked) = proxy(server.port).await;
    assert!(ask_with_proxy(&server, "https://audit.example:8765", port).await);
    let there = std::mem::take(&mut *asked.lock().unwrap());
    assert_eq!(there.len(), 1);
    assert!(
        there[0].starts_with("CONNECT audit.example:8765 "),
        "{}",
        there[0]
    );
    assert!(ask_with_proxy(&server, "https://127.0.0.1:PORT", port).await);
    assert!(asked.lock().unwrap().is_empty());
    assert_eq!(server.seen().len(), 2);
}

/// The child of [`ask_with_proxy`]; nothing to do otherwise.
#[tokio::test]
async fn in_another_environment() {
    if let Some(path) = env::var_os(KUBECONFIG) {
        let access = Access::load(path.as_ref(), None).unwrap();
        assert_eq!(ask(&access.following_client().unwrap()).await, Ok(200));
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let elsewhere = Server::start(&["127.0.0.1"]).await;
    let (port, asked) = redirect(elsewhere.port).await;
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "current-context: a\ncontexts: [{{name: a, context: {{cluster: c}}}}]\n\
         clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n"
    );
    let path = folder.path().join("config");
    std::fs::write(&path, text).unwrap();
    let access = Access::load(&path, None).unwrap();
    assert_eq!(ask(&access.client().unwrap()).await, Ok(307));
    assert!(elsewhere.seen().is_empty());
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    // It is followed, to where nobody is trusted.
    assert!(ask(&access.following_client().unwrap()).await.is_err());
}

/// A server that sends everybody on; how many it sent.
async fn redirect(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            counted.fetch_add(1, Ordering::Relaxed);
            let answer = format!(
                "HTTP/1.1 307 Go\r\nLocation: https://127.0.0.1:{to}/healthz\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, asked)
}
