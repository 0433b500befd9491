//! Test support: signals that interrupt the system calls of a thread.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The interval of the signals and their maximum number.
const EVERY: Duration = Duration::from_millis(10);
const AT_MOST: u32 = 1000;

/// Whether signals still arrived when the work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signals {
    StillComing,
    Over,
}

/// Runs `work` on the calling thread while a signal interrupts its system calls every 10 ms, for at
/// most 10 s.
pub(super) fn with_signals<T>(work: impl FnOnce() -> T) -> (T, Signals) {
    extern "C" fn nothing(_: libc::c_int) {}
    // SAFETY: all zero bits are a valid `sigaction`: no flags, so calls are not restarted. The
    // handler does nothing, so it may run at any time.
    let installed = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = nothing as *const () as libc::sighandler_t;
        libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut())
    };
    assert_eq!(installed, 0);
    // SAFETY: always allowed.
    let this = unsafe { libc::pthread_self() };
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let signalling = scope.spawn(|| {
            for _ in 0..AT_MOST {
                if done.load(Ordering::Acquire) {
                    return Signals::StillComing;
                }
                // SAFETY: the thread is alive: it joins this one before it ends.
                unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                thread::sleep(EVERY);
            }
            Signals::Over
        });
        let output = work();
        done.store(true, Ordering::Release);
        (output, signalling.join().unwrap())
    })
}
