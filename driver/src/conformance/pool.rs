//! A connection pool of either API, for the tests of "Connection Monitoring and Pooling".

use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::{ClientOptions, ServerAddress};
use crate::pool::{self, Establisher, Interrupt};
use crate::rt::{self, Runtime};

/// A pool whose operations block the calling thread.
#[derive(Debug)]
pub struct Pool {
    pool: pool::Pool,
    mode: Mode,
}

/// The API of the pool.
#[derive(Debug)]
enum Mode {
    Async(tokio::runtime::Handle),
    Blocking,
}

/// A connection in use. Dropping it checks it in.
#[derive(Debug)]
pub struct Connection(pool::PooledConnection);

impl Connection {
    /// The id of the connection within its pool.
    pub fn id(&self) -> u64 {
        self.0.id()
    }
}

impl Pool {
    /// Opens a pool over tokio sockets on the caller's runtime.
    ///
    /// # Errors
    /// Invalid options, or no runtime.
    pub fn on_tokio(options: ClientOptions, upkeep: Option<Duration>) -> Result<Arc<Pool>> {
        let runtime = Runtime::current()?;
        Self::open(options, upkeep, runtime, Mode::Async(tokio::runtime::Handle::current()))
    }

    /// Opens a pool over blocking sockets.
    ///
    /// # Errors
    /// Invalid options, or the background thread cannot start.
    pub fn on_threads(options: ClientOptions, upkeep: Option<Duration>) -> Result<Arc<Pool>> {
        Self::open(options, upkeep, Runtime::blocking()?, Mode::Blocking)
    }

    fn open(
        options: ClientOptions,
        upkeep: Option<Duration>,
        runtime: Runtime,
        mode: Mode,
    ) -> Result<Arc<Pool>> {
        let seed = options.hosts.first().cloned();
        let address = seed.unwrap_or(ServerAddress::Tcp {
            host: "localhost".into(),
            port: ServerAddress::DEFAULT_PORT,
        });
        let establisher = Establisher::new(Arc::new(options), runtime)?;
        let pool =
            Arc::new(Pool { pool: pool::Pool::with_upkeep(address, &establisher, upkeep).0, mode });
        // Clears the pool if its server is unreachable, as a deployment does.
        let handle = Arc::downgrade(&pool);
        pool.pool.set_error_hook(Arc::new(move |failed: &pool::CheckOutError| {
            if let Some(pool) = handle.upgrade() {
                drop(pool.pool.clear(&failed.error, Interrupt::No));
            }
        }));
        Ok(pool)
    }

    /// Checks a connection out.
    ///
    /// # Errors
    /// Those of every checkout.
    pub fn check_out(&self) -> Result<Connection> {
        let work = self.pool.check_out(Deadline::NEVER);
        let checked_out = match &self.mode {
            Mode::Async(tokio) => tokio.block_on(work),
            Mode::Blocking => rt::block_on(work),
        };
        checked_out.map(Connection).map_err(|failed| failed.error)
    }

    /// Checks a connection out on the async API.
    ///
    /// # Errors
    /// Those of every checkout.
    pub async fn check_out_async(&self) -> Result<Connection> {
        self.pool.check_out(Deadline::NEVER).await.map(Connection).map_err(|failed| failed.error)
    }

    /// Marks the pool ready.
    pub fn ready(&self) {
        drop(self.pool.ready());
    }

    /// Clears the pool. Operations in flight continue.
    pub fn clear(&self) {
        drop(self.pool.clear(&cause(), Interrupt::No));
    }

    /// Clears the pool and interrupts operations in flight.
    pub fn clear_and_interrupt(&self) {
        drop(self.pool.clear(&cause(), Interrupt::InUse));
    }

    /// Closes the pool.
    pub fn close(&self) {
        self.pool.close();
    }
}

fn cause() -> Error {
    Error::invalid_argument("cleared by the test case")
}
