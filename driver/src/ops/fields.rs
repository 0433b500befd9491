//! Optional fields of commands, in the form in which the options structs hold them.

use std::time::Duration;

use bson::raw::CStr;
use bson::{Bson, Document};

use crate::error::{Error, Result};
use crate::wire::DocWriter;

/// Fields that are written only where they are given.
pub(super) trait Fields {
    fn maybe_bool(&mut self, key: &CStr, value: Option<bool>);
    fn maybe_i64(&mut self, key: &CStr, value: Option<i64>);
    fn maybe_u64(&mut self, key: &CStr, value: Option<u64>) -> Result<()>;
    fn maybe_doc(&mut self, key: &CStr, value: Option<&Document>) -> Result<()>;
    fn maybe_millis(&mut self, key: &CStr, value: Option<Duration>) -> Result<()>;
    fn maybe_value(&mut self, key: &CStr, value: Option<&impl serde::Serialize>) -> Result<()>;
    fn maybe_comment(&mut self, value: Option<&Bson>) -> Result<()>;
}

impl Fields for DocWriter<'_> {
    fn maybe_bool(&mut self, key: &CStr, value: Option<bool>) {
        if let Some(value) = value {
            self.bool(key, value);
        }
    }

    fn maybe_i64(&mut self, key: &CStr, value: Option<i64>) {
        if let Some(value) = value {
            self.i64(key, value);
        }
    }

    fn maybe_u64(&mut self, key: &CStr, value: Option<u64>) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        let value = i64::try_from(value).map_err(|_| {
            Error::invalid_argument(format!(
                "{}: {value} is beyond the 64-bit integers of BSON",
                key.as_str()
            ))
        })?;
        self.i64(key, value);
        Ok(())
    }

    fn maybe_doc(&mut self, key: &CStr, value: Option<&Document>) -> Result<()> {
        value.map_or(Ok(()), |value| self.serialize(key, value))
    }

    fn maybe_millis(&mut self, key: &CStr, value: Option<Duration>) -> Result<()> {
        let Some(value) = value else { return Ok(()) };
        let millis = i64::try_from(value.as_millis()).map_err(|_| {
            Error::invalid_argument(format!("{}: {value:?} is longer than any server waits", key.as_str()))
        })?;
        // Anything shorter than a millisecond would read as "without limit".
        self.i64(key, if value.is_zero() { 0 } else { millis.max(1) });
        Ok(())
    }

    fn maybe_value(&mut self, key: &CStr, value: Option<&impl serde::Serialize>) -> Result<()> {
        value.map_or(Ok(()), |value| self.value(key, value))
    }

    fn maybe_comment(&mut self, value: Option<&Bson>) -> Result<()> {
        self.maybe_value(bson::raw::cstr!("comment"), value)
    }
}
