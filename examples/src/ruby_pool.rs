//! "A Curious Concurrency Case", simulated: a pool that pins each thread to a socket, and wakes the
//! wrong thread.
//!
//! There are ten sockets. Every thread uses one for 1 to 20 seconds, pauses for a second, and asks
//! again. In the old pool of the Ruby driver a thread was bound to one socket for life. The first
//! ten threads got one each. A later thread got a random one that was free when it first asked. All
//! threads whose socket was in use waited in one queue. The four designs differ in which thread a
//! returned socket wakes.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use toro::{Condition, Handoff, Lock, Queue, Take, Waiters};

use crate::virtual_time::{Clock, End, Seconds, simulate};

/// The number of sockets in the pool.
pub const SOCKETS: usize = 10;
/// The longest use of a socket, in seconds. The shortest is one.
pub const LONGEST_USE: u64 = 20;
/// The pause of a thread after it has returned a socket, in seconds.
pub const PAUSE: Seconds = 1;

/// The thread that a returned socket wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Design {
    /// The first in the queue, for any socket that it waits for.
    Signal,
    /// All threads in the queue.
    Broadcast,
    /// The first that waits for this socket. Each socket has its own queue.
    PerSocket,
    /// Threads are not bound to sockets. The oldest waiter gets it.
    HandOff,
}

impl Design {
    /// All four designs.
    pub const ALL: [Design; 4] =
        [Design::Signal, Design::Broadcast, Design::PerSocket, Design::HandOff];
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Design::Signal => "signal",
            Design::Broadcast => "broadcast",
            Design::PerSocket => "per-socket queues",
            Design::HandOff => "FIFO hand-off",
        })
    }
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The share of all sockets' time in which they were unused, from 0 to 1.
    pub unused: f64,
    /// The part of it in which a thread waited that could have used the socket.
    pub wanted: f64,
    /// The share of checkouts that did not wait.
    pub at_once: f64,
    /// The longest wait for a socket, in seconds.
    pub longest_wait: Seconds,
    /// The number of wake-ups in vain per returned socket: the thread's socket was in use.
    pub woken_in_vain: f64,
    /// The mean number of waiting threads.
    pub waiting: f64,
    /// Why the run ended.
    pub end: End,
}

/// Simulates `threads` threads that share the pool for `seconds` of virtual time.
pub fn run(design: Design, threads: usize, seconds: Seconds, seed: u64) -> Outcome {
    let clock = Clock::default();
    let ledger = Ledger::new(clock.clone());
    let random = RefCell::new(fastrand::Rng::with_seed(seed));
    let pool = Pool::new(design, threads);
    let thread = |number| {
        let (pool, clock, ledger, random) = (&pool, &clock, &ledger, &random);
        let life = async move {
            while clock.now() <= seconds {
                let asked = clock.now();
                ledger.waits(number, pool.home(number));
                let socket = pool.check_out(number, ledger, random).await;
                ledger.took(number, socket, asked);
                let time = random.borrow_mut().u64(1..=LONGEST_USE);
                clock.sleep(time).await;
                ledger.returns(socket);
                pool.check_in(socket).await;
                clock.sleep(PAUSE).await;
            }
        };
        Box::pin(life) as Pin<Box<dyn Future<Output = ()>>>
    };
    let end = simulate(&clock, seconds, (0..threads).map(thread));
    ledger.sum_up(end)
}

/// The pool, in one of its four designs.
enum Pool {
    Pinned {
        state: Lock<Pinned>,
        queue: Condition,
        design: Design,
        homes: Vec<Cell<Option<usize>>>,
    },
    PerSocket {
        sockets: Vec<Queue<()>>,
        homes: Vec<Cell<Option<usize>>>,
        opened: Cell<usize>,
    },
    Unpinned(Handoff<Vec<usize>, usize>),
}

struct Pinned {
    in_use: [bool; SOCKETS],
    opened: usize,
}

impl Pool {
    fn new(design: Design, threads: usize) -> Self {
        let homes = vec![Cell::new(None); threads];
        match design {
            Design::Signal | Design::Broadcast => Pool::Pinned {
                state: Lock::new(Pinned { in_use: [false; SOCKETS], opened: 0 }),
                queue: Condition::new(),
                design,
                homes,
            },
            Design::PerSocket => {
                let sockets: Vec<_> = (0..SOCKETS).map(|_| Queue::new(1)).collect();
                for socket in &sockets {
                    let _ = socket.try_put(());
                }
                Pool::PerSocket { sockets, homes, opened: Cell::new(0) }
            }
            Design::HandOff => Pool::Unpinned(Handoff::new((0..SOCKETS).collect())),
        }
    }

    /// The socket to which a thread is bound, if any.
    fn home(&self, thread: usize) -> Option<usize> {
        match self {
            Pool::Pinned { homes, .. } | Pool::PerSocket { homes, .. } => homes[thread].get(),
            Pool::Unpinned(_) => None,
        }
    }

    async fn check_out(
        &self,
        thread: usize,
        ledger: &Ledger,
        random: &RefCell<fastrand::Rng>,
    ) -> usize {
        match self {
            Pool::Pinned { state, queue, homes, .. } => {
                let mut state = state.acquire().await;
                let mut woken = false;
                loop {
                    let home = &homes[thread];
                    if home.get().is_none() {
                        home.set(state.new_home(random));
                    }
                    if let Some(socket) = home.get().filter(|socket| !state.in_use[*socket]) {
                        state.in_use[socket] = true;
                        return socket;
                    }
                    if woken {
                        ledger.in_vain();
                    }
                    state = queue.wait_on(state).await;
                    woken = true;
                }
            }
            Pool::PerSocket { sockets, homes, opened } => {
                let home = homes[thread].get().unwrap_or_else(|| {
                    let socket = match opened.get() {
                        SOCKETS => random.borrow_mut().usize(..SOCKETS),
                        next => {
                            opened.set(next + 1);
                            next
                        }
                    };
                    homes[thread].set(Some(socket));
                    socket
                });
                // A socket's queue is never closed.
                let _ = sockets[home].get().await;
                home
            }
            Pool::Unpinned(pool) => {
                pool.wait(|idle: &mut Vec<usize>, waiting: &mut Waiters<'_, usize>| {
                    match idle.pop() {
                        Some(socket) if waiting.is_empty() => Take::Ready(socket),
                        Some(socket) => {
                            idle.push(socket);
                            Take::Queue
                        }
                        None => Take::Queue,
                    }
                })
                .await
            }
        }
    }

    async fn check_in(&self, socket: usize) {
        match self {
            Pool::Pinned { state, queue, design, .. } => {
                state.acquire().await.in_use[socket] = false;
                match design {
                    Design::Broadcast => queue.notify_all(),
                    _ => queue.notify(1),
                };
            }
            Pool::PerSocket { sockets, .. } => {
                let _ = sockets[socket].try_put(());
            }
            Pool::Unpinned(pool) => pool.with(|idle, waiting| {
                if let Err(socket) = waiting.hand_off(socket) {
                    idle.push(socket);
                }
            }),
        }
    }
}

impl Pinned {
    /// Binds a thread to a new socket, or else to a random free one.
    fn new_home(&mut self, random: &RefCell<fastrand::Rng>) -> Option<usize> {
        if self.opened < SOCKETS {
            self.opened += 1;
            return Some(self.opened - 1);
        }
        let free: Vec<usize> = (0..SOCKETS).filter(|socket| !self.in_use[*socket]).collect();
        random.borrow_mut().choice(free)
    }
}

/// Records how the sockets' time was spent.
struct Ledger {
    clock: Clock,
    book: RefCell<Book>,
}

#[derive(Default)]
struct Book {
    counted_to: Seconds,
    in_use: [bool; SOCKETS],
    /// The number of threads that wait for each socket, and for any.
    wanted: [usize; SOCKETS],
    wanted_any: usize,
    used_seconds: u64,
    wanted_seconds: u64,
    waiting_seconds: u64,
    longest_wait: Seconds,
    in_vain: u64,
    check_outs: u64,
    at_once: u64,
    check_ins: u64,
    /// The socket that each thread is recorded as waiting for.
    waits_for: std::collections::HashMap<usize, Option<usize>>,
}

impl Ledger {
    fn new(clock: Clock) -> Self {
        Ledger { clock, book: RefCell::default() }
    }

    /// The record, up to the current time.
    fn book(&self) -> std::cell::RefMut<'_, Book> {
        let mut book = self.book.borrow_mut();
        let span = self.clock.now() - std::mem::replace(&mut book.counted_to, self.clock.now());
        let used = book.in_use.iter().filter(|used| **used).count();
        let idle_and_wanted =
            (0..SOCKETS).filter(|s| !book.in_use[*s] && book.wanted[*s] > 0).count();
        let takers = idle_and_wanted + book.wanted_any.min(SOCKETS - used - idle_and_wanted);
        book.used_seconds += span * used as u64;
        book.wanted_seconds += span * takers as u64;
        book.waiting_seconds += span * book.waits_for.len() as u64;
        book
    }

    fn waits(&self, thread: usize, home: Option<usize>) {
        let mut book = self.book();
        match home {
            Some(socket) => book.wanted[socket] += 1,
            None => book.wanted_any += 1,
        }
        book.waits_for.insert(thread, home);
    }

    fn took(&self, thread: usize, socket: usize, asked: Seconds) {
        let mut book = self.book();
        match book.waits_for.remove(&thread).flatten() {
            Some(socket) => book.wanted[socket] -= 1,
            None => book.wanted_any -= 1,
        }
        book.in_use[socket] = true;
        let waited = self.clock.now() - asked;
        book.longest_wait = book.longest_wait.max(waited);
        book.check_outs += 1;
        book.at_once += u64::from(waited == 0);
    }

    fn returns(&self, socket: usize) {
        let mut book = self.book();
        book.in_use[socket] = false;
        book.check_ins += 1;
    }

    fn in_vain(&self) {
        self.book().in_vain += 1;
    }

    fn sum_up(&self, end: End) -> Outcome {
        let book = self.book();
        let all = (SOCKETS as u64 * book.counted_to.max(1)) as f64;
        Outcome {
            unused: 1.0 - book.used_seconds as f64 / all,
            wanted: book.wanted_seconds as f64 / all,
            at_once: book.at_once as f64 / book.check_outs.max(1) as f64,
            longest_wait: book.longest_wait,
            woken_in_vain: book.in_vain as f64 / book.check_ins.max(1) as f64,
            waiting: book.waiting_seconds as f64 / book.counted_to.max(1) as f64,
            end,
        }
    }
}
