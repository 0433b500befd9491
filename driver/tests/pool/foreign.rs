//! Requests of threads that C started. The end of such a thread returns its connection.

use std::ffi::c_void;
use std::ptr;

use driver::bson::doc;
use driver::sync::Client;

use crate::watch::{Events, in_use, name, open, options, server};

/// Each thread starts two requests, ends none, and runs one operation.
extern "C" fn run(client: *mut c_void) -> *mut c_void {
    // SAFETY: the test passes a client that outlives its threads.
    let client = unsafe { &*client.cast::<Client>() };
    std::mem::forget(client.start_request());
    std::mem::forget(client.start_request());
    let done = client.database("admin").run_command(doc! { "ping": 1 }).run();
    client.end_request();
    match done {
        Ok(_) => ptr::null_mut(),
        Err(_) => ptr::without_provenance_mut(1),
    }
}

#[test]
fn threads_of_c_return_their_connections_when_they_end() {
    let app = name();
    let events = Events::default();
    let mut options = options(server(), &events);
    options.app_name = Some(app.clone());
    options.max_pool_size = Some(50);
    let client = Client::with_options(options).unwrap();
    for _ in 0..10 {
        let mut threads = Vec::new();
        for _ in 0..100 {
            let mut thread = std::mem::MaybeUninit::<libc::pthread_t>::uninit();
            let argument = (&raw const client).cast_mut().cast();
            // SAFETY: `thread` has room for the id, and `run` is given the client that it expects.
            let failed =
                unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run, argument) };
            assert_eq!(failed, 0);
            // SAFETY: `pthread_create` succeeded and wrote the id.
            threads.push(unsafe { thread.assume_init() });
        }
        for thread in threads {
            let mut result = ptr::null_mut();
            // SAFETY: the thread was created above and is joined once.
            assert_eq!(unsafe { libc::pthread_join(thread, &raw mut result) }, 0);
            assert!(result.is_null(), "an operation failed");
        }
        assert_eq!(in_use(&client), 0);
    }
    assert!(events.created() <= 50 && events.closed() == 0);
    assert!(open(server(), &app) <= 50 + 3, "the pool's and the monitors'");
}
