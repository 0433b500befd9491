//! The costs of one operation: allocations, tasks, wake-ups, system calls. `locked.rs` counts
//! locked instructions.
//!
//! The counts are those of a warm client on a real server. Each is the slope between `n` and `2n`
//! operations, which cancels background work such as heartbeats. The counters cover the whole
//! process, so the tests of this file run one after the other.
//!
//! System calls are counted in a traced child. The test is ignored where tracing is not permitted,
//! and on other processors or systems.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod traced;

use std::alloc::{GlobalAlloc, Layout, System};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use driver::bson::{Document, RawDocumentBuf, doc};
use driver::{Client, Collection};
use libtest_mimic::{Arguments, Completion, Trial};
use testbed::ReplicaSet;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATED: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every method passes its arguments to `System` unchanged; counting touches one atomic and
// cannot allocate or unwind.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        ALLOCATED.fetch_add(1, Relaxed);
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// The numbers of allocations and of spawned tasks per operation of `run`.
///
/// Returns the lowest of several measurements, because disturbances only add.
async fn per_operation(mut run: impl AsyncFnMut(u64)) -> (f64, f64) {
    const OPS: u64 = 200;
    run(OPS).await;
    let mut least = (f64::MAX, f64::MAX);
    for _ in 0..5 {
        let (allocated, spawned) = (ALLOCATED.load(Relaxed), task_number().await);
        run(OPS).await;
        let tasks = task_number().await - spawned - 1;
        let allocations = ALLOCATED.load(Relaxed) - allocated;
        least.0 = least.0.min(allocations as f64 / OPS as f64);
        least.1 = least.1.min(tasks as f64 / OPS as f64);
    }
    least
}

/// The number of wake-ups of the task per operation.
async fn wakes_per_operation(operation: impl AsyncFn()) -> f64 {
    const OPS: u64 = 200;
    let mut run = pin!(async {
        for _ in 0..OPS {
            operation().await;
        }
    });
    let woken = Arc::new(Woken { times: AtomicU64::new(0), task: Mutex::new(None) });
    let waker = Waker::from(Arc::clone(&woken));
    poll_fn(|cx| {
        *woken.task.lock().unwrap() = Some(cx.waker().clone());
        run.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await;
    woken.times.load(Relaxed) as f64 / OPS as f64
}

/// Forwards wake-ups to the task and counts them.
struct Woken {
    times: AtomicU64,
    task: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.times.fetch_add(1, Relaxed);
        if let Some(task) = &*self.task.lock().unwrap() {
            task.wake_by_ref();
        }
    }
}

/// The id of the next task. Tokio numbers tasks consecutively.
async fn task_number() -> u64 {
    let id = tokio::spawn(async { tokio::task::id() }).await.unwrap();
    id.to_string().parse().unwrap()
}

/// The number of allocations of `make`.
fn allocations_of<R>(make: impl Fn() -> R) -> f64 {
    let before = ALLOCATED.load(Relaxed);
    for _ in 0..1000 {
        std::hint::black_box(make());
    }
    (ALLOCATED.load(Relaxed) - before) as f64 / 1000.0
}

fn main() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if let Ok(uri) = std::env::var(calls::URI) {
        return calls::operate(&uri);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let trials = vec![
        Trial::test("operation_stays_within_its_cost_bounds", || {
            count_costs();
            Ok(())
        }),
        Trial::ignorable_test("operation_stays_within_its_system_call_bounds", || {
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            return Ok(
                calls::count().map_or_else(Completion::ignored_with, |()| Completion::Completed)
            );
            #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
            return Ok(Completion::ignored_with("system calls are counted on x86_64 Linux only"));
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit();
}

fn count_costs() {
    let set = ReplicaSet::start(1).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let filter = || doc! { "_id": 7 };
    let document = || doc! { "name": "Mabel", "breaths": 70_i64 };
    // The allocations of the caller's own filter and document.
    let (filter_costs, document_costs) = (allocations_of(filter), allocations_of(document));
    runtime.block_on(async {
        let client = Client::with_uri_str(set.uri()).await.unwrap();
        let coll: Collection<Document> = client.database("d").collection("c");
        coll.insert_many((0..5000).map(|i| doc! { "_id": i, "filling": "x".repeat(40) }))
            .await
            .unwrap();
        let raw = coll.clone_with_type::<RawDocumentBuf>();

        let (allocations, tasks) = per_operation(async |n| {
            for _ in 0..n {
                assert!(raw.find_one(filter()).await.unwrap().is_some());
            }
        })
        .await;
        let beyond = allocations - filter_costs - 1.0;
        println!(
            "find_one: {beyond} allocations beyond the filter and the document, {tasks} tasks"
        );
        assert!(beyond < 1.1, "find_one: {beyond} allocations");
        assert_eq!(tasks, 0.0, "find_one spawns tasks");

        let target: Collection<Document> = client.database("d").collection("inserted");
        let (allocations, tasks) = per_operation(async |n| {
            for _ in 0..n {
                target.insert_one(document()).await.unwrap();
            }
        })
        .await;
        let beyond = allocations - document_costs;
        println!("insert_one: {beyond} allocations beyond the document, {tasks} tasks");
        assert!(beyond < 1.1, "insert_one: {beyond} allocations");
        assert_eq!(tasks, 0.0, "insert_one spawns tasks");

        let wakes = wakes_per_operation(async || drop(raw.find_one(filter()).await.unwrap())).await;
        println!("find_one: {wakes} wake-ups");
        assert!(wakes < 1.05, "find_one: {wakes} wake-ups");

        let mut count = 0_u64;
        let (allocations, _) = per_operation(async |_| {
            let mut cursor = raw.find(doc! {}).batch_size(5000).await.unwrap();
            while cursor.advance().await.unwrap() {
                count += u64::from(!cursor.current().is_empty());
            }
        })
        .await;
        assert_eq!(count, 6 * 5000);
        // The 5000 documents count as 200 operations of the measuring function.
        let allocations = allocations * 200.0;
        println!("a cursor over 5000 raw documents: {allocations} allocations");
        assert!(allocations < 50.0, "a cursor over 5000 raw documents: {allocations} allocations");
    });
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod calls {
    use driver::Client;
    use driver::bson::{RawDocumentBuf, doc};
    use testbed::ReplicaSet;

    use crate::traced::{self, StopAt, Traced};

    /// The environment variable that marks the traced child and holds the connection string.
    pub(super) const URI: &str = "COSTS_URI";

    /// The number of traced operations.
    const OPERATIONS: usize = 1000;

    /// Counts the system calls of operations on one thread: writes, reads, waits and others.
    ///
    /// # Errors
    /// The reason if system calls cannot be counted here.
    pub(super) fn count() -> Result<(), String> {
        traced::permitted()?;
        let set = ReplicaSet::start(1).unwrap();
        const NUMBER: usize = std::mem::offset_of!(libc::user_regs_struct, orig_rax);
        let child = Traced::start(&[(URI, &set.uri())]).unwrap();
        // A child stops twice per call: before and after it.
        let stops = child.watch(
            StopAt::SystemCall,
            |_| Some([0_u64; 4]),
            |child, stops| {
                let kind = match child.register(NUMBER) as i64 {
                    libc::SYS_sendto | libc::SYS_write | libc::SYS_writev | libc::SYS_sendmsg => 0,
                    libc::SYS_recvfrom | libc::SYS_read | libc::SYS_readv | libc::SYS_recvmsg => 1,
                    libc::SYS_epoll_wait | libc::SYS_epoll_pwait | libc::SYS_epoll_pwait2 => 2,
                    libc::SYS_poll | libc::SYS_ppoll => 2,
                    _ => 3,
                };
                stops[kind] += 1;
            },
        );
        let [Some(stops)] = stops[..] else { panic!("the child did not perform its operations") };
        let per_operation = stops.map(|stops| stops as f64 / (2 * OPERATIONS) as f64);
        println!("system calls per find_one: write, read, wait, other: {per_operation:?}");
        // Heartbeats and other background work are rare: a hundredth of a call per operation.
        let [write, read, wait, other] = per_operation;
        // A lower bound too, because a broken counter would satisfy any upper bound.
        assert!((0.99..1.05).contains(&write), "{write} writes per operation");
        assert!((0.99..1.05).contains(&read), "{read} reads per operation");
        assert!(wait < 1.10, "{wait} waits per operation");
        assert!(other < 0.05, "{other} other system calls per operation");
        Ok(())
    }

    /// The child's work: operations on one thread. The last of them are traced.
    pub(super) fn operate(uri: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::with_uri_str(uri).await.unwrap();
            let coll: driver::Collection<RawDocumentBuf> = client.database("d").collection("c");
            let find = async || drop(coll.find_one(doc! { "_id": 7 }).await.unwrap());
            for _ in 0..100 {
                find().await;
            }
            traced::begin();
            for _ in 0..OPERATIONS {
                find().await;
            }
            traced::end();
        });
    }
}
