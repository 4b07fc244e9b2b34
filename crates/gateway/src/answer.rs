//! Answers of the gateway's own, written byte for byte as an API server writes them.
//!
//! Clients decide by `reason` and `code` of a `Status` whether to try again and what to tell people, and the audit layer reads
//! the same bytes, so that an event says what the client was told. The answer is JSON whatever the client accepts: every
//! client of Kubernetes goes by the content type of an answer, and protobuf would say the same.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use kubevigil_record::quote::json;

/// The body of an answer that the gateway makes up.
pub type OwnBody = Full<Bytes>;

/// A failure as Kubernetes' `Status`. `reason` is one of the API's words (`Unauthorized`, `Forbidden`, `BadGateway`…); `message`
/// is for people and may hold what a client sent.
pub fn status(code: StatusCode, reason: &str, message: &str) -> Response<OwnBody> {
    detailed(code, reason, message, None)
}

/// Like [`status`], with `details`: one JSON object, such as `{"name":"db","kind":"pods"}`, that is written as it is.
pub fn detailed(
    code: StatusCode,
    reason: &str,
    message: &str,
    details: Option<&str>,
) -> Response<OwnBody> {
    let mut text = String::with_capacity(160 + message.len() + reason.len());
    text.push_str(r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure""#);
    for (key, value) in [("message", message), ("reason", reason)] {
        if !value.is_empty() {
            text.extend([",\"", key, "\":", &json(value)]);
        }
    }
    if let Some(details) = details {
        text.push_str(",\"details\":");
        text.push_str(details);
    }
    text.extend([",\"code\":", code.as_str(), "}\n"]);
    with_type(code, "application/json", text)
}

/// A plain text, as Go's `http.Error` writes it; it ends with a line feed.
pub fn text(code: StatusCode, message: &str) -> Response<OwnBody> {
    let mut answer = with_type(code, "text/plain; charset=utf-8", format!("{message}\n"));
    let nosniff = HeaderValue::from_static("nosniff");
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    answer
}

/// 400 for what is no proper HTTP, as Go's server writes it before any handler sees the request: the connection ends with it.
/// `problem` may be empty.
pub fn malformed(problem: &str) -> Response<OwnBody> {
    let separator = if problem.is_empty() { "" } else { ": " };
    let text = format!("400 Bad Request{separator}{problem}");
    let mut answer = with_type(StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", text);
    let headers = answer.headers_mut();
    headers.remove(CACHE_CONTROL);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn with_type(code: StatusCode, content_type: &'static str, body: String) -> Response<OwnBody> {
    let length = HeaderValue::from(body.len());
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = code;
    let headers = answer.headers_mut();
    let no_cache = HeaderValue::from_static("no-cache, private");
    headers.insert(CACHE_CONTROL, no_cache);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_LENGTH, length);
    answer
}

/// Asks the client to come back in a second.
pub(crate) fn soon(mut answer: Response<OwnBody>) -> Response<OwnBody> {
    let second = HeaderValue::from_static("1");
    answer.headers_mut().insert(RETRY_AFTER, second);
    answer
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    async fn body(answer: Response<OwnBody>) -> String {
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn statuses_are_written_as_the_api_server_writes_them() {
        let unauthorized = status(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized");
        assert_eq!(
            body(unauthorized).await,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"Unauthorized\",\
             \"reason\":\"Unauthorized\",\"code\":401}\n"
        );
        let details = Some(r#"{"name":"db","kind":"pods"}"#);
        let forbidden = detailed(StatusCode::FORBIDDEN, "Forbidden", "no", details);
        assert_eq!(
            body(forbidden).await,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"no\",\
             \"reason\":\"Forbidden\",\"details\":{\"name\":\"db\",\"kind\":\"pods\"},\"code\":403}\n"
        );
    }

    #[tokio::test]
    async fn what_a_client_sent_cannot_leave_its_text() {
        let message = "\"}<script>&\u{2028}\0\n\\";
        let answer = status(StatusCode::BAD_REQUEST, "BadRequest", message);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
        let text = body(answer).await;
        let quoted = r#""message":"\"}\u003cscript\u003e\u0026\u2028\u0000\n\\","reason""#;
        assert!(text.contains(quoted), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["message"], message);
    }
}
