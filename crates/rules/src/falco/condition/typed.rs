//! Fields and transformations, looked up and type-checked.

use bstr::{BString, ByteSlice};

use super::ast::{Place, Term};
use super::lower::Lowering;
use super::operator::TransformName;
use super::problem::{Problem, ProblemClass};
use super::types::describe;
use super::values::checked;
use crate::condition::{Expr, Transform};
use crate::falco::fields::{self, FieldError};
use crate::field::Kind;

/// A term, compiled.
#[derive(Clone, Debug)]
pub(in crate::falco) struct Typed {
    pub(in crate::falco) expr: Expr,
    pub(super) kind: Kind,
}

impl Lowering<'_> {
    /// Compiles a field or a transformation.
    pub(in crate::falco) fn term(&mut self, term: &Term) -> Option<Typed> {
        match term {
            Term::Field {
                name,
                argument,
                place,
            } => self.field(name, argument.as_ref(), place),
            Term::Transform {
                name,
                arguments,
                selector,
                place,
            } => self.transform(*name, arguments, selector.as_ref(), place),
            Term::Text(literal) | Term::Number(literal) => {
                let text = checked(literal)
                    .map_err(|problem| self.problems.push(problem))
                    .ok()?;
                Some(Typed {
                    expr: Expr::Constant(vec![text.clone()]),
                    kind: Kind::Text,
                })
            }
            Term::List(_, place) => {
                let message = "a list stands only in `join` and `getopt`";
                self.problems
                    .push(Problem::new(ProblemClass::Transformer, place, message));
                None
            }
        }
    }

    fn field(&mut self, name: &str, argument: Option<&BString>, place: &Place) -> Option<Typed> {
        let argument = argument.map(|argument| argument.to_str_lossy());
        match fields::resolve(name, argument.as_deref(), &self.options.fields) {
            Ok(field) => Some(Typed {
                kind: field.kind,
                expr: Expr::Field(field),
            }),
            Err(error) => {
                let class = match &error {
                    FieldError::Unknown { .. } => ProblemClass::UnknownField,
                    FieldError::Argument { .. } => ProblemClass::FieldArgument,
                };
                let mut problem = Problem::new(class, place, error.to_string());
                problem.help = error.help();
                self.problems.push(problem);
                None
            }
        }
    }

    fn transform(
        &mut self,
        name: TransformName,
        arguments: &[Term],
        selector: Option<&BString>,
        place: &Place,
    ) -> Option<Typed> {
        let wrong = |message: &str| {
            Problem::new(
                ProblemClass::Transformer,
                place,
                format!("`{}` {message}", name.word()),
            )
        };
        let problem = match (arguments.len(), name.takes_several()) {
            (1, true) => Some(wrong("takes two or more arguments")),
            (2.., false) => Some(wrong("takes one argument")),
            _ if selector.is_some() && name != TransformName::GetOpt => {
                Some(wrong("takes no `[…]` behind it"))
            }
            _ => None,
        };
        if let Some(problem) = problem {
            self.problems.push(problem);
            return None;
        }
        match (name, arguments) {
            (TransformName::Concat, _) => self.concat(arguments, &wrong),
            (TransformName::Join, [separator, list]) => self.join(separator, list, &wrong),
            (TransformName::GetOpt, [list, options]) => {
                self.get_opt(list, options, selector, &wrong)
            }
            (_, [argument]) if !name.takes_several() => self.unary(name, argument, &wrong),
            _ => {
                self.problems.push(wrong("takes two arguments"));
                None
            }
        }
    }

    fn unary(
        &mut self,
        name: TransformName,
        argument: &Term,
        wrong: &dyn Fn(&str) -> Problem,
    ) -> Option<Typed> {
        let argument = self.term(argument)?;
        let transform = match (name, argument.comparable_kind()) {
            (_, Kind::Bool | Kind::Integer | Kind::Time) => {
                self.problems
                    .push(wrong(&format!("does not take {}", describe(argument.kind))));
                return None;
            }
            (TransformName::Len, Kind::TextList) => Transform::LenList,
            (TransformName::Len, _) => Transform::LenText,
            (TransformName::Base64, _) => Transform::Base64,
            (TransformName::Basename, _) => Transform::Basename,
            (TransformName::ToUpper, _) => Transform::ToUpper,
            _ => Transform::ToLower,
        };
        let kind = if name == TransformName::Len {
            Kind::Integer
        } else {
            argument.comparable_kind()
        };
        Some(Typed {
            expr: Expr::Transform(transform, vec![argument.expr]),
            kind,
        })
    }

    fn concat(&mut self, arguments: &[Term], wrong: &dyn Fn(&str) -> Problem) -> Option<Typed> {
        let exprs = self.single_texts(arguments, wrong)?;
        Some(Typed {
            expr: Expr::Transform(Transform::Concat, exprs),
            kind: Kind::Text,
        })
    }

    fn join(
        &mut self,
        separator: &Term,
        list: &Term,
        wrong: &dyn Fn(&str) -> Problem,
    ) -> Option<Typed> {
        let mut exprs = self.single_texts(std::slice::from_ref(separator), wrong)?;
        match list {
            Term::List(elements, _) => exprs.extend(self.single_texts(elements, wrong)?),
            _ => exprs.push(self.text_list(list, wrong)?),
        }
        Some(Typed {
            expr: Expr::Transform(Transform::Join, exprs),
            kind: Kind::Text,
        })
    }

    fn get_opt(
        &mut self,
        list: &Term,
        options: &Term,
        selector: Option<&BString>,
        wrong: &dyn Fn(&str) -> Problem,
    ) -> Option<Typed> {
        let Term::Text(options) = options else {
            self.problems.push(wrong(
                "needs a quoted text of option letters as second argument",
            ));
            return None;
        };
        let options = checked(options)
            .map_err(|problem| self.problems.push(problem))
            .ok()?
            .clone();
        let mut exprs = vec![self.text_list(list, wrong)?, Expr::Constant(vec![options])];
        exprs.extend(selector.map(|letter| Expr::Constant(vec![letter.clone()])));
        let kind = if selector.is_some() {
            Kind::Text
        } else {
            Kind::TextList
        };
        Some(Typed {
            expr: Expr::Transform(Transform::GetOpt, exprs),
            kind,
        })
    }

    fn text_list(&mut self, term: &Term, wrong: &dyn Fn(&str) -> Problem) -> Option<Expr> {
        let list = self.term(term)?;
        if list.kind != Kind::TextList {
            self.problems.push(wrong(&format!(
                "needs a list here, not {}",
                describe(list.kind)
            )));
            return None;
        }
        Some(list.expr)
    }

    fn single_texts(
        &mut self,
        terms: &[Term],
        wrong: &dyn Fn(&str) -> Problem,
    ) -> Option<Vec<Expr>> {
        let mut exprs = Vec::with_capacity(terms.len());
        for term in terms {
            let typed = self.term(term)?;
            if typed.comparable_kind() != Kind::Text {
                self.problems.push(wrong(&format!(
                    "needs single texts, not {}",
                    describe(typed.kind)
                )));
                return None;
            }
            exprs.push(typed.expr);
        }
        Some(exprs)
    }
}

impl Typed {
    /// The type as operators see it: a point in time is the text that it prints as.
    pub(super) fn comparable_kind(&self) -> Kind {
        if self.kind == Kind::Time {
            Kind::Text
        } else {
            self.kind
        }
    }
}
