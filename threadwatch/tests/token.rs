//! `ThreadToken` as its users see it.
#![cfg(not(loom))]

use std::{cell::RefCell, collections::HashSet, sync::Mutex, sync::mpsc, thread};

use threadwatch::{ThreadToken, ThreadWatcher, Watch};

// The operating system reuses its own thread ids within this many threads.
#[test]
fn every_thread_has_a_new_token() {
    let seen = Mutex::new(HashSet::from([ThreadToken::current()]));
    thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..if cfg!(miri) { 20 } else { 1000 } {
                    let token = thread::spawn(ThreadToken::current).join().unwrap();
                    assert!(seen.lock().unwrap().insert(token), "{token} was handed out before");
                }
            });
        }
    });
    assert_eq!(seen.into_inner().unwrap().len(), 4001);
}

#[test]
fn token_does_not_change_while_its_thread_lives() {
    let token = ThreadToken::current();
    thread::spawn(move || assert_ne!(ThreadToken::current(), token)).join().unwrap();
    assert_eq!(ThreadToken::current(), token);
    assert_ne!(token.get(), 0);
    assert_eq!(token.to_string(), token.get().to_string());
}

struct Last(mpsc::Sender<ThreadToken>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.send(ThreadToken::current()).unwrap();
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

// Destructors of thread-locals and callbacks see the same token.
#[test]
fn dying_thread_keeps_its_token() {
    let (sender, received) = mpsc::channel();
    let watcher = std::sync::Arc::new(ThreadWatcher::new());
    let token = thread::spawn({
        let watcher = watcher.clone();
        move || {
            LAST.with(|last| *last.borrow_mut() = Some(Last(sender.clone())));
            let watch = watcher.watch(move || sender.send(ThreadToken::current()).unwrap());
            assert_eq!(watch, Watch::Started);
            ThreadToken::current()
        }
    })
    .join()
    .unwrap();
    assert_eq!(received.iter().collect::<Vec<_>>(), [token, token]);
}
