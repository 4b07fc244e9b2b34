//! The objects inside an event: who, on what, with what answer.

use std::borrow::Cow;

use crate::json::Json;

/// An identity (`user`, `impersonatedUser`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct User<'e> {
    pub(super) username: Option<Json<'e>>,
    pub(super) uid: Option<Json<'e>>,
    pub(super) groups: Option<Json<'e>>,
    pub(super) extra: Option<Json<'e>>,
}

impl<'e> User<'e> {
    /// The name: `system:serviceaccount:dev:ci-bot`.
    pub fn name(&self) -> Option<Cow<'e, str>> {
        text(self.username)
    }

    /// The unique id.
    pub fn uid(&self) -> Option<Cow<'e, str>> {
        text(self.uid)
    }

    /// The groups, in the order of the event.
    pub fn groups(&self) -> impl Iterator<Item = Cow<'e, str>> + use<'e> {
        texts(self.groups)
    }

    /// What the authenticator added: an object of lists of texts.
    pub fn extra(&self) -> Option<Json<'e>> {
        self.extra
    }
}

/// The object that a request is about (`objectRef`); not there for requests outside the resource API.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ObjectRef<'e> {
    /// The resource in plural: `pods`.
    pub resource: Option<Cow<'e, str>>,
    /// The namespace; absent for what has none and for requests across all namespaces.
    pub namespace: Option<Cow<'e, str>>,
    /// The name; absent for lists and for creations with a generated name.
    pub name: Option<Cow<'e, str>>,
    /// The unique id.
    pub uid: Option<Cow<'e, str>>,
    /// The API group; absent for the core group.
    pub api_group: Option<Cow<'e, str>>,
    /// The version inside the group: `v1`.
    pub api_version: Option<Cow<'e, str>>,
    /// The version of the object that the request names.
    pub resource_version: Option<Cow<'e, str>>,
    /// The subresource: `exec`.
    pub subresource: Option<Cow<'e, str>>,
}

impl ObjectRef<'_> {
    /// Reads `group/version`, which v1alpha1 has in `apiVersion`, as the two fields of later versions. It is split at
    /// its last slash (spec 2.3); later versions never have one there.
    pub(super) fn upgrade(&mut self) {
        let Some(joined) = self
            .api_version
            .as_deref()
            .filter(|_| self.api_group.is_none())
        else {
            return;
        };
        if let Some((group, version)) = joined.rsplit_once('/') {
            let (group, version) = (group.to_owned(), version.to_owned());
            self.api_group = (!group.is_empty()).then_some(Cow::Owned(group));
            self.api_version = Some(Cow::Owned(version));
        }
    }
}

/// What the API server answered (`responseStatus`).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResponseStatus<'e> {
    /// The HTTP status code that was sent first.
    pub code: Option<i64>,
    /// `Success` or `Failure`; absent for most successes (spec 2.5).
    pub status: Option<Cow<'e, str>>,
    /// The reason in one word: `Forbidden`.
    pub reason: Option<Cow<'e, str>>,
    /// The reason for people.
    pub message: Option<Cow<'e, str>>,
}

/// A string's text.
pub(super) fn text(value: Option<Json<'_>>) -> Option<Cow<'_, str>> {
    value?.string().map(|bytes| match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

/// The strings of an array.
pub(super) fn texts<'e>(value: Option<Json<'e>>) -> impl Iterator<Item = Cow<'e, str>> + use<'e> {
    value
        .into_iter()
        .flat_map(Json::elements)
        .filter_map(|element| text(Some(element)))
}
