//! The connections of requests whose server was removed.

use super::*;

fn two(runtime: impl Fn() -> Runtime) -> [Bench; 2] {
    [(); 2].map(|()| bench(runtime(), shared_standalone().unwrap(), |_| {}))
}

fn is_closed(event: &CmapEvent) -> bool {
    matches!(event, CmapEvent::ConnectionClosed(_))
}

#[tokio::test]
async fn request_gives_up_the_connection_to_a_removed_server() {
    let [removed, other] = two(|| Runtime::current().unwrap());
    let pins = RequestPins::default();
    drop(pins.check_out(&removed.pool, Deadline::NEVER).await.unwrap());
    removed.pool.close();
    assert_eq!((removed.pool.counts().total, removed.count(is_closed)), (1, 0));
    drop(pins.check_out(&other.pool, Deadline::NEVER).await.unwrap());
    assert_eq!((removed.pool.counts().total, removed.count(is_closed)), (0, 1));
    assert_eq!(other.pool.counts().total, 1);
}

#[test]
fn thread_gives_up_its_connection_to_a_removed_server() {
    let [removed, other] = two(|| Runtime::blocking().unwrap());
    let pins = ThreadPins::new(false);
    pins.start().unwrap();
    drop(block_on(pins.check_out(&removed.pool, Deadline::NEVER)).unwrap());
    removed.pool.close();
    assert_eq!((removed.pool.counts().total, removed.count(is_closed)), (1, 0));
    drop(block_on(pins.check_out(&other.pool, Deadline::NEVER)).unwrap());
    assert_eq!((removed.pool.counts().total, removed.count(is_closed)), (0, 1));
    pins.end_last();
    assert_eq!(other.pool.counts().idle, 1);
}
