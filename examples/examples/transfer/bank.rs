//! The accounts, the transfers between them, and the shared state of the workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::bson::{Document, doc, oid::ObjectId};
use examples::failover::Work;

use super::Summary;
use super::arguments::Arguments;

/// The money of each account at the beginning.
const MONEY: i64 = 100;
/// The maximum amount of one transfer.
const MOST: i64 = 40;

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    from: u32,
    to: u32,
    money: i64,
}

impl Transfer {
    /// Finds the source account, if it has enough money.
    pub(crate) fn giver(&self) -> Document {
        doc! { "_id": self.from, "money": { "$gte": self.money } }
    }

    pub(crate) fn take(&self) -> Document {
        doc! { "$inc": { "money": -self.money } }
    }

    pub(crate) fn receiver(&self) -> Document {
        doc! { "_id": self.to }
    }

    pub(crate) fn give(&self) -> Document {
        doc! { "$inc": { "money": self.money } }
    }
}

/// The end of a transfer that was not committed.
#[derive(Debug)]
pub(crate) enum TransferError {
    /// The account has too little money.
    Poor,
    Driver(driver::Error),
}

impl From<driver::Error> for TransferError {
    fn from(error: driver::Error) -> Self {
        TransferError::Driver(error)
    }
}

/// The progress of the workers, and the work that remains.
pub(crate) struct Ledger {
    /// Each run has its own collection.
    pub(crate) collection: String,
    pub(crate) workers: u32,
    accounts: u32,
    pub(crate) work: Arc<Work>,
    committed: AtomicU32,
    aborted: AtomicU32,
}

impl Ledger {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        Ledger {
            collection: format!("accounts_{}", ObjectId::new()),
            workers: arguments.workers,
            accounts: arguments.accounts,
            work: Arc::new(Work::new(arguments.transfers, arguments.kills)),
            committed: AtomicU32::new(0),
            aborted: AtomicU32::new(0),
        }
    }

    /// The accounts at the beginning.
    pub(crate) fn accounts(&self) -> impl Iterator<Item = Document> {
        (0..self.accounts).map(|id| doc! { "_id": id, "money": MONEY })
    }

    /// The next transfer. `None` if all have been started.
    pub(crate) async fn next(&self) -> Option<Transfer> {
        self.work.next().await.map(|_| self.draw())
    }

    /// Like [`next`](Self::next), on a thread.
    pub(crate) fn next_blocking(&self) -> Option<Transfer> {
        self.work.next_blocking().map(|_| self.draw())
    }

    fn draw(&self) -> Transfer {
        let from = fastrand::u32(..self.accounts);
        let to = (from + fastrand::u32(1..self.accounts)) % self.accounts;
        Transfer { from, to, money: fastrand::i64(1..=MOST) }
    }

    /// Counts the end of a transfer.
    ///
    /// # Errors
    ///
    /// The error of the driver.
    pub(crate) fn count(&self, ended: Result<(), TransferError>) -> driver::Result<()> {
        match ended {
            Ok(()) => self.committed.fetch_add(1, Ordering::Relaxed),
            Err(TransferError::Poor) => self.aborted.fetch_add(1, Ordering::Relaxed),
            Err(TransferError::Driver(error)) => return Err(error),
        };
        self.work.count();
        Ok(())
    }

    /// The summary of a run after which the accounts have `sum`.
    pub(crate) fn summary(&self, sum: i64) -> Summary {
        Summary {
            transfers: self.committed.load(Ordering::Relaxed),
            aborted: self.aborted.load(Ordering::Relaxed),
            sum,
            expected: i64::from(self.accounts) * MONEY,
        }
    }
}

/// The stage that adds up all accounts.
pub(crate) fn add_up() -> Document {
    doc! { "$group": { "_id": null, "sum": { "$sum": "$money" } } }
}
