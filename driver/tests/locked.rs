//! What one operation costs in locked instructions, counted one instruction at a time.
//!
//! A locked instruction (one with the prefix `lock`, or an `xchg` with memory) is what an atomic change of shared memory compiles to: the unit in
//! which locks, reference counts and hand-overs are paid for. The program runs itself once more as a child that it traces. The child warms up at
//! full speed, and announces the beginning and the end of an operation by a signal; in between the parent has it execute a single
//! instruction at a time and looks at each. What comes between by chance only ever adds: an operation is looked at until one run of it
//! stays within its bound, and the least that was counted is told. Monitors, which share the thread, have nothing to do meanwhile.
//!
//! Only the thread that performs the operations is traced. Where a program may not be traced, or on another processor or system, the
//! test says so and counts nothing.

fn main() {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    counted::run();
    #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
    println!("locked instructions are counted on x86_64 Linux only");
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod counted {
    use std::collections::HashMap;
    use std::fs::File;
    use std::io::Error;
    use std::os::unix::fs::FileExt;
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};
    use std::ptr::null_mut;

    use driver::bson::{RawDocumentBuf, doc};
    use futures_util::FutureExt;
    use testbed::ReplicaSet;

    /// The variable that makes the program the traced child, and holds the connection string.
    const URI: &str = "LOCKED_URI";

    /// How many times each operation is looked at, at most.
    const RUNS: usize = 12;

    /// The operations in the order in which the child performs them, and how many locked instructions each may have.
    const BOUNDS: [(&str, usize); 5] = [
        ("nothing", 0),
        ("find_one, async", 48),
        ("insert_one, async", 62),
        ("find_one, blocking", 28),
        ("insert_one, blocking", 38),
    ];

    pub(super) fn run() {
        if let Ok(uri) = std::env::var(URI) {
            return operate(&uri);
        }
        // As `cargo test` asks every test program of a crate.
        if std::env::args().any(|argument| argument == "--list") {
            return println!("no_operation_has_more_locked_instructions_than_it_may: test");
        }
        let set = ReplicaSet::start(1).unwrap();
        let uri = format!("{}&heartbeatFrequencyMS=600000&serverMonitoringMode=poll", set.uri());
        stay_on_one_processor();
        let counts = match Traced::start(&uri).map(Traced::count) {
            Ok(counts) => counts,
            Err(why) => {
                return println!("locked instructions are not counted: a child may not be traced: {why}");
            }
        };
        assert_eq!(counts.len(), BOUNDS.len() * RUNS, "the child did not perform all operations");
        let least: Vec<usize> =
            counts.chunks(RUNS).map(|runs| runs.iter().flatten().min().copied().unwrap()).collect();
        BOUNDS
            .iter()
            .zip(&least)
            .for_each(|((name, _), counted)| println!("{name}: {counted} locked instructions"));
        for ((name, at_most), counted) in BOUNDS.into_iter().zip(&least) {
            assert!(*counted <= at_most, "{name} has {counted} locked instructions, more than {at_most}");
        }
        // A count that sees nothing would stay within any bound.
        assert!(
            least[1..].iter().all(|counted| *counted >= 10),
            "no operation does without locks: {least:?}"
        );
    }

    /// Keeps this thread and its children to come on one processor: a step is two switches between parent and child, which are several times
    /// as fast where neither has to be woken elsewhere.
    fn stay_on_one_processor() {
        // SAFETY: a processor set is plain bits, of which none set is a value; the calls write to and read from it only. A refusal costs time alone.
        unsafe {
            let mut one: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(libc::sched_getcpu().max(0) as usize, &mut one);
            libc::sched_setaffinity(0, size_of_val(&one), &one);
        }
    }

    /// What the child does: each operation of [`BOUNDS`] a number of times at full speed, then [`RUNS`] times with a beginning and an end that the parent sees.
    fn operate(uri: &str) {
        let document = || RawDocumentBuf::try_from(&doc! { "name": "Mabel" }).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = driver::Client::with_uri_str(uri).await.unwrap();
            let coll: driver::Collection<RawDocumentBuf> = client.database("d").collection("c");
            watched(async || ()).await;
            watched(async || drop(coll.find_one(doc! {}).await.unwrap())).await;
            watched(async || drop(coll.insert_one(document()).await.unwrap())).await;
        });
        let client = driver::sync::Client::with_uri_str(uri).unwrap();
        let coll: driver::sync::Collection<RawDocumentBuf> = client.database("d").collection("c");
        // Nothing in these is ever pending.
        watched(async || drop(coll.find_one(doc! {}).run().unwrap())).now_or_never().unwrap();
        watched(async || drop(coll.insert_one(document()).run().unwrap())).now_or_never().unwrap();
    }

    async fn watched(operation: impl AsyncFn()) {
        for _ in 0..100 {
            operation().await;
        }
        for _ in 0..RUNS {
            // SAFETY: raising a signal has no preconditions. The tracing parent keeps both from being delivered.
            unsafe { libc::raise(libc::SIGUSR1) };
            operation().await;
            // SAFETY: as above.
            unsafe { libc::raise(libc::SIGUSR2) };
        }
    }

    /// A child under trace. All requests have to come from the thread that started it.
    struct Traced {
        child: Child,
        memory: File,
        /// Whether the instruction at an address is a locked one, for those that were looked at.
        known: HashMap<u64, bool>,
    }

    impl Traced {
        fn start(uri: &str) -> std::io::Result<Self> {
            let mut command = Command::new(std::env::current_exe()?);
            command.env(URI, uri).stdin(Stdio::null());
            // SAFETY: between fork and exec the closure makes one system call, which is async-signal-safe.
            unsafe {
                command.pre_exec(|| {
                    match libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) {
                        -1 => Err(Error::last_os_error()),
                        _ => Ok(()),
                    }
                });
            }
            let child = command.spawn()?;
            let memory = File::open(format!("/proc/{}/mem", child.id()))?;
            Ok(Traced { child, memory, known: HashMap::new() })
        }

        /// The locked instructions between each beginning and its end; none for a run that was not looked at, because one before it had
        /// stayed within the bound.
        fn count(mut self) -> Vec<Option<usize>> {
            let mut counts: Vec<Option<usize>> = Vec::new();
            let mut within: Option<usize> = None;
            let mut deliver = 0;
            // The stop at its exec comes first.
            while let Some(signal) = self.stopped() {
                match (signal, &mut within) {
                    (libc::SIGUSR1, _) => within = wants_a_look(&counts).then_some(0),
                    (libc::SIGUSR2, _) => counts.push(within.take()),
                    (libc::SIGTRAP, _) => {}
                    (other, _) => deliver = other,
                }
                let request = match within {
                    Some(locked) => {
                        within = Some(locked + usize::from(self.is_at_locked()));
                        libc::PTRACE_SINGLESTEP
                    }
                    None => libc::PTRACE_CONT,
                };
                self.request(request, std::mem::take(&mut deliver));
            }
            counts
        }

        /// Waits until the child stops; none when it has ended.
        fn stopped(&self) -> Option<i32> {
            let mut status = 0;
            // SAFETY: `status` may be written, and the child is ours and not waited for elsewhere.
            let waited = unsafe { libc::waitpid(self.pid(), &mut status, libc::__WALL) };
            (waited == self.pid() && libc::WIFSTOPPED(status)).then(|| libc::WSTOPSIG(status))
        }

        fn pid(&self) -> i32 {
            self.child.id() as i32
        }

        fn request(&self, request: libc::c_uint, signal: i32) {
            // SAFETY: the child is stopped; neither request reads or writes memory of this process.
            unsafe { libc::ptrace(request, self.pid(), null_mut::<u8>(), signal as usize as *mut u8) };
        }

        /// Whether the instruction that the child is about to execute is a locked one.
        fn is_at_locked(&mut self) -> bool {
            const RIP: usize = std::mem::offset_of!(libc::user_regs_struct, rip);
            // SAFETY: the child is stopped; the request reads a word of its registers, at a valid offset.
            let at =
                unsafe { libc::ptrace(libc::PTRACE_PEEKUSER, self.pid(), RIP as *mut u8, null_mut::<u8>()) };
            let memory = &self.memory;
            *self.known.entry(at as u64).or_insert_with(|| {
                let mut bytes = [0; 15];
                let read = memory.read_at(&mut bytes, at as u64).unwrap_or(0);
                is_locked(&bytes[..read])
            })
        }
    }

    impl Drop for Traced {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Whether no run so far of the operation that comes next has stayed within its bound.
    fn wants_a_look(counts: &[Option<usize>]) -> bool {
        let (_, at_most) = BOUNDS[counts.len() / RUNS];
        let of_this = &counts[counts.len() / RUNS * RUNS..];
        !of_this.iter().flatten().any(|counted| *counted <= at_most)
    }

    /// Whether an instruction has the prefix `lock`, or is an `xchg` with memory, which locks without it.
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
