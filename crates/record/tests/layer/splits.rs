//! However bodies are cut into frames, the events are the same.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use kubevigil_audit::time::Timestamp;
use kubevigil_record::auditing::{Auditing, Limits};
use kubevigil_record::encode::json_line;
use kubevigil_record::layer::AuditedRequestBody;
use kubevigil_record::sink::Sink;
use proptest::prelude::*;
use tower::{ServiceExt as _, service_fn};

use crate::rig::*;

/// How a body is sent.
#[derive(Clone, Debug)]
struct Cut {
    /// Where it is cut, as parts of its length.
    at: Vec<prop::sample::Index>,
    has_trailers: bool,
    knows_its_end: bool,
    is_announced: bool,
}

fn cuts() -> impl Strategy<Value = Cut> {
    let at = prop::collection::vec(any::<prop::sample::Index>(), 0..8);
    (at, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(at, has_trailers, knows_its_end, is_announced)| Cut {
            at,
            has_trailers,
            knows_its_end,
            is_announced: is_announced && !has_trailers,
        },
    )
}

impl Cut {
    fn body(&self, text: &'static str) -> (Script, HeaderMap) {
        let mut places: Vec<usize> = self.at.iter().map(|at| at.index(text.len() + 1)).collect();
        places.extend([0, text.len()]);
        places.sort_unstable();
        let pieces = places.windows(2).map(|pair| &text[pair[0]..pair[1]]);
        let mut steps: Vec<Step> = pieces.map(|piece| Step::Data(Bytes::from(piece))).collect();
        if self.has_trailers {
            steps.push(Step::Trailers(HeaderMap::new()));
        }
        let mut script = Script::new(steps);
        script.knows_its_end = self.knows_its_end;
        let mut headers = HeaderMap::new();
        if self.is_announced {
            headers.insert("content-length", text.len().into());
        }
        (script, headers)
    }
}

const SENT: &str = r#"{"kind":"Pod", "apiVersion":"v1","metadata":{"name":"web","namespace":"dev"},"spec":{"a":"<&>"}}"#;
const GIVEN: &str =
    r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","uid":"1"},"spec":{}}"#;

/// The events of one request, as they are written.
async fn lines(sent: &Cut, given: &Cut, code: u16) -> Vec<String> {
    let notes = Arc::new(Notes::new());
    let sink: Arc<dyn Sink> = Arc::<Notes>::clone(&notes);
    let ticks = AtomicI64::new(0);
    let clock = move || Timestamp {
        nanoseconds: ticks.fetch_add(1_000_000, Ordering::Relaxed).into(),
    };
    let auditing = Auditing::with(policy(BODIES), sink, Limits::default(), Arc::new(clock));
    let (body, headers) = given.body(GIVEN);
    let mut given = answer(code, body);
    *given.headers_mut() = headers;
    let service = service_fn(move |request: Request<AuditedRequestBody<Script>>| {
        let given = given.clone();
        async move {
            assert_eq!(read(request).await?, SENT);
            Ok::<_, io::Error>(given)
        }
    });
    let (body, mut headers) = sent.body(SENT);
    headers.insert("audit-id", "1".parse().unwrap());
    let mut asked = request("POST", PODS, body);
    *asked.headers_mut() = headers;
    let answer = audited(&auditing, service).oneshot(asked).await.unwrap();
    let passed = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(passed, GIVEN);
    let events = notes.events();
    let lines = events.iter().map(|event| json_line(event).unwrap());
    lines.map(|line| String::from_utf8(line).unwrap()).collect()
}

proptest! {
    #[test]
    fn the_events_do_not_depend_on_frames(sent in cuts(), given in cuts(), code in prop::sample::select(vec![200, 201, 409])) {
        let whole = Cut { at: Vec::new(), has_trailers: false, knows_its_end: true, is_announced: true };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let expected = runtime.block_on(lines(&whole, &whole, code));
        let found = runtime.block_on(lines(&sent, &given, code));
        let has = |text: &str| expected[1].contains(text);
        prop_assert!(has(r#""requestObject":{"kind":"Pod","apiVersion":"v1""#), "{:?}", expected);
        prop_assert!(has(r#""responseObject":{"kind":"Pod""#), "{:?}", expected);
        prop_assert_eq!(found, expected);
    }
}
