//! Shuts down a server with three running requests. They are answered, a fourth is refused, and
//! then the server ends.

use std::sync::Arc;

use examples::graceful_shutdown::{Doors, serve};
use examples::http::get;
use futures_util::FutureExt;
use toro::{Barrier, Event};

const USAGE: &str = "\
usage: graceful_shutdown

Shuts down a server with three running requests.
The program takes no options.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    examples::arguments::takes_none(USAGE);
    let doors = Doors::open(100);
    let (all_in, finish) = (Arc::new(Barrier::new(4)), Arc::new(Event::new()));
    let server = serve(doors.clone(), {
        let (all_in, finish) = (all_in.clone(), finish.clone());
        move || {
            let (all_in, finish) = (all_in.clone(), finish.clone());
            async move {
                all_in.wait().await;
                finish.wait().await;
            }
        }
    })
    .await?;
    let url = server.url("/");
    let under_way: Vec<_> = (0..3)
        .map(|_| {
            tokio::spawn({
                let url = url.clone();
                async move { get(&url).await }
            })
        })
        .collect();
    all_in.wait().await;
    println!("{} requests are under way; shutting down", doors.inside());

    let mut closing = std::pin::pin!(doors.close());
    assert!((&mut closing).now_or_never().is_none());
    println!("a request that comes now: {}", get(&url).await?.status);
    finish.set();
    for request in under_way {
        println!("a request that was under way: {}", request.await??.text());
    }
    closing.await;
    println!("nobody is inside; the server ends");
    Ok(())
}
