//! The callbacks that run when a process ends. Each test runs this program again in a role, and
//! checks what the callbacks of that role wrote.

use std::{
    env,
    io::Write,
    process::{self, Command},
    sync::mpsc,
    thread,
};

use libtest_mimic::{Arguments, Failed, Trial};
use threadwatch::{PerThread, ThreadWatcher, Watch};

const ROLE: &str = "THREADWATCH_TEST_ROLE";

fn say(what: &str) {
    // Not `println!`, which buffers: nothing flushes the buffer at this stage of a process.
    let mut out = std::io::stdout().lock();
    out.write_all(what.as_bytes()).and_then(|()| out.flush()).unwrap();
}

/// Watches the calling thread with a watcher that is never dropped.
fn watch(name: &'static str) {
    let watcher: &ThreadWatcher = Box::leak(Box::default());
    assert_eq!(watcher.watch(move || say(name)), Watch::Started);
}

/// A watched thread that stays alive.
fn bystander() {
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        watch("bystander ");
        ready.send(()).unwrap();
        loop {
            thread::park();
        }
    });
    is_ready.recv().unwrap();
}

fn main_returns() {
    watch("main ");
    bystander();
}

fn main_exits() {
    watch("main ");
    bystander();
    process::exit(0);
}

fn another_thread_exits() {
    watch("main ");
    bystander();
    thread::spawn(|| {
        watch("other ");
        process::exit(0);
    });
    loop {
        thread::park();
    }
}

fn main_exits_with_a_borrow() {
    let values = PerThread::new(|_: String| say("reclaimed "));
    assert!(values.insert("value ".to_owned()).is_ok());
    watch("main ");
    let value = values.get().unwrap();
    thread::scope(|s| {
        // Another thread may read it until the very end.
        let value: &str = &value;
        s.spawn(move || {
            loop {
                assert_eq!(std::hint::black_box(value), "value ");
            }
        });
        process::exit(0);
    });
}

fn aborts() {
    watch("main ");
    process::abort();
}

struct Role {
    name: &'static str,
    play: fn(),
    /// The behaviour on Linux. Other systems may run no destructors for the thread that ends the
    /// process.
    seen: &'static str,
}

const ROLES: [Role; 5] = [
    Role { name: "main_returns", play: main_returns, seen: "main " },
    Role { name: "main_exits", play: main_exits, seen: "main " },
    Role { name: "another_thread_exits", play: another_thread_exits, seen: "other " },
    Role { name: "main_exits_with_a_borrow", play: main_exits_with_a_borrow, seen: "main " },
    Role { name: "aborts", play: aborts, seen: "" },
];

impl Role {
    /// Runs this program in this role, and compares its output.
    fn test(&self) -> Result<(), Failed> {
        let output = Command::new(env::current_exe()?).env(ROLE, self.name).output()?;
        if output.status.success() == (self.name == "aborts") {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(format!("{}: {error}", output.status).into());
        }
        let seen = String::from_utf8(output.stdout)?;
        if seen == self.seen || (seen.is_empty() && !cfg!(target_os = "linux")) {
            Ok(())
        } else {
            Err(format!("expected {:?}, but it said {seen:?}", self.seen).into())
        }
    }
}

fn main() {
    if cfg!(miri) {
        return println!("ignored: Miri starts no processes");
    }
    if let Ok(name) = env::var(ROLE) {
        let role = ROLES.iter().find(|role| role.name == name).expect("no such role");
        return (role.play)();
    }
    let trials = ROLES.iter().map(|role| Trial::test(role.name, || role.test())).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
