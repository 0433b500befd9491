//! Tracing for `locked.rs` and `costs.rs`: a program runs itself again as a traced child.
//!
//! The child runs at full speed until it marks the start of a watched part by a signal to itself.
//! Another signal marks the end. The tracer suppresses both signals. Only the child's initial
//! thread is traced. All trace requests must come from the thread that started the child.

use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::ptr::null_mut;

/// The signals that mark the start and the end of a watched part.
const BEGIN: i32 = libc::SIGUSR1;
const END: i32 = libc::SIGUSR2;

/// The signal of a stop at a system call. The option set in [`Traced::start`] distinguishes it.
const AT_SYSTEM_CALL: i32 = libc::SIGTRAP | 0x80;

/// Marks, in the child, the start of a watched part.
pub(crate) fn begin() {
    raise(BEGIN);
}

/// Marks, in the child, the end of a watched part.
pub(crate) fn end() {
    raise(END);
}

fn raise(signal: i32) {
    // SAFETY: raising a signal has no preconditions. The tracing parent suppresses it.
    unsafe { libc::raise(signal) };
}

/// Whether this program may trace its own child.
///
/// # Errors
/// The reason if it may not.
pub(crate) fn permitted() -> std::result::Result<(), String> {
    let why =
        |error: Error| format!("a child may not be traced: {error}; see kernel.yama.ptrace_scope");
    Traced::start(&[]).map(drop).map_err(why)
}

/// A traced child, which is killed on drop.
pub(crate) struct Traced(Child);

/// The stops of a child in a watched part.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "each program uses one")]
pub(crate) enum StopAt {
    /// Before each instruction.
    Instruction,
    /// Before and after each system call.
    SystemCall,
}

impl Traced {
    /// Runs this program again with these environment variables.
    ///
    /// # Errors
    /// Fails if the system does not permit tracing a child.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.envs(variables.iter().copied()).stdin(Stdio::null());
        // SAFETY: between fork and exec the closure makes one system call, which is
        // async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                match libc::ptrace(libc::PTRACE_TRACEME, 0, null_mut::<u8>(), null_mut::<u8>()) {
                    -1 => Err(Error::last_os_error()),
                    _ => Ok(()),
                }
            });
        }
        let child = Traced(command.spawn()?);
        // The child stops at its exec.
        child.stopped().ok_or_else(|| Error::other("the child ended before its exec"))?;
        let options = libc::PTRACE_O_TRACESYSGOOD as usize as *mut u8;
        // SAFETY: the child is stopped; the request sets options and touches no memory.
        match unsafe {
            libc::ptrace(libc::PTRACE_SETOPTIONS, child.pid(), null_mut::<u8>(), options)
        } {
            -1 => Err(Error::last_os_error()),
            _ => Ok(child),
        }
    }

    /// Runs the child to its end. At each start mark, `begin` gets the results so far and returns
    /// the initial value of this run, or `None` to skip it. The child then stops as `stop` says,
    /// and `look` updates the value at each stop. Returns the value of each run.
    pub(crate) fn watch<T>(
        self,
        stop: StopAt,
        begin: impl Fn(&[Option<T>]) -> Option<T>,
        mut look: impl FnMut(&Self, &mut T),
    ) -> Vec<Option<T>> {
        let (mut gathered, mut within) = (Vec::new(), None);
        let mut signal = libc::SIGTRAP;
        loop {
            let mut deliver = 0;
            match (signal, &mut within) {
                (BEGIN, _) => within = begin(&gathered),
                (END, _) => gathered.push(within.take()),
                (AT_SYSTEM_CALL, Some(now)) => look(&self, now),
                (AT_SYSTEM_CALL | libc::SIGTRAP, _) => {}
                (other, _) => deliver = other,
            }
            let request = match (&mut within, stop) {
                (None, _) => libc::PTRACE_CONT,
                (Some(_), StopAt::SystemCall) => libc::PTRACE_SYSCALL,
                (Some(now), StopAt::Instruction) => {
                    look(&self, now);
                    libc::PTRACE_SINGLESTEP
                }
            };
            // SAFETY: the child is stopped; the requests do not read or write memory of this
            // process.
            unsafe {
                libc::ptrace(request, self.pid(), null_mut::<u8>(), deliver as usize as *mut u8)
            };
            match self.stopped() {
                Some(next) => signal = next,
                None => return gathered,
            }
        }
    }

    /// Waits until the child stops; `None` if it has ended.
    fn stopped(&self) -> Option<i32> {
        let mut status = 0;
        // SAFETY: `status` is writable, and only this function waits for the child.
        let waited = unsafe { libc::waitpid(self.pid(), &mut status, libc::__WALL) };
        (waited == self.pid() && libc::WIFSTOPPED(status)).then(|| libc::WSTOPSIG(status))
    }

    pub(crate) fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// The register of the stopped child at this offset in [`libc::user_regs_struct`].
    pub(crate) fn register(&self, offset: usize) -> u64 {
        // SAFETY: the child is stopped; the request reads a word of its registers and touches no
        // memory of this process.
        let word = unsafe {
            libc::ptrace(libc::PTRACE_PEEKUSER, self.pid(), offset as *mut u8, null_mut::<u8>())
        };
        word as u64
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
