//! Bearer tokens over the wire.

use crate::server::{Server, list};
use crate::wire::{exchange, post};

const OLD: &str = "old-token-0123456789";
const NEW: &str = "new-token-0123456789";

async fn status(server: &Server, headers: &[&str]) -> u16 {
    exchange(server.address, &post(headers, list(1).as_bytes()))
        .await
        .status
}

#[tokio::test]
async fn only_bearers_of_a_token_may_send_events() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{OLD}\n{NEW}\n")).unwrap();
    let server = Server::with(|config| config.tokens = Some(file.path().into())).await;

    assert_eq!(
        status(&server, &[&format!("Authorization: Bearer {OLD}")]).await,
        200
    );
    assert_eq!(
        status(&server, &[&format!("authorization: bearer {NEW}")]).await,
        200
    );
    for bad in [
        "Authorization: Bearer wrong",
        "Authorization: Basic abc",
        "X-Nothing: 1",
    ] {
        assert_eq!(status(&server, &[bad]).await, 401, "{bad}");
    }
    assert_eq!(server.counters.auth_failures.get(), 3);
    assert_eq!(server.intake.events().len(), 2);

    let refused = exchange(server.address, &post(&[], b"oops")).await;
    assert!(
        refused
            .header("www-authenticate")
            .unwrap()
            .starts_with("Bearer")
    );
    assert!(
        server.dead_letters().is_empty(),
        "strangers leave nothing behind"
    );
    let health = exchange(server.address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(health.status, 200, "health needs no token");
}

#[tokio::test]
async fn a_large_body_of_a_stranger_is_answered_rather_than_reset() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), NEW).unwrap();
    let server = Server::with(|config| config.tokens = Some(file.path().into())).await;
    let body = list(20_000);
    assert!(body.len() > 4 << 20);
    assert_eq!(
        exchange(server.address, &post(&[], body.as_bytes()))
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn tokens_are_rotated_while_serving() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), OLD).unwrap();
    let server = Server::with(|config| config.tokens = Some(file.path().into())).await;
    let (old, new) = (
        format!("Authorization: Bearer {OLD}"),
        format!("Authorization: Bearer {NEW}"),
    );
    assert_eq!(
        (
            status(&server, &[&old]).await,
            status(&server, &[&new]).await
        ),
        (200, 401)
    );

    std::fs::write(file.path(), NEW).unwrap();
    assert!(server.handle.reload().is_empty());
    assert_eq!(
        (
            status(&server, &[&old]).await,
            status(&server, &[&new]).await
        ),
        (401, 200)
    );

    std::fs::write(file.path(), "short").unwrap();
    let errors = server.handle.reload();
    assert!(errors[0].to_string().contains("line 1 of"), "{}", errors[0]);
    assert_eq!(
        status(&server, &[&new]).await,
        200,
        "the old ones stay in use"
    );
    assert_eq!(server.counters.failed_reloads.get(), 1);
}

#[tokio::test]
async fn changed_tokens_are_noticed_without_being_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), OLD).unwrap();
    let server = Server::with(|config| config.tokens = Some(file.path().into())).await;
    std::fs::write(file.path(), NEW).unwrap();
    let new = format!("Authorization: Bearer {NEW}");
    for _ in 0..40 {
        if status(&server, &[&new]).await == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    panic!("the new token is not accepted after 10 seconds");
}
