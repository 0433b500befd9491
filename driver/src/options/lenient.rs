//! Decodes options in listings. Flags and numbers can have any numeric type, because servers keep
//! the type that other programs used.

use std::time::Duration;

use bson::Bson;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

use crate::error::Error;

/// A number of any BSON type.
fn number(value: &Bson) -> Option<f64> {
    match *value {
        Bson::Boolean(flag) => Some(flag.into()),
        Bson::Int32(n) => Some(n.into()),
        Bson::Int64(n) => Some(n as f64),
        Bson::Double(n) => Some(n),
        _ => None,
    }
}

fn misfit<'de, D: Deserializer<'de>>(value: &Bson, wanted: &str) -> D::Error {
    D::Error::custom(format!("{value} is not a {wanted}"))
}

/// A flag: `true`, or a number other than 0.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    match Bson::deserialize(deserializer)? {
        Bson::Null => Ok(None),
        value => match number(&value) {
            Some(number) => Ok(Some(number != 0.0)),
            None => Err(misfit::<D>(&value, "flag")),
        },
    }
}

/// A whole number from 0 on.
pub(crate) fn count<'de, D, N>(deserializer: D) -> Result<Option<N>, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    let value = Bson::deserialize(deserializer)?;
    let whole = match value {
        Bson::Null => return Ok(None),
        Bson::Int64(n) => Some(n),
        _ => number(&value).filter(|n| n.trunc() == *n && n.abs() < 9.0e15).map(|n| n as i64),
    };
    let count = whole.and_then(|n| N::try_from(n).ok());
    count.map(Some).ok_or_else(|| misfit::<D>(&value, "whole number in the range of this field"))
}

/// Like [`count`], for a required field.
pub(crate) fn required_count<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<i64>,
{
    count(deserializer)?.ok_or_else(|| misfit::<D>(&Bson::Null, "whole number"))
}

/// Checks that a duration has whole seconds, the unit of the server.
///
/// # Errors
/// `InvalidArgument`, beginning with `what`, if it has a fraction of a second.
pub(crate) fn whole_seconds(what: &str, duration: Option<Duration>) -> crate::error::Result<()> {
    match duration {
        Some(duration) if duration.subsec_nanos() != 0 => Err(Error::invalid_argument(format!(
            "{what} is {duration:?}, but must be a whole number of seconds"
        ))),
        _ => Ok(()),
    }
}

/// A 32-bit integer, as servers require it for many options.
pub(crate) fn as_int<S: Serializer>(value: &Option<u32>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => {
            serializer.serialize_i32(i32::try_from(*value).map_err(serde::ser::Error::custom)?)
        }
        None => serializer.serialize_none(),
    }
}

/// A number of seconds. Negative numbers and NaN are decoded as `None`.
pub(crate) mod seconds {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let Some(value) = value else { return serializer.serialize_none() };
        match i32::try_from(value.as_secs()) {
            Ok(seconds) => serializer.serialize_i32(seconds),
            Err(_) => serializer
                .serialize_i64(i64::try_from(value.as_secs()).map_err(serde::ser::Error::custom)?),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        match Bson::deserialize(deserializer)? {
            Bson::Null => Ok(None),
            Bson::Int64(n) => Ok(u64::try_from(n).ok().map(Duration::from_secs)),
            value => match number(&value) {
                Some(number) => Ok(Duration::try_from_secs_f64(number).ok()),
                None => Err(misfit::<D>(&value, "number of seconds")),
            },
        }
    }
}
