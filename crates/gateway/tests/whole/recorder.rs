//! A sink that keeps the lines that a log would have.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use kubevigil_record::encode::json_line;
use kubevigil_record::sink::{Events, Sink, SinkError};

/// Keeps every event as a line of the log.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    lines: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

#[async_trait]
impl Sink for Recorder {
    fn name(&self) -> String {
        "recorder".to_owned()
    }

    async fn emit(&self, events: Events<'_>) -> Result<(), SinkError> {
        let lines = events.iter().map(|event| {
            let line =
                json_line(event).map_err(|error| SinkError::new("log", error.to_string()))?;
            Ok(String::from_utf8(line).expect("JSON is text"))
        });
        let lines: Vec<String> = lines.collect::<Result<_, SinkError>>()?;
        self.lines.lock().unwrap().extend(lines);
        Ok(())
    }
}
