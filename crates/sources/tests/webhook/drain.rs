//! Stopping: nothing new comes in, what is in flight is answered.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use crate::server::{Mode, Server, list};
use crate::wire::{Wire, post};

#[tokio::test]
async fn requests_in_flight_are_answered_and_new_connections_refused() {
    let server = Server::start().await;
    server.intake.set(Mode::Take(Duration::from_millis(500)));
    let mut idle = Wire::connect(server.address).await;
    let mut busy = Wire::connect(server.address).await;
    busy.send(&post(&[], list(2).as_bytes())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;

    server.stop.cancel();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        TcpStream::connect(server.address).await.is_err(),
        "no new connection"
    );
    assert_eq!(idle.answer().await, None, "an idle connection is closed");
    let answer = busy.answer().await.unwrap();
    assert_eq!(
        (answer.status, answer.header("connection")),
        (200, Some("close"))
    );

    assert_eq!(server.serving.await.unwrap().cut, 0);
    assert_eq!(server.intake.events().len(), 2);
}

#[tokio::test]
async fn a_request_that_hangs_is_cut_when_its_time_is_up() {
    let server = Server::with(|config| config.drain_timeout_seconds = 1).await;
    server.intake.set(Mode::Hang);
    let mut wire = Wire::connect(server.address).await;
    wire.send(&post(&[], list(1).as_bytes())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    server.stop.cancel();
    assert_eq!(server.serving.await.unwrap().cut, 1);
    assert!(start.elapsed() < Duration::from_secs(3));
    assert_eq!(wire.answer().await, None);
}
