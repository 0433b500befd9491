//! Ten clients ask a caching proxy for one page at the same time, and the server behind it is asked
//! once. Then the server fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use examples::caching_proxy::{Cache, serve};
use examples::http::{FetchError, Page, Server, get_through};

const USAGE: &str = "\
usage: caching_proxy

Ten clients ask a caching proxy for one page at the same time.
The program takes no options.";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    examples::arguments::takes_none(USAGE);
    let asked = Arc::new(AtomicU32::new(0));
    let origin = Server::start({
        let asked = asked.clone();
        move |path| {
            let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Page::ok(format!("{path}, written for request {number}")) }
        }
    })
    .await?;
    let cache = Arc::new(Cache::new());
    let proxy = serve(cache.clone()).await?;

    let page = origin.url("/toro");
    for page in all_at_once(&proxy, &page).await? {
        println!("{} {}", page.status, page.text());
    }
    println!(
        "ten clients were served, the origin was asked {} time(s)",
        asked.load(Ordering::Relaxed)
    );

    let gone = origin.url("/gone");
    drop(origin);
    for page in all_at_once(&proxy, &gone).await?.into_iter().take(1) {
        println!("the origin is gone: {} {}", page.status, page.text());
    }
    println!("nobody waits, and the cache still holds {} page", cache.len());
    Ok(())
}

async fn all_at_once(proxy: &Server, url: &str) -> Result<Vec<Page>, FetchError> {
    futures_util::future::try_join_all((0..10).map(|_| get_through(proxy.address(), url))).await
}
