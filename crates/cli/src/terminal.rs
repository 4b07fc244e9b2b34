//! What the program says to people besides its results: on standard error, in colour where that is wanted.

use std::io::Write as _;

use anstyle::{AnsiColor, Style};

use crate::args::Color;

/// Bold red, for errors.
pub(crate) const ERROR: Style = AnsiColor::Red.on_default().bold();
/// Bold yellow, for warnings.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// Dimmed, for what matters least.
pub(crate) const DIM: Style = Style::new().dimmed();
/// Bold, for headings.
pub(crate) const BOLD: Style = Style::new().bold();

/// Applies the choice to every stream of the process. `Auto` follows the terminal, `NO_COLOR` and `CLICOLOR`.
pub(crate) fn set_color(color: Color) {
    match color {
        Color::Always => anstream::ColorChoice::Always.write_global(),
        Color::Auto => anstream::ColorChoice::Auto.write_global(),
        Color::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// The columns of the screen that results are written for: the terminal's, within reason, or else as many as a page has.
pub(crate) fn width() -> usize {
    const PAGE: usize = 100;
    let size = rustix::termios::tcgetwinsize(std::io::stdout());
    match size.map(|size| usize::from(size.ws_col)) {
        Ok(0) | Err(_) => PAGE,
        Ok(columns) => columns.clamp(60, 160),
    }
}

/// Prints an error with its causes, one after another.
pub(crate) fn complain(error: &anyhow::Error) {
    say(&format!("{ERROR}error{ERROR:#}: {}", with_causes(error)));
}

/// An error and its causes, one after another. A cause that the text before it ends with already is not said twice.
pub(crate) fn with_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What the system says, without its number: `no such file or directory`.
pub(crate) fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}

/// Prints a warning.
pub(crate) fn warn(message: &str) {
    say(&format!("{WARNING}warning{WARNING:#}: {message}"));
}

/// Prints a line on standard error. That it cannot be written changes nothing.
pub(crate) fn say(line: &str) {
    let mut stderr = anstream::stderr().lock();
    drop(writeln!(stderr, "{line}"));
}
