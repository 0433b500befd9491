//! Child processes that do not outlive this one.
//!
//! The kernel kills a child whose parent dies, if the child asked for it with `PR_SET_PDEATHSIG`.
//! The parent it means is the *thread* that forked, and the threads of a test runner come and go.
//! So all children are forked by one thread that lives as long as the process.

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

/// How often a condition that nobody announces is looked at.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Descriptors a server may have, if the system lets it.
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
            // If nobody waits for the answer any more, the child it held is not wanted either.
            if let Err(mpsc::SendError(Ok(mut child))) = answer.send(command.spawn()) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    })?;
    Ok(SPAWNER.get_or_init(|| Spawner { orders: Mutex::new(orders), owner: std::process::id() }))
}

/// Starts `command` as a child that dies with this process, in a process group of its own, so that
/// an interrupt typed at a terminal reaches only this process.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    let parent = std::process::id();
    let spawner = spawner()?;
    if spawner.owner != parent {
        return Err(io::Error::other(
            "a forked child of the process that uses the testbed cannot start servers",
        ));
    }
    command.process_group(0);
    // SAFETY: between fork and exec only functions that POSIX calls async-signal-safe, and the
    // plain system calls `prctl` and `setrlimit`, are made; nothing is allocated:
    // `last_os_error` and `from_raw_os_error` hold a number.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(io::Error::last_os_error());
            }
            // The parent may have died before the request reached the kernel; then nobody would be
            // told.
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

/// Sends `signal` to a child that has not been waited for, so that its id is still its own.
pub(crate) fn signal(child: &Child, signal: libc::c_int) -> io::Result<()> {
    // SAFETY: `kill` has no memory effects in this process.
    match unsafe { libc::kill(child.id() as libc::pid_t, signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits until every thread of a child that was sent SIGSTOP has stopped, or the child has ended.
/// Until then one of its threads could still answer.
pub(crate) fn await_stopped(child: &Child) -> io::Result<()> {
    loop {
        let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::zeroed();
        let options = libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT;
        // SAFETY: `info` is room for one siginfo_t. The child has not been reaped, for `child` is
        // borrowed, and WNOWAIT leaves it to be reaped.
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
