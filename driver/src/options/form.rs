//! The serde format of option structs: a document with the names of the specifications.
//!
//! Fields have the names of commands and connection strings: `batch_size` is `batchSize`. A
//! duration is a number of milliseconds: `max_time` is `maxTimeMS`. Unknown names are ignored.
//! Selection criteria are read, also from `readPreference`, but not written, because a predicate
//! cannot be serialized.

use std::collections::BTreeMap;
use std::time::Duration;

use bson::Bson;
use serde::de::{DeserializeOwned, Error};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize};

/// The fields to read into an option struct.
pub(crate) struct Fields(BTreeMap<String, Bson>);

impl Fields {
    pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(Fields)
    }

    /// The option in the field `name`.
    pub(crate) fn take<T: DeserializeOwned, E: Error>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, E> {
        match self.0.remove(&wire_name(name)) {
            None | Some(Bson::Null) => Ok(None),
            Some(value) => bson::deserialize_from_bson(value)
                .map(Some)
                .map_err(|error| E::custom(format_args!("{}: {error}", wire_name(name)))),
        }
    }

    /// The duration in the field `name`.
    pub(crate) fn take_millis<E: Error>(&mut self, name: &str) -> Result<Option<Duration>, E> {
        Ok(self.take::<u64, E>(&format!("{name}_m_s"))?.map(Duration::from_millis))
    }
}

/// Writes the option `name`, if it is set.
pub(crate) fn write<M: SerializeMap, T: Serialize>(
    form: &mut M,
    name: &str,
    value: Option<&T>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| form.serialize_entry(&wire_name(name), value))
}

/// Writes the duration `name`, if it is set.
pub(crate) fn write_millis<M: SerializeMap>(
    form: &mut M,
    name: &str,
    value: Option<Duration>,
) -> Result<(), M::Error> {
    let millis = value.map(|value| i64::try_from(value.as_millis()).unwrap_or(i64::MAX));
    write(form, &format!("{name}_m_s"), millis.as_ref())
}

/// The name of a field in documents.
fn wire_name(field: &str) -> String {
    if field == "let_vars" {
        return "let".to_owned();
    }
    let mut parts = field.split('_');
    let first = parts.next().unwrap_or_default();
    parts.fold(first.to_owned(), |mut name, part| {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
        name
    })
}

/// Implements `Serialize` and `Deserialize` for a struct of options, all of them `Option`s.
macro_rules! form {
    ($Options:ident { $($field:ident),+ $(,)? }) => {
        impl serde::Serialize for $Options {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                let mut form = serializer.serialize_map(None)?;
                $( crate::options::form::form!(@write self form $field); )+
                serde::ser::SerializeMap::end(form)
            }
        }

        impl<'de> serde::Deserialize<'de> for $Options {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let mut fields = crate::options::form::Fields::read(deserializer)?;
                let mut options = $Options::default();
                $( options.$field = crate::options::form::form!(@take fields $field); )+
                Ok(options)
            }
        }
    };

    (@write $options:ident $form:ident selection_criteria) => {};
    (@write $options:ident $form:ident max_time) => {
        crate::options::form::form!(@millis $options $form max_time)
    };
    (@write $options:ident $form:ident max_await_time) => {
        crate::options::form::form!(@millis $options $form max_await_time)
    };
    (@write $options:ident $form:ident max_commit_time) => {
        crate::options::form::form!(@millis $options $form max_commit_time)
    };
    (@write $options:ident $form:ident default_timeout) => {
        crate::options::form::form!(@millis $options $form default_timeout)
    };
    (@write $options:ident $form:ident timeout) => {
        crate::options::form::form!(@millis $options $form timeout)
    };
    (@write $options:ident $form:ident $field:ident) => {
        crate::options::form::write(&mut $form, stringify!($field), $options.$field.as_ref())?
    };
    (@millis $options:ident $form:ident $field:ident) => {
        crate::options::form::write_millis(&mut $form, stringify!($field), $options.$field)?
    };

    (@take $fields:ident max_time) => { $fields.take_millis::<D::Error>("max_time")? };
    (@take $fields:ident max_await_time) => { $fields.take_millis::<D::Error>("max_await_time")? };
    (@take $fields:ident max_commit_time) => {
        $fields.take_millis::<D::Error>("max_commit_time")?
    };
    (@take $fields:ident default_timeout) => {
        $fields.take_millis::<D::Error>("default_timeout")?
    };
    (@take $fields:ident selection_criteria) => {{
        let preference = $fields.take::<_, D::Error>("read_preference")?;
        $fields.take::<_, D::Error>("selection_criteria")?.or(preference)
    }};
    (@take $fields:ident timeout) => { $fields.take_millis::<D::Error>("timeout")? };
    (@take $fields:ident $field:ident) => { $fields.take::<_, D::Error>(stringify!($field))? };
}
pub(crate) use form;

#[cfg(test)]
mod tests {
    use super::wire_name;

    #[test]
    fn fields_are_called_as_in_commands() {
        assert_eq!(wire_name("batch_size"), "batchSize");
        assert_eq!(wire_name("max_time_m_s"), "maxTimeMS");
        assert_eq!(wire_name("let_vars"), "let");
        assert_eq!(wire_name("sort"), "sort");
    }
}
