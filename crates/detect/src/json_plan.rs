//! Questions to JSON values, compiled.

use kubevigil_rules::json_test::Relation;
use kubevigil_rules::{JsonPredicate, JsonTest, Letters, Subject};

use crate::compile::{ExprPlan, NO_ELEMENT, Origin, Program};
use crate::json_check::JsonCheck;
use crate::keyword::Hint;
use crate::lookup::LookupPlan;

/// A [`JsonTest`], compiled.
#[derive(Debug)]
pub(crate) struct JsonPlan {
    pub(crate) subject: SubjectPlan,
    pub(crate) question: JsonQuestion,
}

/// A [`Subject`], compiled.
#[derive(Debug)]
pub(crate) enum SubjectPlan {
    /// Any value of the event or element; the hint is about the event.
    AnyScalar(Option<Hint>),
    Field(ExprPlan),
    Lookup(LookupPlan),
}

/// A [`JsonPredicate`], compiled.
#[derive(Debug)]
pub(crate) enum JsonQuestion {
    Exists,
    Null,
    /// It needs only the value.
    Check(JsonCheck),
    /// It compares texts with those of another subject.
    Against(SubjectPlan, Relation, Letters),
}

impl Program {
    /// Compiles a test.
    pub(crate) fn json_plan(
        &mut self,
        test: &JsonTest,
        origin: &mut Origin<'_>,
    ) -> Result<JsonPlan, String> {
        let question = match (&test.predicate, JsonCheck::new(&test.predicate)?) {
            (_, Some(check)) => JsonQuestion::Check(check),
            (JsonPredicate::Against(other, relation, letters), _) => {
                JsonQuestion::Against(self.subject(other, origin)?, *relation, *letters)
            }
            (JsonPredicate::Null, _) => JsonQuestion::Null,
            _ => JsonQuestion::Exists,
        };
        let subject = match test.subject {
            Subject::AnyScalar => SubjectPlan::AnyScalar(Hint::new(&test.predicate)),
            _ => self.subject(&test.subject, origin)?,
        };
        Ok(JsonPlan { subject, question })
    }

    pub(crate) fn subject(
        &mut self,
        subject: &Subject,
        origin: &mut Origin<'_>,
    ) -> Result<SubjectPlan, String> {
        Ok(match (subject, origin) {
            (Subject::AnyScalar, _) => SubjectPlan::AnyScalar(None),
            (Subject::Lookup(lookup), origin) => SubjectPlan::Lookup(origin.lookup(lookup)),
            (Subject::Field(field), Origin::Event(paths)) => {
                SubjectPlan::Field(self.field(field, paths))
            }
            (Subject::Field(_), Origin::Element) => return Err(NO_ELEMENT.to_owned()),
        })
    }
}
