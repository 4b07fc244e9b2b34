//! All that is wrong with a command line, or with what it names, gathered so that one run shows it.

/// Where mistakes of flags are.
pub(crate) const ON_THE_LINE: &str = "mistakes on the command line";

/// What is wrong, each with the flag's name.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<String>);

impl Mistakes {
    /// Notes what is wrong with a flag.
    pub(crate) fn about(&mut self, flag: &str, problem: impl AsRef<str>) {
        self.0.push(format!("--{flag} {}", problem.as_ref()));
    }

    /// Notes `problem` unless something holds.
    pub(crate) fn unless(&mut self, holds: bool, flag: &str, problem: impl AsRef<str>) {
        if !holds {
            self.about(flag, problem);
        }
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes what is wrong in the words of another part.
    pub(crate) fn also(&mut self, problem: String) {
        self.0.push(problem);
    }

    /// All of them as an error, if there are any.
    pub(crate) fn into_result(self) -> anyhow::Result<()> {
        fail(&self.0, ON_THE_LINE)
    }
}

/// An error with one mistake a line, if there are any. `what` are several of them called.
pub(crate) fn fail(mistakes: &[String], what: &str) -> anyhow::Result<()> {
    match mistakes {
        [] => Ok(()),
        [mistake] => Err(anyhow::Error::msg(mistake.clone())),
        mistakes => {
            let lines = mistakes.join("\n  ");
            Err(anyhow::Error::msg(format!(
                "{} {what}\n  {lines}",
                mistakes.len()
            )))
        }
    }
}
