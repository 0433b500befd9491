//! The collections of a run.

use driver::bson::{Document, doc};
use driver::change_stream::ResumeToken;
use driver::client::Client;
use driver::collection::Collection;
use driver::options::{ClientOptions, ReadConcern, WriteConcern};
use driver::{Async, Mode};
use examples::failover::BoxError;
use serde::{Deserialize, Serialize};

/// The collections of a run, on either API.
pub(crate) struct Collections<F: Mode> {
    /// The collection of the writer.
    pub(crate) source: Collection<Document, F>,
    /// The copy of that collection.
    pub(crate) mirror: Collection<Document, F>,
    /// One entry for each mirrored change.
    pub(crate) journal: Collection<Entry, F>,
    /// One document: the position at which the mirror continues.
    pub(crate) position: Collection<Position, F>,
}

/// A mirrored change. Its `_id` is new, so that a change that is mirrored twice has two entries.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(crate) struct Entry {
    /// The `_id` of the changed document.
    pub(crate) key: i32,
    pub(crate) operation: String,
}

/// The position at which the mirror continues.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Position {
    #[serde(rename = "_id")]
    id: String,
    /// The number of tokens that were stored here.
    version: i64,
    pub(crate) token: ResumeToken,
}

impl Position {
    fn first(token: ResumeToken) -> Self {
        Position { id: "mirror".to_owned(), version: 0, token }
    }

    /// The filter for exactly this position.
    pub(crate) fn filter(&self) -> Document {
        doc! { "_id": &self.id, "version": self.version }
    }

    /// The position after this one.
    pub(crate) fn next(&self, token: ResumeToken) -> Self {
        Position { id: self.id.clone(), version: self.version + 1, token }
    }
}

/// Acknowledged by a majority, so that data survive the death of any one member.
///
/// # Errors
///
/// The connection string is invalid.
pub(crate) async fn options(uri: &str) -> driver::Result<ClientOptions> {
    let mut options = ClientOptions::parse(uri).await?;
    options.write_concern = Some(WriteConcern::majority());
    options.read_concern = Some(ReadConcern::majority());
    Ok(options)
}

impl<F: Mode> Collections<F> {
    pub(crate) fn of(client: &Client<F>, database: &str) -> Self {
        let database = client.database(database);
        Collections {
            source: database.collection("source"),
            mirror: database.collection("mirror"),
            journal: database.collection("journal"),
            position: database.collection("position"),
        }
    }
}

impl Collections<Async> {
    /// Creates them. The position is the one before the first write.
    pub(crate) async fn create(&self) -> Result<(), BoxError> {
        let database = self.source.database();
        for name in ["source", "mirror", "journal"] {
            database.create_collection(name).await?;
        }
        let stream = self.source.watch().await?;
        let token = stream.resume_token().ok_or("the server has given no resume token")?;
        self.position.insert_one(Position::first(token)).await?;
        Ok(())
    }

    pub(crate) async fn drop(&self) -> driver::Result<()> {
        self.source.database().drop().await
    }
}
