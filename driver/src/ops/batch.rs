//! The statements that fit into one command, by their number and by the message size.

use crate::error::Result;
use crate::pool::ConnectionDescription;
use crate::wire::SequenceWriter;

/// The statements of one command out of many.
///
/// Their number is known once the command is encoded. A retry has the same statements, because the
/// server identifies them by their index.
pub(super) struct Batch {
    start: usize,
    end: Option<usize>,
}

impl Batch {
    /// The statements from index `start` on.
    pub(super) fn starting_at(start: usize) -> Self {
        Batch { start, end: None }
    }

    /// Its first statement.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The index of the first statement in the next command; that of this one before it is encoded.
    pub(super) fn end(&self) -> usize {
        self.end.unwrap_or(self.start)
    }

    /// The number of encoded statements.
    pub(super) fn len(&self) -> usize {
        self.end() - self.start
    }

    /// Encodes the statements before index `total` that the server accepts in one command, at least
    /// one. `append` encodes the statement `index`, possibly twice. It returns the size of the
    /// statements so far in other parts of the message.
    ///
    /// # Errors
    /// Those of `append`.
    pub(super) fn fill(
        &mut self,
        mut sequence: SequenceWriter<'_>,
        total: usize,
        server: &ConnectionDescription,
        mut append: impl FnMut(&mut SequenceWriter<'_>, usize) -> Result<usize>,
    ) -> Result<()> {
        let most = server.max_write_batch_size.max(1);
        let end = self.end.unwrap_or(total.min(self.start + most));
        for index in self.start..end {
            let elsewhere = append(&mut sequence, index)?;
            let is_full = sequence.message_len() + elsewhere > server.max_message_size_bytes;
            if self.end.is_none() && index > self.start && is_full {
                sequence.take_back();
                self.end = Some(index);
                return Ok(());
            }
        }
        self.end = Some(end);
        Ok(())
    }
}
