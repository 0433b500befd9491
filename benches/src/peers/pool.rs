//! Pools of connections.
//!
//! The peers hold numbers, which cost nothing to make and never break. The driver's pool holds real
//! connections to a real server, and checks their state as always.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;

/// A pool of a fixed size.
pub trait Pool: Send + Sync + 'static {
    /// The name of the crate.
    const NAME: &'static str;
    /// Waits for a connection. Dropping the returned value returns it.
    fn check_out(&self) -> impl Future<Output = Result<impl Send, impl Debug + Send>> + Send;
}

/// The driver's pool.
pub struct Driver(Arc<driver::conformance::pool::Pool>);

impl Driver {
    /// The pool of a server, with at most `size` connections. Must be called on a runtime, which
    /// then drives the connections.
    ///
    /// # Errors
    ///
    /// Those of a connection string.
    pub async fn new(uri: &str, size: u32) -> driver::Result<Self> {
        let mut options = driver::options::ClientOptions::parse(uri).await?;
        options.max_pool_size = Some(size);
        let pool = driver::conformance::pool::Pool::on_tokio(options, None)?;
        pool.ready();
        Ok(Self(pool))
    }
}

impl Pool for Driver {
    const NAME: &'static str = "driver";
    #[inline]
    fn check_out(&self) -> impl Future<Output = Result<impl Send, impl Debug + Send>> + Send {
        self.0.check_out_async()
    }
}

/// Makes numbers.
#[derive(Debug)]
pub struct Numbers;

impl deadpool::managed::Manager for Numbers {
    type Type = u64;
    type Error = Infallible;
    async fn create(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        Ok(())
    }
}

impl bb8::ManageConnection for Numbers {
    type Connection = u64;
    type Error = Infallible;
    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }
    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

#[mobc::async_trait]
impl mobc::Manager for Numbers {
    type Connection = u64;
    type Error = Infallible;
    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(0)
    }
    async fn check(&self, number: u64) -> Result<u64, Infallible> {
        Ok(number)
    }
}

/// `deadpool`.
pub struct Deadpool(deadpool::managed::Pool<Numbers>);

impl Deadpool {
    /// A pool of at most `size` numbers.
    pub fn new(size: u32) -> Self {
        let pool = deadpool::managed::Pool::builder(Numbers).max_size(size as usize).build();
        Self(pool.expect("no timeout is set, so no runtime is missed"))
    }
}

impl Pool for Deadpool {
    const NAME: &'static str = "deadpool";
    #[inline]
    fn check_out(&self) -> impl Future<Output = Result<impl Send, impl Debug + Send>> + Send {
        self.0.get()
    }
}

/// `bb8`.
pub struct Bb8(bb8::Pool<Numbers>);

impl Bb8 {
    /// A pool of at most `size` numbers, without a test on checkout. Must be called on a runtime.
    pub fn new(size: u32) -> Self {
        Self(bb8::Pool::builder().max_size(size).test_on_check_out(false).build_unchecked(Numbers))
    }
}

impl Pool for Bb8 {
    const NAME: &'static str = "bb8";
    #[inline]
    fn check_out(&self) -> impl Future<Output = Result<impl Send, impl Debug + Send>> + Send {
        self.0.get()
    }
}

/// `mobc`.
pub struct Mobc(mobc::Pool<Numbers>);

impl Mobc {
    /// A pool of at most `size` numbers, without a test on checkout. Must be called on a runtime.
    pub fn new(size: u32) -> Self {
        let size = u64::from(size);
        Self(
            mobc::Pool::builder()
                .max_open(size)
                .max_idle(size)
                .test_on_check_out(false)
                .build(Numbers),
        )
    }
}

impl Pool for Mobc {
    const NAME: &'static str = "mobc";
    #[inline]
    fn check_out(&self) -> impl Future<Output = Result<impl Send, impl Debug + Send>> + Send {
        self.0.get()
    }
}
