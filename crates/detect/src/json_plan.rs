//! Questions to JSON values, compiled.

use kubevigil_rules::json_test::Relation;
use kubevigil_rules::{JsonPredicate, JsonTest, Letters, Subject};

use crate::compile::{ExprPlan, NO_ELEMENT, Origin, Program};
use crate::json_check::JsonCheck;
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
    AnyScalar,
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
        Ok(JsonPlan {
            subject: self.subject(&test.subject, origin)?,
            question,
        })
    }

    pub(crate) fn subject(
        &mut self,
        subject: &Subject,
        origin: &mut Origin<'_>,
    ) -> Result<SubjectPlan, String> {
        Ok(match (subject, origin) {
            (Subject::AnyScalar, _) => SubjectPlan::AnyScalar,
            (Subject::Lookup(lookup), origin) => SubjectPlan::Lookup(origin.lookup(lookup)),
            (Subject::Field(field), Origin::Event(paths)) => {
                SubjectPlan::Field(self.field(field, paths))
            }
            (Subject::Field(_), Origin::Element) => return Err(NO_ELEMENT.to_owned()),
        })
    }
}
