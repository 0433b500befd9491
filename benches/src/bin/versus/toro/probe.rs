//! Tests whether a peer loses something when a future is dropped.
//!
//! In these schedules a hand-off races with a cancellation. Two waiters are in line. The first is
//! granted, and its future is dropped before its task runs, as `select!` or a timeout does. A
//! primitive is cancel-safe if the second waiter is woken and gets the grant of the first. For a
//! queue the producers are tested too: the item of a dropped `put` must never appear, and its room
//! must go to the next producer. At a barrier, a dropped wait must not count as an arrival. Each
//! schedule is run by hand on one thread, so its result is the same each time. The claim `ORDER` of
//! locks and semaphores is checked here too, and for queues whether a newcomer overtakes a waiter.

use benches::drive::ready;
use benches::peers::barrier::{self, Barrier};
use benches::peers::condition::{self, Condition};
use benches::peers::lock::{self, Lock, Order};
use benches::peers::queue::{self, Queue, Room};
use benches::peers::rwlock::{self, RwLock};
use benches::peers::semaphore::{self, Semaphore};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The kind of a cell. The futures of some kinds may lose something when dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Lock,
    RwLock,
    Semaphore,
    Queue,
    Condition,
    Barrier,
    /// A wait for an event or a result takes nothing, so nothing can be lost.
    Nothing,
}

/// The contenders of some cells that show the floor, without a primitive. They are not tested.
const FLOORS: [&str; 2] = ["bare ring", "bare relay"];

/// The findings about one type.
#[derive(Clone, Debug)]
struct Finding {
    kind: Kind,
    name: &'static str,
    /// The losses caused by a drop. Empty for a cancel-safe type.
    losses: Vec<&'static str>,
    /// The number of items that a queue of one item accepts.
    held: Option<usize>,
    /// The newcomers of a queue that overtake a waiter.
    overtakes: Vec<&'static str>,
}

impl Finding {
    fn new(kind: Kind, name: &'static str, losses: Vec<&'static str>) -> Self {
        Finding { kind, name, losses, held: None, overtakes: Vec::new() }
    }
}

/// All findings.
#[derive(Clone, Debug)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    /// Tests every type that takes part in a cell.
    ///
    /// # Panics
    ///
    /// If a lock or semaphore does not have the order that it is measured under.
    pub(super) fn new() -> Self {
        let found = [
            Some(lock_probe::<lock::Toro>()),
            Some(lock_probe::<lock::ToroBarging>()),
            Some(lock_probe::<lock::Tokio>()),
            Some(lock_probe::<lock::AsyncLock>()),
            Some(lock_probe::<lock::Asyncband>()),
            Some(rwlock_probe::<rwlock::Toro>()),
            Some(rwlock_probe::<rwlock::Tokio>()),
            Some(rwlock_probe::<rwlock::AsyncLock>()),
            Some(rwlock_probe::<rwlock::Asyncband>()),
            Some(semaphore_probe::<semaphore::Toro>()),
            Some(semaphore_probe::<semaphore::ToroBarging>()),
            Some(semaphore_probe::<semaphore::ToroBounded>()),
            Some(semaphore_probe::<semaphore::Tokio>()),
            Some(semaphore_probe::<semaphore::AsyncLock>()),
            Some(semaphore_probe::<semaphore::Asyncband>()),
            Some(condition_probe::<condition::Toro>()),
            Some(condition_probe::<condition::Tokio>()),
            Some(condition_probe::<condition::EventListener>()),
            Some(condition_probe::<condition::Asyncband>()),
            Some(barrier_probe::<barrier::Toro>()),
            Some(barrier_probe::<barrier::Tokio>()),
            Some(barrier_probe::<barrier::AsyncLock>()),
            Some(barrier_probe::<barrier::Asyncband>()),
            queue_probe::<queue::Toro>(Room::For(1)),
            queue_probe::<queue::Toro>(Room::Unbounded),
            queue_probe::<queue::TokioBounded>(Room::For(1)),
            queue_probe::<queue::TokioUnbounded>(Room::Unbounded),
            queue_probe::<queue::AsyncChannel>(Room::For(1)),
            queue_probe::<queue::AsyncChannel>(Room::Unbounded),
            queue_probe::<queue::Flume>(Room::For(1)),
            queue_probe::<queue::Flume>(Room::Unbounded),
            queue_probe::<queue::Kanal>(Room::For(1)),
            queue_probe::<queue::Kanal>(Room::Unbounded),
            queue_probe::<queue::CrossfireBounded>(Room::For(1)),
            queue_probe::<queue::CrossfireUnbounded>(Room::Unbounded),
            queue_probe::<queue::AsyncbandBounded>(Room::For(1)),
            queue_probe::<queue::AsyncbandUnbounded>(Room::Unbounded),
        ];
        let mut findings: Vec<Finding> = Vec::new();
        for finding in found.into_iter().flatten() {
            // The bounded and the unbounded queue of one crate share one finding, and so do its
            // fair and its barging lock or semaphore.
            match findings
                .iter_mut()
                .find(|known| (known.kind, known.name) == (finding.kind, finding.name))
            {
                Some(known) => {
                    add_new(&mut known.losses, finding.losses);
                    add_new(&mut known.overtakes, finding.overtakes);
                    known.held = known.held.or(finding.held);
                }
                None => findings.push(finding),
            }
        }
        Self(findings)
    }

    /// Lists which of these contenders of a cell are cancel-safe.
    ///
    /// # Panics
    ///
    /// If one of them was not tested.
    pub(super) fn remark(&self, kind: Kind, names: &[&str]) -> String {
        if kind == Kind::Nothing {
            return "nothing to lose".into();
        }
        let tested = names.iter().copied().filter(|name| !FLOORS.contains(name));
        let losing: Vec<&str> = tested.filter(|name| !self.is_safe(kind, name)).collect();
        match losing[..] {
            [] => "all cancel-safe".into(),
            _ => format!("cancel-safe: all but {}", losing.join(", ")),
        }
    }

    fn is_safe(&self, kind: Kind, name: &str) -> bool {
        let finding = self.0.iter().find(|known| (known.kind, known.name) == (kind, name));
        let finding = finding.unwrap_or_else(|| panic!("{name} is not tested as a {kind:?}"));
        finding.losses.is_empty()
    }

    /// The losses and how they were found, for the notes under a table.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = vec![
            "cancel-safe: tested; of two waiters the first is dropped between its wake-up and its \
             poll, and the second must get what it waited for; at a barrier, a dropped wait must \
             not count"
                .to_string(),
        ];
        for finding in self.0.iter().filter(|finding| !finding.losses.is_empty()) {
            let note = format!(
                "not cancel-safe: {} ({:?}) loses {}",
                finding.name,
                finding.kind,
                finding.losses.join("; ")
            );
            notes.push(note);
        }
        for finding in self.0.iter().filter(|finding| !finding.overtakes.is_empty()) {
            let who = finding.overtakes.join(", and ");
            notes.push(format!(
                "not fair: {} ({:?}): {who} overtakes a waiter",
                finding.name, finding.kind
            ));
        }
        for finding in &self.0 {
            if let Some(held) = finding.held.filter(|held| *held != 1) {
                notes.push(format!(
                    "{}: a queue of maxsize 1 takes {held} items before a put waits",
                    finding.name
                ));
            }
        }
        notes
    }
}

fn add_new(known: &mut Vec<&'static str>, more: Vec<&'static str>) {
    for one in more {
        if !known.contains(&one) {
            known.push(one);
        }
    }
}

/// A task that records whether it was woken.
struct Task<'a, F> {
    future: Pin<&'a mut F>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<F: Future> Task<'_, F> {
    fn poll(&mut self) -> Poll<F::Output> {
        let waker = Waker::from(self.woken.clone());
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls if the task was woken since the last call, as an executor would.
    fn run(&mut self) -> Option<F::Output> {
        if !self.woken.0.swap(false, Ordering::SeqCst) {
            return None;
        }
        match self.poll() {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }
}

fn task<F>(future: Pin<&mut F>) -> Task<'_, F> {
    Task { future, woken: Arc::default() }
}

/// Starts two waits, and releases one of them by `grant`. Drops the first before it runs. Returns
/// the output of the second, if the second was woken and is ready.
fn survives_a_drop<A: Future, B: Future>(
    first: A,
    second: B,
    grant: impl FnOnce(),
) -> Option<B::Output> {
    let mut second = pin!(second);
    let mut second = task(second.as_mut());
    {
        let mut first = pin!(first);
        let mut first = task(first.as_mut());
        assert!(first.poll().is_pending() && second.poll().is_pending(), "both have to wait");
        grant();
    }
    second.run()
}

fn lock_probe<L: Lock>() -> Finding {
    let lock = L::new();
    let held = ready(lock.acquire());
    let got = survives_a_drop(lock.acquire(), lock.acquire(), || drop(held)).is_some();
    let barged = {
        let held = ready(lock.acquire());
        let mut waiter = pin!(lock.acquire());
        assert!(task(waiter.as_mut()).poll().is_pending());
        drop(held);
        lock.is_free()
    };
    check_order(L::NAME, L::ORDER, barged);
    Finding::new(Kind::Lock, L::NAME, lost(got, "the lock"))
}

/// Drops a waiting writer in two cases. In the first, a reader holds the lock, so only the writer
/// holds back a second reader. In the second, the writer has just been granted the lock, and a
/// second writer waits for it.
fn rwlock_probe<L: RwLock>() -> Finding {
    let lock = L::new();
    let mut losses = Vec::new();
    {
        let _reader = ready(lock.read());
        if survives_a_drop(lock.write(), lock.read(), || ()).is_none() {
            losses.push("the readers that a dropped writer held back");
        }
    }
    let held = ready(lock.write());
    if survives_a_drop(lock.write(), lock.write(), || drop(held)).is_none() {
        losses.push("the lock");
    }
    Finding::new(Kind::RwLock, L::NAME, losses)
}

fn semaphore_probe<S: Semaphore>() -> Finding {
    let semaphore = S::new(1);
    let held = ready(semaphore.acquire());
    let got = survives_a_drop(semaphore.acquire(), semaphore.acquire(), || drop(held)).is_some();
    let barged = {
        let held = ready(semaphore.acquire());
        let mut waiter = pin!(semaphore.acquire());
        assert!(task(waiter.as_mut()).poll().is_pending());
        drop(held);
        semaphore.is_free()
    };
    check_order(S::NAME, S::ORDER, barged);
    Finding::new(Kind::Semaphore, S::NAME, lost(got, "the permit"))
}

fn condition_probe<C: Condition>() -> Finding {
    let condition = C::new();
    let got = survives_a_drop(condition.hear(), condition.hear(), || condition.notify()).is_some();
    Finding::new(Kind::Condition, C::NAME, lost(got, "a notification"))
}

/// The first of two parties arrives and gives up. The other must still wait.
fn barrier_probe<B: Barrier>() -> Finding {
    let barrier = B::new(2);
    {
        let mut first = pin!(barrier.wait());
        assert!(task(first.as_mut()).poll().is_pending(), "it has to wait");
    }
    let mut second = pin!(barrier.wait());
    let waits = task(second.as_mut()).poll().is_pending();
    Finding::new(
        Kind::Barrier,
        B::NAME,
        lost(waits, "the count: a dropped wait counts as an arrival"),
    )
}

fn check_order(name: &str, order: Order, barged: bool) {
    let found = if barged { Order::Barging } else { Order::Fair };
    assert_eq!(found, order, "{name} is measured among locks of another order");
}

fn lost(got: bool, what: &'static str) -> Vec<&'static str> {
    if got { Vec::new() } else { vec![what] }
}

/// `None` if the type has no such queue.
fn queue_probe<Q: Queue<1>>(room: Room) -> Option<Finding> {
    let (mut losses, mut held) = (Vec::new(), None);
    // With a single consumer, no second future can wait behind the first. Then the same consumer
    // asks again.
    match Q::open(room, 1, 2) {
        Some((producers, mut consumers)) => {
            let [first, second] = &mut consumers[..] else { unreachable!("two were asked for") };
            let put = || ready(Q::put(&producers[0], [1])).expect("the queue is open");
            let got = survives_a_drop(Q::get(first), Q::get(second), put);
            if got.is_none_or(|item| item.is_err()) {
                losses.push("an item that arrived for a dropped get");
            }
        }
        None => {
            let (producers, mut consumers) = Q::open(room, 1, 1)?;
            {
                let mut get = pin!(Q::get(&mut consumers[0]));
                assert!(task(get.as_mut()).poll().is_pending());
                ready(Q::put(&producers[0], [1])).expect("the queue is open");
            }
            let mut again = pin!(Q::get(&mut consumers[0]));
            if task(again.as_mut()).poll().is_pending() {
                losses.push("an item that arrived for a dropped get");
            }
        }
    }
    if room != Room::Unbounded {
        let (producers, mut consumers) = Q::open(room, 1, 1)?;
        let (producer, consumer) = (&producers[0], &mut consumers[0]);
        let mut items = 0;
        loop {
            let mut put = pin!(Q::put(producer, [0]));
            if task(put.as_mut()).poll().is_pending() {
                break;
            }
            items += 1;
        }
        held = Some(items);
        let take = || drop(ready(Q::get(consumer)));
        let got = survives_a_drop(Q::put(producer, [7]), Q::put(producer, [8]), take);
        let mut rest = Vec::new();
        for _ in 0..items + 2 {
            let mut get = pin!(Q::get(consumer));
            match task(get.as_mut()).poll() {
                Poll::Ready(item) => rest.extend(item.ok()),
                Poll::Pending => break,
            }
        }
        if rest.contains(&[7]) {
            losses.push("certainty: the item of a dropped put arrives all the same");
        } else if got.is_none() {
            losses.push("the room that was made for a dropped put");
        }
    }
    let overtakes =
        [(getter_overtakes::<Q>(room), "a new get"), (putter_overtakes::<Q>(room), "a new put")];
    let overtakes = overtakes
        .into_iter()
        .filter(|(found, _)| *found == Some(true))
        .map(|(_, who)| who)
        .collect();
    Some(Finding { held, overtakes, ..Finding::new(Kind::Queue, Q::NAME, losses) })
}

/// Whether a new `get` takes an item that was put for a waiting one. `None` for a queue with only
/// one consumer.
fn getter_overtakes<Q: Queue<1>>(room: Room) -> Option<bool> {
    let (producers, mut consumers) = Q::open(room, 1, 2)?;
    let [first, second] = &mut consumers[..] else { unreachable!("two were asked for") };
    let mut waiter = pin!(Q::get(first));
    assert!(task(waiter.as_mut()).poll().is_pending());
    ready(Q::put(&producers[0], [1])).expect("the queue is open");
    let mut newcomer = pin!(Q::get(second));
    Some(task(newcomer.as_mut()).poll().is_ready())
}

/// Whether a new `put` takes the room that was made for a waiting one. `None` for a queue without a
/// bound or with only one producer.
fn putter_overtakes<Q: Queue<1>>(room: Room) -> Option<bool> {
    if room == Room::Unbounded {
        return None;
    }
    let (producers, mut consumers) = Q::open(room, 2, 1)?;
    loop {
        let mut put = pin!(Q::put(&producers[0], [0]));
        if task(put.as_mut()).poll().is_pending() {
            break;
        }
    }
    let mut waiter = pin!(Q::put(&producers[0], [7]));
    let mut waiter = task(waiter.as_mut());
    assert!(waiter.poll().is_pending());
    drop(ready(Q::get(&mut consumers[0])));
    let mut newcomer = pin!(Q::put(&producers[1], [8]));
    let mut newcomer = task(newcomer.as_mut());
    let (mut waiter_done, mut newcomer_done) = (false, newcomer.poll().is_ready());
    loop {
        waiter_done = waiter_done || waiter.poll().is_ready();
        newcomer_done = newcomer_done || newcomer.poll().is_ready();
        match ready(Q::get(&mut consumers[0])).expect("the queue is open") {
            [0] => {}
            first => return Some(first == [8]),
        }
    }
}
