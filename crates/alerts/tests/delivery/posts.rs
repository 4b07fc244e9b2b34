//! Alerts over HTTP, with peers that fail in every way.

use std::time::Duration;

use kubevigil_alerts::config::{HttpConfig, OutputConfig};
use kubevigil_alerts::output::http::HttpOutput;
use kubevigil_alerts::output::{DeliveryError, FailureKind, Output};
use kubevigil_alerts::{Format, Renderer};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::alerts::alert;
use crate::peer::{Answer, Peer};

fn config(url: &str, more: &str) -> HttpConfig {
    let yaml = format!("http:\n  url: {url}\n  timeout_seconds: 1\n{more}");
    match serde_saphyr::from_str(&yaml).unwrap() {
        OutputConfig::Http(config) => config,
        other => panic!("{other:?}"),
    }
}

fn output(url: &str, more: &str) -> HttpOutput {
    HttpOutput::new(&config(url, more), Renderer::new(Format::Falco)).unwrap()
}

async fn failure(url: &str) -> DeliveryError {
    output(url, "").deliver(&[alert(1)]).await.unwrap_err()
}

fn is_temporary(error: &DeliveryError) -> bool {
    matches!(error.kind, FailureKind::Temporary { .. })
}

#[tokio::test]
async fn each_alert_is_posted_alone_with_its_id_as_idempotency_key() {
    let (peer, url) = Peer::start([]).await;
    output(&url, "")
        .deliver(&[alert(1), alert(2)])
        .await
        .unwrap();
    let requests = peer.requests();
    assert_eq!(requests.len(), 2);
    for (request, alert) in requests.iter().zip([alert(1), alert(2)]) {
        assert_eq!(request.body, Renderer::new(Format::Falco).line(&alert));
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["idempotency-key"], alert.id.to_string());
    }
}

#[tokio::test]
async fn a_batch_is_an_array() {
    let (peer, url) = Peer::start([]).await;
    let mut output = output(&url, "  batch: 2\n");
    output
        .deliver(&[alert(1), alert(2), alert(3)])
        .await
        .unwrap();
    let requests = peer.requests();
    let lengths: Vec<usize> = requests
        .iter()
        .map(|request| {
            serde_json::from_str::<Value>(&request.body)
                .unwrap()
                .as_array()
                .unwrap()
                .len()
        })
        .collect();
    assert_eq!(lengths, [2, 1]);
    assert_ne!(
        requests[0].headers["idempotency-key"],
        requests[1].headers["idempotency-key"]
    );
}

#[tokio::test]
async fn headers_and_the_token_of_a_file_are_sent() {
    let (peer, url) = Peer::start([]).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "first\n").unwrap();
    let more = format!(
        "  headers: {{X-Team: blue}}\n  bearer_token_file: {}\n",
        file.path().display()
    );
    let mut output = output(&url, &more);
    output.deliver(&[alert(1)]).await.unwrap();
    std::fs::write(file.path(), "second").unwrap();
    output.deliver(&[alert(2)]).await.unwrap();
    let tokens: Vec<_> = peer
        .requests()
        .iter()
        .map(|request| request.headers["authorization"].clone())
        .collect();
    assert_eq!(tokens, ["Bearer first", "Bearer second"]);
    assert_eq!(peer.requests()[0].headers["x-team"], "blue");
    std::fs::remove_file(file.path()).unwrap();
    let error = output.deliver(&[alert(3)]).await.unwrap_err();
    assert!(
        is_temporary(&error) && error.reason.contains("cannot read token file"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_busy_peer_says_when_to_come_back() {
    let (_, url) = Peer::start([Answer::With(429, "retry-after", "17", "slow down")]).await;
    let error = failure(&url).await;
    assert_eq!(
        error.kind,
        FailureKind::Temporary {
            retry_after: Some(Duration::from_secs(17))
        }
    );
    assert_eq!(
        error.reason,
        "the answer was 429 Too Many Requests: slow down"
    );
}

#[tokio::test]
async fn a_broken_peer_is_tried_again_and_a_refusal_is_for_good() {
    let (_, url) = Peer::start([503, 500, 408, 400, 404, 401].map(Answer::Status)).await;
    let mut kinds = Vec::new();
    for _ in 0..6 {
        kinds.push(is_temporary(&failure(&url).await));
    }
    assert_eq!(kinds, [true, true, true, false, false, false]);
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (other, other_url) = Peer::start([]).await;
    let location: &'static str = Box::leak(other_url.into_boxed_str());
    let (_, url) = Peer::start([Answer::With(307, "location", location, "")]).await;
    let error = failure(&url).await;
    assert_eq!(error.kind, FailureKind::Permanent);
    assert!(
        error.reason.contains("redirects are not followed"),
        "{}",
        error.reason
    );
    assert!(other.requests().is_empty());
}

#[tokio::test]
async fn a_peer_that_never_answers_runs_into_the_time_out() {
    let (_, url) = Peer::start([Answer::Silence]).await;
    let error = failure(&url).await;
    assert!(is_temporary(&error));
    assert!(error.reason.contains("timed out"), "{}", error.reason);
}

#[tokio::test]
async fn a_peer_that_hangs_up_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-in-path", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 64]).await;
        }
    });
    let error = failure(&url).await;
    assert!(is_temporary(&error));
    assert!(!error.reason.contains("secret-in-path"), "{}", error.reason);
}

#[tokio::test]
async fn nobody_at_the_address_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(is_temporary(&failure(&url).await));
}

#[tokio::test]
async fn the_first_alerts_count_when_a_later_one_fails() {
    let (peer, url) = Peer::start([200, 200, 422].map(Answer::Status)).await;
    let alerts: Vec<_> = (0..5).map(alert).collect();
    let error = output(&url, "").deliver(&alerts).await.unwrap_err();
    assert_eq!((error.delivered, error.affected), (2, 1));
    assert_eq!(peer.requests().len(), 3);
}

#[tokio::test]
async fn a_hostile_answer_is_shown_short_and_harmless() {
    let (_, url) = Peer::start([Answer::With(400, "x", "y", "\u{1b}[2Jgone\n")]).await;
    assert_eq!(
        failure(&url).await.reason,
        r"the answer was 400 Bad Request: \u{1b}[2Jgone"
    );
}

#[test]
fn unusable_settings_are_named_with_what_is_expected() {
    let cases = [
        (
            "'not a url'",
            "",
            "setting `url` relative URL without a base; expected an address such as `http://127.0.0.1:2801/`",
        ),
        (
            "ftp://host/",
            "",
            "setting `url` is not an http or https address; expected an address such as `http://127.0.0.1:2801/`",
        ),
        (
            "http://host/",
            "  batch: 0\n",
            "setting `batch` is 0; expected how many alerts go into one request, at least 1",
        ),
        (
            "http://host/",
            "  headers: {'a b': c}\n",
            "setting `headers.a b` is no name of an HTTP header",
        ),
        (
            "http://host/",
            "  headers: {a: \"x\\ny\"}\n",
            "setting `headers.a` cannot be sent: a header holds visible ASCII characters and blanks",
        ),
        (
            "http://host/",
            "  ca_file: /nonexistent\n",
            "setting `ca_file` `/nonexistent`: No such file or directory (os error 2)",
        ),
    ];
    for (url, more, expected) in cases {
        let error = HttpOutput::new(&config(url, more), Renderer::default())
            .err()
            .unwrap();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn secrets_are_not_shown() {
    let config = config("http://host/", "  headers: {Authorization: hunter2}\n");
    assert!(!format!("{config:?}").contains("hunter2"));
}
