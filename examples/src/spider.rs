//! A web spider: follows every link of a site, with a fixed number of workers.
//!
//! A queue holds the addresses still to be fetched. A worker takes one, fetches it, and puts the
//! addresses that it finds before it marks its own as done. So the queue's count of unfinished
//! items reaches zero exactly when nothing is left to find, and `join` waits for the end of the
//! crawl.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::StatusCode;
use toro::Queue;

use crate::http::{self, FetchError, Page, Server};

/// The result of each address.
pub type Found = BTreeMap<String, Result<StatusCode, String>>;

/// Crawls all pages that can be reached from `start` without leaving its host.
pub async fn crawl(start: &str, workers: usize) -> Found {
    let queue = Arc::new(Queue::unbounded());
    let found = Arc::new(Mutex::new(Found::new()));
    let seen = Arc::new(Mutex::new(std::collections::BTreeSet::from([start.to_owned()])));
    let _ = queue.try_put(start.to_owned());
    let workers: Vec<_> = (0..workers)
        .map(|_| {
            let (queue, found, seen) = (queue.clone(), found.clone(), seen.clone());
            tokio::spawn(async move {
                while let Ok(url) = queue.get_task().await {
                    let page = http::get(&url).await;
                    for link in page.iter().flat_map(|page| links(&url, &page.text())) {
                        let new = seen
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .insert(link.clone());
                        if new {
                            let _ = queue.try_put(link);
                        }
                    }
                    let outcome =
                        page.map(|page| page.status).map_err(|e: FetchError| e.to_string());
                    found
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(url.clone(), outcome);
                }
            })
        })
        .collect();
    queue.join().await;
    queue.close();
    for worker in workers {
        let _ = worker.await;
    }
    let found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.clone()
}

/// The addresses on the same host to which `html` links.
fn links(url: &str, html: &str) -> Vec<String> {
    let host = url.match_indices('/').nth(2).map_or(url, |(end, _)| &url[..end]);
    html.split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(target, _)| target)
        .filter(|target| target.starts_with('/'))
        .map(|path| format!("{host}{path}"))
        .collect()
}

/// A site of six pages to crawl. It has a cycle, a page linked twice, a broken link, and an
/// external link.
///
/// # Errors
///
/// No socket can be opened.
pub async fn serve_site() -> std::io::Result<Server> {
    Server::start(|path| async move {
        let html = match path.as_str() {
            "/" => r#"<a href="/bulls">bulls</a> <a href="/cows">cows</a>"#,
            "/bulls" => r#"<a href="/">home</a> <a href="/toro">toro</a>"#,
            "/cows" => {
                r#"<a href="/toro">toro</a> <a href="/calves">calves</a>
<a href="http://elsewhere.example/">far</a>"#
            }
            "/toro" => r#"<a href="/bulls">bulls</a>"#,
            "/calves" => r#"<a href="/nowhere">nowhere</a> <a href="/milk">milk</a>"#,
            "/milk" => "nothing to follow here",
            _ => return Page::status(StatusCode::NOT_FOUND),
        };
        Page::ok(html)
    })
    .await
}
