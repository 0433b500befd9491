//! Server versions.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// The version of a MongoDB server.
///
/// ```
/// use testbed::Version;
/// let version: Version = "5.0.4".parse()?;
/// assert_eq!(version, Version::V5_0_4);
/// assert!(version < Version::V6_0_5);
/// # Ok::<(), testbed::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u16,
    minor: u16,
    patch: u16,
}

impl Version {
    /// MongoDB 4.4.2, the oldest version that can be installed.
    pub const V4_4_2: Version = Version::new(4, 4, 2);
    /// MongoDB 5.0.4.
    pub const V5_0_4: Version = Version::new(5, 0, 4);
    /// MongoDB 6.0.5, the default version to install.
    pub const V6_0_5: Version = Version::new(6, 0, 5);
    /// MongoDB 6.0.27.
    pub const V6_0_27: Version = Version::new(6, 0, 27);

    /// The version `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Version {
        Version { major, minor, patch }
    }

    /// Parses the first line of `mongod --version`: `db version v6.0.5`.
    pub(crate) fn announced(output: &str) -> Option<Version> {
        let (_, rest) = output.split_once("db version v")?;
        let word = rest.split_whitespace().next()?;
        // Release candidates and custom builds have a suffix: 7.0.0-rc1, 6.0.27-14-gabcdef.
        word.split(['-', '+']).next()?.parse().ok()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version> {
        let mut numbers = text.trim().split('.').map(str::parse::<u16>);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => {
                Ok(Version::new(major, minor, patch))
            }
            _ => Err(Error::argument(format!(
                "{text:?} is not a server version; write three numbers, as in 6.0.5"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_output_is_parsed() {
        let output = "db version v6.0.27-14-g1234\nBuild Info: {\n";
        assert_eq!(Version::announced(output), Some(Version::V6_0_27));
        assert_eq!(Version::announced("command not found"), None);
    }

    #[test]
    fn error_names_the_malformed_version() {
        for text in ["", "6", "6.0", "6.0.5.1", "6.0.x", "-1.0.0"] {
            let error = text.parse::<Version>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
