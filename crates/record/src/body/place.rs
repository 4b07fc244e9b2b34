//! Where managed fields are: in the metadata of objects, of the items of lists, and of the objects in the rows of tables (spec 6.6).

/// Where a value stands, as far as managed fields are concerned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The whole value, an item of a list, the object of a row: something with metadata.
    Object,
    Metadata,
    ManagedFields,
    Items,
    Rows,
    Row,
    Elsewhere,
}

impl Place {
    /// Where the value of a member stands; the key has its quotes.
    pub(super) fn member(self, key: &[u8]) -> Self {
        match (self, key) {
            (Self::Object, b"\"metadata\"") => Self::Metadata,
            (Self::Object, b"\"items\"") => Self::Items,
            (Self::Object, b"\"rows\"") => Self::Rows,
            (Self::Metadata, b"\"managedFields\"") => Self::ManagedFields,
            (Self::Row, b"\"object\"") => Self::Object,
            _ => Self::Elsewhere,
        }
    }

    /// Where an element of an array stands.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Items => Self::Object,
            Self::Rows => Self::Row,
            _ => Self::Elsewhere,
        }
    }
}
