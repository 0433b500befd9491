//! The operations of tests: a registry of functions by entity kind and name, with one file per
//! family.
//!
//! A function reads the arguments and returns a job. All arguments of a test are read before its
//! first job runs. So a test that needs a missing component is ignored before it begins. A new
//! operation is one function and one line in the `register` of its family.

mod change_streams;
pub(crate) mod client;
pub(crate) mod crud;
mod cursor;
mod database;
mod find;
mod gridfs;
mod indexes;
mod run_command;
mod session;
mod test_runner;
pub(crate) mod transactions;

use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, Document};
use driver::collection::Collection;
use driver::database::Database;
use driver::gridfs::GridFsBucket;
use driver::session::ClientSession;

use super::Steps;
use super::arguments::Arguments;
use super::entities::{Entity, NamedCursor, NamedStream, OpenCursor, OpenStream, Session, Watched};
use super::runner::Runner;
use super::stop::Stop;

/// The kind of entity that an operation runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Client,
    Database,
    Collection,
    Session,
    Cursor,
    ChangeStream,
    Bucket,
    ClientEncryption,
    Thread,
    /// The test runner itself.
    Runner,
}

/// The result of an operation of the driver.
pub(crate) enum Answer<F: Steps> {
    Nothing,
    /// A value.
    Value(Bson),
    /// Documents, which may have additional fields.
    Documents(Vec<Document>),
    /// A cursor, which is saved under a name.
    Cursor(Box<OpenCursor<F>>),
    /// A collection that was created. It is saved under a name, or counts as nothing.
    Collection(Collection<Document, F>),
    /// A change stream, to be saved under a name.
    ChangeStream(Box<OpenStream<F>>),
}

impl<F: Steps, V: Into<Bson>> From<V> for Answer<F> {
    fn from(value: V) -> Self {
        Answer::Value(value.into())
    }
}

/// The outcome of an operation of the driver.
pub(crate) type Ended<F> = driver::Result<Answer<F>>;

/// The session of an operation.
pub(crate) type InSession<'a, F> = Option<&'a mut ClientSession<F>>;

/// A job on a client.
type OnClient<F> = Box<dyn FnOnce(&Watched<F>, InSession<'_, F>) -> Result<Ended<F>, Stop>>;
/// A job on a database.
type OnDatabase<F> = Box<dyn FnOnce(&Database<F>, InSession<'_, F>) -> Ended<F>>;
/// A job on a collection.
type OnCollection<F> = Box<dyn FnOnce(&Collection<Document, F>, InSession<'_, F>) -> Ended<F>>;
/// A job on a session.
type OnSession<F> = Box<dyn FnOnce(&Arc<Runner<F>>, &Session<F>) -> Result<Ended<F>, Stop>>;
/// A job on a cursor.
type OnCursor<F> = Box<dyn FnOnce(&mut Option<NamedCursor<F>>) -> Result<Ended<F>, Stop>>;
/// An action on a change stream.
type OnChangeStream<F> = Box<dyn FnOnce(&mut Option<NamedStream<F>>) -> Result<Ended<F>, Stop>>;
/// A job on a GridFS bucket.
type OnBucket<F> = Box<dyn FnOnce(&GridFsBucket<F>) -> Ended<F>>;
/// A job of the test runner.
type OfRunner<F> = Box<dyn FnOnce(&Arc<Runner<F>>) -> Result<(), Stop>>;

/// An operation with its arguments read.
pub(crate) enum Job<F: Steps> {
    Client(OnClient<F>),
    Database(OnDatabase<F>),
    Collection(OnCollection<F>),
    Session(OnSession<F>),
    Cursor(OnCursor<F>),
    ChangeStream(OnChangeStream<F>),
    Bucket(OnBucket<F>),
    Runner(OfRunner<F>),
}

/// The result of a function in the registry.
pub(crate) type Read<F> = Result<Job<F>, Stop>;

fn on_client<F: Steps>(
    job: impl FnOnce(&Watched<F>, InSession<'_, F>) -> Result<Ended<F>, Stop> + 'static,
) -> Read<F> {
    Ok(Job::Client(Box::new(job)))
}

fn on_database<F: Steps>(
    job: impl FnOnce(&Database<F>, InSession<'_, F>) -> Ended<F> + 'static,
) -> Read<F> {
    Ok(Job::Database(Box::new(job)))
}

fn on_collection<F: Steps>(
    job: impl FnOnce(&Collection<Document, F>, InSession<'_, F>) -> Ended<F> + 'static,
) -> Read<F> {
    Ok(Job::Collection(Box::new(job)))
}

fn on_session<F: Steps>(
    job: impl FnOnce(&Arc<Runner<F>>, &Session<F>) -> Result<Ended<F>, Stop> + 'static,
) -> Read<F> {
    Ok(Job::Session(Box::new(job)))
}

fn on_cursor<F: Steps>(
    job: impl FnOnce(&mut Option<NamedCursor<F>>) -> Result<Ended<F>, Stop> + 'static,
) -> Read<F> {
    Ok(Job::Cursor(Box::new(job)))
}

fn on_change_stream<F: Steps>(
    job: impl FnOnce(&mut Option<NamedStream<F>>) -> Result<Ended<F>, Stop> + 'static,
) -> Read<F> {
    Ok(Job::ChangeStream(Box::new(job)))
}

fn on_bucket<F: Steps>(job: impl FnOnce(&GridFsBucket<F>) -> Ended<F> + 'static) -> Read<F> {
    Ok(Job::Bucket(Box::new(job)))
}

fn of_runner<F: Steps>(job: impl FnOnce(&Arc<Runner<F>>) -> Result<(), Stop> + 'static) -> Read<F> {
    Ok(Job::Runner(Box::new(job)))
}

/// Reads the arguments of an operation.
pub(crate) type Function<F> = fn(&mut Arguments) -> Read<F>;

/// An entry of the registry.
enum Entry<F: Steps> {
    Known(Function<F>),
    /// The driver lacks this component.
    Lacks(&'static str),
}

/// All operations.
pub(crate) struct Registry<F: Steps> {
    entries: HashMap<(Kind, &'static str), Entry<F>>,
}

impl<F: Steps> Registry<F> {
    pub(crate) fn new() -> Self {
        let mut registry = Registry { entries: HashMap::new() };
        let families = [
            change_streams::register,
            client::register,
            crud::register,
            cursor::register,
            database::register,
            find::register,
            gridfs::register,
            indexes::register,
            run_command::register,
            session::register,
            test_runner::register,
            transactions::register,
        ];
        families.into_iter().for_each(|register| register(&mut registry));
        registry
    }

    fn insert(&mut self, kind: Kind, name: &'static str, entry: Entry<F>) {
        let before = self.entries.insert((kind, name), entry);
        assert!(before.is_none(), "the operation {name} of {kind:?} is registered twice");
    }

    /// Registers `function` as the operation `name` of entities of `kind`.
    fn add(&mut self, kind: Kind, name: &'static str, function: Function<F>) {
        self.insert(kind, name, Entry::Known(function));
    }

    /// Registers operations that the driver lacks, because they need `component`.
    fn lacks(&mut self, kind: Kind, names: &[&'static str], component: &'static str) {
        names.iter().for_each(|name| self.insert(kind, name, Entry::Lacks(component)));
    }

    /// Reads the arguments of an operation.
    ///
    /// # Errors
    /// The driver lacks the operation, or the runner does not know it or one of its arguments.
    pub(crate) fn read(&self, kind: Kind, name: &str, mut arguments: Arguments) -> Read<F> {
        let function = match self.entries.get(&(kind, name)) {
            Some(Entry::Known(function)) => function,
            Some(Entry::Lacks(component)) => return Err(Stop::lacks(component)),
            None => {
                return Err(
                    format!("the runner does not know the operation {name:?} of {kind:?}").into()
                );
            }
        };
        let job = function(&mut arguments)?;
        arguments.done()?;
        Ok(job)
    }
}

impl<F: Steps> Entity<F> {
    /// The kind of the entity, if it has operations.
    pub(crate) fn kind(&self) -> Option<Kind> {
        match self {
            Entity::Client(_) => Some(Kind::Client),
            Entity::Database(_) => Some(Kind::Database),
            Entity::Collection(_) => Some(Kind::Collection),
            Entity::Session(_) => Some(Kind::Session),
            Entity::Cursor(_) => Some(Kind::Cursor),
            Entity::ChangeStream(_) => Some(Kind::ChangeStream),
            Entity::Bucket(_) => Some(Kind::Bucket),
            Entity::Thread(_) | Entity::Topology(_) | Entity::Value(_) => None,
        }
    }
}

/// Runs an operation, in `$session` if there is one.
macro_rules! end {
    ($F:ident, $operation:expr, $session:ident) => {
        match $session {
            None => $F::end($operation),
            Some(session) => $F::end($operation.session(session)),
        }
    };
}
use end;
