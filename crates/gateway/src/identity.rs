//! Who asks.

mod extra;

pub(crate) use self::extra::encode as encode_extra_key;
