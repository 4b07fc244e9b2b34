//! What a test reads of an event.

use kubevigil_audit::policy::PolicyLevel;
use kubevigil_rules::falco::fields as falco_fields;
use kubevigil_rules::json_test::Subject;
use kubevigil_rules::lookup::Lookup;
use kubevigil_rules::{Condition, Field};

use crate::rest::Values;

/// What a test reads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leaf {
    pub(crate) reads: Values,
    /// The least level that carries the bodies it reads.
    pub(crate) level: PolicyLevel,
}

impl Leaf {
    /// What a condition that has no parts reads.
    pub(crate) fn of(condition: &Condition) -> Self {
        let mut leaf = Self {
            reads: Values::default(),
            level: PolicyLevel::Metadata,
        };
        condition.for_each_lookup(&mut |lookup| leaf.lookup(lookup));
        condition.for_each_field(&mut |field| leaf.field(field));
        if let Condition::Json(test) = condition
            && matches!(test.subject, Subject::AnyScalar)
        {
            (leaf.reads, leaf.level) = (Values::NEVER_KNOWN, PolicyLevel::Request);
        }
        if leaf.reads.meets(Values::NEVER_KNOWN) {
            // Whatever else becomes known, it stays open.
            leaf.reads = Values::NEVER_KNOWN;
        }
        leaf
    }

    fn lookup(&mut self, lookup: &Lookup) {
        let (mut request, mut response) = (false, false);
        for path in lookup.paths.iter() {
            let segments = path
                .steps
                .iter()
                .flat_map(|step| step.segments.iter().map(AsRef::as_ref));
            let keys: Vec<&str> = segments.take(2).collect();
            self.path(&keys);
            request |= keys.first() == Some(&"requestObject");
            response |= keys.first() == Some(&"responseObject");
        }
        self.needs(request, response);
    }

    fn field(&mut self, field: &Field) {
        let (mut request, mut response) = (false, false);
        match &*field.name {
            "kv.identity" => self.add(Values::USER),
            // The URI of a made-up event says nothing but what the verb says.
            "kv.answered" => {
                self.add(Values::STAGE);
                self.add(Values::VERB);
                self.add(Values::RESOURCE);
                self.add(Values::SUBRESOURCE);
            }
            _ => {
                // A field without paths reads the event as a whole, or nothing of it.
                if field.inputs.is_empty() {
                    self.add(Values::NEVER_KNOWN);
                }
                for path in field.inputs.iter() {
                    let keys: Vec<&str> = path.keys.iter().map(AsRef::as_ref).take(2).collect();
                    self.path(&keys);
                    request |= keys.first() == Some(&"requestObject");
                    response |= keys.first() == Some(&"responseObject");
                }
            }
        }
        self.needs(
            request && falco_fields::level(field) != falco_fields::Level::Metadata,
            response && !request,
        );
    }

    /// Where request and response both say it, the request is enough.
    fn needs(&mut self, request: bool, response: bool) {
        let level = match (request, response) {
            (true, _) => PolicyLevel::Request,
            (false, true) => PolicyLevel::RequestResponse,
            (false, false) => PolicyLevel::Metadata,
        };
        self.level = self.level.max(level);
    }

    fn path(&mut self, keys: &[&str]) {
        match keys {
            ["verb"] => self.add(Values::VERB),
            ["stage"] => self.add(Values::STAGE),
            ["user", "username"] => self.add(Values::USER_NAME),
            ["objectRef", "resource"] => self.add(Values::RESOURCE),
            ["objectRef", "subresource"] => self.add(Values::SUBRESOURCE),
            ["objectRef", "apiGroup"] => self.add(Values::GROUP),
            ["objectRef", "namespace"] => self.add(Values::NAMESPACE),
            ["requestObject", ..] => self.add(Values::REQUEST_BODY),
            ["responseObject", ..] => self.add(Values::RESPONSE_BODY),
            // Falco's fields ask whether it is there; it always is.
            ["auditID"] => {}
            _ => self.add(Values::NEVER_KNOWN),
        }
    }

    fn add(&mut self, values: Values) {
        self.reads = self.reads.and(values);
    }
}
