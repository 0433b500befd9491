//! Clients whose pool has no connection left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::bson::{Document, doc};
use driver::cursor::Cursor;
use driver::event::EventHandler;
use driver::event::cmap::CmapEvent;
use driver::options::{ClientOptions, CursorType};

use crate::api::Api;
use crate::observed::Observed;

/// A cursor that keeps its connection until it is dropped: the server sends batch after batch.
pub(crate) fn hold_connection<F: Api>(observed: &Observed<F>) -> Cursor<Document, F> {
    let numbers = observed.database().collection::<Document>("held");
    F::end(numbers.insert_many((0..100).map(|i| doc! { "_id": i }))).unwrap();
    let find = numbers.find(doc! {}).batch_size(2).cursor_type(CursorType::Exhaust);
    let mut cursor = F::end(find).unwrap();
    for _ in 0..3 {
        F::next(&mut cursor).unwrap().unwrap();
    }
    cursor
}

/// Counts the failed checkouts of connections.
pub(crate) fn failed_checkouts(options: &mut ClientOptions) -> Arc<AtomicU32> {
    let failed: Arc<AtomicU32> = Arc::default();
    let counted = Arc::clone(&failed);
    options.cmap_event_handler = Some(EventHandler::callback(move |event| {
        if let CmapEvent::ConnectionCheckoutFailed(_) = event {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    }));
    failed
}
