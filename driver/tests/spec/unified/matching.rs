//! Compares actual values with expected ones (specification "Unified Test Format", section
//! "Evaluating Matches").
//!
//! A document at the root may have additional fields; a nested one may not. Numbers are compared by
//! value, across types. Keys that begin with `$$` are operators.

use bson::{Bson, Document};

/// The names that expectations refer to.
pub(crate) trait Names {
    /// The saved value with this name.
    fn value(&self, name: &str) -> Option<Bson>;
    /// The `lsid` of the session with this name.
    fn lsid(&self, name: &str) -> Option<Document>;
}

/// No names.
pub(crate) struct Nameless;

impl Names for Nameless {
    fn value(&self, _: &str) -> Option<Bson> {
        None
    }

    fn lsid(&self, _: &str) -> Option<Document> {
        None
    }
}

/// Compares at the root.
///
/// # Errors
/// The position and the difference.
pub(crate) fn root(
    expected: &Bson,
    actual: Option<&Bson>,
    names: &dyn Names,
) -> Result<(), String> {
    Matching { names }.value(expected, actual, Depth::Root)
}

/// Compares the result of an operation that returns documents. Each document is a root.
///
/// # Errors
/// Those of [`root`].
pub(crate) fn roots(expected: &Bson, actual: &Bson, names: &dyn Names) -> Result<(), String> {
    match (expected, actual) {
        (Bson::Array(expected), Bson::Array(actual)) => {
            let matching = Matching { names };
            matching.array(expected, actual, Depth::Root)
        }
        _ => root(expected, Some(actual), names),
    }
}

/// Compares exactly, without additional fields and without names.
///
/// # Errors
/// Those of [`root`].
pub(crate) fn same(expected: &Bson, actual: &Bson) -> Result<(), String> {
    Matching { names: &Nameless }.value(expected, Some(actual), Depth::Within)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Root,
    Within,
}

struct Matching<'a> {
    names: &'a dyn Names,
}

impl Matching<'_> {
    fn value(&self, expected: &Bson, actual: Option<&Bson>, depth: Depth) -> Result<(), String> {
        match (expected, actual) {
            (Bson::Document(expected), _) => match operator(expected) {
                Some((operator, operand)) => self.operator(operator, operand, actual, depth),
                None => match actual {
                    Some(Bson::Document(actual)) => self.document(expected, actual, depth),
                    _ => differ(&Bson::Document(expected.clone()), actual),
                },
            },
            (Bson::Array(expected), Some(Bson::Array(actual))) => {
                self.array(expected, actual, Depth::Within)
            }
            (_, Some(actual)) => match (number(expected), number(actual)) {
                (Some(expected), Some(actual)) if expected == actual => Ok(()),
                (None, None) if expected == actual => Ok(()),
                _ => differ(expected, Some(actual)),
            },
            (_, None) => differ(expected, None),
        }
    }

    fn document(&self, expected: &Document, actual: &Document, depth: Depth) -> Result<(), String> {
        for (key, expected) in expected {
            self.value(expected, actual.get(key), Depth::Within)
                .map_err(|why| format!("{key}: {why}"))?;
        }
        let surplus = actual.keys().find(|key| !expected.contains_key(*key));
        match surplus {
            Some(key) if depth == Depth::Within => {
                Err(format!("unexpected field {key} in {actual}"))
            }
            _ => Ok(()),
        }
    }

    fn array(&self, expected: &[Bson], actual: &[Bson], depth: Depth) -> Result<(), String> {
        if expected.len() != actual.len() {
            return Err(format!("expected {} elements, found {actual:?}", expected.len()));
        }
        for (i, (expected, actual)) in expected.iter().zip(actual).enumerate() {
            self.value(expected, Some(actual), depth).map_err(|why| format!("{i}: {why}"))?;
        }
        Ok(())
    }

    fn operator(
        &self,
        operator: &str,
        operand: &Bson,
        actual: Option<&Bson>,
        depth: Depth,
    ) -> Result<(), String> {
        let expected = || bson::doc! { operator: operand };
        match (operator, operand) {
            ("$$exists", Bson::Boolean(exists)) if *exists == actual.is_some() => Ok(()),
            ("$$type", types) => {
                let is = |name: &Bson| {
                    actual.zip(name.as_str()).is_some_and(|(actual, name)| is_of(actual, name))
                };
                let met = types.as_array().map_or_else(|| is(types), |types| types.iter().any(is));
                if met { Ok(()) } else { differ(&expected().into(), actual) }
            }
            ("$$unsetOrMatches", operand) => match actual {
                None => Ok(()),
                Some(_) => self.value(operand, actual, depth),
            },
            ("$$matchesEntity", Bson::String(name)) => match self.names.value(name) {
                Some(value) => self.value(&value, actual, depth),
                None => Err(format!("no value was saved as {name:?}")),
            },
            ("$$sessionLsid", Bson::String(name)) => match self.names.lsid(name) {
                Some(lsid) => self.value(&lsid.into(), actual, depth),
                None => Err(format!("there is no session {name:?}")),
            },
            ("$$matchesHexBytes", Bson::String(hex)) => match actual {
                Some(Bson::Binary(bytes)) => {
                    let actual_hex: String =
                        bytes.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                    if actual_hex.eq_ignore_ascii_case(hex) {
                        Ok(())
                    } else {
                        differ(&expected().into(), actual)
                    }
                }
                _ => differ(&expected().into(), actual),
            },
            ("$$matchAsDocument", operand) => {
                let text = actual.and_then(Bson::as_str).ok_or("expected a string")?;
                let json: Bson = serde_json::from_str(text)
                    .map_err(|e| format!("{text:?} is not a JSON document: {e}"))?;
                self.value(operand, Some(&json), depth)
            }
            ("$$matchAsRoot", operand) => self.value(operand, actual, Depth::Root),
            ("$$lte", limit) => match (number(limit), actual.and_then(number)) {
                (Some(limit), Some(actual)) if actual <= limit => Ok(()),
                _ => differ(&expected().into(), actual),
            },
            ("$$exists", _) => differ(&expected().into(), actual),
            _ => Err(format!("the harness does not know {operator}: {operand}")),
        }
    }
}

/// A document with a single key that begins with `$$`.
fn operator(document: &Document) -> Option<(&str, &Bson)> {
    let (key, value) = document.iter().next().filter(|_| document.len() == 1)?;
    key.starts_with("$$").then_some((key, value))
}

fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Int32(n) => Some(f64::from(*n)),
        Bson::Int64(n) => Some(*n as f64),
        Bson::Double(n) => Some(*n),
        _ => None,
    }
}

fn is_of(value: &Bson, name: &str) -> bool {
    let own = match value {
        Bson::Double(_) => "double",
        Bson::String(_) => "string",
        Bson::Document(_) => "object",
        Bson::Array(_) => "array",
        Bson::Binary(_) => "binData",
        Bson::ObjectId(_) => "objectId",
        Bson::Boolean(_) => "bool",
        Bson::DateTime(_) => "date",
        Bson::Null => "null",
        Bson::RegularExpression(_) => "regex",
        Bson::Int32(_) => "int",
        Bson::Int64(_) => "long",
        Bson::Timestamp(_) => "timestamp",
        Bson::Decimal128(_) => "decimal",
        _ => "another",
    };
    own == name || name == "number" && matches!(own, "int" | "long" | "double" | "decimal")
}

fn differ(expected: &Bson, actual: Option<&Bson>) -> Result<(), String> {
    match actual {
        Some(actual) => Err(format!("expected {expected}, found {actual}")),
        None => Err(format!("expected {expected}, found nothing")),
    }
}
