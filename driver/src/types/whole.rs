//! Numbers of any BSON type that hold a whole number.

use bson::raw::RawBsonRef;

/// The value as a whole number, if it is one.
pub(crate) fn whole(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int32(n) => Some(n.into()),
        RawBsonRef::Int64(n) => Some(n),
        RawBsonRef::Double(n) if n.trunc() == n && n.abs() < 9.0e15 => Some(n as i64),
        _ => None,
    }
}
