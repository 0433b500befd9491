//! A running replica set.

use std::{path::Path, thread, time::Instant};

use bson::{Document, doc};

use crate::{
    dir::Dir,
    error::{Error, ErrorKind, Result},
    fail_point::FailPoint,
    node::{Node, PATIENCE, is_true},
    process::POLL,
    proxy::Proxy,
    set_builder::{ReplicaSetBuilder, shorten_sync_source_retries},
    version::Version,
};

/// A running replica set. Dropping it kills its servers and removes their data.
///
/// The index of a member is its position in the builder. Methods with an unknown index fail with an
/// argument error.
#[derive(Debug)]
pub struct ReplicaSet {
    name: String,
    // Dropped in this order: proxies, servers, folder.
    pub(crate) proxies: Vec<Proxy>,
    pub(crate) nodes: Vec<Node>,
    dir: Dir,
}

impl ReplicaSet {
    /// Starts a set of `members` members with default settings. Waits until it has a primary and
    /// all members are ready.
    ///
    /// # Errors
    /// Those of [`ReplicaSetBuilder::start`].
    pub fn start(members: usize) -> Result<ReplicaSet> {
        ReplicaSet::builder().members(members).start()
    }

    /// Builds a set with custom members and settings.
    pub fn builder() -> ReplicaSetBuilder {
        ReplicaSetBuilder::default()
    }

    pub(crate) fn empty(name: String, dir: Dir) -> ReplicaSet {
        ReplicaSet { name, proxies: Vec::new(), nodes: Vec::new(), dir }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Cleans up after a failed start.
    pub(crate) fn clean_up_after(self, error: Error) -> Error {
        let ReplicaSet { proxies, nodes, dir, .. } = self;
        drop((proxies, nodes));
        dir.clean_up_after(error)
    }

    pub(crate) fn keep_logs(&self) {
        self.dir.keep_logs();
    }

    /// Ends the servers and removes their folder at process exit, when nothing is dropped.
    pub(crate) fn end(&self, keep_logs: bool) {
        if keep_logs {
            self.keep_logs();
        }
        self.nodes.iter().for_each(Node::kill_at_exit);
        self.dir.remove();
    }

    /// The connection string with every member as a seed.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?replicaSet={}", self.hosts().join(","), self.name)
    }

    /// The addresses of the members in the set's configuration.
    pub fn hosts(&self) -> Vec<String> {
        (0..self.nodes.len()).filter_map(|i| self.host(i).ok()).collect()
    }

    /// The address of a member in the set's configuration.
    ///
    /// # Errors
    /// There is no member `i`.
    pub fn host(&self, i: usize) -> Result<String> {
        let node = self.node(i)?;
        Ok(self.proxies.get(i).map_or_else(|| node.host(), Proxy::host))
    }

    /// The name of the set.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of members, running or not.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no members. A started set has members.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The servers' version.
    pub fn version(&self) -> Version {
        self.nodes[0].mongod().version()
    }

    fn node(&self, i: usize) -> Result<&Node> {
        self.nodes.get(i).ok_or_else(|| {
            let count = self.nodes.len();
            Error::argument(format!(
                "there is no member {i}: the set {} has {count}, counted from 0",
                self.name
            ))
        })
    }

    /// The current primary, from the `hello` replies of all running members. Of two that claim to
    /// be primary, the one elected last counts.
    pub fn primary(&self) -> Option<usize> {
        let claims = self.nodes.iter().enumerate().filter_map(|(i, node)| {
            let hello = node.hello().filter(|hello| is_true(hello, "isWritablePrimary"))?;
            // Later elections have larger ids.
            Some((hello.get_object_id("electionId").ok(), i))
        });
        claims.max_by_key(|(election, _)| *election).map(|(_, i)| i)
    }

    /// The current secondaries, with hidden ones.
    pub fn secondaries(&self) -> Vec<usize> {
        let is_secondary =
            |node: &Node| node.hello().is_some_and(|hello| is_true(&hello, "secondary"));
        (0..self.nodes.len()).filter(|&i| is_secondary(&self.nodes[i])).collect()
    }

    /// Waits for a primary and returns it.
    ///
    /// # Errors
    /// There is none after two minutes.
    pub fn wait_for_primary(&self) -> Result<usize> {
        self.wait_for("a primary", || self.primary())
    }

    /// Waits until every running member is primary, secondary or arbiter.
    ///
    /// # Errors
    /// That is not the case after two minutes.
    pub fn wait_for_secondaries(&self) -> Result<()> {
        let serves = |hello: Document| {
            ["isWritablePrimary", "secondary", "arbiterOnly"]
                .iter()
                .any(|role| is_true(&hello, role))
        };
        let running = || self.nodes.iter().filter(|node| node.pid().is_some());
        self.wait_for("every running member to serve", || {
            running().all(|node| node.hello().is_some_and(serves)).then_some(())
        })
    }

    /// Waits until every member has the configuration, which it needs to vote.
    pub(crate) fn wait_until_initiated(&self) -> Result<()> {
        let has_config =
            |node: &Node| node.hello().is_some_and(|hello| hello.contains_key("setName"));
        self.wait_for("every member to take the configuration", || {
            self.nodes.iter().all(has_config).then_some(())
        })
    }

    /// Waits until a majority replicates the primary's writes.
    pub(crate) fn wait_until_writable(&self) -> Result<()> {
        self.wait_for("a write on a majority", || {
            let note = doc! {
                "appendOplogNote": 1,
                "data": { "note": "the set is writable" },
                "writeConcern": { "w": "majority", "wtimeout": PATIENCE.as_millis() as i64 },
            };
            let reply = self.admin(self.primary()?, note).ok()?;
            (!reply.contains_key("writeConcernError")).then_some(())
        })
    }

    /// Waits until member `i` is primary. Requests elections, so that it does not wait for the
    /// election timeout.
    pub(crate) fn wait_until_elected(&self, i: usize) -> Result<()> {
        let node = self.node(i)?;
        self.wait_for(&format!("{} to become primary", node.host()), || {
            // Fails while the other members cannot vote. The member may also win without it.
            let _ = node.admin(&doc! { "replSetStepUp": 1, "skipDryRun": true });
            (self.primary() == Some(i)).then_some(())
        })
    }

    fn wait_for<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found() {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                self.keep_logs();
                return Err(self.timed_out(what));
            }
            thread::sleep(POLL);
        }
    }

    fn timed_out(&self, what: &str) -> Error {
        let seconds = PATIENCE.as_secs();
        let mut message = format!("waited {seconds} s for {what} in the set {}", self.name);
        for node in &self.nodes {
            let state = match node.pid() {
                Some(pid) => format!("process {pid}"),
                None => "down".into(),
            };
            message +=
                &format!("\n{} ({state}); the end of its log:\n{}", node.host(), node.log_tail());
        }
        Error::new(ErrorKind::Timeout, message)
    }

    /// Makes the primary step down and returns its index. It cannot be elected for five seconds
    /// (one second in a set of one), so another member becomes primary. Does not wait for the next
    /// primary.
    ///
    /// # Errors
    /// There is no primary within two minutes, or the command fails.
    pub fn step_down(&self) -> Result<usize> {
        let primary = self.wait_for_primary()?;
        let seconds = if self.nodes.len() > 1 { 5 } else { 1 };
        let command = doc! {
            "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": seconds / 2, "force": true,
        };
        self.admin(primary, command)?;
        Ok(primary)
    }

    /// Makes member `i` primary and waits for it.
    ///
    /// # Errors
    /// It is not primary after two minutes, for example because it is down or has priority 0.
    pub fn step_up(&self, i: usize) -> Result<()> {
        self.wait_until_elected(i)
    }

    /// Runs a command on the database `db` of member `i`.
    ///
    /// # Errors
    /// The server replies `ok: 0` (see [`Error::code`]), is down or paused, or does not reply
    /// within two minutes.
    pub fn command(&self, i: usize, db: &str, command: Document) -> Result<Document> {
        self.node(i)?.command(db, &command)
    }

    /// Runs a command on the database `admin` of member `i`. Errors as [`command`](Self::command).
    pub fn admin(&self, i: usize, command: Document) -> Result<Document> {
        self.node(i)?.admin(&command)
    }

    /// Sets a fail point on member `i` until the returned value is dropped. `command` is the whole
    /// `configureFailPoint` command.
    ///
    /// # Errors
    /// Those of [`command`](Self::command); an argument error if `command` is not
    /// `configureFailPoint`.
    pub fn fail_point(&self, i: usize, command: Document) -> Result<FailPoint<'_>> {
        FailPoint::set(self.node(i)?, &command)
    }

    /// The proxy in front of member `i`, in a [`proxied`](ReplicaSetBuilder::proxied) set.
    pub fn proxy(&self, i: usize) -> Option<&Proxy> {
        self.proxies.get(i)
    }

    /// The process id of member `i` while it runs.
    pub fn pid(&self, i: usize) -> Option<u32> {
        self.nodes.get(i)?.pid()
    }

    /// The log of member `i` across its restarts.
    ///
    /// # Errors
    /// There is no member `i`.
    pub fn log_path(&self, i: usize) -> Result<&Path> {
        Ok(self.node(i)?.log_path())
    }

    /// Kills member `i` with SIGKILL and waits for its end. Does nothing if it is down.
    ///
    /// # Errors
    /// The system refuses the signal.
    pub fn kill(&self, i: usize) -> Result<()> {
        self.node(i)?.kill()
    }

    /// Shuts member `i` down with SIGTERM and waits for its end. Does nothing if it is down.
    ///
    /// # Errors
    /// It does not end within two minutes.
    pub fn stop(&self, i: usize) -> Result<()> {
        self.node(i)?.stop()
    }

    /// Suspends member `i` with SIGSTOP: connections stay open without replies.
    ///
    /// # Errors
    /// It is down.
    pub fn pause(&self, i: usize) -> Result<()> {
        self.node(i)?.pause()
    }

    /// Resumes a paused member.
    ///
    /// # Errors
    /// It is down.
    pub fn resume(&self, i: usize) -> Result<()> {
        self.node(i)?.resume()
    }

    /// Restarts member `i` with the same port and data, and waits until it listens. A running
    /// member is killed first.
    ///
    /// # Errors
    /// It ends while starting, or does not listen within two minutes.
    pub fn restart(&self, i: usize) -> Result<()> {
        let node = self.node(i)?;
        node.restart()?;
        shorten_sync_source_retries(node);
        Ok(())
    }
}
