//! The servers of the tests: replica sets, a standalone, and a set with authentication. The first
//! test that needs a server starts it. A test has exclusive use of its servers, including their
//! fail points and data. Most tests need a replica set and wait most of the time, so there are
//! several sets, and each test takes a free one.
//!
//! Routers present a set as a sharded cluster or behind a load balancer. They all lead to its
//! primary, which answers every command. A test goes through them if it accepts no other topology.

use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bson::{Bson, Document, doc};
use testbed::{
    ReplicaSet, ReplicaSetBuilder, Router, Standalone, Version, keep_replica_set, shared_standalone,
};

use super::format::CollectionData;
use super::matching;

/// The first user of servers with authentication.
const USER: &str = "root";

/// Servers, and the fail points that the running test has set on them.
pub(crate) struct Servers {
    running: Running,
    routers: Option<Routers>,
    fail_points: Mutex<Vec<String>>,
}

/// Routers that present a set as another topology.
enum Routers {
    Mongoses([Router; 2]),
    Balancers { of_one: Router, of_two: Router },
}

impl Routers {
    fn of(view: View, primary: &str) -> testbed::Result<Option<Self>> {
        Ok(match view {
            View::Direct => None,
            View::Sharded => {
                Some(Routers::Mongoses([Router::mongos(primary)?, Router::mongos(primary)?]))
            }
            View::Balanced => Some(Routers::Balancers {
                of_one: Router::load_balancer(&[primary])?,
                of_two: Router::load_balancer(&[primary, primary])?,
            }),
        })
    }

    /// The test before may have changed the primary.
    fn lead_to(&self, primary: &str) -> testbed::Result<()> {
        let all = match self {
            Routers::Mongoses(all) => all.each_ref(),
            Routers::Balancers { of_one, of_two } => [of_one, of_two],
        };
        all.iter().try_for_each(|router| router.lead_to(primary))
    }

    /// The hosts and options of a connection string.
    fn address(&self, several: Option<bool>) -> (String, &'static str) {
        match self {
            Routers::Mongoses([one, other]) => match several {
                Some(false) => (one.host(), ""),
                _ => (format!("{},{}", one.host(), other.host()), ""),
            },
            Routers::Balancers { of_one, of_two } => {
                let router = if several == Some(true) { of_two } else { of_one };
                (router.host(), "loadBalanced=true&")
            }
        }
    }
}

/// Exclusive use of servers until this is dropped.
pub(crate) struct Alone {
    _lease: CopyLease,
    pub(crate) servers: &'static Servers,
}

/// The right to use one copy of the servers of a kind. Dropping it frees the copy for the next
/// test, even if its servers could not start.
struct CopyLease {
    pool: Pool,
    copy: usize,
}

/// The election timeout of the sets. It exceeds any pause of a busy machine, so elections happen
/// only on request.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of copies of one kind.
const COPIES: usize = 4;

/// The copies in use of one kind.
#[derive(Default)]
struct Taken {
    copies: Mutex<[bool; COPIES]>,
    freed: Condvar,
}

impl Taken {
    fn of(pool: Pool) -> &'static Self {
        static TAKEN: OnceLock<[Taken; 3]> = OnceLock::new();
        &TAKEN.get_or_init(Default::default)[pool as usize]
    }
}

impl CopyLease {
    /// Takes the first free copy, and waits for one if needed. So no more copies start than are
    /// used at once.
    fn take(pool: Pool) -> Self {
        let all = Taken::of(pool);
        let mut taken = lock(&all.copies);
        loop {
            if let Some(copy) = taken[..pool.copies()].iter().position(|taken| !taken) {
                taken[copy] = true;
                return CopyLease { pool, copy };
            }
            taken = all.freed.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for CopyLease {
    fn drop(&mut self) {
        let taken = Taken::of(self.pool);
        lock(&taken.copies)[self.copy] = false;
        taken.freed.notify_one();
    }
}

#[derive(Clone, Copy)]
enum Running {
    Set(&'static ReplicaSet),
    Guarded(&'static ReplicaSet),
    Single(&'static Standalone),
}

/// Servers that are started alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pool {
    Set,
    Single,
    Guarded,
}

impl Pool {
    fn copies(self) -> usize {
        if self == Pool::Set { COPIES } else { 1 }
    }

    /// Starts one copy at its first use.
    fn running(self, copy: usize) -> Result<Running, String> {
        type Cell = OnceLock<Result<Running, String>>;
        static RUNNING: [[Cell; COPIES]; 3] = [const { [const { Cell::new() }; COPIES] }; 3];
        let start = || match self {
            Pool::Set => Ok(Running::Set(keep_replica_set(three().start()?))),
            Pool::Single => Ok(Running::Single(shared_standalone()?)),
            Pool::Guarded => Ok(Running::Guarded(guarded_set()?)),
        };
        RUNNING[self as usize][copy].get_or_init(|| start().map_err(to_message)).clone()
    }
}

/// The topology that clients see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum View {
    /// That of the servers.
    Direct,
    Sharded,
    Balanced,
}

/// A kind of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pool: Pool,
    view: View,
}

impl Kind {
    /// The order in which a test prefers the kinds.
    pub(crate) const ALL: [Kind; 7] = [
        Kind { pool: Pool::Set, view: View::Direct },
        Kind { pool: Pool::Single, view: View::Direct },
        Kind { pool: Pool::Guarded, view: View::Direct },
        Kind { pool: Pool::Set, view: View::Sharded },
        Kind { pool: Pool::Set, view: View::Balanced },
        Kind { pool: Pool::Guarded, view: View::Sharded },
        Kind { pool: Pool::Guarded, view: View::Balanced },
    ];

    /// The kinds to use: all, or the ones named in `SPEC_SERVERS`, with commas.
    ///
    /// # Errors
    /// A name is unknown.
    pub(crate) fn in_use() -> Result<&'static [Kind], String> {
        static IN_USE: OnceLock<Result<Vec<Kind>, String>> = OnceLock::new();
        let read = || {
            let names = std::env::var("SPEC_SERVERS").unwrap_or_default();
            let kind = |name: &str| {
                let known = Kind::ALL.into_iter().find(|kind| kind.name() == name);
                known.ok_or_else(|| {
                    let all = Kind::ALL.map(Kind::name).join(", ");
                    format!("SPEC_SERVERS has the unknown name {name:?}; the names are {all}")
                })
            };
            if names.is_empty() {
                Ok(Kind::ALL.to_vec())
            } else {
                names.split(',').map(kind).collect()
            }
        };
        IN_USE.get_or_init(read).as_deref().map_err(String::clone)
    }

    /// The name in `SPEC_SERVERS` and in reports.
    pub(crate) const fn name(self) -> &'static str {
        match (self.view, self.pool) {
            (View::Direct, Pool::Set) => "replica-set",
            (View::Direct, Pool::Single) => "standalone",
            (View::Direct, Pool::Guarded) => "locked-set",
            (View::Sharded, Pool::Guarded) => "locked-router",
            (View::Sharded, _) => "router",
            (View::Balanced, Pool::Guarded) => "locked-balancer",
            (View::Balanced, _) => "balancer",
        }
    }

    /// The topology's name in the tests.
    pub(crate) fn topology(self) -> &'static str {
        match (self.view, self.pool) {
            (View::Sharded, _) => "sharded",
            (View::Balanced, _) => "load-balanced",
            (View::Direct, Pool::Set | Pool::Guarded) => "replicaset",
            (View::Direct, Pool::Single) => "single",
        }
    }

    /// Whether clients see another topology than there is.
    pub(crate) fn is_routed(self) -> bool {
        self.view != View::Direct
    }

    pub(crate) fn demands_users(self) -> bool {
        self.pool == Pool::Guarded
    }

    /// The version of the servers that the testbed starts.
    pub(crate) fn version() -> Result<Version, String> {
        static VERSION: OnceLock<Result<Version, String>> = OnceLock::new();
        VERSION
            .get_or_init(|| {
                testbed::Mongod::resolve(None).map(|mongod| mongod.version()).map_err(to_message)
            })
            .clone()
    }

    /// The parameters of the servers.
    pub(crate) fn parameters(self) -> Result<&'static Document, String> {
        static PARAMETERS: [OnceLock<Result<Document, String>>; 3] = [const { OnceLock::new() }; 3];
        let read = || self.take()?.servers.command("admin", doc! { "getParameter": "*" });
        PARAMETERS[self.pool as usize].get_or_init(read).as_ref().map_err(String::clone)
    }

    /// Takes servers for one test; waits until some are free.
    pub(crate) fn take(self) -> Result<Alone, String> {
        type Cell = OnceLock<Result<Servers, String>>;
        static SERVERS: [[[Cell; COPIES]; 3]; 3] =
            [const { [const { [const { Cell::new() }; COPIES] }; 3] }; 3];
        let Kind { pool, view } = self;
        let lease = CopyLease::take(pool);
        let servers = SERVERS[view as usize][pool as usize][lease.copy]
            .get_or_init(|| Servers::of(pool.running(lease.copy)?, view))
            .as_ref()
            .map_err(String::clone)?;
        if let (Some(routers), Some(set)) = (&servers.routers, servers.set()) {
            primary(set).and_then(|primary| routers.lead_to(&primary)).map_err(to_message)?;
        }
        Ok(Alone { _lease: lease, servers })
    }
}

fn primary(set: &ReplicaSet) -> testbed::Result<String> {
    set.host(set.wait_for_primary()?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_message(error: testbed::Error) -> String {
    error.to_string()
}

fn three() -> ReplicaSetBuilder {
    ReplicaSet::builder().members(3).election_timeout(ELECTION_TIMEOUT)
}

fn guarded_set() -> testbed::Result<&'static ReplicaSet> {
    let set = keep_replica_set(three().guarded().start()?);
    let user =
        doc! { "createUser": USER, "pwd": USER, "roles": ["root"], "writeConcern": { "w": 3 } };
    set.admin(set.wait_for_primary()?, user)?;
    Ok(set)
}

impl Servers {
    fn of(running: Running, view: View) -> Result<Self, String> {
        let mut servers = Servers { running, routers: None, fail_points: Mutex::default() };
        if let Some(set) = servers.set() {
            servers.routers =
                primary(set).and_then(|primary| Routers::of(view, &primary)).map_err(to_message)?;
        }
        Ok(servers)
    }

    fn set(&self) -> Option<&ReplicaSet> {
        match &self.running {
            Running::Set(set) | Running::Guarded(set) => Some(set),
            Running::Single(_) => None,
        }
    }

    /// The connection string with all servers or a single one as seeds. `several` is for routers:
    /// whether there are two of them, or two backends. The string ends so that options can be
    /// appended.
    pub(crate) fn uri(&self, direct: bool, several: Option<bool>) -> String {
        if let Some(routers) = &self.routers {
            let (hosts, options) = routers.address(several.filter(|_| !direct));
            let user = match &self.running {
                Running::Guarded(_) => format!("{USER}:{USER}@"),
                Running::Set(_) | Running::Single(_) => String::new(),
            };
            return format!("mongodb://{user}{hosts}/?{options}");
        }
        match &self.running {
            Running::Single(server) => format!("mongodb://{}/?", server.host()),
            Running::Set(set) if direct => format!("mongodb://{}/?", set.hosts()[0]),
            Running::Set(set) => format!("{}&", set.uri()),
            Running::Guarded(set) if direct => {
                format!("mongodb://{USER}:{USER}@{}/?", set.hosts()[0])
            }
            Running::Guarded(set) => {
                format!(
                    "mongodb://{USER}:{USER}@{}/?replicaSet={}&",
                    set.hosts().join(","),
                    set.name()
                )
            }
        }
    }

    /// Runs a command on the primary or the standalone.
    pub(crate) fn command(&self, db: &str, command: Document) -> Result<Document, String> {
        let answer = match (&self.running, self.set()) {
            (_, Some(set)) => {
                set.wait_for_primary().and_then(|primary| set.command(primary, db, command))
            }
            (Running::Single(server), None) => server.command(db, command),
            (_, None) => unreachable!("all but a standalone are sets"),
        };
        answer.map_err(to_message)
    }

    fn command_of(&self, member: usize, command: Document) -> testbed::Result<Document> {
        match (&self.running, self.set()) {
            (_, Some(set)) => set.admin(member, command),
            (Running::Single(server), None) => server.admin(command),
            (_, None) => unreachable!("all but a standalone are sets"),
        }
    }

    /// Records a fail point that the test is about to set.
    pub(crate) fn will_restore(&self, fail_point: &str) {
        lock(&self.fail_points).push(fail_point.to_owned());
    }

    /// Creates each collection of `initialData` with exactly its documents. Without `initialData`,
    /// drops the `collections` that an earlier test may have left.
    pub(crate) fn load(
        &self,
        data: &[CollectionData],
        collections: &[(&str, &str)],
    ) -> Result<(), String> {
        let majority = || doc! { "w": "majority" };
        // A transaction that the test before left open would lock its collections for a minute. The
        // command may interrupt itself.
        let _ = self.command("admin", doc! { "killAllSessions": [] });
        let drop = |db: &str, name: &str| match self
            .command(db, doc! { "drop": name, "writeConcern": majority() })
        {
            Err(why) if !why.contains("NamespaceNotFound") => Err(why),
            _ => Ok(()),
        };
        if data.is_empty() {
            collections.iter().try_for_each(|(db, name)| drop(db, name))?;
        }
        for CollectionData {
            database_name: db,
            collection_name: name,
            create_options,
            documents,
        } in data
        {
            drop(db, name)?;
            let mut create = doc! { "create": name, "writeConcern": majority() };
            create.extend(create_options.clone());
            self.command(db, create)?;
            if !documents.is_empty() {
                let insert =
                    doc! { "insert": name, "documents": documents, "writeConcern": majority() };
                self.command(db, insert)?;
            }
        }
        Ok(())
    }

    /// Compares each collection of `outcome` with the data on the server.
    pub(crate) fn check(&self, outcome: &[CollectionData]) -> Result<(), String> {
        for collection in outcome {
            let find = doc! {
                "find": &collection.collection_name, "sort": { "_id": 1 },
                "readConcern": { "level": "local" },
            };
            let reply = self.command(&collection.database_name, find)?;
            let found =
                reply.get_document("cursor").and_then(|cursor| cursor.get_array("firstBatch"));
            let found = Bson::Array(found.map_err(|e| e.to_string())?.clone());
            let expected = collection.documents.iter().cloned().map(Bson::Document).collect();
            matching::same(&Bson::Array(expected), &found)
                .map_err(|why| format!("outcome: {why}"))?;
        }
        Ok(())
    }

    /// Turns the test's fail points off and waits until the servers have recovered.
    pub(crate) fn restore(&self) -> Result<(), String> {
        let set = std::mem::take(&mut *lock(&self.fail_points));
        for name in set {
            // The primary may have changed.
            for member in 0..self.set().map_or(1, ReplicaSet::len) {
                self.command_of(member, doc! { "configureFailPoint": &name, "mode": "off" })
                    .map_err(to_message)?;
            }
        }
        if let Some(set) = self.set() {
            set.wait_for_primary().map_err(to_message)?;
            set.wait_for_secondaries().map_err(to_message)?;
        }
        Ok(())
    }
}
