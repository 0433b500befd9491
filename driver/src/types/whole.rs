//! Integers in any numeric BSON type.

use bson::raw::RawBsonRef;

/// The value as an integer, if it is one.
pub(crate) fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(n) => Some(n.into()),
        RawBsonRef::Int64(n) => Some(n),
        RawBsonRef::Double(n) if n.trunc() == n && n.abs() < 9.0e15 => Some(n as i64),
        _ => None,
    }
}
