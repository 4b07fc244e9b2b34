//! What passes takes no memory: a body of 100 MB, both ways, at level Metadata.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use kubevigil_audit::policy::PolicyFile;
use kubevigil_record::auditing::Auditing;
use kubevigil_record::layer::{AuditLayer, AuditedRequestBody};
use kubevigil_record::sink::Union;
use peak_alloc::PeakAlloc;
use tower::{Layer as _, ServiceExt as _, service_fn};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const FRAME: usize = 64 * 1024;
const FRAMES: usize = 100_000_000 / FRAME;

/// So many frames of text that may be JSON.
struct Long(usize);

impl Body for Long {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else {
            return Poll::Ready(None);
        };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'1'; FRAME])))))
    }
}

async fn length(mut body: impl Body<Data = Bytes, Error: std::fmt::Debug> + Unpin) -> usize {
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().into_data().map_or(0, |data| data.len());
    }
    length
}

#[tokio::test]
async fn a_hundred_megabytes_pass_at_level_metadata_without_being_kept() {
    let text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";
    let policy = PolicyFile::read("policy.yaml", text).policy.unwrap();
    let auditing = Auditing::new(policy, Arc::new(Union(Vec::new())));
    let service = service_fn(async |request: Request<AuditedRequestBody<Long>>| {
        assert_eq!(length(request.into_body()).await, FRAMES * FRAME);
        Ok::<_, Infallible>(Response::new(Long(FRAMES)))
    });
    let service = AuditLayer::new(Arc::clone(&auditing)).layer(service);
    let request = Request::post("/api/v1/namespaces/dev/configmaps").body(Long(FRAMES));
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let answer = service.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(length(answer.into_body()).await, FRAMES * FRAME);
    let most = MEMORY.peak_usage() - before;
    // The name of a created object is looked for in bodies of up to 3 MiB.
    assert!(most < 10_000_000, "{most} bytes");
    assert_eq!(auditing.counters().events(), 2);
}
