//! Events of a client, for the handlers in its [options](crate::options::ClientOptions).
//!
//! A handler is a function, a type that implements [`HandleEvent`], a queue or a channel. Without a
//! handler no event is created. A function is called on the thread that caused the event (for the
//! events of [`sdam`] possibly on another) and delays it, so it should return quickly. A panic in
//! it loses only that event: the panic hook reports it, and the client continues.

pub mod cmap;
pub mod command;
mod handlers;
#[cfg(feature = "tracing")]
pub mod log;
#[cfg(feature = "tracing")]
pub(crate) mod operation_id;
#[cfg(not(feature = "tracing"))]
#[path = "event/operation_id/off.rs"]
pub(crate) mod operation_id;
pub mod sdam;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use toro::Queue;

use crate::rt::Runtime;

/// Handles events of one kind. Functions with one event parameter implement it.
pub trait HandleEvent<T>: Send + Sync {
    /// Handles one event, on the thread that caused it. Must return quickly and must not wait for
    /// the client.
    ///
    /// # Examples
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use driver::event::HandleEvent;
    /// use driver::event::command::CommandEvent;
    ///
    /// struct Failures(AtomicU64);
    ///
    /// impl HandleEvent<CommandEvent> for Failures {
    ///     fn handle(&self, event: CommandEvent) {
    ///         if let CommandEvent::Failed(_) = event {
    ///             self.0.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     }
    /// }
    /// ```
    fn handle(&self, event: T);
}

impl<T, F: Fn(T) + Send + Sync> HandleEvent<T> for F {
    fn handle(&self, event: T) {
        self(event);
    }
}

/// The destination of events of one kind.
#[non_exhaustive]
pub enum EventHandler<T> {
    /// A handler, called on the thread that caused the event.
    Callback(Arc<dyn HandleEvent<T>>),
    /// A queue. After it is closed, events are dropped.
    Queue(Arc<Queue<T>>),
    /// A function whose future handles one event.
    AsyncCallback(AsyncCallback<T>),
    /// A tokio channel. After its receiver is dropped, events are dropped. While it is full, events
    /// wait in tasks and may be reordered.
    TokioMpsc(mpsc::Sender<T>),
}

/// See [`EventHandler::AsyncCallback`].
pub type AsyncCallback<T> =
    Arc<dyn Fn(T) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

impl<T> EventHandler<T> {
    /// Sends events to `handler`: a function, or a type that implements [`HandleEvent`].
    ///
    /// # Examples
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

    /// Sends events to an unbounded queue, from which any number of tasks and threads can take. The
    /// queue grows until its events are taken, so close it when you stop.
    ///
    /// # Examples
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

    /// Handles each event with the future that `handler` returns. Each future runs in its own task,
    /// on the tokio runtime of the thread that caused the event, or else on the driver's background
    /// thread. The futures run concurrently, so events may be handled out of order.
    ///
    /// # Examples
    /// ```
    /// use driver::event::{EventHandler, command::CommandEvent};
    ///
    /// let handler = EventHandler::async_callback(|event: CommandEvent| {
    ///     Box::pin(async move { println!("{event:?}") })
    /// });
    /// # drop(handler);
    /// ```
    pub fn async_callback(
        handler: impl Fn(T) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
    ) -> Self {
        EventHandler::AsyncCallback(Arc::new(handler))
    }
}

impl<T: Send + 'static> EventHandler<T> {
    /// Passes the event on. A panic must not end a monitor, keep a connection from returning to its
    /// pool, or stop the delivery of later events.
    pub(crate) fn handle(&self, event: T) {
        contain(|| match self {
            EventHandler::AsyncCallback(handler) => spawn(handler(event)),
            EventHandler::TokioMpsc(sender) => {
                if let Err(TrySendError::Full(event)) = sender.try_send(event) {
                    let sender = sender.clone();
                    spawn(async move { drop(sender.send(event).await) });
                }
            }
            EventHandler::Callback(handler) => handler.handle(event),
            // An unbounded queue refuses an event only after it was closed.
            EventHandler::Queue(queue) => drop(queue.try_put(event)),
        });
    }
}

/// Runs code of the user, such as a handler or a waker, and swallows its panic.
pub(crate) fn contain(code: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(code)) {
        // The payload may panic when it is dropped, and so may that of the second panic. A third
        // one is leaked.
        let drop_it =
            |payload: Box<dyn Any + Send>| catch_unwind(AssertUnwindSafe(|| drop(payload))).err();
        std::mem::forget(drop_it(panic).and_then(drop_it));
    }
}

impl<T> Clone for EventHandler<T> {
    fn clone(&self) -> Self {
        match self {
            EventHandler::Callback(handler) => EventHandler::Callback(Arc::clone(handler)),
            EventHandler::Queue(queue) => EventHandler::Queue(Arc::clone(queue)),
            EventHandler::AsyncCallback(handler) => {
                EventHandler::AsyncCallback(Arc::clone(handler))
            }
            EventHandler::TokioMpsc(sender) => EventHandler::TokioMpsc(sender.clone()),
        }
    }
}

impl<T> From<mpsc::Sender<T>> for EventHandler<T> {
    fn from(sender: mpsc::Sender<T>) -> Self {
        EventHandler::TokioMpsc(sender)
    }
}

/// Runs `work` on the runtime of this thread, or else on the driver's background thread. Drops it
/// if that thread cannot be started.
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        drop(runtime.spawn(work));
    } else if let Ok(background) = Runtime::blocking() {
        background.spawn(work);
    }
}

/// Serializes an error as its message.
fn as_text<S: Serializer>(error: &crate::error::Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// Serializes a shared value like the value itself.
fn behind<T: Serialize, S: Serializer>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    shared.serialize(serializer)
}

/// Comparing options ignores handlers, so any two are equal.
impl<T> PartialEq for EventHandler<T> {
    fn eq(&self, _: &Self) -> bool {
        true
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
    fn panicking_handler_loses_only_its_event() {
        let (handler, queue) = EventHandler::<u32>::queue();
        let panicking = EventHandler::callback(move |event| match event {
            0 => std::panic::resume_unwind(Box::new("on purpose")),
            event => handler.handle(event),
        });
        (0..3).for_each(|event| panicking.handle(event));
        queue.close();
        assert_eq!(queue.iter().collect::<Vec<_>>(), [1, 2]);
    }

    /// Its payload is dropped by the driver, and panics then.
    struct Explosive;

    impl Drop for Explosive {
        fn drop(&mut self) {
            std::panic::resume_unwind(Box::new("on purpose"));
        }
    }

    #[test]
    fn payload_that_panics_does_not_reach_the_driver() {
        let panicking =
            EventHandler::callback(|_: u32| std::panic::resume_unwind(Box::new(Explosive)));
        (0..2).for_each(|event| panicking.handle(event));
        let panicking =
            EventHandler::async_callback(|_: u32| std::panic::resume_unwind(Box::new(Explosive)));
        (0..2).for_each(|event| panicking.handle(event));
    }
}
