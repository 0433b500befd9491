//! The position of a change stream, and the start of a command that opens its cursor.

use bson::Timestamp;
use bson::raw::cstr;

use super::event::ResumeToken;
use crate::error::Result;
use crate::ops::ChangeStreamOptions;
use crate::wire::DocWriter;

/// The start of a change stream.
pub(crate) enum StartAt<'a> {
    /// At the next change.
    Unset,
    /// At the position in the caller's options.
    Given(&'a ChangeStreamOptions),
    Resume(&'a ResumeToken),
    After(&'a ResumeToken),
    Time(Timestamp),
}

impl<'a> StartAt<'a> {
    pub(crate) fn of(options: &'a ChangeStreamOptions) -> Self {
        StartAt::Given(options)
    }

    /// Writes the start into the stage. The server refuses more than one.
    pub(crate) fn write(&self, stage: &mut DocWriter<'_>) -> Result<()> {
        let (resume_after, start_after, at) = match self {
            StartAt::Unset => (None, None, None),
            StartAt::Given(options) => (
                options.resume_after.as_ref(),
                options.start_after.as_ref(),
                options.start_at_operation_time,
            ),
            StartAt::Resume(token) => (Some(*token), None, None),
            StartAt::After(token) => (None, Some(*token), None),
            StartAt::Time(time) => (None, None, Some(*time)),
        };
        if let Some(token) = resume_after.filter(|token| token.is_some()) {
            stage.value(cstr!("resumeAfter"), token)?;
        }
        if let Some(token) = start_after.filter(|token| token.is_some()) {
            stage.value(cstr!("startAfter"), token)?;
        }
        if let Some(time) = at {
            stage.timestamp(cstr!("startAtOperationTime"), time);
        }
        Ok(())
    }
}

/// The position of a change stream (section "Resume Process").
#[derive(Clone, Debug, Default)]
pub(super) struct Position {
    pub(super) token: Option<ResumeToken>,
    /// The start time, for use without a token.
    pub(super) time: Option<Timestamp>,
    /// Whether an event was returned.
    pub(super) given: bool,
}

impl Position {
    /// The position in the caller's options.
    pub(super) fn of(options: &ChangeStreamOptions) -> Self {
        let token = options.start_after.as_ref().or(options.resume_after.as_ref());
        let token = token.filter(|token| token.is_some()).cloned();
        Position { token, time: options.start_at_operation_time, given: false }
    }

    pub(super) fn start<'a>(&'a self, options: &'a ChangeStreamOptions) -> StartAt<'a> {
        let starts_after = options.start_after.as_ref().is_some_and(ResumeToken::is_some);
        match (&self.token, self.time) {
            (Some(token), _) if starts_after && !self.given => StartAt::After(token),
            (Some(token), _) => StartAt::Resume(token),
            (None, Some(time)) => StartAt::Time(time),
            (None, None) => StartAt::Given(options),
        }
    }
}

#[cfg(test)]
mod tests {
    use bson::RawBson;

    use super::*;

    #[test]
    fn stream_is_resumed_where_the_specification_says() {
        let token = |text: &str| ResumeToken(RawBson::String(text.to_owned()));
        let time = Timestamp { time: 7, increment: 1 };
        let options = ChangeStreamOptions {
            start_after: Some(token("a")),
            start_at_operation_time: Some(time),
            ..ChangeStreamOptions::default()
        };
        let mut position = Position::of(&options);
        assert!(matches!(position.start(&options), StartAt::After(t) if *t == token("a")));
        position.given = true;
        assert!(matches!(position.start(&options), StartAt::Resume(t) if *t == token("a")));
        position.token = None;
        assert!(matches!(position.start(&options), StartAt::Time(t) if t == time));
        position.time = None;
        assert!(matches!(position.start(&options), StartAt::Given(_)));
    }
}
