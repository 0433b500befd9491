//! An operation whose cursor returns whole raw batches.

use super::command::{Command, On, OpensCursor, Options, Parts};
use super::session::Session;
use crate::error::{Error, Result};
use crate::exec::{Meta, Reply, RequestContext, SessionState};
use crate::pool::ConnectionDescription;
use crate::wire::{DocWriter, MessageWriter};

/// An operation whose cursor returns whole raw batches. Created by a method `batch`, such as
/// [`Find::batch`](super::Find::batch).
#[must_use = "an operation does nothing until it is awaited or run"]
#[derive(Debug)]
pub struct Batches<O>(pub(super) O);

impl<'a, O: Parts<'a>> Parts<'a> for Batches<O> {
    fn on(&self) -> On<'a> {
        self.0.on()
    }

    fn options(&self) -> Option<&dyn Options> {
        self.0.options()
    }

    fn session(&self) -> Option<&SessionState> {
        self.0.session()
    }

    fn take_session(&mut self) -> Option<&'a mut SessionState> {
        self.0.take_session()
    }
}

impl<'a, O: OpensCursor<'a>> Command<'a> for Batches<O> {
    type Output = <O::Session as Session<'a>>::Batches<O::Mode>;

    fn meta(&self) -> &'static Meta {
        self.0.meta()
    }

    fn check(&self, session: Option<&SessionState>) -> Result<()> {
        self.0.check(session)
    }

    fn context<'s>(&'s self, usual: RequestContext<'s>) -> RequestContext<'s> {
        self.0.context(usual)
    }

    fn body(&mut self, body: &mut DocWriter<'_>, server: &ConnectionDescription) -> Result<()> {
        self.0.body(body, server)
    }

    fn documents(
        &mut self,
        message: &mut MessageWriter<'_>,
        server: &ConnectionDescription,
    ) -> Result<()> {
        self.0.documents(message, server)
    }

    fn decode(self, reply: Reply<'a>) -> Result<Self::Output> {
        self.0.open(reply).map(O::Session::batches)
    }

    fn recover(self, error: Error) -> Result<Self::Output> {
        Err(error)
    }
}
