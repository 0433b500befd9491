//! A server's log: waits for a line, and quotes the last lines in errors.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// The amount of log text in an error.
const TAIL_LINES: usize = 12;
const TAIL_BYTES: u64 = 64 * 1024;
const LINE_CHARS: usize = 400;

/// Reads a growing log from its current end.
#[derive(Debug)]
pub(crate) struct Watch {
    file: File,
    seen: Vec<u8>,
}

impl Watch {
    pub(crate) fn from_end(path: &Path) -> io::Result<Watch> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Watch { file, seen: Vec::new() })
    }

    /// Whether `text` has appeared since the watch began.
    pub(crate) fn has(&mut self, text: &str) -> io::Result<bool> {
        self.file.read_to_end(&mut self.seen)?;
        Ok(self.seen.windows(text.len()).any(|window| window == text.as_bytes()))
    }
}

/// The last lines of the log, shortened if they are long.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes)),
        Err(error) => format!("(the log {} cannot be read: {error})", path.display()),
    }
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    let shortened = |line: &&str| match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => (*line).to_owned(),
    };
    lines[first..].iter().map(shortened).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_is_short_and_has_whole_lines() {
        let text: String = (0..40).map(|n| format!("line {n} {}\n", "é".repeat(1000))).collect();
        let tail = last_lines(&text);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with("line 28") && tail.ends_with("..."));
    }
}
