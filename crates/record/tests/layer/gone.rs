//! Nobody waits any more: events are handed over all the same, in their order.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::event::UserInfo;
use kubevigil_record::layer::{AuditedRequestBody, Recording};
use proptest::prelude::*;
use tokio::time::timeout;
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

async fn ask(auditing: &Arc<Auditing>, body: Script) -> Response<impl http_body::Body> {
    let service = service_fn(move |_: Request<AuditedRequestBody<Script>>| {
        let answer = answer(200, body.clone());
        async { Ok::<_, io::Error>(answer) }
    });
    let request = request("GET", WATCH, Script::default());
    audited(auditing, service).oneshot(request).await.unwrap()
}

/// Each stage in turn is where the sink waits when the client goes.
#[tokio::test]
async fn wherever_the_client_goes_every_event_is_kept_once_and_in_order() {
    for stages in ["RequestReceived", "ResponseStarted", "ResponseComplete"] {
        let notes = Arc::new(Notes::holding(stages));
        let auditing = auditing(METADATA, &notes);
        let asking = async {
            let answer = ask(&auditing, Script::new([data("some")])).await;
            drop(answer.into_body().collect().await);
        };
        let mut asking = Box::pin(asking);
        tokio::select! {
            () = &mut asking => panic!("it did not wait"),
            () = notes.somebody_waits() => {}
        }
        drop(asking);
        let draining = auditing.drain();
        let mut draining = Box::pin(draining);
        let waits = timeout(Duration::from_millis(20), &mut draining).await;
        assert!(waits.is_err(), "{stages}");
        notes.open();
        draining.await;
        let expected = match stages {
            "RequestReceived" => "RR RC(0)",
            _ => "RR RS(200) RC(200)",
        };
        assert_eq!(notes.summary(), expected, "{stages}");
    }
}

/// Lines that say `Success` for what never happened must not be there for the asking.
#[tokio::test]
async fn a_client_that_goes_before_the_answer_cannot_make_up_how_it_ended() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(BODIES, &notes);
    let service = service_fn(async |request: Request<AuditedRequestBody<Script>>| {
        let recording: Recording = request.extensions().get().cloned().unwrap();
        recording.impersonating(UserInfo::default(), None);
        read(request).await?;
        std::future::pending::<()>().await;
        Ok::<_, io::Error>(answer(200, Script::default()))
    });
    let asked = request("PUT", POD, Script::new([data("{}")]));
    let asking = audited(&auditing, service).oneshot(asked);
    let given_up = timeout(Duration::from_millis(20), asking).await;
    assert!(given_up.is_err());
    auditing.drain().await;
    let last = notes.events().pop().unwrap();
    let status = last.response_status.clone().unwrap();
    assert_eq!((status.code, status.status.as_str()), (0, ""));
    assert_eq!(last.annotations["kubevigil.io/outcome"], "unknown");
    assert!(last.request_object.is_some(), "what was asked for is known");
    assert!(last.impersonated_user.is_some(), "nobody can hide by going");
}

#[tokio::test]
async fn draining_waits_for_requests_that_are_still_answered() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let answer = ask(&auditing, Script::new([data("some"), Step::Hang])).await;
    let settled = timeout(Duration::from_millis(20), auditing.settle()).await;
    assert!(settled.is_err());
    drop(answer);
    auditing.drain().await;
    assert_eq!(notes.summary(), "RR RS(200) RC(200)");
}

#[tokio::test]
async fn what_a_service_tells_when_all_is_over_is_ignored() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let recording: Recording = request.extensions().get().cloned().unwrap();
        recording.annotate("early", "1");
        recording.annotate("early", "2");
        give.send(recording).unwrap();
        async { Ok::<_, io::Error>(answer(200, Script::knowing([]))) }
    });
    let asked = request("GET", POD, Script::default());
    audited(&auditing, service).oneshot(asked).await.unwrap();
    let recording = given.recv().await.unwrap();
    recording.annotate("late", "1");
    recording.panicked("late");
    drop(recording.hold());
    auditing.drain().await;
    let events = notes.events();
    assert_eq!(notes.summary(), "RR RC(200)");
    let annotations: Vec<_> = events[1].annotations.iter().collect();
    assert_eq!(annotations, [(&"early".to_owned(), &"1".to_owned())]);
}

/// What can happen to a request whose head is out.
#[derive(Clone, Copy, Debug)]
enum Move {
    Hold,
    Release,
    Panicked,
    NextFrame,
    LetGo,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop::sample::select(vec![
        Move::Hold,
        Move::Release,
        Move::Panicked,
        Move::NextFrame,
        Move::LetGo,
    ]);
    prop::collection::vec(one, 0..12)
}

/// Does it all; the events, and what is expected to be the last one.
async fn play(moves: &[Move]) -> (String, &'static str) {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let recording: Recording = request.extensions().get().cloned().unwrap();
        give.send(recording).unwrap();
        async { Ok::<_, io::Error>(answer(200, Script::new([data("a"), data("b")]))) }
    });
    let asked = request("GET", POD, Script::default());
    let asking = audited(&auditing, service).oneshot(asked).await;
    let mut body = Some(asking.unwrap().into_body());
    let recording = given.recv().await.unwrap();
    let mut holds = Vec::new();
    let mut last = "";
    let (mut has_panicked, mut is_over) = (false, false);
    for step in moves.iter().chain(&[Move::LetGo]) {
        match step {
            Move::Hold => holds.push(recording.hold()),
            Move::Release => drop(holds.pop()),
            Move::Panicked => {
                recording.panicked("it broke");
                has_panicked = true;
            }
            Move::NextFrame => {
                if let Some(body) = &mut body {
                    is_over |= body.frame().await.is_none();
                }
            }
            Move::LetGo => {
                body = None;
                is_over = true;
            }
        }
        // A request that broke down waits for nobody, but it is looked at only when something ends.
        let ends = matches!(step, Move::Release | Move::NextFrame | Move::LetGo);
        if last.is_empty() && is_over && ends && (holds.is_empty() || has_panicked) {
            last = if has_panicked { "P(500)" } else { "RC(200)" };
        }
    }
    drop(holds);
    drop(recording);
    auditing.drain().await;
    let last = match (last, has_panicked) {
        ("", true) => "P(500)",
        ("", false) => "RC(200)",
        (last, _) => last,
    };
    (notes.summary(), last)
}

proptest! {
    #[test]
    fn whatever_happens_there_is_one_end(moves in moves()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (found, last) = runtime.block_on(play(&moves));
        prop_assert_eq!(found, format!("RR {last}"));
    }
}

#[test]
fn without_a_runtime_the_loss_is_counted() {
    let notes = Arc::new(Notes::new());
    let auditing = auditing(METADATA, &notes);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let answer = runtime.block_on(ask(&auditing, Script::new([Step::Hang])));
    drop(runtime);
    assert!(!answer.body().is_end_stream());
    drop(answer);
    assert_eq!(auditing.counters().requests_abandoned(), 1);
    assert_eq!(notes.summary(), "RR RS(200)");
}
