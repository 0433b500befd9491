//! Where a cursor's batches come from.
//!
//! A [`Source`] holds what later commands need: the member, the names, the session. While a batch is being fetched the future that
//! fetches it owns the source, and the feed owns that future; so whoever stops waiting loses nothing. A source that is dropped with
//! its cursor still open kills it, in the background, on the member that holds it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bson::{Bson, RawDocument};
use serde::Deserialize;

use crate::deadline::Deadline;
use crate::decode;
use crate::error::{Error, Result};
use crate::exec::SessionState;
use crate::exec::batch::Batch;
use crate::exec::{self, Core, Identity, Reply, RequestContext, ServerSession, Target};
use crate::ops::Boxed;
use crate::ops::get_more::GetMore;
use crate::ops::kill_cursors::KillCursors;
use crate::ops::subject::Subject;
use crate::topology::Server;

/// How further batches are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Follow {
    pub(crate) batch_size: Option<u32>,
    /// How many documents the server may still give, where there is a limit.
    pub(crate) left: Option<u64>,
    pub(crate) max_await_time: Option<Duration>,
    pub(crate) comment: Option<Bson>,
}

impl Follow {
    /// The size of the next batch: not more than what is left of the limit. Once nothing is left, the server has only to say so
    /// (specification "Find, getMore and killCursors commands", section "Behavior of Limit, skip and batchSize").
    fn batch_size(&self) -> Option<u32> {
        let left = self.left.filter(|left| *left != 0).and_then(|left| u32::try_from(left).ok());
        self.batch_size.map(|size| left.map_or(size, |left| size.min(left)))
    }
}

/// The batch at hand, and where the next one comes from.
pub(crate) struct Feed {
    batch: Batch,
    state: State,
}

enum State {
    /// The server holds more.
    Open(Box<Source>),
    /// It is being asked for more.
    Fetching(Boxed<'static, Fetched>),
    /// A step within a session was dropped while it waited for a batch.
    Interrupted,
    /// Nothing follows the batch at hand.
    Done,
}

type Fetched = (Box<Source>, Result<Batch>);

impl Feed {
    /// Takes over the reply to a command that opened a cursor.
    ///
    /// # Errors
    /// `InvalidResponse` when it has none, or does not say whose it is.
    pub(crate) fn open(core: &Arc<Core>, mut reply: Reply<'_>, follow: Follow) -> Result<Self> {
        let head = reply.head()?;
        if head.id == 0 {
            return Ok(Feed { batch: reply.take_batch()?, state: State::Done });
        }
        let (id, (db, collection)) = (head.id, head.names()?);
        let source = Box::new(Source {
            id,
            db: db.to_owned(),
            collection: collection.to_owned(),
            server: Arc::clone(reply.server()),
            session: reply.keep_session(),
            follow,
            core: Arc::clone(core),
        });
        Ok(Feed { batch: reply.take_batch()?, state: State::Open(source) })
    }

    pub(crate) fn current(&self) -> &RawDocument {
        const EMPTY: &[u8] = &[5, 0, 0, 0, 0];
        let current = RawDocument::from_bytes(self.batch.current());
        current.or_else(|_| RawDocument::from_bytes(EMPTY)).expect("five bytes make an empty document")
    }

    pub(crate) fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        decode::from_slice(self.batch.current()).map_err(|cause| {
            let error = Error::deserialization(cause);
            match self.batch.names() {
                Some((db, collection)) => {
                    error.during(&Subject { operation: "cursor", db, collection: Some(collection) })
                }
                None => error,
            }
        })
    }

    pub(crate) fn has_next(&self) -> bool {
        self.batch.has_next() || !matches!(self.state, State::Done)
    }

    /// Moves on without asking the server. False at the end of the batch.
    pub(crate) fn advance_within_batch(&mut self) -> Result<bool> {
        self.batch.advance().inspect_err(|_| self.state = State::Done)
    }

    /// Moves on to the next document, fetching batches as needed. False at the end.
    pub(crate) fn poll_advance(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        loop {
            if self.advance_within_batch()? {
                return Poll::Ready(Ok(true));
            }
            match std::mem::replace(&mut self.state, State::Done) {
                State::Done => return Poll::Ready(Ok(false)),
                State::Interrupted => return Poll::Ready(Err(interrupted())),
                State::Open(source) => {
                    self.state = State::Fetching(Box::pin(source.fetch(self.batch.taken(), None)));
                }
                State::Fetching(mut fetch) => match Pin::new(&mut fetch).poll(cx) {
                    Poll::Pending => {
                        self.state = State::Fetching(fetch);
                        return Poll::Pending;
                    }
                    Poll::Ready(fetched) => self.took(fetched)?,
                },
            }
        }
    }

    /// As [`poll_advance`](Self::poll_advance), in the caller's session if there is one.
    ///
    /// Cancel safety: dropped while it waits for a batch, the next step gives an error.
    pub(crate) async fn advance_in(&mut self, mut session: Option<&mut SessionState>) -> Result<bool> {
        loop {
            if self.advance_within_batch()? {
                return Ok(true);
            }
            match std::mem::replace(&mut self.state, State::Interrupted) {
                State::Open(source) => {
                    let fetched = source.fetch(self.batch.taken(), session.as_deref_mut()).await;
                    self.state = State::Done;
                    self.took(fetched)?;
                }
                State::Fetching(fetch) => {
                    let fetched = fetch.await;
                    self.state = State::Done;
                    self.took(fetched)?;
                }
                State::Done => {
                    self.state = State::Done;
                    return Ok(false);
                }
                State::Interrupted => {
                    self.state = State::Done;
                    return Err(interrupted());
                }
            }
        }
    }

    fn took(&mut self, (source, batch): Fetched) -> Result<()> {
        self.batch = batch?;
        if source.id != 0 {
            self.state = State::Open(source);
        }
        Ok(())
    }
}

fn interrupted() -> Error {
    Error::invalid_argument(
        "the cursor was ended when a step of it was dropped while it waited for a batch; run the query again",
    )
}

/// An open cursor on the server.
struct Source {
    id: i64,
    db: String,
    collection: String,
    server: Arc<Server>,
    session: Option<ServerSession>,
    follow: Follow,
    core: Arc<Core>,
}

impl Source {
    /// Fetches the batch that follows one of `taken` documents.
    async fn fetch(mut self: Box<Self>, taken: u64, session: Option<&mut SessionState>) -> Fetched {
        self.follow.left = self.follow.left.map(|left| left.saturating_sub(taken));
        let batch = self.next_batch(session).await;
        let subject = Subject { operation: "getMore", db: &self.db, collection: Some(&self.collection) };
        let batch = batch.map_err(|error| error.during(&subject));
        if batch.as_ref().is_err_and(is_gone) {
            self.id = 0;
        }
        (self, batch)
    }

    async fn next_batch(&mut self, session: Option<&mut SessionState>) -> Result<Batch> {
        let mut command = GetMore {
            context: RequestContext::bare(&self.db, Target::Member(&self.server)),
            cursor: self.id,
            collection: &self.collection,
            batch_size: self.follow.batch_size(),
            max_await_time: self.follow.max_await_time,
            comment: self.follow.comment.as_ref(),
        };
        let identity = match session {
            Some(session) => Identity::Explicit(session),
            None => Identity::Held(self.session.as_mut()),
        };
        let deadline = Deadline::after_option(self.core.options.timeout());
        let mut reply = exec::execute(&self.core, &mut command, identity, deadline).await?;
        self.id = reply.head()?.id;
        reply.take_batch()
    }
}

/// Whether the error means that there is no such cursor on the server any more.
fn is_gone(error: &Error) -> bool {
    const CURSOR_NOT_FOUND: i32 = 43;
    const CURSOR_KILLED: i32 = 237;
    matches!(error.code(), Some(CURSOR_NOT_FOUND | CURSOR_KILLED))
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            self.core.give_back(session);
        }
        if self.id == 0 {
            return;
        }
        let (core, server, id) = (Arc::clone(&self.core), Arc::clone(&self.server), self.id);
        let (db, collection) = (std::mem::take(&mut self.db), std::mem::take(&mut self.collection));
        self.core.runtime.detach(async move {
            /// Longer than that the cursor is left to the server's own timeout.
            const LIMIT: Duration = Duration::from_secs(10);
            let context = RequestContext::bare(&db, Target::Member(&server));
            let mut command = KillCursors { context, cursor: id, collection: &collection };
            // Nobody is left to hear of a failure, and the server ends idle cursors by itself.
            let _ = exec::execute(&core, &mut command, Identity::Held(None), Deadline::after(LIMIT)).await;
            // Where threads start requests by themselves, this one has; nothing else of it will ever end it.
            if let Some(threads) = &core.threads {
                threads.end_last();
            }
        });
    }
}
