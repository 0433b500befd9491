//! The arguments of an operation, read one by one with serde. An unread argument is an error.

use std::time::Duration;

use bson::{Bson, Document};
use driver::options::{
    Acknowledgment, CursorType, ReadConcern, ReadPreference, ReadPreferenceOptions,
    SelectionCriteria, UpdateModifications, WriteConcern,
};
use serde::de::DeserializeOwned;

use super::stop::Stop;

/// Options that the driver lacks, with the missing component.
const MISSING: [(&str, &str); 1] = [
    // If an operation does not read it.
    ("timeoutMS", "a timeout of its own for this operation"),
];

/// The arguments that are not read yet.
pub(crate) struct Arguments {
    of: String,
    left: Document,
}

impl Arguments {
    pub(crate) fn of(operation: &str, arguments: Document) -> Self {
        Arguments { of: operation.to_owned(), left: arguments }
    }

    /// Checks that all arguments were read.
    ///
    /// # Errors
    /// An argument is left: the driver lacks it, or this runner does not know it.
    pub(crate) fn done(self) -> Result<(), Stop> {
        let missing = |key: &&String| MISSING.iter().find(|(name, _)| name == *key);
        if let Some((_, component)) = self.left.keys().find_map(|key| missing(&key)) {
            return Err(Stop::lacks(component));
        }
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => {
                Err(format!("the runner does not know the argument {key} of {}", self.of).into())
            }
        }
    }

    /// The argument `key`, if there is one.
    ///
    /// # Errors
    /// The argument has another type.
    pub(crate) fn option<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, Stop> {
        let Some(value) = self.left.remove(key) else { return Ok(None) };
        let read = bson::deserialize_from_bson(value.clone());
        read.map(Some).map_err(|e| format!("{}: {key} is {value}: {e}", self.of).into())
    }

    /// The argument `key`.
    ///
    /// # Errors
    /// The argument is missing or has another type.
    pub(crate) fn required<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, Stop> {
        self.option(key)?.ok_or_else(|| format!("{} lacks the argument {key}", self.of).into())
    }

    /// The arguments in the argument `key`.
    pub(crate) fn nested(&mut self, key: &str) -> Result<Option<Arguments>, Stop> {
        Ok(self.option(key)?.map(|arguments| Arguments::of(key, arguments)))
    }

    pub(crate) fn millis(&mut self, key: &str) -> Result<Option<Duration>, Stop> {
        Ok(self.option(key)?.map(Duration::from_millis))
    }

    /// Update operators or a pipeline.
    pub(crate) fn update(&mut self) -> Result<UpdateModifications, Stop> {
        match self.required("update")? {
            Bson::Document(update) => Ok(update.into()),
            stages => {
                let stages: Vec<Document> = bson::deserialize_from_bson(stages)
                    .map_err(|e| format!("{}: update: {e}", self.of))?;
                Ok(stages.into())
            }
        }
    }

    pub(crate) fn cursor_type(&mut self) -> Result<Option<CursorType>, Stop> {
        let Some(name) = self.option::<String>("cursorType")? else { return Ok(None) };
        match name.as_str() {
            "nonTailable" => Ok(Some(CursorType::NonTailable)),
            "tailable" => Ok(Some(CursorType::Tailable)),
            "tailableAwait" => Ok(Some(CursorType::TailableAwait)),
            other => Err(format!("{}: {other:?} is not a cursor type", self.of).into()),
        }
    }

    /// `readConcern`. Without a level it is the server's default and is not sent.
    pub(crate) fn read_concern(&mut self) -> Result<Option<ReadConcern>, Stop> {
        let Some(mut concern) = self.nested("readConcern")? else { return Ok(None) };
        let level: Option<String> = concern.option("level")?;
        concern.done()?;
        Ok(level.map(ReadConcern::custom))
    }

    pub(crate) fn write_concern(&mut self) -> Result<Option<WriteConcern>, Stop> {
        let Some(mut given) = self.nested("writeConcern")? else { return Ok(None) };
        let mut concern = WriteConcern::default();
        concern.w = match given.option("w")? {
            None => None,
            Some(Bson::String(name)) => Some(Acknowledgment::from(name.as_str())),
            Some(Bson::Int32(n)) => Some(u32::try_from(n).map_err(|e| e.to_string())?.into()),
            Some(other) => return Err(format!("{}: w is {other}", self.of).into()),
        };
        concern.journal = given.option("journal")?;
        concern.w_timeout = given.millis("wtimeoutMS")?;
        given.done()?;
        Ok(Some(concern))
    }

    /// `readPreference`.
    pub(crate) fn selection(&mut self) -> Result<Option<SelectionCriteria>, Stop> {
        let Some(mut preference) = self.option::<Document>("readPreference")? else {
            return Ok(None);
        };
        let mode = preference.remove("mode");
        let more: ReadPreferenceOptions =
            bson::deserialize_from_document(preference).map_err(|e| e.to_string())?;
        let mode = mode.as_ref().and_then(Bson::as_str).map(str::to_ascii_lowercase);
        let preference = match mode.as_deref() {
            Some("primary") => ReadPreference::primary(),
            Some("primarypreferred") => ReadPreference::primary_preferred(more),
            Some("secondary") => ReadPreference::secondary(more),
            Some("secondarypreferred") => ReadPreference::secondary_preferred(more),
            Some("nearest") => ReadPreference::nearest(more),
            _ => {
                return Err(format!("{}: {mode:?} is not a read preference mode", self.of).into());
            }
        };
        Ok(Some(preference.into()))
    }
}

/// Sets fields of options from arguments of the field's type, and the timeout, which every
/// operation has.
macro_rules! fill {
    ($options:ident from $arguments:ident: $($field:ident = $key:literal),* $(,)?) => {
        $crate::unified::arguments::fill!(fields of $options from $arguments: $($field = $key),*);
        $options.timeout = $arguments.millis("timeoutMS")?;
    };
    (fields of $options:ident from $arguments:ident: $($field:ident = $key:literal),* $(,)?) => {
        $( $options.$field = $arguments.option($key)?; )*
    };
}
pub(crate) use fill;
