//! The way through a proxy.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::server::{Server, ask};

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
