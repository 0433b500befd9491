//! Names of all wait types, for struct fields and return types.
//!
//! Each is a [`Wait`](crate::Wait).

pub use crate::barrier::{Arrive, ArriveOwned};
pub use crate::bounded::AcquireBoundedOwned;
pub use crate::condition::{Notified, NotifiedOwned, WaitOnLock};
pub use crate::event::{EventWait, EventWaitOwned};
pub use crate::handoff::{HandoffWait, HandoffWaitOwned};
pub use crate::lock::{AcquireLock, AcquireLockOwned};
pub use crate::queue::{Get, GetOwned, GetTask, GetTaskOwned, Join, Put, PutOwned};
pub use crate::result::{GetResult, GetResultOwned};
pub use crate::rwlock::{
    Read, ReadOwned, UpgradableRead, UpgradableReadOwned, Upgrade, UpgradeOwned, Write, WriteOwned,
};
pub use crate::semaphore::{AcquirePermits, AcquirePermitsOwned};
