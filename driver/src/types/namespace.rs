//! The full name of a collection.

use std::fmt;

/// The full name of a collection.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// The database.
    pub db: String,
    /// The collection.
    pub coll: String,
}

impl Namespace {
    /// The collection `coll` of the database `db`.
    ///
    /// # Examples
    /// ```no_run
    /// # fn main() -> driver::Result<()> {
    /// use driver::Namespace;
    ///
    /// let namespace = Namespace::new("zoo", "monkeys");
    /// assert_eq!(namespace.to_string(), "zoo.monkeys");
    /// assert_eq!("zoo.monkeys".parse::<Namespace>()?, namespace);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(db: impl Into<String>, coll: impl Into<String>) -> Self {
        Namespace { db: db.into(), coll: coll.into() }
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.db, self.coll)
    }
}
