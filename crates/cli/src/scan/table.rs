//! Columns of text on a terminal.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kubevigil_alerts::escape;
use kubevigil_rules::Priority;
use unicode_width::UnicodeWidthStr as _;

use crate::terminal::DIM;

/// The widest a column gets; longer text is cut, with a mark.
const MAX_WIDTH: usize = 48;

/// Writes rows under a dimmed header, each column as wide as its widest cell. Cells come from events: they are made
/// harmless for a terminal here.
pub(crate) fn write<const N: usize>(
    out: &mut impl Write,
    header: &[String; N],
    rows: &[[String; N]],
) -> io::Result<()> {
    let rows: Vec<[String; N]> = rows
        .iter()
        .map(|row| row.each_ref().map(|cell| fit(&escape::terminal(cell))))
        .collect();
    let mut widths = header.each_ref().map(|cell| cell.width());
    for row in &rows {
        widths
            .iter_mut()
            .zip(row)
            .for_each(|(width, cell)| *width = (*width).max(cell.width()));
    }
    writeln!(out, "    {DIM}{}{DIM:#}", line(header, &widths))?;
    rows.iter()
        .try_for_each(|row| writeln!(out, "    {}", line(row, &widths)))
}

fn line<const N: usize>(cells: &[String; N], widths: &[usize; N]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| {
        let padding = width.saturating_sub(cell.width());
        format!("{cell}{}", " ".repeat(padding))
    });
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

fn fit(cell: &str) -> String {
    if cell.width() <= MAX_WIDTH {
        return cell.to_owned();
    }
    let mut kept = String::new();
    for letter in cell.chars() {
        if kept.width() + 2 > MAX_WIDTH {
            break;
        }
        kept.push(letter);
    }
    kept + "…"
}

/// `1 event`, `12,345 events`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        thousands(count),
        if count == 1 { "" } else { "s" }
    )
}

/// `12,345`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// The colour of a priority.
pub(crate) fn priority_style(priority: Priority) -> Style {
    match priority {
        Priority::Emergency | Priority::Alert | Priority::Critical => {
            AnsiColor::White.on(AnsiColor::Red).bold()
        }
        Priority::Error => AnsiColor::Red.on_default().bold(),
        Priority::Warning => AnsiColor::Yellow.on_default().bold(),
        Priority::Notice => AnsiColor::Cyan.on_default().bold(),
        Priority::Informational | Priority::Debug => Style::new().bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(plural(1, "event"), "1 event");
        assert_eq!(plural(1_000, "event"), "1,000 events");
    }

    #[test]
    fn columns_line_up_and_hostile_cells_are_shown_escaped() {
        let rows = [
            ["a".to_owned(), "\u{1b}[31mred".to_owned()],
            ["long one".to_owned(), "b".to_owned()],
        ];
        let mut out = Vec::new();
        write(&mut out, &["who".to_owned(), "what".to_owned()], &rows).unwrap();
        let text = anstream::adapter::strip_bytes(&out).into_vec();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text.lines().next().unwrap().trim_end(),
            "    who       what"
        );
        assert!(text.contains("    long one  b"), "{text}");
        assert!(
            !out.windows(5).any(|window| window == b"\x1b[31m"),
            "{text}"
        );
    }
}
