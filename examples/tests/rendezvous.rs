//! The rendezvous: nobody passes before all have arrived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use examples::rendezvous::Rendezvous;

#[tokio::test]
async fn no_party_passes_before_all_have_arrived() {
    let rendezvous = Arc::new(Rendezvous::new(6));
    let gone_on = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (rendezvous, gone_on) = (rendezvous.clone(), gone_on.clone());
            std::thread::spawn(move || {
                rendezvous.meet_blocking();
                gone_on.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (rendezvous, gone_on) = (rendezvous.clone(), gone_on.clone());
            tokio::spawn(async move {
                rendezvous.meet().await;
                gone_on.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    rendezvous.all_there().await;
    tokio::task::yield_now().await;
    assert_eq!(gone_on.load(Ordering::Relaxed), 0, "somebody went on before the word was given");
    rendezvous.go();
    for task in tasks {
        task.await.unwrap();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(gone_on.load(Ordering::Relaxed), 6);
}
