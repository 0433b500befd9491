//! Child processes that end with this process.
//!
//! With `PR_SET_PDEATHSIG` the kernel kills a child when its parent ends. The parent is the
//! *thread* that forked, and the threads of a test runner are short-lived. So one thread forks all
//! children and lives as long as the process.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus},
    sync::{
        Mutex, OnceLock, PoisonError,
        mpsc::{self, Sender, SyncSender},
    },
    thread,
    time::{Duration, Instant},
};

/// The interval for polling a condition.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// The maximum number of descriptors of a server, if the system permits it.
const DESCRIPTORS: libc::rlim_t = 65_536;

struct Order {
    command: Command,
    answer: SyncSender<io::Result<Child>>,
}

struct Spawner {
    orders: Mutex<Sender<Order>>,
    owner: u32,
}

fn spawner() -> io::Result<&'static Spawner> {
    static SPAWNER: OnceLock<Spawner> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(spawner) = SPAWNER.get() {
        return Ok(spawner);
    }
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::Builder::new().name("testbed-spawner".into()).spawn(move || {
        for Order { mut command, answer } in inbox {
            // Without a receiver for the answer, the child is not needed.
            if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    })?;
    Ok(SPAWNER.get_or_init(|| Spawner { orders: Mutex::new(orders), owner: std::process::id() }))
}

/// Starts `command` as a child that ends with this process. It has its own process group, so an
/// interrupt from the terminal reaches only this process.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    let parent = std::process::id();
    let spawner = spawner()?;
    if spawner.owner != parent {
        return Err(io::Error::other(
            "a forked child of a process with a testbed cannot start servers",
        ));
    }
    command.process_group(0);
    // SAFETY: between fork and exec, the closure calls only `getppid`, which is async-signal-safe,
    // and the plain system calls `prctl`, `getrlimit` and `setrlimit`. It allocates nothing:
    // `last_os_error` and `from_raw_os_error` hold a number.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have ended before the request took effect; then no signal comes.
            if libc::getppid() as u32 != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < DESCRIPTORS
            {
                limit.rlim_cur = limit.rlim_max.min(DESCRIPTORS);
                libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
            }
            Ok(())
        });
    }
    let (answer, reply) = mpsc::sync_channel(1);
    let gone = || io::Error::other("the thread that starts servers has ended");
    spawner
        .orders
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .send(Order { command, answer })
        .map_err(|_| gone())?;
    reply.recv().map_err(|_| gone())?
}

/// Sends `signal` to a child that was not waited for yet, so that its id is still valid.
pub(crate) fn signal(child: &Child, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: `kill` has no memory effects in this process.
    match unsafe { libc::kill(child.id() as libc::pid_t, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until every thread of a child has stopped after SIGSTOP, or the child has ended. Before
/// that, a thread could still reply.
pub(crate) fn await_stopped(child: &Child) -> io::Result<()> {
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
        // SAFETY: `info` has room for one `siginfo_t`. The child was not reaped, because `child` is
        // borrowed, and WNOWAIT does not reap it.
        let waited = unsafe { libc::waitid(libc::P_PID, child.id(), info.as_mut_ptr(), options) };
        match waited {
            0 => return Ok(()),
            _ => match io::Error::last_os_error() {
                interrupted if interrupted.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Waits for `child` to end, at most until `deadline`.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}
