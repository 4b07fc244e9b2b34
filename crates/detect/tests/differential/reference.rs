//! The reference evaluator in a process of its own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value as Any, json};

/// What one question asks: rules as a file has them, and events with their times in seconds.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) rules: String,
    pub(crate) placeholders: Any,
    pub(crate) events: Vec<(i64, Any)>,
}

/// Python with the driver.
pub(crate) struct Reference {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    /// Starts it; `None` and a word on standard error when something that it needs is not there.
    pub(crate) fn start() -> Option<Self> {
        let here = env!("CARGO_MANIFEST_DIR");
        let evaluator = format!("{here}/../../../shared/vectors/sigma_ref.py");
        if !Path::new(&evaluator).exists() {
            eprintln!("skipped: {evaluator} is not beside the checkout");
            return None;
        }
        let started = Command::new("python3")
            .arg(format!("{here}/tests/differential/driver.py"))
            .arg(&evaluator)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                eprintln!("skipped: python3 cannot be started: {error}");
                return None;
            }
        };
        let mut reference = Self {
            questions: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        };
        let greeting = reference.read();
        if let Some(missing) = greeting["missing"].as_str() {
            eprintln!("skipped: the reference evaluator needs PyYAML: {missing}");
            return None;
        }
        assert_eq!(greeting["ready"], true);
        Some(reference)
    }

    /// At which events each rule fires by its title, or `Err` with the reason of a refusal.
    pub(crate) fn ask(&mut self, question: &Question) -> Result<Any, String> {
        let line = json!({
            "rules": question.rules,
            "placeholders": question.placeholders,
            "events": question.events,
        });
        writeln!(self.questions, "{line}").unwrap();
        let answer = self.read();
        assert!(
            answer["broken"].is_null(),
            "the reference stumbles: {answer} over {}",
            question.rules
        );
        match answer["refused"].as_str() {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(answer["fires"].clone()),
        }
    }

    fn read(&mut self) -> Any {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
