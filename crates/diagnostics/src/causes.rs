//! Errors of others, with what is behind them.

use std::error::Error;

/// An error and its causes, one after another: the outermost of most libraries says only that something failed. The text is as raw as
/// its parts.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
