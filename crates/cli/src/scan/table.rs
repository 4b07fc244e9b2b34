//! Columns of text on a terminal.

use std::io::{self, Write};

use anstyle::Style;
use kubevigil_diagnostics::escape;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::terminal::DIM;

/// What stands between two columns.
const GAP: usize = 2;
/// No flexible column gets narrower than this.
const LEAST: usize = 12;

/// How a column looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column<'h> {
    /// What stands above it.
    pub(crate) heading: &'h str,
    /// How it takes part in making the table fit.
    pub(crate) kind: Kind,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// Text from events, cut in the middle when the table would be too wide.
    Flexible,
    /// Numbers, aligned to the right.
    Number,
    /// Text of ours, which is never cut.
    Text,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell with this text, which is made harmless for a terminal.
    pub(crate) fn new(text: &str, style: Style) -> Self {
        Self {
            text: escape::terminal(text).into_owned(),
            style,
        }
    }
}

/// Writes rows under a dimmed header, in at most `room` columns of the screen where that can be. Returns nothing cut but the
/// flexible columns, the widest first.
pub(crate) fn write<const N: usize>(
    out: &mut impl Write,
    (indent, room): (usize, usize),
    columns: &[Column<'_>; N],
    rows: &[[Cell; N]],
) -> io::Result<()> {
    let widths = fit(columns, rows, room.saturating_sub(indent));
    let header = columns.map(|column| Cell {
        text: column.heading.to_owned(),
        style: DIM,
    });
    for row in std::iter::once(&header).chain(rows) {
        write!(out, "{:indent$}", "")?;
        write_row(out, columns, row, &widths)?;
    }
    Ok(())
}

fn write_row<const N: usize>(
    out: &mut impl Write,
    columns: &[Column<'_>; N],
    row: &[Cell; N],
    widths: &[usize; N],
) -> io::Result<()> {
    // Padding is written when something follows it, so that no line ends in blanks.
    let mut padding = 0;
    for ((cell, column), &width) in row.iter().zip(columns).zip(widths) {
        let text = shorten(&cell.text, width);
        let missing = width.saturating_sub(text.width());
        let (before, after) = match column.kind {
            Kind::Number => (missing, 0),
            Kind::Flexible | Kind::Text => (0, missing),
        };
        if !text.is_empty() {
            let style = cell.style;
            write!(out, "{:1$}{style}{text}{style:#}", "", padding + before)?;
            padding = 0;
        }
        padding += after + GAP;
    }
    writeln!(out)
}

/// The widths of the columns: as wide as their widest cells, or else narrower until the table fits.
fn fit<const N: usize>(columns: &[Column<'_>; N], rows: &[[Cell; N]], room: usize) -> [usize; N] {
    let mut widths = columns.map(|column| column.heading.width());
    for row in rows {
        let cells = widths.iter_mut().zip(row);
        cells.for_each(|(width, cell)| *width = (*width).max(cell.text.width()));
    }
    let gaps = GAP * N.saturating_sub(1);
    let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
    while excess > 0 {
        let flexible = widths.iter_mut().zip(columns);
        let flexible =
            flexible.filter(|(width, column)| column.kind == Kind::Flexible && **width > LEAST);
        let mut sorted: Vec<&mut usize> = flexible.map(|(width, _)| width).collect();
        sorted.sort();
        let Some(widest) = sorted.pop() else { break };
        // Down to the next narrower column at once: names may have a thousand letters.
        let next = sorted.last().map_or(LEAST, |width| **width).max(LEAST);
        let step = (*widest - next).clamp(1, excess);
        *widest -= step;
        excess -= step;
    }
    widths
}

/// The text in at most `width` columns, its middle replaced by a mark: names differ at their ends.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let tail_width = width.saturating_sub(1) / 2;
    let head = take(text.chars(), width.saturating_sub(1 + tail_width));
    let tail = take(text.chars().rev(), tail_width);
    format!("{head}…{}", tail.chars().rev().collect::<String>())
}

fn take(letters: impl Iterator<Item = char>, width: usize) -> String {
    let mut taken = 0;
    let fits = |letter: &char| {
        taken += letter.width().unwrap_or(0);
        taken <= width
    };
    letters.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column<'_>; 3] = [
        Column {
            heading: "who",
            kind: Kind::Flexible,
        },
        Column {
            heading: "what",
            kind: Kind::Flexible,
        },
        Column {
            heading: "count",
            kind: Kind::Number,
        },
    ];

    fn table(room: usize, rows: &[[&str; 3]]) -> String {
        let rows: Vec<_> = rows
            .iter()
            .map(|row| row.map(|text| Cell::new(text, Style::new())))
            .collect();
        let mut out = Vec::new();
        write(&mut out, (2, room), &COLUMNS, &rows).unwrap();
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        String::from_utf8(plain).unwrap()
    }

    #[test]
    fn columns_line_up_and_hostile_cells_are_shown_escaped() {
        let drawn = table(
            80,
            &[["a", "\u{1b}[31mred", "1"], ["long one", "", "1,000"]],
        );
        assert_eq!(
            drawn,
            "  who       what           count\n  a         \\u{1b}[31mred      1\n  long one                 1,000\n"
        );
    }

    #[test]
    fn the_widest_column_gives_way_first_and_keeps_both_ends() {
        let long = format!("system:{}:controller", "x".repeat(1_000));
        let drawn = table(40, &[[&long, "list pods", "1"]]);
        assert_eq!(
            drawn,
            "  who                   what       count\n  system:xxx…ontroller  list pods      1\n"
        );
        assert!(drawn.lines().all(|line| line.width() <= 40), "{drawn}");
    }

    #[test]
    fn a_table_that_cannot_fit_keeps_a_part_of_every_name() {
        let long = "x".repeat(50);
        let drawn = table(10, &[[&long, &long, "1"]]);
        assert!(drawn.contains("xxxxxx…xxxxx"), "{drawn}");
    }

    #[test]
    fn wide_letters_count_twice() {
        assert_eq!(shorten("日本日本日本", 7), "日…本");
    }
}
