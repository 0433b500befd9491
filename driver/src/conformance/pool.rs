//! A pool by itself, on either API, for the cases of "Connection Monitoring and Pooling".

use std::sync::Arc;
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::{ClientOptions, ServerAddress};
use crate::pool::{self, Establisher, Interrupt};
use crate::rt::{self, Runtime};

/// One pool, whose operations block the calling thread.
#[derive(Debug)]
pub struct Pool {
    pool: pool::Pool,
    mode: Mode,
}

/// How the operations of the pool are driven.
#[derive(Debug)]
enum Mode {
    Async(tokio::runtime::Handle),
    Blocking,
}

/// A connection in use; dropping it checks it in.
#[derive(Debug)]
pub struct Connection(pool::PooledConnection);

impl Connection {
    /// The number of the connection within its pool.
    pub fn id(&self) -> u64 {
        self.0.id()
    }
}

impl Pool {
    /// A pool over tokio sockets, on the runtime of the caller.
    ///
    /// # Errors
    /// As those of options; outside of a runtime.
    pub fn on_tokio(options: ClientOptions, upkeep: Option<Duration>) -> Result<Arc<Pool>> {
        let runtime = Runtime::current()?;
        Self::open(options, upkeep, runtime, Mode::Async(tokio::runtime::Handle::current()))
    }

    /// A pool over blocking sockets.
    ///
    /// # Errors
    /// As those of options, and of starting the background thread.
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
            Arc::new(Pool { pool: pool::Pool::with_upkeep(address, &establisher, upkeep), mode });
        // A pool whose server cannot be reached is cleared, as a deployment would.
        let handle = Arc::downgrade(&pool);
        pool.pool.set_error_hook(Arc::new(move |failed: &pool::CheckOutError| {
            if let Some(pool) = handle.upgrade() {
                pool.pool.clear(&failed.error, Interrupt::No);
            }
        }));
        Ok(pool)
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// As every checkout.
    pub fn check_out(&self) -> Result<Connection> {
        let work = self.pool.check_out(Deadline::NEVER);
        let checked_out = match &self.mode {
            Mode::Async(tokio) => tokio.block_on(work),
            Mode::Blocking => rt::block_on(work),
        };
        checked_out.map(Connection).map_err(|failed| failed.error)
    }

    /// Takes a connection, as an operation of the async API does.
    ///
    /// # Errors
    /// As every checkout.
    pub async fn check_out_async(&self) -> Result<Connection> {
        self.pool.check_out(Deadline::NEVER).await.map(Connection).map_err(|failed| failed.error)
    }

    /// Marks the pool ready.
    pub fn ready(&self) {
        self.pool.ready();
    }

    /// Clears the pool and lets running operations end.
    pub fn clear(&self) {
        self.pool.clear(&cause(), Interrupt::No);
    }

    /// Clears the pool and cuts running operations off.
    pub fn clear_and_interrupt(&self) {
        self.pool.clear(&cause(), Interrupt::InUse);
    }

    /// Closes the pool.
    pub fn close(&self) {
        self.pool.close();
    }
}

fn cause() -> Error {
    Error::invalid_argument("the case says so")
}
