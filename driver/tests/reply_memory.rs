//! The length field of a reply allocates no memory; only received bytes do. Both APIs.
//!
//! This file has a single test, because it observes every allocation of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use driver::bson::{Document, doc};
use driver::options::{ClientOptions, ConnectionString};
use driver::{Client, sync};
use testbed::{Direction, Fault, Proxy, Standalone, eventually};

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// The size of the largest allocation.
static MOST: AtomicUsize = AtomicUsize::new(0);

struct Watching;

// SAFETY: every method passes its arguments to `System` unchanged; recording touches one atomic and
// cannot allocate or unwind.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(layout.size(), Relaxed);
        // SAFETY: the caller upholds the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        MOST.fetch_max(new_size, Relaxed);
        // SAFETY: `ptr` came from `System` through this allocator, with this layout.
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

/// More than the test's messages need, and far less than the claimed lengths.
const LIMIT: usize = 1024 * 1024;

fn options(proxy: &Proxy) -> ClientOptions {
    let mut options =
        ConnectionString::parse(format!("mongodb://{}/?directConnection=true", proxy.host()))
            .unwrap()
            .options;
    options.timeout = Some(Duration::from_millis(500));
    options.heartbeat_freq = Some(Duration::from_secs(3600));
    options
}

/// Makes replies claim about 32 MiB, a valid length, and then more than the maximum. `operate`
/// reads each of them.
fn claim(proxy: &Proxy, operate: impl Fn() -> driver::Result<Option<Document>>) {
    for mask in [0x02, 0x40] {
        assert!((0..100).any(|_| operate().is_ok()), "the client does not find its server again");
        MOST.store(0, Relaxed);
        let before = proxy.forwarded(Direction::ToClient);
        proxy.set(Direction::ToClient, Fault::Garble { offset: 3, mask });
        operate().unwrap_err();
        eventually("the reply is garbled", || proxy.forwarded(Direction::ToClient) > before);
        let most = MOST.load(Relaxed);
        assert!(most < LIMIT, "{most} bytes were asked for at once");
        proxy.clear();
    }
    // Checks that the allocator records large allocations.
    MOST.store(0, Relaxed);
    drop(std::hint::black_box(vec![1_u8; 2 * LIMIT]));
    assert!(MOST.load(Relaxed) >= 2 * LIMIT);
}

#[test]
fn claimed_length_allocates_no_memory() {
    let server = Standalone::start().unwrap();
    let proxy = Proxy::start(&server.host()).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = runtime.block_on(async { Client::with_options(options(&proxy)) }).unwrap();
    let collection = client.database("claims").collection::<Document>("c");
    claim(&proxy, || runtime.block_on(async { collection.find_one(doc! {}).await }));
    let client = sync::Client::with_options(options(&proxy)).unwrap();
    let collection = client.database("claims").collection::<Document>("c");
    claim(&proxy, || collection.find_one(doc! {}).run());
}
