//! The event as an item of a stream: its time, its number, where it comes from.
//!
//! Falco prints local time for some of these fields. kubevigil prints UTC always: alerts from several machines are read
//! side by side, and audit events are written in UTC.

use std::borrow::Cow;

use kubevigil_audit::json::Json;
use kubevigil_audit::time::Timestamp;

use super::Entry;
use super::readers::fixed;
use crate::field::{Inputs, Kind, Read, ReadFn, Value, Values};

/// The field whose value comes from [`super::FieldOptions::hostname`].
pub(super) const HOSTNAME: &str = "evt.hostname";

const SECOND: i128 = 1_000_000_000;

const fn entry(name: &'static str, kind: Kind, read: ReadFn, doc: &'static str) -> Entry {
    Entry::new(name, kind, Read::With(read), &[], doc)
}

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "evt.num",
        Kind::Integer,
        |inputs| number(inputs.event.number.into()),
        "The place of the event in the stream, counted from 1.",
    ),
    entry(
        "evt.time",
        Kind::Time,
        time,
        "When the event happened: time of day in UTC, nanoseconds included.",
    ),
    entry(
        "evt.time.s",
        Kind::Time,
        time_in_seconds,
        "When the event happened: time of day in UTC.",
    ),
    entry(
        "evt.time.iso8601",
        Kind::Time,
        iso_8601,
        "When the event happened: date and time in UTC, nanoseconds included, as ISO 8601.",
    ),
    entry(
        "evt.datetime",
        Kind::Time,
        date_time,
        "When the event happened: date and time in UTC, nanoseconds included.",
    ),
    entry(
        "evt.datetime.s",
        Kind::Time,
        date_time_in_seconds,
        "When the event happened: date and time in UTC.",
    ),
    entry(
        "evt.rawtime",
        Kind::Integer,
        |inputs| number(at(inputs)),
        "When the event happened, in nanoseconds since 1970.",
    ),
    entry(
        "evt.rawtime.s",
        Kind::Integer,
        |inputs| number(at(inputs).div_euclid(SECOND)),
        "When the event happened, in seconds since 1970.",
    ),
    entry(
        "evt.rawtime.ns",
        Kind::Integer,
        |inputs| fraction(at(inputs)),
        "The nanoseconds of the second in which the event happened.",
    ),
    entry(
        "evt.reltime",
        Kind::Integer,
        |inputs| number(since_first(inputs)),
        "Nanoseconds since the first event of the stream.",
    ),
    entry(
        "evt.reltime.s",
        Kind::Integer,
        |inputs| number(since_first(inputs).div_euclid(SECOND)),
        "Seconds since the first event of the stream.",
    ),
    entry(
        "evt.reltime.ns",
        Kind::Integer,
        |inputs| fraction(since_first(inputs)),
        "The fraction of a second in evt.reltime, in nanoseconds.",
    ),
    entry(
        "evt.pluginname",
        Kind::Text,
        |_| fixed("k8saudit"),
        "The plugin that read the event: always `k8saudit`.",
    ),
    entry(
        "evt.plugininfo",
        Kind::Text,
        plugin_info,
        "The whole event as compact JSON.",
    ),
    entry(
        "evt.source",
        Kind::Text,
        |_| fixed("k8s_audit"),
        "The source of the event: always `k8s_audit`.",
    ),
    entry(
        "evt.is_async",
        Kind::Bool,
        |_| Values::One(Value::Bool(false)),
        "Whether the event is asynchronous: always false.",
    ),
    entry(
        "evt.asynctype",
        Kind::Text,
        |_| Values::Absent,
        "The type of an asynchronous event: always absent.",
    ),
    entry(
        HOSTNAME,
        Kind::Text,
        constant,
        "The name of the machine that kubevigil runs on.",
    ),
];

/// The argument, which is the value.
pub(super) fn constant<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    Values::text(
        inputs
            .argument
            .map(|text| Cow::Owned(text.as_bytes().to_vec())),
    )
}

fn at(inputs: &Inputs<'_, '_>) -> i128 {
    inputs.event.time.nanoseconds
}

/// Zero for events that are older than the first one: the log of several API servers is not in order.
fn since_first(inputs: &Inputs<'_, '_>) -> i128 {
    (at(inputs) - inputs.event.first_time.nanoseconds).max(0)
}

fn number<'e>(number: i128) -> Values<'e> {
    Values::One(Value::Integer(number, None))
}

fn fraction<'e>(nanoseconds: i128) -> Values<'e> {
    let fraction = nanoseconds.rem_euclid(SECOND);
    Values::One(Value::Integer(fraction, Some(format!("{fraction:09}"))))
}

fn printed<'e>(time: Timestamp, text: String) -> Values<'e> {
    Values::One(Value::Integer(time.nanoseconds, Some(text)))
}

fn time<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (_, _, _, hour, minute, second, nanos) = inputs.event.time.civil();
    printed(
        inputs.event.time,
        format!("{hour:02}:{minute:02}:{second:02}.{nanos:09}"),
    )
}

fn time_in_seconds<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (_, _, _, hour, minute, second, _) = inputs.event.time.civil();
    printed(
        inputs.event.time,
        format!("{hour:02}:{minute:02}:{second:02}"),
    )
}

fn iso_8601<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (year, month, day, hour, minute, second, nanos) = inputs.event.time.civil();
    let text =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}+0000");
    printed(inputs.event.time, text)
}

fn date_time<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (year, month, day, hour, minute, second, nanos) = inputs.event.time.civil();
    let text =
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{nanos:09}");
    printed(inputs.event.time, text)
}

fn date_time_in_seconds<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    let (year, month, day, hour, minute, second, _) = inputs.event.time.civil();
    let text = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    printed(inputs.event.time, text)
}

fn plugin_info<'e>(inputs: &Inputs<'_, 'e>) -> Values<'e> {
    Values::text(Json::first_in(inputs.event.raw).map(Json::compact))
}
