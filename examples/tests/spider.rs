//! The web spider finds every page once, and ends.

use examples::spider::{crawl, serve_site};
use hyper::StatusCode;

#[tokio::test]
async fn exactly_the_linked_pages_are_found() {
    let site = serve_site().await.unwrap();
    for workers in [1, 4] {
        let found = crawl(&site.url("/"), workers).await;
        let statuses: Vec<_> = found.values().map(|outcome| outcome.clone().unwrap()).collect();
        let paths: Vec<_> =
            found.keys().map(|url| url.strip_prefix(&site.url("")).unwrap().to_owned()).collect();
        assert_eq!(paths, ["/", "/bulls", "/calves", "/cows", "/milk", "/nowhere", "/toro"]);
        assert_eq!(statuses.iter().filter(|status| **status == StatusCode::NOT_FOUND).count(), 1);
        assert_eq!(found[&site.url("/nowhere")], Ok(StatusCode::NOT_FOUND));
    }
}

#[tokio::test]
async fn unreachable_site_ends_the_crawl() {
    let site = serve_site().await.unwrap();
    let url = site.url("/");
    // A port on which nothing listens: its listener was bound and closed again.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let found = crawl(&gone, 2).await;
    assert!(found[&gone].is_err(), "{found:?}");
    assert_eq!(found.len(), 1);
    assert_eq!(crawl(&url, 2).await.len(), 7);
}
