//! The trait over both APIs, for tests that are written once.

use std::future::Future;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use driver::client::Client;
use driver::database::Database;
use driver::ops::Operation;
use driver::options::ClientOptions;
use driver::{Async, Blocking, Mode, Result};
use testbed::shared_standalone;

/// Opens clients of an API and runs its operations.
pub(crate) trait Api: Mode + Sized {
    fn open(options: ClientOptions) -> Result<Client<Self>>;
    fn end<O: Operation>(operation: O) -> Result<O::Output>;

    /// A database of the shared standalone server that no other test uses.
    fn fresh_database() -> Database<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("operations_{}_{number}", std::process::id());
        let uri = shared_standalone().unwrap().uri().to_owned();
        let options = driver::options::ConnectionString::parse(&uri).unwrap().options;
        Self::open(options).unwrap().database(&name)
    }
}

impl Api for Async {
    fn open(options: ClientOptions) -> Result<Client<Self>> {
        let _context = runtime().enter();
        Client::<Async>::with_options(options)
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        block_on(operation.perform())
    }
}

impl Api for Blocking {
    fn open(options: ClientOptions) -> Result<Client<Self>> {
        Client::<Blocking>::with_options(options)
    }

    fn end<O: Operation>(operation: O) -> Result<O::Output> {
        driver::sync::block_on(operation.perform())
    }
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().expect("a runtime can be started"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    runtime().block_on(future)
}

/// Runs each named function, generic over the API, on both: `<name>::asynchronously` and
/// `<name>::blocking`.
macro_rules! on_both_apis {
    ($($name:ident)*) => {
        $(
            mod $name {
                #[test]
                fn asynchronously() {
                    super::$name::<driver::Async>();
                }

                #[test]
                fn blocking() {
                    super::$name::<driver::Blocking>();
                }
            }
        )*
    };
}
pub(crate) use on_both_apis;
