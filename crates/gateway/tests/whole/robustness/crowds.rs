//! Many at once.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use tokio::sync::broadcast;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{gateway, told};
use crate::client::Client;
use crate::upstream::{self, Answer, Received, Upstream};

const WATCHES: usize = 100;
const EVENT: &[u8] = b"{\"type\":\"ADDED\",\"object\":{}}\n";

/// Watches see an event whenever `true` is broadcast and end at `false`; everything else is answered at once.
fn answers(news: broadcast::Sender<bool>) -> impl Fn(Received, OnUpgrade) -> Answer {
    move |request, _| {
        let mut news = news.subscribe();
        Box::pin(async move {
            if request.parameter("watch").is_none() {
                return upstream::json(200, "{}");
            }
            let (sender, receiver) = mpsc::channel(1);
            tokio::spawn(async move {
                while news.recv().await == Ok(true) {
                    let _ = sender.send(Ok(Bytes::from_static(EVENT))).await;
                }
            });
            upstream::streamed("application/json", receiver)
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_watches_starve_nobody() {
    let (news, _) = broadcast::channel(4);
    let upstream = Upstream::start(None, answers(news.clone())).await;
    let gateway = gateway(upstream.address).await;
    let address = gateway.address;
    let mut watches = JoinSet::new();
    for number in 0..WATCHES {
        watches.spawn(async move {
            let target = format!("/api/v1/pods?watch=1&number={number}");
            Client::new(address, None).get(&target).await
        });
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while upstream.received().len() < WATCHES {
        assert!(
            Instant::now() < deadline,
            "{} watches came through",
            upstream.received().len()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut others = JoinSet::new();
    for client in 0..8 {
        others.spawn(async move {
            let mut own = Client::new(address, None);
            for number in 0..50 {
                let answer = own.get(&format!("/api/v1/nodes/n-{client}-{number}")).await;
                assert_eq!(answer.code, 200);
            }
        });
    }
    let others = tokio::time::timeout(Duration::from_secs(30), others.join_all()).await;
    assert!(others.is_ok(), "ordinary requests wait for watches");
    news.send(true).unwrap();
    news.send(false).unwrap();
    let answers = watches.join_all().await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.is_whole && answer.body == EVENT)
    );
    let events = told(&gateway.finish().await);
    let count = |stage: &str, of: &str| {
        let events = events.iter();
        events
            .filter(|(found, uri, _)| found == stage && uri.starts_with(of))
            .count()
    };
    assert_eq!(count("ResponseStarted", "/api/v1/pods"), WATCHES);
    assert_eq!(count("ResponseComplete", "/api/v1/nodes"), 400);
    assert_eq!(count("ResponseComplete", "/api/v1/pods"), WATCHES);
}
