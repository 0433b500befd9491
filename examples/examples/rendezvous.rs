//! Two threads and two tasks meet; none goes on before all are there.

use std::sync::Arc;

use examples::rendezvous::Rendezvous;

#[tokio::main]
async fn main() {
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
