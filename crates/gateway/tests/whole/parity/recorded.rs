//! The list of requests and what a genuine server recorded of it under each policy.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// One event, each of its members as it is written.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) members: Vec<(String, String)>,
    audit_id: String,
    uri: String,
}

impl Event {
    pub(super) fn read(line: &str) -> Self {
        let mut event: Self = serde_json::from_str(line).unwrap();
        event.audit_id = event.text("auditID");
        event.uri = event.text("requestURI");
        event
    }

    /// A member as it is written.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        let mut members = self.members.iter();
        let member = members.find(|(key, _)| key == name);
        member.map(|(_, value)| value.as_str())
    }

    /// A member; `null` when there is none.
    pub(super) fn get(&self, name: &str) -> Value {
        self.raw(name)
            .map_or(Value::Null, |raw| serde_json::from_str(raw).unwrap())
    }

    /// Writes another value where the member stands.
    pub(super) fn set(&mut self, name: &str, raw: String) {
        if let Some((_, value)) = self.members.iter_mut().find(|(key, _)| key == name) {
            *value = raw;
        }
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.members.retain(|(key, _)| key != name);
    }

    /// The event as a line of a log has it.
    pub(super) fn line(&self) -> String {
        let members = self.members.iter();
        let members: Vec<_> = members
            .map(|(key, value)| format!("\"{key}\":{value}"))
            .collect();
        format!("{{{}}}", members.join(","))
    }

    pub(super) fn text(&self, name: &str) -> String {
        self.get(name).as_str().unwrap_or_default().to_owned()
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Event;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
            members.push((key, value.get().to_owned()));
        }
        Ok(Event {
            members,
            audit_id: String::new(),
            uri: String::new(),
        })
    }
}

/// A request of the list.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// What it is sent as; `None` for the one that names itself nothing.
    pub(super) audit_id: Option<String>,
    pub(super) label: String,
    pub(super) identity: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
}

impl Listed {
    /// What tells it from all others: two of the list share an id, one has none.
    pub(super) fn is_of(&self, event: &Event) -> bool {
        match self.audit_id.as_deref() {
            None | Some("dup-id") => event.uri == self.path,
            Some(id) => event.audit_id == id,
        }
    }
}

/// What was recorded under one policy.
pub(super) struct Recording {
    pub(super) name: String,
    pub(super) policy: String,
    pub(super) events: Vec<Event>,
}

impl Recording {
    fn read(folder: &Path) -> Self {
        let events = fs::read_to_string(folder.join("audit.jsonl")).unwrap();
        Self {
            name: folder.file_name().unwrap().display().to_string(),
            policy: fs::read_to_string(folder.join("policy.yaml")).unwrap(),
            events: events.lines().map(Event::read).collect(),
        }
    }

    /// The events of a request, in their order.
    pub(super) fn of(&self, request: &Listed) -> Vec<&Event> {
        let events = self.events.iter();
        events.filter(|event| request.is_of(event)).collect()
    }
}

/// Everything that was recorded of the list.
pub(super) struct Recordings {
    pub(super) requests: Vec<Listed>,
    /// Under the policy that records everything.
    pub(super) everything: Recording,
    /// Under every policy, that one included, by name.
    pub(super) all: Vec<Recording>,
}

impl Recordings {
    /// `None`, and a word about it, when they are not there.
    pub(super) fn read() -> Option<Self> {
        let folder = folder()?;
        let mut folders: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        folders.sort();
        let everything = folder.join("p00-all");
        Some(Self {
            requests: requests(&everything.join("requests.jsonl")),
            everything: Recording::read(&everything),
            all: folders
                .iter()
                .map(|folder| Recording::read(folder))
                .collect(),
        })
    }
}

fn folder() -> Option<PathBuf> {
    let shared = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = Path::new(shared).join("data/recorded/policies");
    if !folder.is_dir() {
        eprintln!("skipped: the recordings are not here");
        return None;
    }
    Some(folder)
}

fn requests(path: &Path) -> Vec<Listed> {
    let text = fs::read_to_string(path).unwrap();
    let requests = text.lines().map(|line| {
        let request: HashMap<String, Value> = serde_json::from_str(line).unwrap();
        let text = |name: &str| request[name].as_str().unwrap_or_default().to_owned();
        Listed {
            audit_id: request["id"].as_str().map(ToOwned::to_owned),
            label: text("label"),
            identity: text("user"),
            method: text("method"),
            path: text("path"),
            status: request["status"].as_u64().unwrap() as u16,
        }
    });
    requests.collect()
}
