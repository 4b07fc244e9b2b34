//! Whatever is sent, the webhook answers, and what it acknowledges has arrived.

use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::server::{EVENT, Server, list};
use crate::wire::{Wire, exchange, post};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

static SERVER: LazyLock<Server> = LazyLock::new(|| RUNTIME.block_on(Server::start()));

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        Just(EVENT.to_owned()),
        Just(list(2)),
        "[\\[\\]{},:\"\\\\ ]",
        Just(r#"{"kind":"EventList","items":["#.to_owned()),
        Just("]}".to_owned()),
        Just("\u{feff}null".to_owned()),
        "[0-9a-zé\u{0}]{0,5}",
    ];
    let text = prop::collection::vec(pieces, 0..12).prop_map(|parts| parts.concat().into_bytes());
    prop_oneof![
        text,
        prop::collection::vec(any::<u8>(), 0..200),
        (0_usize..100_000).prop_map(|depth| "[".repeat(depth).into_bytes()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_body_is_answered(body in any_body(), gzip in any::<bool>()) {
        let headers: &[&str] = if gzip { &["Content-Encoding: gzip"] } else { &[] };
        let answer = RUNTIME.block_on(exchange(SERVER.address, &post(headers, &body)));
        prop_assert!(matches!(answer.status, 200 | 400), "{}", answer.status);
        prop_assert_eq!(answer.status == 200, answer.body.is_empty());
    }

    #[test]
    fn any_bytes_instead_of_a_request_end_the_connection_or_are_answered(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        let healthy = RUNTIME.block_on(async {
            let mut wire = Wire::connect(SERVER.address).await;
            wire.send(&bytes).await;
            drop(wire);
            exchange(SERVER.address, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await
        });
        prop_assert_eq!(healthy.status, 200);
    }

    #[test]
    fn a_list_with_anything_in_it_loses_no_good_event(elements in prop::collection::vec(element(), 0..8)) {
        let items: Vec<_> = elements.iter().map(String::as_str).collect();
        let good: Vec<_> = elements.iter().filter(|text| text.starts_with('{')).cloned().collect();
        let (status, arrived) = RUNTIME.block_on(async {
            let server = Server::start().await;
            let body = crate::server::list_of(&items);
            let answer = exchange(server.address, &post(&[], body.as_bytes())).await;
            (answer.status, server.intake.events())
        });
        let refused = good.is_empty() && !elements.is_empty();
        prop_assert_eq!(status, if refused { 400 } else { 200 });
        prop_assert_eq!(arrived, good);
    }
}

fn element() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(EVENT.to_owned()),
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("1e9".to_owned()),
        Just(r#""]}{[""#.to_owned()),
        "[a-z\"{}\\[\\]]{0,9}".prop_map(|text| format!("{{\"auditID\":{text:?}}}")),
    ]
}
