//! The Stable API (specification "Versioned API").

use std::fmt;

use bson::raw::cstr;
use serde::{Deserialize, Serialize};

use crate::wire::DocWriter;

/// The Stable API version that every command of a client declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ServerApi {
    /// The version.
    pub version: ServerApiVersion,
    /// Makes the server refuse commands outside that version.
    pub strict: Option<bool>,
    /// Makes the server refuse features that are deprecated in that version.
    pub deprecation_errors: Option<bool>,
}

/// A version of the Stable API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerApiVersion {
    /// Version "1", since MongoDB 5.0.
    #[default]
    V1,
}

builder! {
    /// Builds a [`ServerApi`].
    ServerApiBuilder builds ServerApi {
        version: ServerApiVersion,
        strict: Option<bool>,
        deprecation_errors: Option<bool>,
    }
}

impl ServerApi {
    /// Adds the declaration to a command.
    pub(crate) fn write(&self, command: &mut DocWriter<'_>) {
        command.str(cstr!("apiVersion"), self.version.as_str());
        if let Some(strict) = self.strict {
            command.bool(cstr!("apiStrict"), strict);
        }
        if let Some(errors) = self.deprecation_errors {
            command.bool(cstr!("apiDeprecationErrors"), errors);
        }
    }
}

impl ServerApiVersion {
    /// The version in commands.
    ///
    /// # Examples
    /// ```
    /// use driver::options::ServerApiVersion;
    ///
    /// assert_eq!(ServerApiVersion::V1.as_str(), "1");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            ServerApiVersion::V1 => "1",
        }
    }
}

impl fmt::Display for ServerApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
