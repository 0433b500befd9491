//! `commitTransaction` and `abortTransaction`. Their other fields come from the session
//! (`session.rs`).

use bson::raw::cstr;

use super::{Access, Meta, Operation, RequestContext, Retry, SessionRef, Target};
use super::{SessionState, execute};
use crate::deadline::Deadline;
use crate::error::Result;
use crate::pool::ConnectionDescription;
use crate::wire::DocWriter;

/// The command that ends a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EndTransaction {
    Commit,
    Abort,
}

/// Sends the command that ends the transaction of `session`.
///
/// # Errors
/// Those of every operation.
pub(crate) async fn end(
    mut command: EndTransaction,
    session: &mut SessionState,
    deadline: Deadline,
) -> Result<()> {
    let core = session.core().clone();
    let ending = Ending { command, session };
    let session = SessionRef::Explicit(&mut *ending.session);
    execute(&core, &mut command, session, deadline).await.map(drop)
}

/// A transaction while the command that ends it runs. After an abort, even if it failed or its
/// future was dropped, nothing more is sent for the transaction, so it is unpinned.
struct Ending<'s> {
    command: EndTransaction,
    session: &'s mut SessionState,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if let EndTransaction::Abort = self.command {
            self.session.unpin();
        }
    }
}

impl Operation for EndTransaction {
    fn meta(&self) -> &'static Meta {
        const fn of(operation: &'static str, name: &'static str) -> Meta {
            let (retry, access) = (Retry::TransactionEnd, Access::TransactionEnd);
            Meta { retry, access, ..Meta::write(operation, name) }
        }
        match self {
            EndTransaction::Commit => const { &of("commit_transaction", "commitTransaction") },
            EndTransaction::Abort => const { &of("abort_transaction", "abortTransaction") },
        }
    }

    fn context(&self) -> RequestContext<'_> {
        RequestContext::bare("admin", Target::Writable)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, _server: &ConnectionDescription) -> Result<()> {
        match self {
            EndTransaction::Commit => body.i32(cstr!("commitTransaction"), 1),
            EndTransaction::Abort => body.i32(cstr!("abortTransaction"), 1),
        }
        Ok(())
    }
}
