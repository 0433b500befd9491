//! Queues between tasks: first in, first out, with any number of producers and, if the peer
//! supports it, of consumers.
//!
//! Peers with a variant for a single producer or consumer take part with the one for many, like
//! `toro::Queue`. Tokio has only a single consumer, and takes part where there is one.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

/// The capacity of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// At most this many; at least 1.
    For(usize),
    /// Unbounded.
    Unbounded,
}

/// An item: `WORDS` times eight bytes.
pub type Item<const WORDS: usize> = [u64; WORDS];

/// The end of a producer or consumer.
pub type Ends<const WORDS: usize, Q> =
    (Vec<<Q as Queue<WORDS>>::Producer>, Vec<<Q as Queue<WORDS>>::Consumer>);

/// A queue of items of `WORDS` times eight bytes.
pub trait Queue<const WORDS: usize>: Sized + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// The producer's end.
    type Producer: Send + Sync + 'static;
    /// The consumer's end.
    type Consumer: Send + 'static;
    /// A queue with its ends. `None` if this type has no such queue.
    fn open(room: Room, producers: usize, consumers: usize) -> Option<Ends<WORDS, Self>>;
    /// Puts an item, waiting for room.
    fn put(
        producer: &Self::Producer,
        item: Item<WORDS>,
    ) -> impl Future<Output = Result<(), impl Debug + Send>> + Send;
    /// Takes the oldest item, waiting for one.
    fn get(
        consumer: &mut Self::Consumer,
    ) -> impl Future<Output = Result<Item<WORDS>, impl Debug + Send>> + Send;
}

/// Ends that can be cloned, as many as requested.
fn copies<E: Clone>(end: E, count: usize) -> Option<Vec<E>> {
    Some(vec![end; count])
}

/// A single end.
fn sole<E>(end: E, count: usize) -> Option<Vec<E>> {
    (count == 1).then(|| vec![end])
}

macro_rules! queue {
    (
        $(#[$doc:meta])* $type:ident, $name:literal, $producer:ty, $consumer:ty, $consumers:ident,
        open($room:ident) $open:expr, put($sender:ident, $item:ident) $put:expr,
        get($receiver:ident) $get:expr
    ) => {
        $(#[$doc])*
        pub struct $type;

        impl<const WORDS: usize> Queue<WORDS> for $type {
            const NAME: &'static str = $name;
            type Producer = $producer;
            type Consumer = $consumer;
            fn open($room: Room, producers: usize, consumers: usize) -> Option<Ends<WORDS, Self>> {
                let (producer, consumer) = $open;
                Some((copies(producer, producers)?, $consumers(consumer, consumers)?))
            }
            #[inline]
            fn put(
                $sender: &Self::Producer,
                $item: Item<WORDS>,
            ) -> impl Future<Output = Result<(), impl Debug + Send>> + Send {
                $put
            }
            #[inline]
            fn get(
                $receiver: &mut Self::Consumer,
            ) -> impl Future<Output = Result<Item<WORDS>, impl Debug + Send>> + Send {
                $get
            }
        }
    };
}

/// Selects one of two ways to open a queue.
macro_rules! by_room {
    ($room:ident, $bounded:path, $unbounded:path) => {
        match $room {
            Room::For(maxsize) => $bounded(maxsize),
            Room::Unbounded => $unbounded(),
        }
    };
}

/// The capacity of a bounded queue. This type has no unbounded one.
macro_rules! bounded_only {
    ($room:ident) => {
        match $room {
            Room::For(maxsize) => maxsize,
            Room::Unbounded => return None,
        }
    };
}

/// The opposite of [`bounded_only`].
macro_rules! unbounded_only {
    ($room:ident) => {
        if $room != Room::Unbounded {
            return None;
        }
    };
}

/// Both ends of a `toro::Queue`.
fn toro_ends<T>(queue: toro::Queue<T>) -> (Arc<toro::Queue<T>>, Arc<toro::Queue<T>>) {
    let queue = Arc::new(queue);
    (queue.clone(), queue)
}

queue!(
    /// `toro::Queue`.
    Toro, "toro", Arc<toro::Queue<Item<WORDS>>>, Arc<toro::Queue<Item<WORDS>>>, copies,
    open(room) toro_ends(by_room!(room, toro::Queue::new, toro::Queue::unbounded)),
    put(queue, item) queue.put(item),
    get(queue) queue.get()
);
queue!(
    /// `async_channel`.
    AsyncChannel, "async-channel",
    async_channel::Sender<Item<WORDS>>, async_channel::Receiver<Item<WORDS>>, copies,
    open(room) by_room!(room, async_channel::bounded, async_channel::unbounded),
    put(sender, item) sender.send(item),
    get(receiver) receiver.recv()
);
queue!(
    /// `flume`.
    Flume, "flume", flume::Sender<Item<WORDS>>, flume::Receiver<Item<WORDS>>, copies,
    open(room) by_room!(room, flume::bounded, flume::unbounded),
    put(sender, item) sender.send_async(item),
    get(receiver) receiver.recv_async()
);
queue!(
    /// `kanal`.
    Kanal, "kanal", kanal::AsyncSender<Item<WORDS>>, kanal::AsyncReceiver<Item<WORDS>>, copies,
    open(room) by_room!(room, kanal::bounded_async, kanal::unbounded_async),
    put(sender, item) sender.send(item),
    get(receiver) receiver.recv()
);
queue!(
    /// `crossfire::mpmc`, bounded.
    CrossfireBounded, "crossfire",
    crossfire::MAsyncTx<crossfire::mpmc::Array<Item<WORDS>>>,
    crossfire::MAsyncRx<crossfire::mpmc::Array<Item<WORDS>>>, copies,
    open(room) crossfire::mpmc::bounded_async(bounded_only!(room)),
    put(sender, item) sender.send(item),
    get(receiver) receiver.recv()
);
queue!(
    /// `crossfire::mpmc`, unbounded.
    CrossfireUnbounded, "crossfire",
    crossfire::MTx<crossfire::mpmc::List<Item<WORDS>>>,
    crossfire::MAsyncRx<crossfire::mpmc::List<Item<WORDS>>>, copies,
    open(room) {
        unbounded_only!(room);
        crossfire::mpmc::unbounded_async()
    },
    put(sender, item) async move { sender.send(item) },
    get(receiver) receiver.recv()
);
queue!(
    /// `asyncband::mpmc`, bounded.
    AsyncbandBounded, "asyncband",
    asyncband::mpmc::BoundedSender<Item<WORDS>>,
    asyncband::mpmc::BoundedReceiver<Item<WORDS>>, copies,
    open(room) asyncband::mpmc::bounded(bounded_only!(room)),
    put(sender, item) sender.send(item),
    get(receiver) receiver.recv()
);
queue!(
    /// `asyncband::mpmc`, unbounded.
    AsyncbandUnbounded, "asyncband",
    asyncband::mpmc::UnboundedSender<Item<WORDS>>,
    asyncband::mpmc::UnboundedReceiver<Item<WORDS>>, copies,
    open(room) {
        unbounded_only!(room);
        asyncband::mpmc::unbounded()
    },
    put(sender, item) async move { sender.send(item) },
    get(receiver) receiver.recv()
);
queue!(
    /// `tokio::sync::mpsc`, bounded; for a single consumer.
    TokioBounded, "tokio",
    tokio::sync::mpsc::Sender<Item<WORDS>>, tokio::sync::mpsc::Receiver<Item<WORDS>>, sole,
    open(room) tokio::sync::mpsc::channel(bounded_only!(room)),
    put(sender, item) sender.send(item),
    get(receiver) receive(receiver.recv())
);
queue!(
    /// `tokio::sync::mpsc`, unbounded; for a single consumer.
    TokioUnbounded, "tokio",
    tokio::sync::mpsc::UnboundedSender<Item<WORDS>>,
    tokio::sync::mpsc::UnboundedReceiver<Item<WORDS>>, sole,
    open(room) {
        unbounded_only!(room);
        tokio::sync::mpsc::unbounded_channel()
    },
    put(sender, item) async move { sender.send(item) },
    get(receiver) receive(receiver.recv())
);

/// Tokio returns `None` where the others return an error.
async fn receive<T>(received: impl Future<Output = Option<T>>) -> Result<T, &'static str> {
    received.await.ok_or("closed")
}
