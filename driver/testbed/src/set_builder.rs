//! Making a replica set: start every member, give them one configuration, wait until all of them
//! serve.

use std::time::Duration;

use bson::{Bson, Document, doc};

use crate::{
    dir::{Dir, unique},
    error::{Error, Result},
    member::Member,
    node::Node,
    proxy::Proxy,
    replica_set::ReplicaSet,
    settings::Settings,
    version::Version,
};

/// How to start a [`ReplicaSet`].
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct ReplicaSetBuilder {
    settings: Settings,
    members: Vec<Member>,
    name: Option<String>,
    election_timeout: Duration,
    heartbeat_interval: Duration,
    heartbeat_timeout: Duration,
    proxied: bool,
}

impl Default for ReplicaSetBuilder {
    fn default() -> ReplicaSetBuilder {
        ReplicaSetBuilder {
            settings: Settings::default(),
            members: Vec::new(),
            name: None,
            // Short enough for tests to be quick, long enough for a machine under load not to
            // depose its primaries.
            election_timeout: Duration::from_millis(1500),
            heartbeat_interval: Duration::from_millis(250),
            heartbeat_timeout: Duration::from_secs(10),
            proxied: false,
        }
    }
}

impl ReplicaSetBuilder {
    /// Adds a member.
    pub fn member(mut self, member: Member) -> ReplicaSetBuilder {
        self.members.push(member);
        self
    }

    /// Adds `count` members that bear data, vote and may become primary.
    pub fn members(mut self, count: usize) -> ReplicaSetBuilder {
        self.members.extend(std::iter::repeat_n(Member::new(), count));
        self
    }

    /// Names the set. Otherwise it gets a name that no other set on this machine has, so that a
    /// member can never be taken into another set by mistake.
    pub fn name(mut self, name: impl Into<String>) -> ReplicaSetBuilder {
        self.name = Some(name.into());
        self
    }

    /// Asks for a version, instead of what `TESTBED_MONGODB` says.
    pub fn version(mut self, version: Version) -> ReplicaSetBuilder {
        self.settings.version = Some(version);
        self
    }

    /// Adds one command-line argument for every member.
    pub fn arg(mut self, arg: impl Into<String>) -> ReplicaSetBuilder {
        self.settings.args.push(arg.into());
        self
    }

    /// Adds command-line arguments for every member.
    pub fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> ReplicaSetBuilder {
        self.settings.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a server parameter of every member at startup.
    pub fn set_parameter(mut self, name: &str, value: &str) -> ReplicaSetBuilder {
        self.settings.set_parameter(name, value);
        self
    }

    /// After how long without a sign of the primary the others elect a new one; 1.5 s unless set.
    /// Whole milliseconds.
    pub fn election_timeout(mut self, timeout: Duration) -> ReplicaSetBuilder {
        self.election_timeout = timeout;
        self
    }

    /// How often members ask after each other; 250 ms unless set. Whole milliseconds.
    pub fn heartbeat_interval(mut self, interval: Duration) -> ReplicaSetBuilder {
        self.heartbeat_interval = interval;
        self
    }

    /// How long a member waits for another's answer before it takes it for dead; 10 s unless set.
    /// Whole seconds, at least one. A new primary waits as long for a member that is silent but
    /// still connected, so a set in which a member is to be [paused](ReplicaSet::pause) has its
    /// next primary sooner if this is short.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> ReplicaSetBuilder {
        self.heartbeat_timeout = timeout;
        self
    }

    /// Puts a [`Proxy`] before every member and makes the proxies' addresses those of the set:
    /// clients, and the members among themselves, then go through the proxies.
    pub fn proxied(mut self) -> ReplicaSetBuilder {
        self.proxied = true;
        self
    }

    /// Lets the members demand users, and know each other by a key that they share. The testbed
    /// itself may do everything all the same; make users with [`admin`](ReplicaSet::admin) and
    /// `createUser`.
    pub fn guarded(mut self) -> ReplicaSetBuilder {
        self.settings.guarded = true;
        self
    }

    /// Starts the members, makes a set of them, and waits until it has a primary and every member
    /// serves.
    ///
    /// # Errors
    /// No member that can become primary was given; no server can be found or installed; a server
    /// ends while starting; the configuration is refused; the set is not ready within two
    /// minutes.
    pub fn start(self) -> Result<ReplicaSet> {
        let Some(first) = self.first_primary() else {
            return Err(Error::argument(
                "a replica set needs at least one member that can become primary",
            ));
        };
        let mongod = self.settings.mongod()?;
        let name = self.name.clone().unwrap_or_else(unique_name);
        let mut set = ReplicaSet::empty(name, Dir::create()?);
        match self.assemble(&mut set, &mongod, first) {
            Ok(()) => Ok(set),
            Err(error) => Err(set.bury(error)),
        }
    }

    /// The member with the highest priority; the first among equals.
    fn first_primary(&self) -> Option<usize> {
        let candidates =
            self.members.iter().enumerate().filter(|(_, member)| member.can_be_primary());
        candidates.rev().max_by(|(_, a), (_, b)| a.rank().total_cmp(&b.rank())).map(|(i, _)| i)
    }

    fn assemble(&self, set: &mut ReplicaSet, mongod: &crate::Mongod, first: usize) -> Result<()> {
        // All are launched before any is waited for.
        let (key, key_args) = self.settings.key(set.dir())?.unzip();
        let mut nodes = Vec::new();
        for (i, member) in self.members.iter().enumerate() {
            let mut args = vec!["--replSet".into(), set.name().into()];
            args.extend(
                self.settings
                    .args
                    .iter()
                    .chain(&member.args)
                    .chain(key_args.iter().flatten())
                    .cloned(),
            );
            nodes.push(Node::launch(mongod, args, set.dir(), &format!("member-{i}"), key.clone())?);
        }
        for node in nodes {
            let node = node.settle()?;
            hasten(&node);
            set.nodes.push(node);
        }
        if self.proxied {
            for node in &set.nodes {
                set.proxies.push(Proxy::start(&node.host())?);
            }
        }
        set.nodes[first].admin(&doc! { "replSetInitiate": self.config(set) })?;
        set.wait_until_initiated()?;
        set.wait_until_elected(first)?;
        set.wait_for_secondaries()?;
        set.wait_until_writable()
    }

    fn config(&self, set: &ReplicaSet) -> Document {
        let delay_field =
            if set.version() < Version::new(5, 0, 0) { "slaveDelay" } else { "secondaryDelaySecs" };
        let members = self.members.iter().zip(set.hosts()).enumerate();
        let members: Vec<Bson> = members
            .map(|(i, (member, host))| member.config(i, &host, delay_field).into())
            .collect();
        doc! {
            "_id": set.name(),
            "version": 1,
            "protocolVersion": 1_i64,
            "members": members,
            "settings": {
                "electionTimeoutMillis": millis(self.election_timeout),
                "heartbeatIntervalMillis": millis(self.heartbeat_interval),
                "heartbeatTimeoutSecs": self.heartbeat_timeout.as_secs().max(1) as i64,
            },
        }
    }
}

/// Lets a member look for somebody to replicate from every 25 ms instead of every second. Not every
/// version can; then it only takes longer.
pub(crate) fn hasten(node: &Node) {
    for (name, field) in [
        ("forceSyncSourceRetryWaitForInitialSync", "retryMS"),
        ("forceBgSyncSyncSourceRetryWaitMS", "sleepMS"),
    ] {
        let _ = node
            .admin(&doc! { "configureFailPoint": name, "mode": "alwaysOn", "data": { field: 25 } });
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

fn unique_name() -> String {
    format!("rs-{}", unique())
}
