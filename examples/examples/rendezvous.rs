//! Two threads and two tasks meet. None passes before all have arrived.

use std::sync::Arc;

use examples::rendezvous::Rendezvous;

const USAGE: &str = "\
usage: rendezvous

Two threads and two tasks meet. None passes before all have arrived.
The program takes no options.";

#[tokio::main]
async fn main() {
    examples::arguments::takes_none(USAGE);
    let rendezvous = Arc::new(Rendezvous::new(4));
    let threads: Vec<_> = (0..2)
        .map(|n| {
            let rendezvous = rendezvous.clone();
            std::thread::spawn(move || {
                println!("thread {n} arrives");
                rendezvous.meet_blocking();
                println!("thread {n} goes on");
            })
        })
        .collect();
    let tasks: Vec<_> = (0..2)
        .map(|n| {
            let rendezvous = rendezvous.clone();
            tokio::spawn(async move {
                println!("task {n} arrives");
                rendezvous.meet().await;
                println!("task {n} goes on");
            })
        })
        .collect();
    rendezvous.all_there().await;
    println!("all are there");
    rendezvous.go();
    for task in tasks {
        let _ = task.await;
    }
    for thread in threads {
        let _ = thread.join();
    }
}
