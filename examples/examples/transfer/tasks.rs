//! The workers as tasks, on the async API.

use std::sync::Arc;

use driver::bson::Document;
use driver::{Client, ClientSession, Collection};
use examples::failover::BoxError;

use super::bank::{Ledger, Transfer, TransferError, add_up};

/// Opens the accounts, makes all transfers, and adds up the accounts by a snapshot read.
pub(crate) async fn run(client: Client, ledger: &Arc<Ledger>) -> Result<i64, BoxError> {
    let accounts = client.database("bank").collection::<Document>(&ledger.collection);
    accounts.insert_many(ledger.accounts()).await?;
    let worker = |_| {
        let (client, accounts, ledger) = (client.clone(), accounts.clone(), ledger.clone());
        tokio::spawn(async move {
            let worked = work(&client, &accounts, &ledger).await;
            // A failing worker lets the others finish.
            worked.inspect_err(|_| ledger.work.end())
        })
    };
    for worker in (0..ledger.workers).map(worker).collect::<Vec<_>>() {
        worker.await??;
    }
    let mut session = client.start_session().snapshot(true).await?;
    let mut sums = accounts.aggregate([add_up()]).session(&mut session).await?;
    let sum = sums.next(&mut session).await.ok_or("there are no accounts")??;
    accounts.drop().await?;
    Ok(sum.get_i64("sum")?)
}

async fn work(
    client: &Client,
    accounts: &Collection<Document>,
    ledger: &Ledger,
) -> driver::Result<()> {
    let mut session = client.start_session().await?;
    while let Some(transfer) = ledger.next().await {
        ledger.count(make(&mut session, accounts, transfer).await)?;
    }
    Ok(())
}

/// Makes one transfer. The driver calls the closure again if the transaction fails in a way that
/// another attempt may not meet, such as the loss of the primary.
async fn make(
    session: &mut ClientSession,
    accounts: &Collection<Document>,
    transfer: Transfer,
) -> Result<(), TransferError> {
    let transaction = async |session: &mut ClientSession| {
        let taken = accounts.update_one(transfer.giver(), transfer.take());
        if taken.session(&mut *session).await?.modified_count == 0 {
            return Err(TransferError::Poor);
        }
        let given = accounts.update_one(transfer.receiver(), transfer.give());
        given.session(&mut *session).await?;
        Ok(())
    };
    session.start_transaction().and_run2(transaction).await
}
