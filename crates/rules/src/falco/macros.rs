//! Macros: named conditions.

use std::collections::HashSet;
use std::sync::Arc;

use kubevigil_diagnostics::{Diagnostic, closest};
use kubevigil_yaml::Node;

use crate::falco::codes;
use crate::falco::collection::{Collection, Entry, Named};
use crate::falco::condition::{self, Ast};
use crate::falco::definition::join;
use crate::falco::findings::{Findings, syntax_problem, too_long};
use crate::falco::items::{Noted, Read, Reader};
use crate::falco::lists::Pasting;
use crate::falco::overrides::{Mode, Operation, Overridable};
use crate::falco::text::Text;

const OVERRIDABLE: Overridable = Overridable {
    append: &["condition"],
    replace: &["condition"],
};

/// Reads a `macro` item into the collection.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node, collection: &mut Collection) -> Read<()> {
    let name = reader.name(node, "macro")?;
    reader.check_keys(node, &["macro", "condition", "append", "override"]);
    let condition = reader.text(node, "condition");
    let mode = OVERRIDABLE.mode(reader, node);
    let (Ok(condition), Ok(mode)) = (condition, mode) else {
        collection.macros.mark_broken(&name);
        return Err(Noted);
    };
    if !is_identifier(&name) {
        let message =
            "a macro name should be letters, digits and underscores; this macro can never be used";
        reader.warning(codes::INVALID_MACRO_NAME, reader.name_span.clone(), message);
    }
    let appends = match mode {
        Mode::Define => false,
        Mode::Append => true,
        Mode::Override(entries) => entries
            .iter()
            .any(|(_, operation)| *operation == Operation::Append),
    };
    if !appends {
        collection.macros.define(&name, condition, reader);
        return Ok(());
    }
    if let Some(existing) = collection.macros.change(&name) {
        join(existing, &condition);
    } else if !collection.macros.is_broken(&name) {
        return Err(reader.nothing_to_change("macro", &name));
    }
    Ok(())
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// All macros, parsed and put into one another.
pub(super) struct Macros<'c> {
    definitions: &'c Named<Text>,
    /// In the order of definition.
    compiled: Vec<Macro>,
    used: HashSet<Arc<str>>,
}

struct Macro {
    /// After list names were replaced.
    text: Text,
    state: State,
}

enum State {
    /// Parsed; the macros that it names are not put in yet.
    Parsed(Ast),
    /// The macros that it names are being put in.
    Open(Ast),
    /// Without references.
    Ready(Arc<Ast>),
    /// Not usable, and the reason has been reported.
    Broken,
}

impl<'c> Macros<'c> {
    /// Parses all macros, then puts them into one another.
    pub(super) fn compile(
        definitions: &'c Named<Text>,
        pasting: &mut Pasting,
        findings: &mut Findings<'_>,
    ) -> Self {
        let parsed = definitions
            .entries()
            .iter()
            .map(|entry| parse(entry, pasting, findings));
        let mut macros = Self {
            definitions,
            compiled: parsed.collect(),
            used: HashSet::new(),
        };
        for root in 0..macros.compiled.len() {
            macros.resolve(root, findings);
        }
        macros
    }

    /// A macro without references, for a rule.
    ///
    /// `Ok(None)` when it is broken, which has been reported.
    pub(super) fn use_by_rule(&mut self, name: &str) -> Result<Option<Arc<Ast>>, Unknown> {
        let Some(position) = self.definitions.position(name) else {
            return self.unknown(name, None).map(|()| None);
        };
        self.mark_used(position);
        Ok(self.ready(position))
    }

    /// The text of a macro after list names were replaced.
    pub(super) fn text(&self, name: &str) -> Option<&Text> {
        self.compiled
            .get(self.definitions.position(name)?)
            .map(|compiled| &compiled.text)
    }

    /// The macros that a rule or macro names.
    pub(super) fn used(&mut self) -> &mut HashSet<Arc<str>> {
        &mut self.used
    }

    /// Puts macros into the macro at `root` and into all that it needs, with a stack of its own: how long a chain of
    /// macros is, is up to the file.
    fn resolve(&mut self, root: usize, findings: &mut Findings<'_>) {
        let mut stack = vec![root];
        while let Some(&top) = stack.last() {
            let Some(compiled) = self.compiled.get_mut(top) else {
                return;
            };
            match std::mem::replace(&mut compiled.state, State::Broken) {
                State::Parsed(ast) => {
                    let needed = self.needs(top, &ast, findings);
                    let circle = needed
                        .iter()
                        .flatten()
                        .find(|&&position| self.is_open(position) || position == top);
                    match (circle, needed.as_deref()) {
                        (Some(&position), _) => {
                            self.report_circle(&stack, position, &ast, findings)
                        }
                        (None, Some(needed)) => {
                            self.set(top, State::Open(ast));
                            stack.extend(
                                needed.iter().filter(|&&position| self.is_parsed(position)),
                            );
                        }
                        (None, None) => {}
                    }
                }
                State::Open(ast) => {
                    let state = self.put_in(top, &ast, findings);
                    self.set(top, state);
                    stack.pop();
                }
                done => {
                    self.set(top, done);
                    stack.pop();
                }
            }
        }
    }

    /// The macros that a macro names. `None` when one of them cannot be named there, which is then reported.
    fn needs(
        &mut self,
        position: usize,
        ast: &Ast,
        findings: &mut Findings<'_>,
    ) -> Option<Vec<usize>> {
        let user = self.definitions.entries().get(position)?;
        let mut needed = Some(Vec::new());
        for reference in ast.macros() {
            match self.visible(reference.name, user) {
                Ok(Some(found)) => {
                    self.mark_used(found);
                    needed.iter_mut().for_each(|list| list.push(found));
                }
                Ok(None) => needed = None,
                Err(unknown) => {
                    let place = self
                        .compiled
                        .get(position)?
                        .text
                        .place(reference.place.span.clone());
                    findings.add(
                        unknown
                            .diagnostic()
                            .within(item(&user.name))
                            .at(&place.source, place.span),
                    );
                    needed = None;
                }
            }
        }
        needed
    }

    /// The macro of a name if `user` may name it: it was first defined before the user was last defined.
    fn visible(&self, name: &str, user: &Entry<Text>) -> Result<Option<usize>, Unknown> {
        let position = self.definitions.position(name);
        match self
            .definitions
            .entry(name)
            .filter(|entry| entry.first < user.latest)
        {
            Some(_) => Ok(position),
            None => self
                .unknown(name, position.map(|_| user.name.as_ref() == name))
                .map(|()| None),
        }
    }

    /// Why a name leads to no macro; nothing when its definition could not be read. `late` is there when the macro exists
    /// too late, and says whether it names itself.
    fn unknown(&self, name: &str, late: Option<bool>) -> Result<(), Unknown> {
        if late.is_none() && self.definitions.is_broken(name) {
            return Ok(());
        }
        let names = self
            .definitions
            .entries()
            .iter()
            .map(|entry| entry.name.as_ref());
        let help = match late {
            Some(true) => Some("a macro cannot name itself".to_owned()),
            Some(false) => Some(format!(
                "`{name}` is defined later: move it before this macro"
            )),
            None => closest(name, names).map(|near| format!("did you mean `{near}`?")),
        };
        Err(Unknown {
            name: name.to_owned(),
            help,
        })
    }

    fn report_circle(
        &mut self,
        stack: &[usize],
        back_to: usize,
        ast: &Ast,
        findings: &mut Findings<'_>,
    ) {
        let names = self.definitions.entries();
        let name_of =
            |position: &usize| names.get(*position).map_or("", |entry| entry.name.as_ref());
        let Some((root, user)) = stack.first().zip(stack.last()) else {
            return;
        };
        let open = stack
            .iter()
            .filter(|&position| self.is_open(*position) || position == user);
        let circle: Vec<_> = open
            .skip_while(|&position| position != &back_to)
            .map(name_of)
            .collect();
        let path = [circle.as_slice(), &[name_of(&back_to)]]
            .concat()
            .join("` → `");
        let reference = ast
            .macros()
            .into_iter()
            .find(|reference| reference.name == name_of(&back_to));
        let Some((reference, compiled)) = reference.zip(self.compiled.get(*user)) else {
            return;
        };
        let place = compiled.text.place(reference.place.span.clone());
        let problem = Diagnostic::error(
            codes::VALIDATE,
            format!("macros name each other in a circle: `{path}`"),
        );
        findings.add(
            problem
                .within(item(name_of(root)))
                .at(&place.source, place.span),
        );
    }

    fn put_in(&self, position: usize, ast: &Ast, findings: &mut Findings<'_>) -> State {
        let all_ready = ast
            .macros()
            .iter()
            .all(|reference| self.ready_by_name(reference.name).is_some());
        if !all_ready {
            return State::Broken;
        }
        match ast.substitute(&|name| self.ready_by_name(name)) {
            Ok(ast) => State::Ready(Arc::new(ast)),
            Err(too_big) => {
                if let Some((entry, compiled)) = self
                    .definitions
                    .entries()
                    .get(position)
                    .zip(self.compiled.get(position))
                {
                    let place = compiled.text.place(0..1);
                    let problem = Diagnostic::error(codes::COMPILE_CONDITION, too_big.to_string());
                    findings.add(
                        problem
                            .within(item(&entry.name))
                            .at(&place.source, place.span),
                    );
                }
                State::Broken
            }
        }
    }

    /// A macro without references, if there is one of this name that is not broken.
    pub(super) fn ready_by_name(&self, name: &str) -> Option<Arc<Ast>> {
        self.ready(self.definitions.position(name)?)
    }

    fn ready(&self, position: usize) -> Option<Arc<Ast>> {
        match &self.compiled.get(position)?.state {
            State::Ready(ast) => Some(Arc::clone(ast)),
            State::Parsed(_) | State::Open(_) | State::Broken => None,
        }
    }

    fn is_open(&self, position: usize) -> bool {
        self.compiled
            .get(position)
            .is_some_and(|compiled| matches!(compiled.state, State::Open(_)))
    }

    fn is_parsed(&self, position: usize) -> bool {
        self.compiled
            .get(position)
            .is_some_and(|compiled| matches!(compiled.state, State::Parsed(_)))
    }

    fn set(&mut self, position: usize, state: State) {
        if let Some(compiled) = self.compiled.get_mut(position) {
            compiled.state = state;
        }
    }

    fn mark_used(&mut self, position: usize) {
        if let Some(entry) = self.definitions.entries().get(position) {
            self.used.insert(Arc::clone(&entry.name));
        }
    }
}

/// A name that leads to no macro.
pub(super) struct Unknown {
    name: String,
    help: Option<String>,
}

impl Unknown {
    /// The error, without item and place.
    pub(super) fn diagnostic(self) -> Diagnostic {
        let mut problem = Diagnostic::error(
            codes::VALIDATE,
            format!("there is no macro `{}`", self.name),
        );
        problem.help = self.help;
        problem
    }
}

fn parse(entry: &Entry<Text>, pasting: &mut Pasting, findings: &mut Findings<'_>) -> Macro {
    let Ok(text) = pasting.paste(&entry.value) else {
        findings.add(too_long(&entry.value).within(item(&entry.name)));
        return Macro {
            text: Text::default(),
            state: State::Broken,
        };
    };
    let state = match condition::parse(text.as_str()) {
        Ok(ast) => State::Parsed(ast),
        Err(error) => {
            findings.add(syntax_problem(&text, error).within(item(&entry.name)));
            State::Broken
        }
    };
    Macro { text, state }
}

fn item(name: &str) -> String {
    format!("macro \"{name}\" condition")
}
