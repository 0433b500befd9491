//! The entities that a test creates and refers to by name.

mod open_cursors;
mod options;

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bson::{Bson, Document};
use driver::TopologyDescription;
use driver::client::Client;
use driver::collection::Collection;
use driver::database::Database;
use driver::gridfs::GridFsBucket;
use driver::options::{ClientOptions, CollectionOptions, ConnectionString, DatabaseOptions};
use driver::session::ClientSession;

use super::Steps;
use super::events::Events;
use super::format::{ClientDefinition, EntityDefinition};
use super::log_messages::unobserved;
use super::matching::Names;
use super::servers::Servers;
#[cfg(feature = "opentelemetry")]
use super::spans::Spans;
use super::stop::Stop;

pub(crate) use self::open_cursors::{NamedCursor, NamedStream, OpenCursor, OpenStream};
pub(crate) use self::options::lacks;
use self::options::{
    bucket_options, concerns, lacking_client, percent_encoded, server_api, session_options,
};

/// A named entity.
pub(crate) enum Entity<F: Steps> {
    Client(Arc<Watched<F>>),
    Database(Database<F>),
    Collection(Collection<Document, F>),
    Session(Session<F>),
    Cursor(Arc<Mutex<Option<NamedCursor<F>>>>),
    ChangeStream(Arc<Mutex<Option<NamedStream<F>>>>),
    Bucket(GridFsBucket<F>),
    Thread(Arc<Worker>),
    Topology(Arc<TopologyDescription>),
    Value(Bson),
}

/// A session, until it ends.
pub(crate) type Session<F> = Arc<Mutex<Option<ClientSession<F>>>>;

impl<F: Steps> Clone for Entity<F> {
    fn clone(&self) -> Self {
        match self {
            Entity::Client(client) => Entity::Client(client.clone()),
            Entity::Database(database) => Entity::Database(database.clone()),
            Entity::Collection(collection) => Entity::Collection(collection.clone()),
            Entity::Session(session) => Entity::Session(session.clone()),
            Entity::Cursor(cursor) => Entity::Cursor(cursor.clone()),
            Entity::ChangeStream(stream) => Entity::ChangeStream(stream.clone()),
            Entity::Bucket(bucket) => Entity::Bucket(bucket.clone()),
            Entity::Thread(thread) => Entity::Thread(thread.clone()),
            Entity::Topology(topology) => Entity::Topology(topology.clone()),
            Entity::Value(value) => Entity::Value(value.clone()),
        }
    }
}

/// A client and its events.
pub(crate) struct Watched<F: Steps> {
    client: Mutex<Option<Client<F>>>,
    pub(crate) events: Arc<Events>,
    /// `observeLogMessages`.
    pub(crate) log_levels: Option<Document>,
    /// `observeTracingMessages`.
    #[cfg(feature = "opentelemetry")]
    pub(crate) spans: Option<Spans>,
}

impl<F: Steps> Watched<F> {
    /// # Errors
    /// The client was closed.
    pub(crate) fn client(&self) -> Result<Client<F>, String> {
        lock(&self.client).clone().ok_or_else(|| "the client was closed".into())
    }

    /// Closes the client. Does nothing if it is closed.
    pub(crate) fn close(&self) {
        let client = lock(&self.client).take();
        if let Some(client) = client {
            F::shut_down(client);
        }
    }
}

type Job = Box<dyn FnOnce() -> Result<(), String> + Send>;

/// A thread that runs jobs in order until it is finished.
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
    /// The thread has ended, because of an error or of [`finish`](Self::finish).
    pub(crate) fn run(&self, job: Job) -> Result<(), String> {
        let jobs = lock(&self.jobs);
        let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        if sent { Ok(()) } else { Err("the thread has ended".into()) }
    }

    /// Waits for all jobs.
    ///
    /// # Errors
    /// That of the first failed job.
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

/// The time that a busy machine may add, in milliseconds.
const MARGIN: i64 = 1000;

/// All entities of a test.
pub(crate) struct Entities<F: Steps> {
    servers: &'static Servers,
    named: Mutex<HashMap<String, Entity<F>>>,
    /// The ids of sessions, also of those that have ended.
    lsids: Mutex<HashMap<String, Document>>,
    /// The longest pause of a server in the test, in milliseconds.
    longest_pause: i64,
}

impl<F: Steps> Entities<F> {
    pub(crate) fn on(servers: &'static Servers, longest_pause: i64) -> Self {
        Entities { servers, named: Mutex::default(), lsids: Mutex::default(), longest_pause }
    }

    /// # Errors
    /// The name is taken.
    pub(crate) fn put(&self, name: &str, entity: Entity<F>) -> Result<(), String> {
        match lock(&self.named).insert(name.to_owned(), entity) {
            None => Ok(()),
            Some(_) => Err(format!("two entities have the name {name:?}")),
        }
    }

    pub(crate) fn get(&self, name: &str) -> Result<Entity<F>, String> {
        lock(&self.named)
            .get(name)
            .cloned()
            .ok_or_else(|| format!("no entity has the name {name:?}"))
    }

    pub(crate) fn client(&self, name: &str) -> Result<Arc<Watched<F>>, String> {
        match self.get(name)? {
            Entity::Client(client) => Ok(client),
            _ => Err(format!("{name:?} is not a client")),
        }
    }

    pub(crate) fn database(&self, name: &str) -> Result<Database<F>, String> {
        match self.get(name)? {
            Entity::Database(database) => Ok(database),
            _ => Err(format!("{name:?} is not a database")),
        }
    }

    pub(crate) fn session(&self, name: &str) -> Result<Session<F>, String> {
        match self.get(name)? {
            Entity::Session(session) => Ok(session),
            _ => Err(format!("{name:?} is not a session")),
        }
    }

    pub(crate) fn thread(&self, name: &str) -> Result<Arc<Worker>, String> {
        match self.get(name)? {
            Entity::Thread(thread) => Ok(thread),
            _ => Err(format!("{name:?} is not a thread")),
        }
    }

    pub(crate) fn topology(&self, name: &str) -> Result<Arc<TopologyDescription>, String> {
        match self.get(name)? {
            Entity::Topology(topology) => Ok(topology),
            _ => Err(format!("{name:?} is not a topology description")),
        }
    }

    /// Ends threads, cursors, sessions and clients, so that they do not disturb the next test.
    pub(crate) fn end(&self) {
        let named: Vec<Entity<F>> = lock(&self.named).drain().map(|(_, entity)| entity).collect();
        for entity in &named {
            match entity {
                // Its error was reported if the test waited for it.
                Entity::Thread(thread) => drop(thread.finish()),
                Entity::Cursor(cursor) => drop(lock(cursor).take()),
                Entity::ChangeStream(stream) => drop(lock(stream).take()),
                _ => {}
            }
        }
        for entity in &named {
            if let Entity::Session(session) = entity {
                drop(lock(session).take());
            }
        }
        for entity in named {
            if let Entity::Client(client) = entity {
                client.close();
            }
        }
    }

    /// Creates the entity of one entry in `createEntities`.
    ///
    /// # Errors
    /// The driver refuses it or lacks a component; the runner does not know a field.
    pub(crate) fn create(&self, definition: &EntityDefinition) -> Result<(), Stop> {
        let name = definition.id();
        let entity = match definition {
            EntityDefinition::Client(own) => self.make_client(own)?,
            EntityDefinition::Database(own) => {
                let client = self.client(&own.client)?.client()?;
                let mut options = DatabaseOptions::default();
                (options.selection_criteria, options.read_concern, options.write_concern) =
                    concerns(&own.database_options)?;
                options.timeout = own.database_options.timeout_ms.map(Duration::from_millis);
                Entity::Database(client.database_with_options(&own.database_name, options))
            }
            EntityDefinition::Collection(own) => {
                let database = self.database(&own.database)?;
                let mut options = CollectionOptions::default();
                (options.selection_criteria, options.read_concern, options.write_concern) =
                    concerns(&own.collection_options)?;
                options.timeout = own.collection_options.timeout_ms.map(Duration::from_millis);
                Entity::Collection(database.collection_with_options(&own.collection_name, options))
            }
            EntityDefinition::Session(own) => {
                let client = self.client(&own.client)?.client()?;
                let mut options = session_options(own)?;
                if let Ok(saved) = own.session_options.get_str("snapshotTime") {
                    options.snapshot_time = match self.get(saved)? {
                        Entity::Value(Bson::Timestamp(time)) => Some(time),
                        _ => return Err(format!("{saved:?} is no time").into()),
                    };
                }
                let session = F::session_with(&client, options);
                let session = session.map_err(|e| e.to_string())?;
                lock(&self.lsids).insert(name.to_owned(), session.id().clone());
                Entity::Session(Arc::new(Mutex::new(Some(session))))
            }
            EntityDefinition::Thread(_) => Entity::Thread(Worker::start()),
            EntityDefinition::Bucket(own) => {
                let options = bucket_options(own)?;
                Entity::Bucket(self.database(&own.database)?.gridfs_bucket(options))
            }
            EntityDefinition::ClientEncryption(_) => return lacks(definition),
        };
        Ok(self.put(name, entity)?)
    }

    fn make_client(&self, definition: &ClientDefinition) -> Result<Entity<F>, Stop> {
        lacking_client(definition)?;
        let direct = definition.uri_options.get_bool("directConnection").unwrap_or(false);
        let mut uri = self.servers.uri(direct, definition.use_multiple_mongoses);
        for (name, value) in &definition.uri_options {
            let value = match value {
                // No pause reaches this timeout, so a busy machine must not either.
                Bson::Int32(timeout)
                    if name == "socketTimeoutMS" && self.longest_pause < i64::from(*timeout) =>
                {
                    (i64::from(*timeout) + MARGIN).to_string()
                }
                Bson::String(text) => percent_encoded(text),
                Bson::Document(_) | Bson::Array(_) => {
                    return Err(
                        format!("the runner does not know the value {value} of {name}").into()
                    );
                }
                other => other.to_string(),
            };
            uri += &format!("{name}={value}&");
        }
        let events = Events::of(definition);
        let options = ConnectionString::parse(uri.trim_end_matches(['&', '?']));
        let mut options: ClientOptions = options.map_err(|e| e.to_string())?.options;
        if let [warning, ..] = options.warnings() {
            return Err(warning.clone().into());
        }
        options.server_api = definition.server_api.as_ref().map(server_api).transpose()?;
        // The cases match whole documents.
        options.tracing_max_document_length = Some(1 << 20);
        let least = options.min_pool_size.unwrap_or(0);
        events.listen(&mut options);
        let log_levels = definition.observe_log_messages.as_deref().cloned();
        #[cfg(feature = "opentelemetry")]
        let spans = definition.observe_tracing_messages.as_ref().map(|wanted| {
            let (tracing, spans) = Spans::observed(wanted);
            options.tracing = Some(tracing);
            spans
        });
        let open = || F::open(options);
        let client = if log_levels.is_some() { open() } else { unobserved(open) };
        let client = client.map_err(|e| e.to_string())?;
        if let Some(limit) = definition.await_min_pool_size_ms {
            let all = |topology: &TopologyDescription| {
                topology.servers().filter(|server| server.server_type().is_data_bearing()).count()
            };
            events.wait_for_pools(least as usize, Duration::from_millis(limit), || {
                all(&client.topology())
            })?;
        }
        Ok(Entity::Client(Arc::new(Watched {
            client: Mutex::new(Some(client)),
            events,
            log_levels,
            #[cfg(feature = "opentelemetry")]
            spans,
        })))
    }
}

impl<F: Steps> Names for Entities<F> {
    fn value(&self, name: &str) -> Option<Bson> {
        match self.get(name) {
            Ok(Entity::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn lsid(&self, name: &str) -> Option<Document> {
        lock(&self.lsids).get(name).cloned()
    }
}
