//! The configuration of a replica set member.

use bson::{Document, doc};

/// A member of a replica set to start.
#[derive(Clone, Debug)]
#[must_use = "a member is given to `ReplicaSetBuilder::member`"]
pub struct Member {
    arbiter: bool,
    hidden: bool,
    priority: f64,
    votes: u8,
    secondary_delay_secs: u32,
    tags: Document,
    pub(crate) args: Vec<String>,
}

impl Default for Member {
    fn default() -> Member {
        Member::new()
    }
}

impl Member {
    /// A data-bearing member with one vote that can become primary.
    pub fn new() -> Member {
        Member {
            arbiter: false,
            hidden: false,
            priority: 1.0,
            votes: 1,
            secondary_delay_secs: 0,
            tags: Document::new(),
            args: Vec::new(),
        }
    }

    /// An arbiter: a member with a vote and without data.
    pub fn arbiter() -> Member {
        Member { arbiter: true, priority: 0.0, ..Member::new() }
    }

    /// Sets the priority as primary, from 0 (never) to 1000.
    pub fn priority(mut self, priority: f64) -> Member {
        self.priority = priority;
        self
    }

    /// Hides the member from clients. A hidden member cannot become primary.
    pub fn hidden(mut self) -> Member {
        self.hidden = true;
        self.priority = 0.0;
        self
    }

    /// Sets the number of votes: 1, or 0 for a member that cannot become primary.
    pub fn votes(mut self, votes: u8) -> Member {
        self.votes = votes;
        if votes == 0 {
            self.priority = 0.0;
        }
        self
    }

    /// Adds a tag for read preferences and write concerns.
    pub fn tag(mut self, name: &str, value: &str) -> Member {
        self.tags.insert(name, value);
        self
    }

    /// Delays the replication by this many seconds. A delayed member cannot become primary.
    pub fn secondary_delay_secs(mut self, seconds: u32) -> Member {
        self.secondary_delay_secs = seconds;
        self.priority = 0.0;
        self
    }

    /// Adds a command-line argument for this member only.
    pub fn arg(mut self, arg: impl Into<String>) -> Member {
        self.args.push(arg.into());
        self
    }

    pub(crate) fn can_be_primary(&self) -> bool {
        !self.arbiter && self.priority > 0.0
    }

    /// Members with a higher rank are preferred as primary.
    pub(crate) fn rank(&self) -> f64 {
        self.priority
    }

    /// The member's entry in the configuration. `delay_field` is the delay's name in this server
    /// version.
    pub(crate) fn config(&self, id: usize, host: &str, delay_field: &str) -> Document {
        let mut config = doc! {
            "_id": id as i64,
            "host": host,
            "arbiterOnly": self.arbiter,
            "hidden": self.hidden,
            "priority": self.priority,
            "votes": i32::from(self.votes),
        };
        if !self.tags.is_empty() {
            config.insert("tags", self.tags.clone());
        }
        if self.secondary_delay_secs > 0 {
            config.insert(delay_field, i64::from(self.secondary_delay_secs));
        }
        config
    }
}
