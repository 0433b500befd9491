//! The things that a case creates and calls by name.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bson::{Bson, Document};
use driver::TopologyDescription;
use driver::client::Client;
use driver::collection::Collection;
use driver::database::Database;
use driver::options::{ClientOptions, CollectionOptions, DatabaseOptions, SessionOptions};
use driver::session::ClientSession;

use super::arguments::Arguments;
use super::events::Events;
use super::matching::Names;
use super::records::unobserved;
use super::way::Way;

/// A named thing.
pub(crate) enum Entity<F: Way> {
    Client(Arc<Watched<F>>),
    Database(Database<F>),
    Collection(Collection<Document, F>),
    Session(Arc<Mutex<Option<ClientSession<F>>>>),
    Thread(Arc<Worker>),
    Topology(Arc<TopologyDescription>),
    Value(Bson),
}

impl<F: Way> Clone for Entity<F> {
    fn clone(&self) -> Self {
        match self {
            Entity::Client(client) => Entity::Client(client.clone()),
            Entity::Database(database) => Entity::Database(database.clone()),
            Entity::Collection(collection) => Entity::Collection(collection.clone()),
            Entity::Session(session) => Entity::Session(session.clone()),
            Entity::Thread(thread) => Entity::Thread(thread.clone()),
            Entity::Topology(topology) => Entity::Topology(topology.clone()),
            Entity::Value(value) => Entity::Value(value.clone()),
        }
    }
}

/// A client, and what it tells.
pub(crate) struct Watched<F: Way> {
    client: Mutex<Option<Client<F>>>,
    pub(crate) events: Arc<Events>,
    /// `observeLogMessages`.
    pub(crate) records: Option<Document>,
}

impl<F: Way> Watched<F> {
    /// # Errors
    /// It has been closed.
    pub(crate) fn client(&self) -> Result<Client<F>, String> {
        lock(&self.client).clone().ok_or_else(|| "the client has been closed".into())
    }

    /// Ends it; nothing happens where it has ended.
    pub(crate) fn close(&self) {
        let client = lock(&self.client).take();
        if let Some(client) = client {
            F::shut_down(client);
        }
    }
}

type Job = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// A thread that runs what it is given, in order, until it is waited for.
pub(crate) struct Worker {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<Result<(), String>>>>,
}

impl Worker {
    fn start() -> Arc<Worker> {
        let (jobs, queue) = channel::<Job>();
        let thread = std::thread::spawn(move || queue.into_iter().try_for_each(|job| job()));
        Arc::new(Worker { jobs: Mutex::new(Some(jobs)), thread: Mutex::new(Some(thread)) })
    }

    /// # Errors
    /// The thread has ended, of an error or because it was waited for.
    pub(crate) fn run(&self, job: Job) -> Result<(), String> {
        let jobs = lock(&self.jobs);
        let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err("the thread has ended".into()) }
    }

    /// Waits for all that it was given.
    ///
    /// # Errors
    /// That of the first job that failed.
    pub(crate) fn finish(&self) -> Result<(), String> {
        drop(lock(&self.jobs).take());
        match lock(&self.thread).take() {
            None => Ok(()),
            Some(thread) => thread.join().map_err(|_| "the thread panicked".to_owned())?,
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All named things of a case.
pub(crate) struct Entities<F: Way> {
    /// The connection string of the ground.
    uri: String,
    named: Mutex<HashMap<String, Entity<F>>>,
}

impl<F: Way> Entities<F> {
    pub(crate) fn on(uri: String) -> Self {
        Entities { uri, named: Mutex::default() }
    }

    pub(crate) fn put(&self, name: &str, entity: Entity<F>) {
        lock(&self.named).insert(name.to_owned(), entity);
    }

    pub(crate) fn get(&self, name: &str) -> Result<Entity<F>, String> {
        lock(&self.named).get(name).cloned().ok_or_else(|| format!("nothing is called {name:?}"))
    }

    pub(crate) fn client(&self, name: &str) -> Result<Arc<Watched<F>>, String> {
        match self.get(name)? {
            Entity::Client(client) => Ok(client),
            _ => Err(format!("{name:?} is no client")),
        }
    }

    pub(crate) fn session(&self, name: &str) -> Result<Arc<Mutex<Option<ClientSession<F>>>>, String> {
        match self.get(name)? {
            Entity::Session(session) => Ok(session),
            _ => Err(format!("{name:?} is no session")),
        }
    }

    /// Ends threads, sessions and clients, so that the next case hears nothing of this one.
    pub(crate) fn end(&self) {
        let named: Vec<Entity<F>> = lock(&self.named).drain().map(|(_, entity)| entity).collect();
        for entity in &named {
            match entity {
                // Its error was told if it was waited for.
                Entity::Thread(thread) => drop(thread.finish()),
                Entity::Session(session) => drop(lock(session).take()),
                _ => {}
            }
        }
        for entity in named {
            if let Entity::Client(client) = entity {
                client.close();
            }
        }
    }

    /// Creates one entry of `createEntities`: `{kind: content}`.
    ///
    /// # Errors
    /// The driver refuses; a kind or a field that this harness does not know.
    pub(crate) fn create(&self, entity: &Document) -> Result<(), String> {
        let (kind, content) = entity.iter().next().ok_or("an entity has no kind")?;
        let content = content.as_document().ok_or_else(|| format!("the entity {kind} is no document"))?;
        let mut content = Arguments::of(kind, content.clone());
        let name = content.text("id")?;
        let entity = match kind.as_str() {
            "client" => self.make_client(&mut content)?,
            "database" => {
                let client = self.client(&content.text("client")?)?.client()?;
                let mut options = DatabaseOptions::default();
                if let Some(given) = content.maybe_document("databaseOptions")? {
                    let mut given = Arguments::of("databaseOptions", given);
                    options.read_concern = given.read_concern()?;
                    options.write_concern = given.write_concern()?;
                    options.selection_criteria = given.selection()?;
                    given.done()?;
                }
                Entity::Database(client.database_with_options(&content.text("databaseName")?, options))
            }
            "collection" => {
                let Entity::Database(database) = self.get(&content.text("database")?)? else {
                    return Err(format!("the collection {name} is not of a database"));
                };
                let mut options = CollectionOptions::default();
                if let Some(given) = content.maybe_document("collectionOptions")? {
                    let mut given = Arguments::of("collectionOptions", given);
                    options.read_concern = given.read_concern()?;
                    options.write_concern = given.write_concern()?;
                    options.selection_criteria = given.selection()?;
                    given.done()?;
                }
                Entity::Collection(
                    database.collection_with_options(&content.text("collectionName")?, options),
                )
            }
            "session" => {
                let client = self.client(&content.text("client")?)?.client()?;
                let mut options = SessionOptions::default();
                if let Some(given) = content.maybe_document("sessionOptions")? {
                    let mut given = Arguments::of("sessionOptions", given);
                    options.causal_consistency = given.flag("causalConsistency")?;
                    options.snapshot = given.flag("snapshot")?;
                    given.done()?;
                }
                let session = F::start_session(client.start_session().with_options(options));
                Entity::Session(Arc::new(Mutex::new(Some(session.map_err(|e| e.to_string())?))))
            }
            "thread" => Entity::Thread(Worker::start()),
            other => return Err(format!("the harness does not know the entity {other:?}")),
        };
        content.done()?;
        self.put(&name, entity);
        Ok(())
    }

    fn make_client(&self, content: &mut Arguments) -> Result<Entity<F>, String> {
        // Of no matter but for sharded clusters.
        content.flag("useMultipleMongoses")?;
        let records = content.maybe_document("observeLogMessages")?;
        let uri_options = content.maybe_document("uriOptions")?.unwrap_or_default();
        let mut uri = self.uri.clone();
        for (name, value) in &uri_options {
            let value = match value {
                Bson::String(text) => percent_encoded(text),
                other => other.to_string(),
            };
            uri += &format!("{name}={value}&");
        }
        let mut watching = Document::new();
        for key in ["observeEvents", "ignoreCommandMonitoringEvents", "observeSensitiveCommands"] {
            if let Some(value) = content.maybe(key) {
                watching.insert(key, value);
            }
        }
        let events = Events::of(&watching);
        let options = driver::options::ConnectionString::parse(uri.trim_end_matches(['&', '?']));
        let mut options: ClientOptions = options.map_err(|e| e.to_string())?.options;
        if let [warning, ..] = options.warnings() {
            return Err(warning.clone());
        }
        // The cases match whole documents.
        options.tracing_max_document_length = Some(1 << 20);
        events.listen(&mut options);
        let open = || F::open(options);
        let client = if records.is_some() { open() } else { unobserved(open) };
        let client = Mutex::new(Some(client.map_err(|e| e.to_string())?));
        Ok(Entity::Client(Arc::new(Watched { client, events, records })))
    }
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") }
            },
        )
        .collect()
}

impl<F: Way> Names for Entities<F> {
    fn value(&self, name: &str) -> Option<Bson> {
        match self.get(name) {
            Ok(Entity::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn lsid(&self, name: &str) -> Option<Document> {
        let session = self.session(name).ok()?;
        let session = lock(&session);
        session.as_ref().map(|session| session.id().clone())
    }
}
