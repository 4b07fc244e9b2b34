//! What becomes of bodies: durable before 200, refused with a time to come back, or kept as dead letters.

use std::time::Duration;

use kubevigil_sources::Refused;

use crate::server::{EVENT, Mode, Server, list, list_of};
use crate::wire::{Wire, exchange, post};

#[tokio::test]
async fn a_refusal_of_the_intake_asks_the_sender_to_come_back() {
    let cases = [
        (Refused::Busy, 429, "1"),
        (Refused::Storage("no space left on device".into()), 503, "5"),
        (Refused::Stopping, 503, "1"),
    ];
    for (refused, status, retry_after) in cases {
        let server = Server::start().await;
        server.intake.set(Mode::Refuse(refused));
        let answer = exchange(server.address, &post(&[], list(1).as_bytes())).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (status, Some(retry_after))
        );
        assert!(
            !answer.body.contains("space"),
            "reasons of the disk are for the log: {}",
            answer.body
        );
        assert_eq!(server.counters.source.refused.get(), 1);
        assert_eq!(server.counters.source.events.get(), 0);
        assert_eq!(server.answered(status), 1);
    }
}

#[tokio::test]
async fn nothing_is_answered_before_the_events_are_durable() {
    let server = Server::start().await;
    server.intake.set(Mode::Take(Duration::from_millis(300)));
    let mut wire = Wire::connect(server.address).await;
    wire.send(&post(&[], list(2).as_bytes())).await;
    let early = tokio::time::timeout(Duration::from_millis(150), wire.answer()).await;
    assert!(early.is_err(), "answered too early: {early:?}");
    assert_eq!(wire.answer().await.unwrap().status, 200);
    assert_eq!(server.intake.events().len(), 2);
}

#[tokio::test]
async fn a_hanging_disk_is_answered_before_the_sender_gives_up() {
    let server = Server::with(|config| config.accept_timeout_seconds = 1).await;
    server.intake.set(Mode::Hang);
    let answer = exchange(server.address, &post(&[], list(1).as_bytes())).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
}

#[tokio::test]
async fn a_batch_becomes_durable_even_when_its_sender_hangs_up() {
    let server = Server::start().await;
    server.intake.set(Mode::Take(Duration::from_millis(200)));
    let mut wire = Wire::connect(server.address).await;
    wire.send(&post(&[], list(1).as_bytes())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(wire);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.intake.events().len(), 1);
}

#[tokio::test]
async fn one_bad_element_does_not_cost_its_neighbours() {
    let server = Server::start().await;
    let body = list_of(&[EVENT, "17", EVENT, r#""text""#]);
    let mut wire = Wire::connect(server.address).await;
    for _ in 0..2 {
        assert_eq!(wire.post(body.as_bytes()).await.status, 200);
    }
    assert_eq!(server.intake.events(), [EVENT; 4], "sent twice");
    let letters = server.dead_letters();
    assert_eq!(letters.len(), 1, "kept once");
    assert!(
        letters[0].1.contains(r#""items":[,17,,"text"]"#),
        "{}",
        letters[0].1
    );
    assert_eq!(server.counters.source.problems.get(), 4);
}

#[tokio::test]
async fn what_can_never_be_accepted_is_refused_and_kept_once() {
    let bodies = [
        "oops",
        "",
        r#"{"kind":"Pod"}"#,
        r#"{"kind":"EventList","items":[1,2]}"#,
        r#"{"kind":"EventList","items":[{"auditID":"cut off"#,
    ];
    for body in bodies {
        let server = Server::start().await;
        let mut wire = Wire::connect(server.address).await;
        for _ in 0..5 {
            let answer = wire.post(body.as_bytes()).await;
            assert_eq!(answer.status, 400, "{body}");
            assert!(answer.body.len() > 10, "a reason: {}", answer.body);
        }
        let letters: Vec<_> = server
            .dead_letters()
            .into_iter()
            .map(|(_, text)| text)
            .collect();
        assert_eq!(letters, [body]);
        assert_eq!(server.counters.dead_letters.get(), 1);
        assert!(server.intake.events().is_empty());
    }
}

#[tokio::test]
async fn an_element_that_is_refused_by_the_disk_does_not_hold_up_good_ones() {
    let server = Server::with(|config| config.dead_letters_max_bytes = 0).await;
    let body = list_of(&[EVENT, "17"]);
    let answer = exchange(server.address, &post(&[], body.as_bytes())).await;
    assert_eq!(answer.status, 200);
    assert_eq!(server.intake.events().len(), 1);
    assert_eq!(server.counters.dead_letters_lost.get(), 1);
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_asks_the_sender_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let dead = folder.path().join("dead");
    let server = Server::with(|config| config.dead_letters = Some(dead.clone())).await;
    std::fs::remove_dir(&dead).unwrap();
    let answer = exchange(server.address, &post(&[], b"oops")).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("5"))
    );
    std::fs::create_dir(&dead).unwrap();
    let answer = exchange(server.address, &post(&[], b"oops")).await;
    assert_eq!(answer.status, 400, "there is a place for it again");
}

#[tokio::test]
async fn a_body_that_is_not_gzip_is_kept_as_it_came() {
    let server = Server::start().await;
    let answer = exchange(server.address, &post(&["Content-Encoding: gzip"], b"oops")).await;
    assert_eq!(answer.status, 400);
    assert_eq!(server.dead_letters()[0].1, "oops");
}
