//! Writes option values as fields of a command.

use std::time::Duration;

use bson::raw::CStr;
use bson::{Bson, Document};

use crate::error::{Error, Result};
use crate::options::{
    ChangeStreamPreAndPostImages, ClusteredIndex, Collation, CommitQuorum, ExpireAfter, Hint,
    IndexModification, IndexOptionDefaults, ModelDocument, ReturnDocument, TimeseriesModification,
    TimeseriesOptions, ValidationAction, ValidationLevel,
};
use crate::wire::DocWriter;

/// An option value.
pub(crate) trait Field {
    /// Writes the value as the field `key`.
    ///
    /// # Errors
    /// `InvalidArgument` for a value that BSON cannot represent; `BsonSerialization`.
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()>;
}

impl Field for bool {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.bool(key, *self);
        Ok(())
    }
}

impl Field for u32 {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.i64(key, i64::from(*self));
        Ok(())
    }
}

impl Field for i64 {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.i64(key, *self);
        Ok(())
    }
}

impl Field for u64 {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        let value = i64::try_from(*self).map_err(|_| {
            Error::invalid_argument(format!(
                "{}: {self} exceeds the 64-bit integers of BSON",
                key.as_str()
            ))
        })?;
        body.i64(key, value);
        Ok(())
    }
}

impl Field for ReturnDocument {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.bool(key, *self == ReturnDocument::After);
        Ok(())
    }
}

impl Field for Duration {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.millis(key, *self)
    }
}

impl Field for Document {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        body.document(key, self)
    }
}

impl Field for ModelDocument {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        match self {
            ModelDocument::Document(document) => body.document(key, document),
            ModelDocument::Raw(document) => body.serialize(key, document),
        }
    }
}

impl Field for Vec<Document> {
    fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
        let mut array = body.array(key);
        self.iter().try_for_each(|document| array.document(document))
    }
}

/// Types with more than one serde format.
macro_rules! by_serde {
    ($($Type:ty),*) => {
        $(
            impl Field for $Type {
                fn write(&self, key: &CStr, body: &mut DocWriter<'_>) -> Result<()> {
                    body.value(key, self)
                }
            }
        )*
    };
}
by_serde!(
    Bson,
    ChangeStreamPreAndPostImages,
    ClusteredIndex,
    Collation,
    CommitQuorum,
    ExpireAfter,
    Hint,
    IndexModification,
    IndexOptionDefaults,
    String,
    TimeseriesModification,
    TimeseriesOptions,
    ValidationAction,
    ValidationLevel
);
