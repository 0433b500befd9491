//! The arguments of an operation, read one by one, so that one that nobody reads is an error and not overlooked.

use std::time::Duration;

use bson::{Bson, Document};
use driver::options::{
    Acknowledgment, Hint, ReadConcern, ReadPreference, ReadPreferenceOptions, SelectionCriteria,
    UpdateModifications, WriteConcern,
};
use serde::de::DeserializeOwned;

/// What is left to be read.
pub(crate) struct Arguments {
    of: String,
    left: Document,
}

impl Arguments {
    pub(crate) fn of(operation: &str, arguments: Document) -> Self {
        Arguments { of: operation.to_owned(), left: arguments }
    }

    /// All has been read.
    ///
    /// # Errors
    /// An argument that nobody has read.
    pub(crate) fn done(self) -> Result<(), String> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("the harness does not know the argument {key} of {}", self.of)),
        }
    }

    fn wrong(&self, key: &str, value: &Bson) -> String {
        format!("{}: {key} is {value}", self.of)
    }

    pub(crate) fn maybe(&mut self, key: &str) -> Option<Bson> {
        self.left.remove(key)
    }

    pub(crate) fn value(&mut self, key: &str) -> Result<Bson, String> {
        self.maybe(key).ok_or_else(|| format!("{} lacks the argument {key}", self.of))
    }

    pub(crate) fn text(&mut self, key: &str) -> Result<String, String> {
        match self.value(key)? {
            Bson::String(text) => Ok(text),
            other => Err(self.wrong(key, &other)),
        }
    }

    pub(crate) fn maybe_text(&mut self, key: &str) -> Result<Option<String>, String> {
        if self.left.contains_key(key) { self.text(key).map(Some) } else { Ok(None) }
    }

    pub(crate) fn document(&mut self, key: &str) -> Result<Document, String> {
        match self.value(key)? {
            Bson::Document(document) => Ok(document),
            other => Err(self.wrong(key, &other)),
        }
    }

    pub(crate) fn maybe_document(&mut self, key: &str) -> Result<Option<Document>, String> {
        if self.left.contains_key(key) { self.document(key).map(Some) } else { Ok(None) }
    }

    pub(crate) fn documents(&mut self, key: &str) -> Result<Vec<Document>, String> {
        let value = self.value(key)?;
        documents(&value).ok_or_else(|| self.wrong(key, &value))
    }

    pub(crate) fn maybe_documents(&mut self, key: &str) -> Result<Option<Vec<Document>>, String> {
        if self.left.contains_key(key) { self.documents(key).map(Some) } else { Ok(None) }
    }

    pub(crate) fn flag(&mut self, key: &str) -> Result<Option<bool>, String> {
        match self.maybe(key) {
            None => Ok(None),
            Some(Bson::Boolean(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.wrong(key, &other)),
        }
    }

    pub(crate) fn number<N: TryFrom<i64>>(&mut self, key: &str) -> Result<Option<N>, String> {
        let Some(value) = self.maybe(key) else { return Ok(None) };
        let number = value.as_i64().or(value.as_i32().map(i64::from));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.map(Some).ok_or_else(|| self.wrong(key, &value))
    }

    pub(crate) fn millis(&mut self, key: &str) -> Result<Option<Duration>, String> {
        Ok(self.number::<u64>(key)?.map(Duration::from_millis))
    }

    /// A value in its serde form.
    pub(crate) fn parsed<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(value) = self.maybe(key) else { return Ok(None) };
        bson::deserialize_from_bson(value.clone())
            .map(Some)
            .map_err(|e| format!("{}: {e}", self.wrong(key, &value)))
    }

    pub(crate) fn hint(&mut self) -> Result<Option<Hint>, String> {
        match self.maybe("hint") {
            None => Ok(None),
            Some(Bson::String(name)) => Ok(Some(Hint::Name(name))),
            Some(Bson::Document(keys)) => Ok(Some(Hint::Keys(keys))),
            Some(other) => Err(self.wrong("hint", &other)),
        }
    }

    pub(crate) fn update(&mut self) -> Result<UpdateModifications, String> {
        let value = self.value("update")?;
        match &value {
            Bson::Document(update) => Ok(update.clone().into()),
            stages => documents(stages).map(Into::into).ok_or_else(|| self.wrong("update", &value)),
        }
    }

    pub(crate) fn read_concern(&mut self) -> Result<Option<ReadConcern>, String> {
        let concern = self.maybe_document("readConcern")?;
        let Some(concern) = concern else { return Ok(None) };
        Ok(concern.get_str("level").ok().map(ReadConcern::custom))
    }

    pub(crate) fn write_concern(&mut self) -> Result<Option<WriteConcern>, String> {
        let Some(concern) = self.maybe_document("writeConcern")? else { return Ok(None) };
        let mut inner = Arguments::of("writeConcern", concern);
        let mut concern = WriteConcern::default();
        concern.w = match inner.maybe("w") {
            None => None,
            Some(Bson::String(name)) => Some(Acknowledgment::from(name.as_str())),
            Some(Bson::Int32(n)) => Some(u32::try_from(n).map_err(|e| e.to_string())?.into()),
            Some(other) => return Err(inner.wrong("w", &other)),
        };
        concern.journal = inner.flag("journal")?;
        concern.w_timeout = inner.millis("wtimeoutMS")?;
        inner.done()?;
        Ok(Some(concern))
    }

    pub(crate) fn selection(&mut self) -> Result<Option<SelectionCriteria>, String> {
        let Some(mut preference) = self.maybe_document("readPreference")? else { return Ok(None) };
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
            _ => return Err(format!("{}: {mode:?} is no mode of a read preference", self.of)),
        };
        Ok(Some(preference.into()))
    }
}

/// An array of documents.
pub(crate) fn documents(value: &Bson) -> Option<Vec<Document>> {
    value.as_array()?.iter().map(|item| item.as_document().cloned()).collect()
}
