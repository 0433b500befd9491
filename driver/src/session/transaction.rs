//! Starting, committing and aborting a transaction.

use std::future::{IntoFuture, Ready, ready};
use std::time::Duration;

use super::ClientSession;
use crate::error::{Error, Result};
use crate::exec::end_transaction::{EndTransaction, end};
use crate::exec::telemetry::{Acts, OperationSpan, Spanned};
use crate::exec::{End, SessionState, Timeout};
use crate::mode::{Async, Blocking, Mode};
use crate::ops::{Boxed, Operation, sealed};
use crate::options::{ReadConcern, SelectionCriteria, TransactionOptions, WriteConcern};
use crate::rt::block_on;

/// Starts a transaction. Created by [`ClientSession::start_transaction`].
#[must_use = "an operation does nothing until it is awaited or run"]
pub struct StartTransaction<'a, F: Mode> {
    pub(super) session: &'a mut ClientSession<F>,
    pub(super) options: TransactionOptions,
    pub(super) timeout: Option<Duration>,
}

impl<'a, F: Mode> StartTransaction<'a, F> {
    /// The read concern of the whole transaction.
    pub fn read_concern(mut self, value: ReadConcern) -> Self {
        self.options.read_concern = Some(value);
        self
    }

    /// The write concern of the commit. It must be acknowledged.
    pub fn write_concern(mut self, value: WriteConcern) -> Self {
        self.options.write_concern = Some(value);
        self
    }

    /// The selection criteria of reads. Servers allow only the primary.
    pub fn selection_criteria(mut self, value: SelectionCriteria) -> Self {
        self.options.selection_criteria = Some(value);
        self
    }

    /// The time limit of one `commitTransaction` on the server.
    pub fn max_commit_time(mut self, value: Duration) -> Self {
        self.options.max_commit_time = Some(value);
        self
    }

    /// The time limit (`timeoutMS`) of [`and_run`](Self::and_run) as a whole. Replaces that of the
    /// session or the client. Zero means no limit.
    pub fn timeout(mut self, value: Duration) -> Self {
        self.timeout = Some(value);
        self
    }

    /// Replaces all options.
    pub fn with_options(mut self, options: impl Into<Option<TransactionOptions>>) -> Self {
        self.options = options.into().unwrap_or_default();
        self
    }

    fn start(self) -> Result<()> {
        let started = self.session.state.start_transaction(self.options);
        started.map_err(|error| error.during(&"start_transaction"))
    }
}

impl<'a> IntoFuture for StartTransaction<'a, Async> {
    type Output = Result<()>;
    type IntoFuture = Ready<Result<()>>;

    fn into_future(self) -> Self::IntoFuture {
        ready(self.start())
    }
}

impl StartTransaction<'_, Blocking> {
    /// Starts the transaction.
    ///
    /// # Errors
    /// Those of [`ClientSession::start_transaction`].
    ///
    /// # Examples
    /// ```no_run
    /// # use driver::bson::{Document, doc};
    /// # fn example(client: driver::sync::Client) -> driver::Result<()> {
    /// let monkeys = client.database("zoo").collection::<Document>("monkeys");
    /// let mut session = client.start_session().run()?;
    /// session.start_transaction().run()?;
    /// monkeys.delete_one(doc! { "name": "Mabel" }).session(&mut session).run()?;
    /// session.commit_transaction().run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(self) -> Result<()> {
        self.start()
    }
}

impl<F: Mode> sealed::Sealed for StartTransaction<'_, F> {}

impl<F: Mode> Operation for StartTransaction<'_, F> {
    type Output = ();

    fn perform(self) -> impl Future<Output = Result<()>> + Send {
        ready(self.start())
    }
}

/// Declares the two operations that end a transaction.
macro_rules! ends_transaction {
    ($(#[$doc:meta])* $Operation:ident, $perform:ident) => {
        $(#[$doc])*
        #[must_use = "an operation does nothing until it is awaited or run"]
        pub struct $Operation<'a, F: Mode> {
            pub(super) session: &'a mut ClientSession<F>,
            pub(super) timeout: Option<Duration>,
        }

        impl<F: Mode> $Operation<'_, F> {
            /// The time limit of the whole operation (`timeoutMS`). Replaces that of the session or
            /// the client. Zero means no limit.
            pub fn timeout(mut self, value: Duration) -> Self {
                self.timeout = Some(value);
                self
            }
        }

        impl<'a> IntoFuture for $Operation<'a, Async> {
            type Output = Result<()>;
            type IntoFuture = Boxed<'a, Result<()>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin($perform(self.session, self.timeout))
            }
        }

        impl $Operation<'_, Blocking> {
            /// Runs the operation on the calling thread.
            ///
            /// # Errors
            /// Those of the async API's `.await`.
            pub fn run(self) -> Result<()> {
                block_on($perform(self.session, self.timeout))
            }
        }

        impl<F: Mode> sealed::Sealed for $Operation<'_, F> {}

        impl<F: Mode> Operation for $Operation<'_, F> {
            type Output = ();

            fn perform(self) -> impl Future<Output = Result<()>> + Send {
                $perform(self.session, self.timeout)
            }
        }
    };
}

ends_transaction! {
    /// Commits a transaction. Created by [`ClientSession::commit_transaction`].
    CommitTransaction, commit
}
ends_transaction! {
    /// Aborts a transaction. Created by [`ClientSession::abort_transaction`].
    AbortTransaction, abort
}

pub(super) async fn commit<F: Mode>(
    session: &mut ClientSession<F>,
    timeout: Option<Duration>,
) -> Result<()> {
    let state = &mut session.state;
    let span = span(state, "commit_transaction");
    let committed = Spanned::new(span, async {
        match state.commit()? {
            End::Empty => Ok(()),
            End::ByCommand => {
                let deadline = Timeout::from(timeout).or(state.timeout()).begin();
                end(EndTransaction::Commit, state, deadline).await
            }
        }
    })
    .await;
    state.end_transaction_span();
    committed.map_err(|error| error.during(&"commit_transaction"))
}

pub(super) async fn abort<F: Mode>(
    session: &mut ClientSession<F>,
    timeout: Option<Duration>,
) -> Result<()> {
    let state = &mut session.state;
    let span = span(state, "abort_transaction");
    let aborted = Spanned::new(span, async {
        if state.abort()? == End::ByCommand {
            let deadline = Timeout::from(timeout).or(state.timeout()).begin();
            // If the abort fails, the transaction expires on the server (section
            // "abortTransaction").
            let _ = end(EndTransaction::Abort, state, deadline).await;
        }
        Ok(())
    })
    .await;
    state.end_transaction_span();
    aborted.map_err(|error: Error| error.during(&"abort_transaction"))
}

/// The span of an operation that ends the transaction of `state`.
fn span(state: &SessionState, operation: &'static str) -> OperationSpan {
    let acts = Acts { operation, db: "admin", collection: None };
    OperationSpan::begin(state.core(), acts, Some(state))
}
