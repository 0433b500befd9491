//! Kills the primary, and restarts it.

use std::sync::Arc;
use std::time::Duration;

use testbed::ReplicaSet;
use tokio::task::JoinHandle;

use super::BoxError;
use super::bank::Ledger;

/// Divides the transfers into equal parts, and kills the primary with SIGKILL after each but the
/// last. The next part goes on meanwhile. It ends only after the set is whole again, so that a
/// majority always lives.
pub(crate) fn unleash(
    set: Arc<ReplicaSet>,
    kills: u32,
    ledger: Arc<Ledger>,
) -> JoinHandle<Result<(), BoxError>> {
    tokio::task::spawn_blocking(move || {
        let mark = |part: u32| {
            (u64::from(ledger.transfers) * u64::from(part) / u64::from(kills + 1)) as u32
        };
        ledger.admit(mark(1));
        let result = (1..=kills).try_for_each(|kill| {
            while ledger.done() < mark(kill) && !ledger.has_ended() {
                std::thread::sleep(Duration::from_millis(5));
            }
            ledger.admit(mark(kill + 1) - mark(kill));
            // After workers that have failed there is nothing to disturb.
            if ledger.has_ended() { Ok(()) } else { strike(&set, &ledger) }
        });
        if result.is_err() {
            ledger.end();
        }
        result
    })
}

fn strike(set: &ReplicaSet, ledger: &Ledger) -> Result<(), BoxError> {
    let victim = set.wait_for_primary()?;
    let host = set.host(victim)?;
    println!("after {} transfers: kill -9 of the primary, {host}", ledger.done());
    set.kill(victim)?;
    set.wait_for_primary()?;
    set.restart(victim)?;
    set.wait_for_secondaries()?;
    println!("{host} is back: the set is whole");
    Ok(())
}
