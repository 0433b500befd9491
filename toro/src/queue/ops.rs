//! The three waits on a queue: [`Get`], [`Put`], [`Join`].

use std::marker::PhantomData;
use std::task::Poll;

use super::buffer::Buffer;
use super::shared::{Core, Found, Promise, Refused, Shared};
use crate::core::{
    End, Entry, FirstPoll, Handed, List, Mutex, Operation, PendingItem, Position, PrimitiveRef,
    Start, Step, Wakes,
};
use crate::error::{Closed, PutError, Timeout, WaitError};

/// A type that contains a queue's state: each of the public queues.
pub trait Queued {
    type Buffer: Buffer<Item = Self::Item>;
    type Item;
    fn core(&self) -> &Core<Self::Buffer>;
}

/// Waits for an item, and makes an `M` from it.
pub struct Get<H, M>(PhantomData<fn() -> (H, M)>);

impl<H, M> Get<H, M> {
    #[inline]
    pub(crate) fn new() -> Self {
        Get(PhantomData)
    }
}

/// The grant of a getter: one item in the buffer belongs to it, and must still be taken out.
pub struct ItemPromise;

/// The form in which a getter returns its item.
pub trait GetOutput<H: PrimitiveRef<Target: Queued<Item = T>>, T>: Sized {
    type Output;

    /// Takes the item, and makes the output from it.
    fn make(
        queue: H,
        take: impl FnOnce(&H::Target) -> Result<T, Closed>,
    ) -> Result<Self::Output, Closed>;

    /// The first poll of a getter, when the queue does not seem empty. See [`Start::begin`].
    #[inline]
    fn begin(
        get: &mut Get<H, Self>,
        primitive_ref: H,
        first_poll: &mut FirstPoll<'_, Get<H, Self>>,
    ) -> Poll<Result<Self::Output, Closed>> {
        match primitive_ref.core().get_now() {
            Some(item) => Poll::Ready(Self::make(primitive_ref, |_| item)),
            None => first_poll.go_on(get, primitive_ref),
        }
    }

    /// The last poll of a getter that was promised an item. See [`Operation::end`].
    #[inline]
    fn end(queue: H) -> Poll<Result<Self::Output, Closed>> {
        Poll::Ready(Self::make(queue, |queue| queue.core().take_promised()))
    }
}

/// The item itself.
pub struct PlainItem;

impl<H: PrimitiveRef<Target: Queued<Item = T>>, T> GetOutput<H, T> for PlainItem {
    type Output = T;

    #[inline]
    fn make(queue: H, take: impl FnOnce(&H::Target) -> Result<T, Closed>) -> Result<T, Closed> {
        take(&queue)
    }

    /// Copies the item once, from its place in the buffer to the place of the return value. Nothing
    /// in between makes the compiler copy it again.
    #[inline]
    fn begin(
        get: &mut Get<H, PlainItem>,
        primitive_ref: H,
        first_poll: &mut FirstPoll<'_, Get<H, PlainItem>>,
    ) -> Poll<Result<T, Closed>> {
        match primitive_ref.core().find() {
            Found::Item(mut claim) => return Poll::Ready(claim.take()),
            Found::Closed => return Poll::Ready(Err(Closed)),
            Found::Nothing => {}
        }
        first_poll.go_on(get, primitive_ref)
    }

    #[inline]
    fn end(queue: H) -> Poll<Result<T, Closed>> {
        if let Some(mut claim) = queue.core().promised() {
            return Poll::Ready(claim.take());
        }
        Poll::Ready(Err(Closed))
    }
}

/// The item stays in the buffer until the end of the wait. Only a promise of it moves between the
/// steps.
// SAFETY: each queue has one list of getters, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized, M: GetOutput<H, Q::Item>> Operation
    for Get<H, M>
{
    type PrimitiveRef = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = Promise;
    type Grant = Result<ItemPromise, Closed>;
    type Output = Result<M::Output, Closed>;
    type Timed = Result<M::Output, WaitError>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<Promise> {
        &mut shared.getters
    }

    /// The queue was closed, but the batch of this getter has not come yet.
    fn retry(&mut self, _: &Q, shared: &mut Self::Shared, slot: &mut Promise, _: Position) -> bool {
        shared.is_over(slot)
    }

    /// A waiting getter holds nothing that others could have. See [`shared`](super::shared).
    #[inline]
    fn is_served(_: &Q, _: &mut Self::Shared, _: Position) -> bool {
        true
    }

    #[inline]
    fn granted(&mut self, _: &Q, slot: Option<Promise>) -> Self::Grant {
        match slot {
            Some(Promise::Kept) => Ok(ItemPromise),
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
    fn finish(&mut self, primitive_ref: H, grant: Self::Grant) -> Self::Output {
        match grant {
            Ok(ItemPromise) => M::make(primitive_ref, |queue| queue.core().take_promised()),
            Err(Closed) => Err(Closed),
        }
    }

    #[inline]
    fn end(&mut self, primitive_ref: H, grant: Self::Grant) -> Poll<Self::Output> {
        match grant {
            Ok(ItemPromise) => M::end(primitive_ref),
            Err(Closed) => Poll::Ready(Err(Closed)),
        }
    }

    fn in_time(output: Self::Output) -> Self::Timed {
        Ok(output?)
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(WaitError::Timeout)
    }
}

impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized, M: GetOutput<H, Q::Item>> Start
    for Get<H, M>
{
    #[inline]
    fn begin(
        &mut self,
        primitive_ref: H,
        first_poll: &mut FirstPoll<'_, Self>,
    ) -> Poll<Self::Output> {
        if primitive_ref.core().seems_empty() {
            first_poll.go_on(self, primitive_ref)
        } else {
            M::begin(self, primitive_ref, first_poll)
        }
    }

    fn enqueue(
        &mut self,
        _: &Q,
        shared: &mut Self::Shared,
        _: &mut Wakes,
    ) -> Entry<Self::Grant, Promise> {
        if shared.promise_item() {
            Entry::Ready(Ok(ItemPromise))
        } else if shared.is_closed() {
            Entry::Ready(Err(Closed))
        } else {
            Entry::Queue(Promise::Kept, End::Back)
        }
    }
}

/// Waits for a place, and contains the item for it.
///
/// The item's type is not a separate parameter, but follows from the queue's. See [`Operation`] for
/// the reason.
pub struct Put<H: PrimitiveRef<Target: Queued>> {
    /// Empty once the item is in the queue, or given back.
    item: PendingItem<<H::Target as Queued>::Item>,
    primitive_ref: PhantomData<fn() -> H>,
}

impl<H: PrimitiveRef<Target = Q>, Q: Queued<Item = T> + ?Sized, T> Put<H> {
    #[inline]
    pub(crate) fn new(item: T) -> Self {
        Put { item: PendingItem::new(item), primitive_ref: PhantomData }
    }

    /// Returns the item. Not inlined: otherwise the whole result would be copied, although it
    /// rarely contains an item.
    #[cold]
    #[inline(never)]
    fn refused(&mut self, why: fn(T) -> PutError<T>) -> Result<(), PutError<T>> {
        self.item.take().map_or(Ok(()), |item| Err(why(item)))
    }
}

// SAFETY: each queue has one list of putters, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized> Operation for Put<H> {
    type PrimitiveRef = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = Promise;
    type Grant = Result<(), Closed>;
    type Output = Result<(), PutError<Q::Item>>;
    type Timed = Result<(), PutError<Q::Item>>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<Promise> {
        &mut shared.putters
    }

    /// The queue was closed, but the batch of this putter has not come yet.
    fn retry(&mut self, _: &Q, shared: &mut Self::Shared, slot: &mut Promise, _: Position) -> bool {
        shared.is_over(slot)
    }

    /// A waiting putter holds nothing that others could have. See [`shared`](super::shared).
    #[inline]
    fn is_served(_: &Q, _: &mut Self::Shared, _: Position) -> bool {
        true
    }

    /// If this was the last waiter, newcomers need not wait any more.
    fn left(&mut self, queue: &Q, shared: &mut Self::Shared, _: Option<&Promise>) {
        queue.core().note(shared);
    }

    fn granted(&mut self, queue: &Q, slot: Option<Promise>) -> Self::Grant {
        match slot {
            Some(Promise::Kept) if queue.core().put_promised(&mut self.item).is_ok() => Ok(()),
            _ => Err(Closed),
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
        match grant {
            Ok(()) => Ok(()),
            Err(Closed) => self.refused(PutError::Closed),
        }
    }

    /// Builds the result in each branch. A result shared by the branches would be copied.
    #[inline]
    fn end(&mut self, _: H, grant: Self::Grant) -> Poll<Self::Output> {
        match grant {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Closed) => Poll::Ready(self.refused(PutError::Closed)),
        }
    }

    fn in_time(output: Self::Output) -> Self::Timed {
        output
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        self.refused(PutError::Timeout)
    }
}

impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized> Start for Put<H> {
    #[inline]
    fn begin(
        &mut self,
        primitive_ref: H,
        first_poll: &mut FirstPoll<'_, Self>,
    ) -> Poll<Self::Output> {
        if primitive_ref.core().seems_full() {
            return first_poll.go_on(self, primitive_ref);
        }
        match primitive_ref.core().put_from(&mut self.item) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Refused::Full) => first_poll.go_on(self, primitive_ref),
            Err(Refused::Closed) => Poll::Ready(self.refused(PutError::Closed)),
        }
    }

    fn enqueue(
        &mut self,
        _: &Q,
        shared: &mut Self::Shared,
        _: &mut Wakes,
    ) -> Entry<Self::Grant, Promise> {
        if shared.is_closed() {
            return Entry::Ready(Err(Closed));
        }
        if !shared.has_place() {
            return Entry::Queue(Promise::Kept, End::Back);
        }
        shared.push(&mut self.item);
        Entry::Ready(Ok(()))
    }
}

/// Waits until all items are done.
pub struct Join<H> {
    /// The value of [`Shared::ends`] when this wait queued.
    ends: u32,
    primitive_ref: PhantomData<fn() -> H>,
}

impl<H> Join<H> {
    pub(crate) fn new() -> Self {
        Join { ends: 0, primitive_ref: PhantomData }
    }
}

// SAFETY: each queue has one list of joiners, in its mutex. No slot is accessed through `shared`.
#[expect(unsafe_code, reason = "the rules in `core` rely on the implementation")]
unsafe impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized> Operation for Join<H> {
    type PrimitiveRef = H;
    type Primitive = Q;
    type Shared = Shared<Q::Buffer>;
    type Slot = u32;
    type Grant = ();
    type Output = ();
    type Timed = Result<(), Timeout>;

    fn shared(queue: &Q) -> &Mutex<Self::Shared> {
        queue.core().shared()
    }

    fn list(shared: &mut Self::Shared, _: Handed) -> &mut List<u32> {
        &mut shared.joiners
    }

    /// All items were done, but the batch of this waiter has not come yet.
    fn retry(&mut self, _: &Q, shared: &mut Self::Shared, _: &mut u32, _: Position) -> bool {
        self.ends != shared.ends()
    }

    fn granted(&mut self, _: &Q, _: Option<u32>) {}

    fn give_back(&mut self, _: &Q, _: Option<u32>) {}

    fn finish(&mut self, _: H, (): ()) {}

    fn in_time((): ()) -> Self::Timed {
        Ok(())
    }

    fn expired(&mut self, _: H) -> Self::Timed {
        Err(Timeout)
    }
}

impl<H: PrimitiveRef<Target = Q>, Q: Queued + ?Sized> Start for Join<H> {
    fn enqueue(&mut self, _: &Q, shared: &mut Self::Shared, _: &mut Wakes) -> Entry<(), u32> {
        self.ends = shared.ends();
        if shared.is_finished() { Entry::Ready(()) } else { Entry::Queue(self.ends, End::Back) }
    }
}
