//! The `key=value` pairs of a connection string, consumed one option at a time.
//!
//! An invalid value becomes a warning. At the end, every pair that was not consumed becomes a
//! warning, too. All known option names have been requested by then.

use std::time::Duration;

use super::{bad, percent, spelling};
use crate::error::Result;

pub(super) struct Pairs {
    pairs: Vec<Pair>,
    /// The names that were requested.
    known: Vec<&'static str>,
    warnings: Vec<String>,
}

/// Deprecated names, which warnings do not suggest.
const OLD: [&str; 3] = ["gssapiServiceName", "ssl", "wtimeout"];

struct Pair {
    /// The key as written, for messages.
    key: String,
    value: String,
    taken: bool,
}

impl Pairs {
    pub(super) fn parse(options: &str) -> Result<Self> {
        let mut pairs = Vec::new();
        for pair in options.split('&').filter(|pair| !pair.is_empty()) {
            let Some((key, value)) = pair.split_once('=') else {
                return Err(bad(format_args!("has the option {pair:?} without '=' and a value")));
            };
            if key.is_empty() {
                return Err(bad("has an option without a name"));
            }
            let value = percent::decode(value)
                .map_err(|why| bad(format_args!("gives the option {key:?} a value that {why}")))?;
            pairs.push(Pair { key: key.to_owned(), value: value.into_owned(), taken: false });
        }
        Ok(Pairs { pairs, known: Vec::new(), warnings: Vec::new() })
    }

    /// The first key that is not in `names`.
    pub(super) fn first_other_than(&self, names: &[&str]) -> Option<&str> {
        let known = |pair: &&Pair| names.iter().any(|name| pair.key.eq_ignore_ascii_case(name));
        self.pairs.iter().find(|pair| !known(pair)).map(|pair| pair.key.as_str())
    }

    /// Adds the pairs of `others` whose keys are missing here.
    pub(super) fn add_missing(&mut self, others: Pairs) {
        let missing: Vec<_> =
            others.pairs.into_iter().filter(|pair| !self.has(&pair.key)).collect();
        self.pairs.extend(missing);
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// All values of `name`, in their order.
    pub(super) fn all(&mut self, name: &'static str) -> Vec<String> {
        self.known.push(name);
        let mut values = Vec::new();
        for pair in self.pairs.iter_mut().filter(|pair| pair.key.eq_ignore_ascii_case(name)) {
            pair.taken = true;
            values.push(pair.value.clone());
        }
        values
    }

    /// Whether `name` is given.
    pub(super) fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|pair| pair.key.eq_ignore_ascii_case(name))
    }

    /// The value of `name`, also an empty one. Repetitions give a warning; the last value counts.
    pub(super) fn raw(&mut self, name: &'static str) -> Option<String> {
        let mut values = self.all(name);
        if values.len() > 1 {
            self.warn(format!(
                "the option {name} is given {} times; the last value is used",
                values.len()
            ));
        }
        values.pop()
    }

    /// The value of `name`, which may be given once at most.
    pub(super) fn only(&mut self, name: &'static str) -> Result<Option<String>> {
        let mut values = self.all(name);
        match values.len() {
            0 | 1 => Ok(values.pop()),
            n => Err(bad(format_args!("gives the option {name} {n} times"))),
        }
    }

    /// The value of `name`. An empty value gives a warning.
    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.raw(name)?;
        if value.is_empty() {
            self.warn(format!("the option {name} has no value and is ignored"));
            return None;
        }
        Some(value)
    }

    /// The value of `name` as parsed by `read`. If `read` returns `None`, a warning says that the
    /// value must be `wanted`.
    pub(super) fn read<T>(
        &mut self,
        name: &'static str,
        wanted: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.text(name)?;
        let understood = read(&value);
        if understood.is_none() {
            self.warn(format!("the option {name} must be {wanted}; {value:?} is ignored"));
        }
        understood
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.read(name, "true or false", read_flag)
    }

    pub(super) fn number(&mut self, name: &'static str) -> Option<u32> {
        self.read(name, "an integer from 0 to 2147483647", |value| {
            value.parse().ok().filter(|n| i32::try_from(*n).is_ok())
        })
    }

    pub(super) fn positive(&mut self, name: &'static str) -> Option<u32> {
        self.read(name, "an integer from 1 to 2147483647", |value| {
            value.parse().ok().filter(|n| *n != 0 && i32::try_from(*n).is_ok())
        })
    }

    pub(super) fn milliseconds(&mut self, name: &'static str) -> Option<Duration> {
        self.read(name, "a number of milliseconds, at least 0", read_milliseconds)
    }

    pub(super) fn milliseconds_from(&mut self, name: &'static str, least: u64) -> Option<Duration> {
        let least = Duration::from_millis(least);
        self.read(
            name,
            &format!("a number of milliseconds, at least {}", least.as_millis()),
            |value| read_milliseconds(value).filter(|duration| *duration >= least),
        )
    }

    /// The warnings, with one for every pair that was not consumed. It suggests the most similar
    /// option.
    pub(super) fn into_warnings(self) -> Vec<String> {
        let Pairs { pairs, known, mut warnings } = self;
        for Pair { key, .. } in pairs.iter().filter(|pair| !pair.taken) {
            let current = known.iter().copied().filter(|name| !OLD.contains(name));
            warnings.push(match spelling::nearest(key, current) {
                Some(name) => {
                    format!("the option {key:?} is unknown and is ignored; did you mean {name}?")
                }
                None => format!("the option {key:?} is unknown and is ignored"),
            });
        }
        warnings
    }
}

pub(super) fn read_flag(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

fn read_milliseconds(value: &str) -> Option<Duration> {
    value.parse().ok().filter(|ms| i64::try_from(*ms).is_ok()).map(Duration::from_millis)
}

/// The pairs `key:value,key:value` of a value, and the malformed pieces.
pub(super) fn split_properties(value: &str) -> (Vec<(&str, &str)>, Vec<&str>) {
    let mut pairs = Vec::new();
    let mut broken = Vec::new();
    for piece in value.split(',').filter(|piece| !piece.is_empty()) {
        match piece.split_once(':') {
            Some((key, value)) if !key.is_empty() => pairs.push((key, value)),
            _ => broken.push(piece),
        }
    }
    (pairs, broken)
}
