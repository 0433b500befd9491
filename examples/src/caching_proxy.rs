//! A caching HTTP proxy: concurrent requests for a page share one fetch.
//!
//! The cache holds one [`AsyncResult`] for each URL. A request that finds none inserts one and
//! fetches. All others wait for it. A fetch that fails returns its error to all waiters and is
//! removed from the cache, so the next request tries again. If a fetch is abandoned because its
//! client disconnected, its drop notifies the waiters, and one of them fetches instead.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use toro::AsyncResult;

use crate::http::{self, FetchError, Page, Server};

/// The result of a fetch.
#[derive(Debug)]
enum Fetched {
    Page(Page),
    Failed(FetchError),
    Abandoned,
}

type Entry = Arc<AsyncResult<Fetched>>;

/// The fetched pages, and the pages being fetched.
#[derive(Debug, Default)]
pub struct Cache {
    entries: Mutex<HashMap<String, Entry>>,
}

impl Cache {
    /// Creates an empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of pages that are cached or being fetched.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the page at `url`: from the cache, from a running fetch, or from `fetch`.
    ///
    /// # Errors
    ///
    /// Those of the fetch, for all its waiters.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future that fetches passes the fetch to one of the waiters.
    pub async fn get<F>(&self, url: &str, fetch: impl Fn() -> F) -> Result<Page, FetchError>
    where
        F: Future<Output = Result<Page, FetchError>>,
    {
        loop {
            let (entry, mine) = match self.entries().entry(url.to_owned()) {
                std::collections::hash_map::Entry::Occupied(entry) => (entry.get().clone(), false),
                std::collections::hash_map::Entry::Vacant(place) => {
                    (place.insert(Arc::new(AsyncResult::new())).clone(), true)
                }
            };
            if mine {
                let fetching = Fetching { cache: self, url, entry: &entry };
                fetching.end(fetch().await);
            }
            match entry.get().await {
                Fetched::Page(page) => return Ok(page.clone()),
                Fetched::Failed(error) => return Err(error.clone()),
                Fetched::Abandoned => {}
            }
        }
    }
}

/// A running fetch. Its waiters learn how it ends.
struct Fetching<'a> {
    cache: &'a Cache,
    url: &'a str,
    entry: &'a Entry,
}

impl Fetching<'_> {
    fn end(self, result: Result<Page, FetchError>) {
        let fetched = match result {
            Ok(page) => Fetched::Page(page),
            Err(error) => {
                self.cache.entries().remove(self.url);
                Fetched::Failed(error)
            }
        };
        // Set here, or else on drop.
        let _ = self.entry.set(fetched);
    }
}

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        if !self.entry.is_set() {
            self.cache.entries().remove(self.url);
            let _ = self.entry.set(Fetched::Abandoned);
        }
    }
}

/// A proxy that answers from `cache`.
///
/// # Errors
///
/// No socket can be opened.
pub async fn serve(cache: Arc<Cache>) -> std::io::Result<Server> {
    Server::start(move |url| {
        let cache = cache.clone();
        async move {
            match cache.get(&url, || http::get(&url)).await {
                Ok(page) => page,
                Err(error) => {
                    Page { status: StatusCode::BAD_GATEWAY, body: error.to_string().into() }
                }
            }
        }
    })
    .await
}
