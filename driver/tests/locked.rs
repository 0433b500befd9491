//! The number of locked instructions of one operation, counted in single steps.
//!
//! A locked instruction (one with the prefix `lock`, or an `xchg` with memory) is the machine code
//! of an atomic change of shared memory. Locks, reference counts and hand-overs cost locked
//! instructions. The program runs itself again as a traced child. The child warms up at full speed
//! and marks the start and the end of an operation by signals. In between, the parent steps through
//! single instructions and inspects each. Disturbances only add. So each operation is repeated
//! until one run stays within its bound, and the lowest count is reported.
//!
//! Only the thread with the operations is traced. Monitors, pool maintenance and tokio's reactor
//! run on another thread. The test is ignored where tracing is not permitted, and on other
//! processors or systems.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod traced;

fn main() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    counted::run();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    println!("locked instructions are counted on x86_64 Linux only");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod counted {
    use std::cell::RefCell;
    use std::collections::HashMap;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use driver::bson::{RawDocumentBuf, doc};
    use futures_util::FutureExt;
    use libtest_mimic::{Arguments, Completion, Trial};
    use testbed::ReplicaSet;

    use crate::traced::{self, StopAt, Traced};

    /// The environment variable that marks the traced child and holds the connection string.
    const URI: &str = "LOCKED_URI";

    /// The maximum number of runs per operation.
    const RUNS: usize = 12;

    /// The operations in the child's order, and the maximum number of locked instructions of each.
    /// The bounds include one wait for the reply, or two if tokio's readiness was stale. In single
    /// steps, the reply may also arrive before the wait.
    const BOUNDS: [(&str, usize); 9] = [
        ("nothing", 0),
        ("find_one, async", 48),
        ("insert_one, async", 62),
        ("find_one with a timeout, async", 64),
        ("find_one of a client with a timeout, async", 64),
        ("find_one, blocking", 28),
        ("insert_one, blocking", 38),
        ("find_one with a timeout, blocking", 28),
        ("find_one of a client with a timeout, blocking", 28),
    ];

    pub(super) fn run() {
        if let Ok(uri) = std::env::var(URI) {
            return operate(&uri);
        }
        let counted = || match traced::permitted() {
            Ok(()) => {
                count();
                Ok(Completion::Completed)
            }
            Err(why) => Ok(Completion::ignored_with(why)),
        };
        let trial =
            Trial::ignorable_test("no_operation_has_more_locked_instructions_than_it_may", counted);
        libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit();
    }

    fn count() {
        let set = ReplicaSet::start(1).unwrap();
        let uri = format!("{}&heartbeatFrequencyMS=600000&serverMonitoringMode=poll", set.uri());
        stay_on_one_processor();
        let child = Traced::start(&[(URI, &uri)]).unwrap();
        let memory = File::open(format!("/proc/{}/mem", child.pid())).unwrap();
        // Whether the instruction at an address is locked, for the addresses inspected so far.
        let known = RefCell::new(HashMap::new());
        let is_locked_at = |at: u64| {
            *known.borrow_mut().entry(at).or_insert_with(|| {
                let mut bytes = [0; 15];
                let read = memory.read_at(&mut bytes, at).unwrap_or(0);
                is_locked(&bytes[..read])
            })
        };
        const RIP: usize = std::mem::offset_of!(libc::user_regs_struct, rip);
        let begin = |counts: &[Option<Count>]| wants_a_look(counts).then(Count::default);
        let counts = child.watch(StopAt::Instruction, begin, |child, count| {
            count.locked += usize::from(is_locked_at(child.register(RIP)));
            count.all += 1;
        });
        assert_eq!(counts.len(), BOUNDS.len() * RUNS, "the child did not perform all operations");
        let least: Vec<Count> =
            counts.chunks(RUNS).map(|runs| runs.iter().flatten().min().copied().unwrap()).collect();
        for ((name, _), Count { locked, all }) in BOUNDS.iter().zip(&least) {
            println!("{name}: {locked} locked instructions of {all}");
        }
        let least: Vec<usize> = least.into_iter().map(|count| count.locked).collect();
        for ((name, at_most), counted) in BOUNDS.into_iter().zip(&least) {
            assert!(
                *counted <= at_most,
                "{name} has {counted} locked instructions, more than {at_most}"
            );
        }
        // A lower bound too, because a broken counter would satisfy any upper bound.
        assert!(
            least[1..].iter().all(|counted| *counted >= 10),
            "every operation needs locked instructions: {least:?}"
        );
    }

    /// Pins this thread and its later children to one processor. A step needs two switches between
    /// parent and child, which are several times faster on one processor.
    fn stay_on_one_processor() {
        // SAFETY: a zeroed processor set is a valid empty set; the calls only read and write it. A
        // failure costs only time.
        unsafe {
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut one);
            libc::sched_setaffinity(0, size_of_val(&one), &one);
        }
    }

    /// Long enough for an operation in single steps.
    const HOUR: Duration = Duration::from_secs(3600);

    /// The child's work: each operation of [`BOUNDS`] at full speed first, then [`RUNS`] times
    /// between marks for the parent.
    fn operate(uri: &str) {
        let timed = format!("{uri}&timeoutMS={}", HOUR.as_millis());
        let document = || RawDocumentBuf::try_from(&doc! { "name": "Mabel" }).unwrap();
        // Background work runs on the worker thread, however long the single steps take.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let client = driver::Client::with_uri_str(uri).await.unwrap();
            let coll: driver::Collection<RawDocumentBuf> = client.database("d").collection("c");
            // All reads find a document.
            coll.insert_one(document()).await.unwrap();
            watched(async || ()).await;
            watched(async || drop(coll.find_one(doc! {}).await.unwrap())).await;
            watched(async || drop(coll.insert_one(document()).await.unwrap())).await;
            watched(async || drop(coll.find_one(doc! {}).timeout(HOUR).await.unwrap())).await;
            let client = driver::Client::with_uri_str(&timed).await.unwrap();
            let coll: driver::Collection<RawDocumentBuf> = client.database("d").collection("c");
            watched(async || drop(coll.find_one(doc! {}).await.unwrap())).await;
        });
        let client = driver::sync::Client::with_uri_str(uri).unwrap();
        let coll: driver::sync::Collection<RawDocumentBuf> = client.database("d").collection("c");
        // These futures are never pending.
        watched(async || drop(coll.find_one(doc! {}).run().unwrap())).now_or_never().unwrap();
        watched(async || drop(coll.insert_one(document()).run().unwrap())).now_or_never().unwrap();
        watched(async || drop(coll.find_one(doc! {}).timeout(HOUR).run().unwrap()))
            .now_or_never()
            .unwrap();
        let client = driver::sync::Client::with_uri_str(&timed).unwrap();
        let coll: driver::sync::Collection<RawDocumentBuf> = client.database("d").collection("c");
        watched(async || drop(coll.find_one(doc! {}).run().unwrap())).now_or_never().unwrap();
    }

    async fn watched(operation: impl AsyncFn()) {
        for _ in 0..100 {
            operation().await;
        }
        for _ in 0..RUNS {
            traced::begin();
            operation().await;
            traced::end();
        }
    }

    /// The instructions of one run.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
    struct Count {
        locked: usize,
        all: usize,
    }

    /// Whether no run of the next operation has stayed within its bound yet.
    fn wants_a_look(counts: &[Option<Count>]) -> bool {
        let (_, at_most) = BOUNDS[counts.len() / RUNS];
        let of_this = &counts[counts.len() / RUNS * RUNS..];
        !of_this.iter().flatten().any(|count| count.locked <= at_most)
    }

    /// Whether an instruction has the prefix `lock`, or is an `xchg` with memory, which locks
    /// without it.
    fn is_locked(instruction: &[u8]) -> bool {
        const PREFIXES: [u8; 10] = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf2, 0xf3];
        const LOCK: u8 = 0xf0;
        let mut rest = instruction;
        while let [first, after @ ..] = rest {
            match first {
                &LOCK => return true,
                prefix if PREFIXES.contains(prefix) => rest = after,
                // REX is the last prefix.
                0x40..=0x4f => {
                    rest = after;
                    break;
                }
                _ => break,
            }
        }
        matches!(rest, [0x86 | 0x87, operands, ..] if operands >> 6 != 0b11)
    }
}
