//! What an HTTP answer means for the alerts that were sent.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};

use crate::output::{DeliveryError, FailureKind};
use kubevigil_diagnostics::escape;

/// How much of an answer's body is read, so that the connection can be used again. A longer one costs the connection.
const BODY_READ: usize = 64 << 10;

/// How much of a refusal's body goes into the reason.
const BODY_SHOWN: usize = 200;

/// The longest wait that the other side may ask for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Decides whether `alerts` alerts have arrived.
pub(super) async fn judge(response: Response, alerts: usize) -> Result<(), DeliveryError> {
    let status = response.status();
    let retry_after = retry_after(response.headers(), Timestamp::now());
    let body = beginning(response).await;
    if status.is_success() {
        return Ok(());
    }
    let kind = if is_temporary(status) {
        FailureKind::Temporary { retry_after }
    } else {
        FailureKind::Permanent
    };
    Err(DeliveryError {
        delivered: 0,
        affected: alerts,
        kind,
        reason: reason(status, &body),
    })
}

fn is_temporary(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS
    ) || status.is_server_error()
}

fn reason(status: StatusCode, body: &[u8]) -> String {
    let advice = if status.is_redirection() {
        "; redirects are not followed, configure the final address"
    } else {
        ""
    };
    let shown = body.get(..BODY_SHOWN).unwrap_or(body);
    match shown.trim_ascii() {
        b"" => format!("the answer was {status}{advice}"),
        text => format!(
            "the answer was {status}{advice}: {}",
            escape::terminal_bytes(text)
        ),
    }
}

/// The beginning of the body, however long it is and however it ends.
async fn beginning(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() >= BODY_READ {
            break;
        }
    }
    body
}

/// The `Retry-After` header (RFC 9110 section 10.2.3): seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTimeParser::new().parse_timestamp(text).ok()?;
            Duration::try_from(date.duration_since(now)).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
        let cases = [
            ("0", Some(0)),
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("Mon, 23 Nov 2026 05:00:30 GMT", Some(30)),
            ("Mon, 23 Nov 2026 04:00:00 GMT", Some(0)),
            ("99999999", Some(3_600)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(
                retry_after(&headers, now),
                seconds.map(Duration::from_secs),
                "{text:?}"
            );
        }
    }

    #[test]
    fn only_some_statuses_are_worth_another_try() {
        let temporary = [408, 425, 429, 500, 502, 503, 504];
        let permanent = [301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422];
        assert!(
            temporary
                .iter()
                .all(|&code| is_temporary(StatusCode::from_u16(code).unwrap()))
        );
        assert!(
            !permanent
                .iter()
                .any(|&code| is_temporary(StatusCode::from_u16(code).unwrap()))
        );
    }

    #[test]
    fn reasons_show_a_short_and_harmless_part_of_the_answer() {
        let body = [b"\x1b[31mno\xff ".as_slice(), &[b'x'; 500]].concat();
        let text = reason(StatusCode::BAD_REQUEST, &body);
        assert!(
            text.starts_with("the answer was 400 Bad Request: \\u{1b}[31mno\u{fffd} xxx"),
            "{text}"
        );
        assert!(text.len() < 300, "{text}");
        assert_eq!(
            reason(StatusCode::NOT_FOUND, b" \n"),
            "the answer was 404 Not Found"
        );
    }
}
