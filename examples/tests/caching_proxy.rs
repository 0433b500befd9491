//! The caching proxy: one fetch serves all. A fetch that fails or is abandoned leaves nobody
//! waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use examples::caching_proxy::{Cache, serve};
use examples::http::{FetchError, Page, Server, get_through};
use futures_util::FutureExt;
use futures_util::future::join_all;
use hyper::StatusCode;
use toro::{Event, Semaphore};

/// A fetch that ends when the test says so.
struct Origin {
    asked: AtomicU32,
    answer: Semaphore,
}

impl Origin {
    fn new() -> Self {
        Origin { asked: AtomicU32::new(0), answer: Semaphore::new(0) }
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }

    async fn fetch(&self, outcome: Result<&'static str, &'static str>) -> Result<Page, FetchError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.acquire().await.map_err(FetchError::new)?.forget();
        outcome.map(Page::ok).map_err(FetchError::new)
    }
}

#[tokio::test]
async fn ten_concurrent_requests_share_one_fetch() {
    let (cache, origin) = (Cache::new(), Origin::new());
    let mut all = Box::pin(join_all((0..10).map(|_| cache.get("a", || origin.fetch(Ok("page"))))));
    assert!((&mut all).now_or_never().is_none());
    origin.answer.add(1).unwrap();
    let pages = all.await;
    assert!(pages.iter().all(|page| page.as_ref().unwrap().text() == "page"));
    assert_eq!(origin.asked(), 1);
    assert_eq!(cache.get("a", || origin.fetch(Ok("another"))).await.unwrap().text(), "page");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn failed_fetch_reaches_all_waiters_and_is_not_cached() {
    let (cache, origin) = (Cache::new(), Origin::new());
    let mut all =
        Box::pin(join_all((0..10).map(|_| cache.get("a", || origin.fetch(Err("out of order"))))));
    assert!((&mut all).now_or_never().is_none());
    origin.answer.add(1).unwrap();
    for page in all.await {
        assert_eq!(page.unwrap_err().to_string(), "out of order");
    }
    assert_eq!((origin.asked(), cache.len()), (1, 0));
    origin.answer.add(1).unwrap();
    assert_eq!(cache.get("a", || origin.fetch(Ok("repaired"))).await.unwrap().text(), "repaired");
}

#[tokio::test]
async fn abandoned_fetch_is_taken_over_by_a_waiter() {
    let (cache, origin) = (Cache::new(), Origin::new());
    let mut first = Box::pin(cache.get("a", || origin.fetch(Ok("first"))));
    assert!((&mut first).now_or_never().is_none());
    let mut second = Box::pin(cache.get("a", || origin.fetch(Ok("second"))));
    let mut third = Box::pin(cache.get("a", || origin.fetch(Ok("third"))));
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut third).now_or_never().is_none());
    assert_eq!(origin.asked(), 1);
    drop(first);
    assert!((&mut second).now_or_never().is_none());
    assert_eq!(origin.asked(), 2);
    origin.answer.add(1).unwrap();
    assert_eq!(second.await.unwrap().text(), "second");
    assert_eq!(third.await.unwrap().text(), "second");
}

#[tokio::test]
async fn origin_is_asked_once_and_its_loss_is_an_answer() {
    let (asked, go) = (Arc::new(AtomicU32::new(0)), Arc::new(Event::new()));
    let origin = Server::start({
        let (asked, go) = (asked.clone(), go.clone());
        move |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            let go = go.clone();
            async move {
                go.wait().await;
                Page::ok("page")
            }
        }
    })
    .await
    .unwrap();
    let proxy = serve(Arc::new(Cache::new())).await.unwrap();
    let page = origin.url("/page");
    go.set();
    for page in join_all((0..10).map(|_| get_through(proxy.address(), &page))).await {
        assert_eq!(page.unwrap().text(), "page");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    for page in join_all((0..10).map(|_| get_through(proxy.address(), &nowhere))).await {
        assert_eq!(page.unwrap().status, StatusCode::BAD_GATEWAY);
    }
}
