//! The three waits on a queue: [`Get`], [`Put`], [`Join`].

use std::marker::PhantomData;

use super::buffer::Buffer;
use super::shared::{Core, Promise, Refused, Shared};
use crate::core::{End, Entry, Handed, Home, List, Mutex, Operation, Parcel, Step, Wakes};
use crate::error::{Closed, PutError, Timeout, WaitError};

/// Something that has a queue's state inside: each of the public queues.
pub trait Queued {
    type Buffer: Buffer<Item = Self::Item>;
    type Item;
    fn core(&self) -> &Core<Self::Buffer>;
}

/// Waits for an item, and makes an `M` of it.
pub struct Get<H, M>(PhantomData<fn() -> (H, M)>);

impl<H, M> Get<H, M> {
    #[inline]
    pub(crate) fn new() -> Self {
        Get(PhantomData)
    }
}

/// What a getter makes of its item.
pub trait Made<H, T> {
    type Output;
    fn make(queue: H, item: T) -> Self::Output;
}

/// The item as it is.
pub struct Plain;

impl<H, T> Made<H, T> for Plain {
    type Output = T;

    #[inline]
    fn make(_: H, item: T) -> T {
        item
    }
}

impl<H: Home<Target = Q>, Q: Queued + ?Sized, M: Made<H, Q::Item>> Operation for Get<H, M> {
    type Home = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = Promise;
    type Grant = Result<Q::Item, Closed>;
    type Output = Result<M::Output, Closed>;
    type Timed = Result<M::Output, WaitError>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<Promise> {
        &mut shared.getters
    }

    #[inline]
    fn attempt(&mut self, queue: &Q) -> Option<Self::Grant> {
        queue.core().get_now()
    }

    fn linger(&mut self, queue: &Q) -> Option<Self::Grant> {
        queue.core().linger_to_get().map(Ok)
    }

    fn enqueue(&mut self, _: &Q, shared: &mut Self::Shared, _: &mut Wakes) -> Entry<Self::Grant, Promise> {
        match shared.take_unpromised() {
            Some(item) => Entry::Ready(Ok(item)),
            None if shared.is_closed() => Entry::Ready(Err(Closed)),
            None => Entry::Queue(Promise::Kept, End::Back),
        }
    }

    fn granted(&mut self, queue: &Q, slot: Option<Promise>) -> Self::Grant {
        match slot {
            Some(Promise::Kept) => queue.core().take_promised(),
            Some(Promise::Closed) | None => Err(Closed),
        }
    }

    fn give_back(&mut self, queue: &Q, slot: Option<Promise>) {
        if slot == Some(Promise::Kept) {
            queue.core().give_back_item();
        }
    }

    fn serve(queue: &Q, shared: &mut Self::Shared, wakes: &mut Wakes) -> Step {
        queue.core().serve_once(shared, wakes)
    }

    #[inline]
    fn finish(&mut self, home: H, grant: Self::Grant) -> Self::Output {
        grant.map(|item| M::make(home, item))
    }

    fn in_time(output: Self::Output) -> Self::Timed {
        Ok(output?)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(WaitError::Timeout)
    }
}

/// Waits for a place, with the item that is to go there.
pub struct Put<H, T> {
    /// Empty once the item is in the queue, or given back.
    parcel: Parcel<T>,
    home: PhantomData<fn() -> H>,
}

impl<H, T> Put<H, T> {
    #[inline]
    pub(crate) fn new(item: T) -> Self {
        Put { parcel: Parcel::new(item), home: PhantomData }
    }

    /// Gives the item back because the queue is closed.
    fn closed(&mut self) -> Result<(), PutError<T>> {
        self.parcel.take().map_or(Ok(()), |item| Err(PutError::Closed(item)))
    }
}

impl<H: Home<Target = Q>, Q: Queued + ?Sized> Operation for Put<H, Q::Item> {
    type Home = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = Promise;
    type Grant = Result<(), PutError<Q::Item>>;
    type Output = Result<(), PutError<Q::Item>>;
    type Timed = Result<(), PutError<Q::Item>>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<Promise> {
        &mut shared.putters
    }

    #[inline]
    fn attempt(&mut self, queue: &Q) -> Option<Self::Grant> {
        match queue.core().put_from(&mut self.parcel) {
            Ok(()) => Some(Ok(())),
            Err(Refused::Full) => None,
            Err(Refused::Closed) => Some(self.closed()),
        }
    }

    fn linger(&mut self, queue: &Q) -> Option<Self::Grant> {
        queue.core().linger_to_put(&mut self.parcel).then_some(Ok(()))
    }

    fn enqueue(&mut self, _: &Q, shared: &mut Self::Shared, _: &mut Wakes) -> Entry<Self::Grant, Promise> {
        if shared.is_closed() {
            return Entry::Ready(self.closed());
        }
        if !shared.has_place() {
            return Entry::Queue(Promise::Kept, End::Back);
        }
        shared.push(&mut self.parcel);
        Entry::Ready(Ok(()))
    }

    fn granted(&mut self, queue: &Q, slot: Option<Promise>) -> Self::Grant {
        match slot {
            Some(Promise::Kept) if queue.core().put_promised(&mut self.parcel).is_ok() => Ok(()),
            _ => self.closed(),
        }
    }

    fn give_back(&mut self, queue: &Q, slot: Option<Promise>) {
        if slot == Some(Promise::Kept) {
            queue.core().give_back_place();
        }
    }

    fn serve(queue: &Q, shared: &mut Self::Shared, wakes: &mut Wakes) -> Step {
        queue.core().serve_once(shared, wakes)
    }

    #[inline]
    fn finish(&mut self, _: H, grant: Self::Grant) -> Self::Output {
        grant
    }

    fn in_time(output: Self::Output) -> Self::Timed {
        output
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        self.parcel.take().map_or(Ok(()), |item| Err(PutError::Timeout(item)))
    }
}

/// Waits until all work is done.
pub struct Join<H>(PhantomData<fn() -> H>);

impl<H> Join<H> {
    pub(crate) fn new() -> Self {
        Join(PhantomData)
    }
}

impl<H: Home<Target = Q>, Q: Queued + ?Sized> Operation for Join<H> {
    type Home = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = ();
    type Grant = ();
    type Output = ();
    type Timed = Result<(), Timeout>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<()> {
        &mut shared.joiners
    }

    fn attempt(&mut self, _: &Q) -> Option<()> {
        None
    }

    fn enqueue(&mut self, _: &Q, shared: &mut Self::Shared, _: &mut Wakes) -> Entry<(), ()> {
        if shared.is_finished() { Entry::Ready(()) } else { Entry::Queue((), End::Back) }
    }

    fn granted(&mut self, _: &Q, _: Option<()>) {}

    fn give_back(&mut self, _: &Q, _: Option<()>) {}

    fn finish(&mut self, _: H, (): ()) {}

    fn in_time((): ()) -> Self::Timed {
        Ok(())
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}
