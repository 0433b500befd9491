//! Events that a client emits while it works, for the handlers in its
//! [options](crate::options::ClientOptions).
//!
//! A handler is a function, a type that implements [`HandleEvent`], or a queue. Without a handler
//! no event is built. A function is called on the thread that caused the event and delays it, so it
//! should return quickly. A panic in it loses only that event: the panic hook reports it, and the
//! client continues.

pub mod cmap;
pub mod command;
mod handlers;
#[cfg(feature = "tracing")]
pub mod log;
pub mod sdam;

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

/// Handles events of one kind. Every function of one event implements it.
pub trait HandleEvent<T>: Send + Sync {
    /// Handles one event. Runs on the thread that caused the event. It should be short and must not
    /// wait for its client.
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
    /// A queue. Events after it was closed are dropped.
    Queue(Arc<Queue<T>>),
    /// A function whose future handles one event.
    AsyncCallback(AsyncCallback<T>),
    /// A channel of tokio. Events after its receiver was dropped are lost; while it is full, events
    /// wait in tasks, and their order is lost.
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

    /// Sends events to the futures that `handler` makes of them. Each future is a task of its own,
    /// on the tokio runtime of the thread that caused the event, or else on the background thread
    /// of the driver. They run side by side, so the order of events is lost.
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
    pub(crate) fn handle(&self, event: T) {
        match self {
            EventHandler::AsyncCallback(handler) => {
                drop(catch_unwind(AssertUnwindSafe(|| spawn(handler(event)))))
            }
            EventHandler::TokioMpsc(sender) => {
                if let Err(TrySendError::Full(event)) = sender.try_send(event) {
                    let sender = sender.clone();
                    spawn(async move { drop(sender.send(event).await) });
                }
            }
            // A panic must not end a monitor or keep a connection from returning to its pool.
            EventHandler::Callback(handler) => {
                drop(catch_unwind(AssertUnwindSafe(|| handler.handle(event))))
            }
            // An unbounded queue refuses an event only after it was closed.
            EventHandler::Queue(queue) => drop(queue.try_put(event)),
        }
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

/// Runs `work` on the runtime of this thread, else on the driver's background thread. Without
/// either it is dropped: the process can start no thread.
fn spawn(work: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        drop(runtime.spawn(work));
    } else if let Ok(background) = Runtime::blocking() {
        background.spawn(work);
    }
}

/// The serde form of an error: its message.
fn as_text<S: Serializer>(error: &crate::error::Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(error)
}

/// The serde form of what is shared: that of the value.
fn behind<T: Serialize, S: Serializer>(shared: &Arc<T>, serializer: S) -> Result<S::Ok, S::Error> {
    shared.serialize(serializer)
}

/// Handlers are left out of the comparison of options: any two are equal.
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
