//! Graceful shutdown: running requests are finished, later ones are refused.

use std::sync::Arc;

use examples::graceful_shutdown::{Doors, serve};
use examples::http::get;
use futures_util::FutureExt;
use hyper::StatusCode;
use toro::{Barrier, Event};

#[tokio::test]
async fn running_requests_are_answered_and_later_ones_refused() {
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
    .await
    .unwrap();
    let under_way: Vec<_> = (0..3)
        .map(|_| {
            let url = server.url("/");
            tokio::spawn(async move { get(&url).await })
        })
        .collect();
    all_in.wait().await;

    let mut closing = Box::pin(doors.close());
    assert!((&mut closing).now_or_never().is_none(), "three requests are under way");
    assert_eq!(get(&server.url("/")).await.unwrap().status, StatusCode::SERVICE_UNAVAILABLE);
    finish.set();
    for request in under_way {
        assert_eq!(request.await.unwrap().unwrap().text(), "done");
    }
    closing.await;
    assert!(doors.enter().is_none());
}

#[test]
fn cancelled_shutdown_admits_requests_again() {
    let doors = Doors::open(2);
    let guest = doors.enter().unwrap();
    let mut closing = Box::pin(doors.close());
    assert!((&mut closing).now_or_never().is_none());
    assert!(doors.enter().is_none(), "a newcomer overtook the shutdown");
    drop(closing);
    assert!(doors.enter().is_some());
    drop(guest);
    assert_eq!(doors.inside(), 0);
}
