//! The events of findings, drawn as tables.

use std::collections::HashSet;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use kubevigil_audit::time::Timestamp;
use kubevigil_diagnostics::escape;

use crate::scan::group::{Group, Groups};
use crate::scan::row::{Row, Rows, Times};
use crate::scan::table::{self, Cell, Column, Kind};
use crate::scan::wording::{apart, day_and_time, plural, thousands};
use crate::terminal::{BOLD, DIM};

/// The most rows that are shown of one rule, or of one group.
const SHOWN_ROWS: usize = 8;
/// The most groups that are shown of one correlation.
const SHOWN_GROUPS: usize = 5;
/// Of the texts in which requests differ, so many are shown.
const SHOWN_DIFFERENT: usize = 3;
/// Before every line.
const INDENT: usize = 4;

/// Rows with their counts, so that those with the same day need not repeat it.
type Counted<'r> = (&'r Row, &'r Times);

/// Writes the most frequent rows, and how many of `count` events are in none of them.
pub(crate) fn write_single(
    out: &mut impl Write,
    room: usize,
    rows: &Rows,
    count: u64,
) -> io::Result<()> {
    let mut rows = rows.by_frequency();
    rows.truncate(SHOWN_ROWS);
    let day = common_day(&rows);
    let when = heading(day.as_deref());
    let cells: Vec<_> = rows
        .iter()
        .map(|(row, times)| cells(row, times, day.is_some()))
        .collect();
    table::write(out, (INDENT, room), &columns(&when), &cells)?;
    write_hidden(out, count, &rows)
}

/// Writes each group with the events of its first alert, in their order.
pub(crate) fn write_groups(out: &mut impl Write, room: usize, groups: &Groups) -> io::Result<()> {
    let sorted = groups.sorted();
    for (name, group) in sorted.iter().take(SHOWN_GROUPS) {
        writeln!(out, "    {}", introduced(name, group))?;
        write_group(out, room, group)?;
        write_different(out, room, "from", &group.addresses)?;
        write_different(out, room, "with", &group.clients)?;
        let place = escape::terminal(&group.first_place);
        writeln!(out, "    {DIM}first seen in {place}{DIM:#}\n")?;
    }
    let hidden: u64 = sorted
        .iter()
        .skip(SHOWN_GROUPS)
        .map(|(_, group)| group.alerts)
        .sum();
    let hidden = hidden + groups.not_kept;
    if hidden > 0 {
        let alerts = plural(hidden, "more alert");
        writeln!(out, "    {DIM}and {alerts} in other groups{DIM:#}\n")?;
    }
    Ok(())
}

/// What tells a group from others, how many events it had in which time, and what came afterwards.
fn introduced(name: &str, group: &Group) -> String {
    let name = escape::terminal(name);
    let mut text = match name.is_empty() {
        true => String::new(),
        false => format!("{BOLD}{name}{BOLD:#}: "),
    };
    text.push_str(&plural(group.events, "event"));
    if let Some((first, last)) = group.times.span
        && group.events > 1
    {
        text.push_str(&format!(" in {}", apart(first, last)));
    }
    if group.alerts > 1 {
        let more = plural(group.alerts - 1, "more alert");
        let (day, time) = day_and_time(group.latest);
        text.push_str(&format!("; {more}, the latest on {day} at {time}"));
    }
    text
}

fn write_group(out: &mut impl Write, room: usize, group: &Group) -> io::Result<()> {
    let mut rows = group.rows.by_time();
    // The first and the last say most.
    if rows.len() > SHOWN_ROWS {
        let last = rows.split_off(rows.len() - 1);
        rows.truncate(SHOWN_ROWS - 1);
        rows.extend(last);
    }
    let day = common_day(&rows);
    let when = heading(day.as_deref());
    let [who, what, place, outcome, count, when] = columns(&when);
    let rules: HashSet<&str> = rows.iter().map(|(row, _)| row.rule.as_str()).collect();
    if rules.len() > 1 {
        let rule = Column {
            heading: "rule",
            kind: Kind::Flexible,
        };
        let columns = [rule, who, what, place, outcome, count, when];
        let with_rule = |(row, times): &Counted<'_>| {
            let [who, what, place, outcome, count, when] = cells(row, times, day.is_some());
            let rule = Cell::new(&row.rule, Style::new());
            [rule, who, what, place, outcome, count, when]
        };
        let cells: Vec<_> = rows.iter().map(with_rule).collect();
        table::write(out, (INDENT, room), &columns, &cells)?;
    } else {
        let columns = [who, what, place, outcome, count, when];
        let cells: Vec<_> = rows
            .iter()
            .map(|(row, times)| cells(row, times, day.is_some()))
            .collect();
        table::write(out, (INDENT, room), &columns, &cells)?;
    }
    write_hidden(out, group.events, &rows)
}

/// Writes what requests differ in and no column shows; nothing when they agree.
fn write_different(
    out: &mut impl Write,
    room: usize,
    word: &str,
    texts: &[String],
) -> io::Result<()> {
    if texts.len() < 2 {
        return Ok(());
    }
    let each = room.saturating_sub(INDENT) / SHOWN_DIFFERENT;
    let shown: Vec<String> = texts
        .iter()
        .take(SHOWN_DIFFERENT)
        .map(|text| table::shorten(&escape::terminal(text), each))
        .collect();
    let others = match texts.len() > SHOWN_DIFFERENT {
        true => ", and others",
        false => "",
    };
    writeln!(
        out,
        "    {DIM}{word} {}{others}{DIM:#}",
        shown.join(", then ")
    )
}

fn write_hidden(out: &mut impl Write, count: u64, rows: &[Counted<'_>]) -> io::Result<()> {
    let shown: u64 = rows.iter().map(|(_, times)| times.count).sum();
    if count > shown {
        let hidden = plural(count - shown, "more event");
        writeln!(out, "    {DIM}and {hidden}{DIM:#}")?;
    }
    Ok(())
}

fn heading(day: Option<&str>) -> String {
    match day {
        Some(day) => format!("{day} UTC"),
        None => "when (UTC)".to_owned(),
    }
}

fn columns(when: &str) -> [Column<'_>; 6] {
    let column = |heading, kind| Column { heading, kind };
    [
        column("who", Kind::Flexible),
        column("what", Kind::Flexible),
        column("where", Kind::Flexible),
        column("outcome", Kind::Text),
        column("count", Kind::Number),
        column(when, Kind::Text),
    ]
}

fn cells(row: &Row, times: &Times, one_day: bool) -> [Cell; 6] {
    let plain = |text: &str| Cell::new(text, Style::new());
    [
        plain(&row.who),
        plain(&row.what),
        plain(&row.place),
        Cell::new(row.outcome, outcome_style(row.outcome)),
        plain(&thousands(times.count)),
        plain(&when(times.span, one_day)),
    ]
}

/// The day on which everything in the rows happened, if it is one.
fn common_day(rows: &[(&Row, &Times)]) -> Option<String> {
    let spans = rows.iter().filter_map(|(_, times)| times.span);
    let mut days = spans.flat_map(|(first, last)| [first, last].map(|time| day_and_time(time).0));
    let day = days.next()?;
    days.all(|other| other == day).then_some(day)
}

fn when(span: Option<(Timestamp, Timestamp)>, one_day: bool) -> String {
    let Some((first, last)) = span else {
        return "unknown".to_owned();
    };
    let ((day, from), (last_day, to)) = (day_and_time(first), day_and_time(last));
    let day_before = if one_day {
        String::new()
    } else {
        format!("{day} ")
    };
    match (day == last_day, from == to) {
        (true, true) => format!("{day_before}{from}"),
        (true, false) => format!("{day_before}{from} – {to}"),
        (false, _) => format!("{day} {} – {last_day} {}", minutes(&from), minutes(&to)),
    }
}

/// `05:12` of `05:12:26`: over days, seconds say nothing.
fn minutes(time: &str) -> &str {
    time.get(..5).unwrap_or(time)
}

/// What was refused matters less, what broke matters more.
fn outcome_style(outcome: &str) -> Style {
    match outcome {
        "denied" => AnsiColor::Green.on_default(),
        "failed" => AnsiColor::Yellow.on_default(),
        "panicked" => AnsiColor::Red.on_default(),
        _ => Style::new(),
    }
}
