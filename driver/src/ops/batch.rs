//! How many statements fit into one command: by their number and by the size of the message.

use crate::error::Result;
use crate::pool::ConnectionDescription;
use crate::wire::SequenceWriter;

/// The statements of one command out of many.
///
/// Which they are is known once the command has been written. A command that is sent again has the
/// same statements: the server knows them by their positions.
pub(super) struct Batch {
    start: usize,
    end: Option<usize>,
}

impl Batch {
    /// The statements from number `start` on.
    pub(super) fn starting_at(start: usize) -> Self {
        Batch { start, end: None }
    }

    /// Its first statement.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// The first statement of the next command: the first of this one, if it has not been written.
    pub(super) fn end(&self) -> usize {
        self.end.unwrap_or(self.start)
    }

    /// How many statements have been written.
    pub(super) fn len(&self) -> usize {
        self.end() - self.start
    }

    /// Writes as many statements before number `total` as the server takes at once, at least one.
    /// `append` appends statement number `index`, and may be asked twice for the same one. It gives
    /// the number of bytes that the statements so far take elsewhere in the message.
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
