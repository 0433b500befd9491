//! The workers as threads, on the blocking API.

use std::thread;

use driver::bson::Document;
use driver::sync::{Client, ClientSession, Collection};
use examples::failover::BoxError;

use super::bank::{Ledger, Transfer, TransferError, add_up};

/// Opens the accounts, makes all transfers, and adds up the accounts by a snapshot read.
pub(crate) fn run(client: &Client, ledger: &Ledger) -> Result<i64, BoxError> {
    let accounts = client.database("bank").collection::<Document>(&ledger.collection);
    accounts.insert_many(ledger.accounts()).run()?;
    // A failing worker lets the others finish.
    let worker = || work(client, &accounts, ledger).inspect_err(|_| ledger.work.end());
    thread::scope(|scope| -> Result<(), BoxError> {
        let threads: Vec<_> = (0..ledger.workers).map(|_| scope.spawn(worker)).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| "a worker panicked")??;
            Ok(())
        })
    })?;
    let mut session = client.start_session().snapshot(true).run()?;
    let mut sums = accounts.aggregate([add_up()]).session(&mut session).run()?;
    let sum = sums.next(&mut session).ok_or("there are no accounts")??;
    accounts.drop().run()?;
    Ok(sum.get_i64("sum")?)
}

fn work(client: &Client, accounts: &Collection<Document>, ledger: &Ledger) -> driver::Result<()> {
    let mut session = client.start_session().run()?;
    while let Some(transfer) = ledger.next_blocking() {
        ledger.count(make(&mut session, accounts, transfer))?;
    }
    Ok(())
}

/// Makes one transfer. The driver calls the closure again if the transaction fails in a way that
/// another attempt may not meet, such as the loss of the primary.
fn make(
    session: &mut ClientSession,
    accounts: &Collection<Document>,
    transfer: Transfer,
) -> Result<(), TransferError> {
    session.start_transaction().and_run2(|session| {
        let taken = accounts.update_one(transfer.giver(), transfer.take());
        if taken.session(&mut *session).run()?.modified_count == 0 {
            return Err(TransferError::Poor);
        }
        accounts.update_one(transfer.receiver(), transfer.give()).session(&mut *session).run()?;
        Ok(())
    })
}
