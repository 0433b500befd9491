//! What a client tells of itself while it works, to whoever asked in its
//! [options](crate::options::ClientOptions).
//!
//! A listener is a function, any type that implements [`HandleEvent`], or a queue from which
//! another task or thread takes the events. Nothing is built for a listener that is not there. A
//! function is called on the thread on which the thing happened, and holds it up for as long as it
//! runs: it should note and return. If it panics, its event is lost and nothing else: the panic
//! hook has reported it, and the client goes on.

pub mod cmap;
pub mod command;
#[cfg(feature = "tracing")]
pub mod log;
pub mod sdam;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use toro::Queue;

/// Takes events of one kind. Implemented by every function of one event.
pub trait HandleEvent<T>: Send + Sync {
    /// Takes one event. Runs where the event happened, so it should be short, and must not wait for
    /// the client that tells it.
    fn handle(&self, event: T);
}

impl<T, F: Fn(T) + Send + Sync> HandleEvent<T> for F {
    fn handle(&self, event: T) {
        self(event);
    }
}

/// Where events of one kind go.
#[non_exhaustive]
pub enum EventHandler<T> {
    /// To a handler, on the thread on which the thing happened.
    Callback(Arc<dyn HandleEvent<T>>),
    /// To a queue. What comes after the queue was closed is dropped.
    Queue(Arc<Queue<T>>),
}

impl<T> EventHandler<T> {
    /// To `handler`: a function, or a type of yours that implements [`HandleEvent`].
    ///
    /// ```
    /// use driver::event::{EventHandler, cmap::CmapEvent};
    /// use driver::options::ClientOptions;
    ///
    /// let handler = EventHandler::callback(|event: CmapEvent| println!("{event:?}"));
    /// let options = ClientOptions::builder().cmap_event_handler(handler).build();
    /// # assert!(options.cmap_event_handler.is_some());
    /// ```
    pub fn callback(handler: impl HandleEvent<T> + 'static) -> Self {
        EventHandler::Callback(Arc::new(handler))
    }

    /// To an unbounded queue, from which any number of tasks and threads may take; close it when
    /// nobody takes any more, for it grows as long as events come.
    ///
    /// ```
    /// use driver::event::{EventHandler, sdam::SdamEvent};
    /// use driver::options::ClientOptions;
    ///
    /// let (handler, events) = EventHandler::<SdamEvent>::queue();
    /// let options = ClientOptions::builder().sdam_event_handler(handler).build();
    /// # drop(options);
    /// // events.get().await in a task, events.get().wait() on a thread
    /// assert!(events.try_get().is_err());
    /// ```
    pub fn queue() -> (Self, Arc<Queue<T>>) {
        let queue = Arc::new(Queue::unbounded());
        (EventHandler::Queue(Arc::clone(&queue)), queue)
    }

    pub(crate) fn handle(&self, event: T) {
        match self {
            // A panic that went on from here could end a monitor, or keep a connection from going
            // back to its pool.
            EventHandler::Callback(handler) => {
                drop(catch_unwind(AssertUnwindSafe(|| handler.handle(event))))
            }
            // A queue without bounds refuses only once it is closed.
            EventHandler::Queue(queue) => drop(queue.try_put(event)),
        }
    }
}

impl<T> Clone for EventHandler<T> {
    fn clone(&self) -> Self {
        match self {
            EventHandler::Callback(handler) => EventHandler::Callback(Arc::clone(handler)),
            EventHandler::Queue(queue) => EventHandler::Queue(Arc::clone(queue)),
        }
    }
}

impl<T> fmt::Debug for EventHandler<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventHandler")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_panics_loses_only_its_event() {
        let (handler, told) = EventHandler::<u32>::queue();
        let panicking = EventHandler::callback(move |event| match event {
            0 => std::panic::resume_unwind(Box::new("on purpose")),
            event => handler.handle(event),
        });
        (0..3).for_each(|event| panicking.handle(event));
        told.close();
        assert_eq!(told.iter().collect::<Vec<_>>(), [1, 2]);
    }
}
