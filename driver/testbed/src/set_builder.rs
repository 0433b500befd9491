//! Builds a replica set: starts all members, configures them and waits until they are ready.

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

/// The settings of a new [`ReplicaSet`].
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
            // Short for fast tests, but long enough that a busy machine does not depose its
            // primaries.
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

    /// Adds `count` data-bearing members that vote and can become primary.
    pub fn members(mut self, count: usize) -> ReplicaSetBuilder {
        self.members.extend(std::iter::repeat_n(Member::new(), count));
        self
    }

    /// Sets the name of the set. The default is unique on this machine, so no member can join
    /// another set by mistake.
    pub fn name(mut self, name: impl Into<String>) -> ReplicaSetBuilder {
        self.name = Some(name.into());
        self
    }

    /// Selects a version instead of the one in `TESTBED_MONGODB`.
    pub fn version(mut self, version: Version) -> ReplicaSetBuilder {
        self.settings.version = Some(version);
        self
    }

    /// Adds a command-line argument for every member.
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

    /// Sets the election timeout: the time without a primary until an election. Default: 1.5 s.
    /// Whole milliseconds.
    pub fn election_timeout(mut self, timeout: Duration) -> ReplicaSetBuilder {
        self.election_timeout = timeout;
        self
    }

    /// Sets the interval of heartbeats between members. Default: 250 ms. Whole milliseconds.
    pub fn heartbeat_interval(mut self, interval: Duration) -> ReplicaSetBuilder {
        self.heartbeat_interval = interval;
        self
    }

    /// Sets the time without a reply until a member counts as down. Default: 10 s. Whole seconds,
    /// at least one. A new primary waits as long for a member that hangs, so set a low value if a
    /// test [pauses](ReplicaSet::pause) a member.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> ReplicaSetBuilder {
        self.heartbeat_timeout = timeout;
        self
    }

    /// Puts a [`Proxy`] in front of every member. The set's configuration has the proxies'
    /// addresses, so clients and members connect through them.
    pub fn proxied(mut self) -> ReplicaSetBuilder {
        self.proxied = true;
        self
    }

    /// Enables authentication, with a shared key between the members. The testbed itself has all
    /// rights. Create users with [`admin`](ReplicaSet::admin) and `createUser`.
    pub fn guarded(mut self) -> ReplicaSetBuilder {
        self.settings.guarded = true;
        self
    }

    /// Starts the set. Waits until it has a primary and every member is ready.
    ///
    /// # Errors
    /// - No member can become primary.
    /// - No server can be found or installed.
    /// - A server ends while starting.
    /// - The configuration is refused.
    /// - The set is not ready within two minutes.
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
            Err(error) => Err(set.clean_up_after(error)),
        }
    }

    /// The member with the highest priority; the first of equals.
    fn first_primary(&self) -> Option<usize> {
        let candidates =
            self.members.iter().enumerate().filter(|(_, member)| member.can_be_primary());
        candidates.rev().max_by(|(_, a), (_, b)| a.rank().total_cmp(&b.rank())).map(|(i, _)| i)
    }

    fn assemble(&self, set: &mut ReplicaSet, mongod: &crate::Mongod, first: usize) -> Result<()> {
        // All members start before the first wait.
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
            shorten_sync_source_retries(&node);
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

/// Makes a member look for a sync source every 25 ms instead of every second. Versions without this
/// fail point only take longer.
pub(crate) fn shorten_sync_source_retries(node: &Node) {
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
