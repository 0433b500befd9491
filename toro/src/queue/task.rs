//! [`Task`]: an item that counts as unfinished work until it is dropped.

use std::fmt;
use std::ops::{Deref, DerefMut};

use super::ops::{GetOutput, Queued};
use crate::core::PrimitiveRef;
use crate::error::Closed;

/// An item taken by [`get_task`](crate::Queue::get_task).
///
/// Dropping it calls the queue's [`task_done`](crate::Queue::task_done). So
/// [`join`](crate::Queue::join) returns when all tasks have been dropped.
#[must_use = "a task counts as done as soon as it is dropped"]
pub struct Task<H>
where
    H: PrimitiveRef<Target: Queued>,
{
    item: <H::Target as Queued>::Item,
    done: Done<H>,
}

/// Reports one item as done on drop.
struct Done<H: PrimitiveRef<Target: Queued>>(H);

impl<H: PrimitiveRef<Target: Queued>> Drop for Done<H> {
    fn drop(&mut self) {
        // Fails only if `task_done` was called too often elsewhere. Then nothing is left to count.
        let _ = self.0.core().task_done();
    }
}

impl<H: PrimitiveRef<Target: Queued>> Task<H> {
    /// Returns the item, which now counts as done.
    ///
    /// # Examples
    ///
    /// ```
    /// let queue = toro::Queue::unbounded();
    /// queue.try_put("item").unwrap();
    /// let task = queue.get_task().wait()?;
    /// assert_eq!(task.into_inner(), "item");
    /// assert_eq!(queue.unfinished(), 0);
    /// # Ok::<(), toro::Closed>(())
    /// ```
    pub fn into_inner(self) -> <H::Target as Queued>::Item {
        let Task { item, done } = self;
        drop(done);
        item
    }
}

impl<H: PrimitiveRef<Target: Queued>> Deref for Task<H> {
    type Target = <H::Target as Queued>::Item;

    fn deref(&self) -> &Self::Target {
        &self.item
    }
}

impl<H: PrimitiveRef<Target: Queued>> DerefMut for Task<H> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.item
    }
}

impl<H: PrimitiveRef<Target: Queued<Item: fmt::Debug>>> fmt::Debug for Task<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Task").field(&self.item).finish()
    }
}

/// The item as a [`Task`].
pub struct Counted;

impl<H: PrimitiveRef<Target: Queued<Item = T>>, T> GetOutput<H, T> for Counted {
    type Output = Task<H>;

    fn make(
        queue: H,
        take: impl FnOnce(&H::Target) -> Result<T, Closed>,
    ) -> Result<Task<H>, Closed> {
        let item = take(&queue)?;
        Ok(Task { item, done: Done(queue) })
    }
}
