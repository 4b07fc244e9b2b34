//! The fields of an event, found in one pass.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::objects::{text, texts};
use super::{Level, ObjectRef, Outcome, ResponseStatus, Stage, User};
use crate::json::{
    Duplicates, Json, JsonError, JsonKind, PathId, PathScratch, Paths, PathsBuilder,
};
use crate::time::Timestamp;

/// The fields of one event (`audit.k8s.io/v1`, spec 2.1; older versions are read as v1, spec 2.3). Of equal keys the last
/// counts, as for the API server.
///
/// Everything in it but the level, the stage, the codes and the last hop can be text that a client chose.
///
/// ```
/// use kubevigil_audit::event::{EventView, Outcome};
///
/// let event = br#"{"stage":"ResponseComplete","verb":"list","user":{"username":"mallory"},
///     "sourceIPs":["10.0.0.1","192.0.2.7"],"responseStatus":{"code":403}}"#;
/// let event = EventView::read(event)?;
/// assert_eq!(event.user().and_then(|user| user.name()).as_deref(), Some("mallory"));
/// assert_eq!(event.last_hop().as_deref(), Some("192.0.2.7"));
/// assert_eq!(event.outcome(), Outcome::Denied);
/// # Ok::<(), kubevigil_audit::json::JsonError>(())
/// ```
#[derive(Clone, Debug)]
pub struct EventView<'e> {
    raw: &'e [u8],
    fields: [Option<Json<'e>>; FIELDS.len()],
}

/// The fields of a view, in the order of [`FIELDS`].
#[derive(Clone, Copy)]
enum Field {
    Level,
    AuditId,
    Stage,
    RequestUri,
    Verb,
    User,
    UserName,
    UserUid,
    UserGroups,
    UserExtra,
    Impersonated,
    ImpersonatedName,
    ImpersonatedUid,
    ImpersonatedGroups,
    ImpersonatedExtra,
    SourceIps,
    UserAgent,
    ObjectRef,
    Resource,
    Namespace,
    Name,
    Uid,
    ApiGroup,
    ApiVersion,
    ResourceVersion,
    Subresource,
    ResponseStatus,
    Code,
    Status,
    Reason,
    Message,
    RequestObject,
    ResponseObject,
    RequestReceived,
    StageTime,
    Annotations,
    Decision,
    Outcome,
    Truncated,
    Created,
    Timestamp,
}

const FIELDS: [&[&str]; 41] = [
    &["level"],
    &["auditID"],
    &["stage"],
    &["requestURI"],
    &["verb"],
    &["user"],
    &["user", "username"],
    &["user", "uid"],
    &["user", "groups"],
    &["user", "extra"],
    &["impersonatedUser"],
    &["impersonatedUser", "username"],
    &["impersonatedUser", "uid"],
    &["impersonatedUser", "groups"],
    &["impersonatedUser", "extra"],
    &["sourceIPs"],
    &["userAgent"],
    &["objectRef"],
    &["objectRef", "resource"],
    &["objectRef", "namespace"],
    &["objectRef", "name"],
    &["objectRef", "uid"],
    &["objectRef", "apiGroup"],
    &["objectRef", "apiVersion"],
    &["objectRef", "resourceVersion"],
    &["objectRef", "subresource"],
    &["responseStatus"],
    &["responseStatus", "code"],
    &["responseStatus", "status"],
    &["responseStatus", "reason"],
    &["responseStatus", "message"],
    &["requestObject"],
    &["responseObject"],
    &["requestReceivedTimestamp"],
    &["stageTimestamp"],
    &["annotations"],
    &["annotations", "authorization.k8s.io/decision"],
    &["annotations", "kubevigil.io/outcome"],
    &["annotations", "audit.k8s.io/truncated"],
    &["metadata", "creationTimestamp"],
    &["timestamp"],
];

const _: () = assert!(
    Field::Timestamp as usize + 1 == FIELDS.len(),
    "one path a field"
);

static PATHS: LazyLock<(Paths, [PathId; FIELDS.len()])> = LazyLock::new(|| {
    let mut builder = PathsBuilder::new();
    let ids = FIELDS.map(|keys| builder.add(keys));
    (builder.build(), ids)
});

impl<'e> EventView<'e> {
    /// Reads the fields of an event: one JSON object.
    ///
    /// # Errors
    ///
    /// When the bytes are no JSON object; see [`Paths::read`] for what is looked at.
    pub fn read(event: &'e [u8]) -> Result<Self, JsonError> {
        Self::read_with(event, &mut PathScratch::default())
    }

    /// Like [`EventView::read`], with memory that is used again for the next event.
    ///
    /// # Errors
    ///
    /// As for [`EventView::read`].
    pub fn read_with(event: &'e [u8], scratch: &mut PathScratch) -> Result<Self, JsonError> {
        let (paths, ids) = &*PATHS;
        let found = paths.read(event, Duplicates::Last, scratch)?;
        Ok(Self {
            raw: event,
            fields: ids.map(|id| found.get(id)),
        })
    }

    /// The event's bytes.
    pub fn raw(&self) -> &'e [u8] {
        self.raw
    }

    /// The level that the policy chose.
    pub fn level(&self) -> Option<Level> {
        self.text(Field::Level).map(Level::parse)
    }

    /// The request's id. Clients choose it: neither unique nor trustworthy.
    pub fn audit_id(&self) -> Option<Cow<'e, str>> {
        self.text(Field::AuditId)
    }

    /// The stage that the event tells of.
    pub fn stage(&self) -> Option<Stage> {
        self.text(Field::Stage).map(Stage::parse)
    }

    /// Path and query of the request.
    pub fn request_uri(&self) -> Option<Cow<'e, str>> {
        self.text(Field::RequestUri)
    }

    /// The verb: `get`, `deletecollection`; the method in lower case outside the resource API.
    pub fn verb(&self) -> Option<Cow<'e, str>> {
        self.text(Field::Verb)
    }

    /// Who asked. An object without members when nobody was recognised.
    pub fn user(&self) -> Option<User<'e>> {
        use Field::{UserExtra, UserGroups, UserName, UserUid};
        self.user_of(Field::User, [UserName, UserUid, UserGroups, UserExtra])
    }

    /// As whom they acted, when they impersonated somebody and were allowed to.
    pub fn impersonated_user(&self) -> Option<User<'e>> {
        use Field::{ImpersonatedExtra, ImpersonatedGroups, ImpersonatedName, ImpersonatedUid};
        let members = [
            ImpersonatedName,
            ImpersonatedUid,
            ImpersonatedGroups,
            ImpersonatedExtra,
        ];
        self.user_of(Field::Impersonated, members)
    }

    /// All addresses that the request claims to have come through. Only the last is not the client's to choose: use
    /// [`EventView::last_hop`].
    pub fn source_ips(&self) -> impl Iterator<Item = Cow<'e, str>> + use<'e> {
        texts(self.get(Field::SourceIps))
    }

    /// The address that connected to the API server: the last of `sourceIPs` (spec 2.6).
    pub fn last_hop(&self) -> Option<Cow<'e, str>> {
        text(self.get(Field::SourceIps)?.elements().last())
    }

    /// What the client says it is.
    pub fn user_agent(&self) -> Option<Cow<'e, str>> {
        self.text(Field::UserAgent)
    }

    /// The object that the request is about.
    pub fn object_ref(&self) -> Option<ObjectRef<'e>> {
        self.object(Field::ObjectRef)?;
        let mut object = ObjectRef {
            resource: self.text(Field::Resource),
            namespace: self.text(Field::Namespace),
            name: self.text(Field::Name),
            uid: self.text(Field::Uid),
            api_group: self.text(Field::ApiGroup),
            api_version: self.text(Field::ApiVersion),
            resource_version: self.text(Field::ResourceVersion),
            subresource: self.text(Field::Subresource),
        };
        object.upgrade();
        Some(object)
    }

    /// What the API server answered.
    pub fn response_status(&self) -> Option<ResponseStatus<'e>> {
        self.object(Field::ResponseStatus)?;
        Some(ResponseStatus {
            code: self.code(),
            status: self.text(Field::Status),
            reason: self.text(Field::Reason),
            message: self.text(Field::Message),
        })
    }

    /// The body of the request; a patch may be an array.
    pub fn request_object(&self) -> Option<Json<'e>> {
        self.present(Field::RequestObject)
    }

    /// The body of the response.
    pub fn response_object(&self) -> Option<Json<'e>> {
        self.present(Field::ResponseObject)
    }

    /// Whether there is any body.
    pub fn body_present(&self) -> bool {
        self.request_object().or(self.response_object()).is_some()
    }

    /// When the request came in.
    pub fn received(&self) -> Option<Timestamp> {
        self.first_time([Field::RequestReceived, Field::Timestamp])
    }

    /// When the stage was reached, or the nearest to it that the event tells.
    pub fn time(&self) -> Option<Timestamp> {
        let own = self.first_time([Field::StageTime, Field::Created]);
        own.or_else(|| self.received())
    }

    /// The annotations: key and value.
    pub fn annotations(&self) -> impl Iterator<Item = (Cow<'e, [u8]>, Json<'e>)> + use<'e> {
        self.get(Field::Annotations)
            .into_iter()
            .flat_map(Json::members)
    }

    /// The value of the annotation `key`.
    pub fn annotation(&self, key: &str) -> Option<Cow<'e, str>> {
        text(self.get(Field::Annotations)?.last_member(key))
    }

    /// Whether the API server says that it left out the bodies because they were too large.
    ///
    /// It marks the copies of an event that other outputs get too, so a body may be there all the same: ask
    /// [`EventView::body_present`].
    pub fn truncated(&self) -> bool {
        self.text(Field::Truncated).as_deref() == Some("true")
    }

    /// What became of the request.
    pub fn outcome(&self) -> Outcome {
        let (decision, said) = (self.text(Field::Decision), self.text(Field::Outcome));
        let (decision, said) = (decision.as_deref(), said.as_deref());
        Outcome::of(self.stage().as_ref(), self.code(), decision, said)
    }

    fn get(&self, field: Field) -> Option<Json<'e>> {
        self.fields.get(field as usize).copied().flatten()
    }

    fn text(&self, field: Field) -> Option<Cow<'e, str>> {
        text(self.get(field))
    }

    fn present(&self, field: Field) -> Option<Json<'e>> {
        self.get(field)
            .filter(|value| value.kind() != JsonKind::Null)
    }

    fn object(&self, field: Field) -> Option<Json<'e>> {
        self.get(field)
            .filter(|value| value.kind() == JsonKind::Object)
    }

    fn user_of(&self, user: Field, members: [Field; 4]) -> Option<User<'e>> {
        self.object(user)?;
        let [username, uid, groups, extra] = members.map(|member| self.get(member));
        Some(User {
            username,
            uid,
            groups,
            extra,
        })
    }

    fn code(&self) -> Option<i64> {
        std::str::from_utf8(self.get(Field::Code)?.raw())
            .ok()?
            .parse()
            .ok()
    }

    fn first_time(&self, fields: [Field; 2]) -> Option<Timestamp> {
        let time = |field| Timestamp::parse(&self.get(field)?.string()?);
        fields.into_iter().find_map(time)
    }
}
