//! A caching HTTP proxy: however many ask for one page at once, it is fetched once.
//!
//! The cache holds one [`AsyncResult`] for each URL. Who finds none puts one there and fetches;
//! everybody else waits for it. A fetch that fails gives its error to all who wait, and leaves the
//! cache as if it had never been, so that the next request tries anew. A fetch that is abandoned,
//! because its own client hung up, leaves nobody waiting either: dropping it says so, and one of
//! those who waited fetches in its place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::StatusCode;
use toro::AsyncResult;

use crate::http::{self, FetchError, Page, Server};

/// What became of a fetch.
#[derive(Debug)]
enum Fetched {
    Page(Page),
    Failed(FetchError),
    Abandoned,
}

type Entry = Arc<AsyncResult<Fetched>>;

/// Pages that were fetched, and pages that are being fetched.
#[derive(Debug, Default)]
pub struct Cache {
    entries: Mutex<HashMap<String, Entry>>,
}

impl Cache {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many pages are there or on their way.
    pub fn len(&self) -> usize {
        self.entries().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The page at `url`: from the cache, from a fetch that is under way, or by `fetch`.
    ///
    /// # Errors
    /// Those of the fetch, for all who waited for it.
    ///
    /// # Cancel safety
    /// Dropping the future that fetches hands the fetch over to one of those who wait.
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

/// A fetch under way. However it ends, those who wait learn of it.
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
        // It is set here and, if not here, on drop.
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
/// When no socket can be opened.
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
