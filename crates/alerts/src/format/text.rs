//! Falco's plain line: `<time>: <Priority> <message>`.
//!
//! Falco releases print the message raw. Here what could act on a terminal becomes visible, because the message holds text
//! that an attacker wrote; everything else is Falco's to the letter. An alert of a correlation, which Falco does not have, also says how
//! many events it rests on.

use kubevigil_audit::time::Timestamp;

use super::{FalcoStyle, TextEscaping, to_json};
use crate::alert::Alert;
use crate::evidence;
use kubevigil_diagnostics::escape;

/// The alert as one line, safe for a terminal unless its user wants it raw.
pub(super) fn line(alert: &Alert, style: &FalcoStyle) -> String {
    let mut text = full_output(alert, style);
    if !alert.evidence.is_empty() {
        let evidence = evidence::in_words(&alert.evidence, alert.evidence_total);
        text.push_str(&format!(" [{evidence}]"));
    }
    match style.text_escaping {
        TextEscaping::Json => {
            let quoted = to_json(&text);
            quoted
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
                .unwrap_or(&quoted)
                .to_owned()
        }
        TextEscaping::None => text,
        TextEscaping::Visible => escape::terminal(&text).into_owned(),
    }
}

/// The message with time and priority in front, unescaped: what Falco's JSON has as `output`.
pub(super) fn full_output(alert: &Alert, style: &FalcoStyle) -> String {
    let time = if style.time_format_iso_8601 {
        iso_time(alert.time)
    } else {
        time_of_day(alert.time)
    };
    format!("{time}: {} {}", alert.priority, alert.output)
}

fn iso_time(time: Timestamp) -> String {
    let utc = time.to_string();
    format!("{}+0000", utc.trim_end_matches('Z'))
}

fn time_of_day(time: Timestamp) -> String {
    let (_, _, _, hour, minute, second, nanos) = time.civil();
    format!("{hour:02}:{minute:02}:{second:02}.{nanos:09}")
}
