//! How much memory the buffers of an idle connection keep.
//!
//! A large message is an exception, two are a habit: a buffer keeps the room that the second
//! largest of the last messages needed. One message of 45 MB leaves nothing behind, while a
//! connection that carries messages of 500 KB all the time does not allocate for each. Both marks
//! fall by an eighth with each smaller message, so that a habit is forgotten after a few dozen.

/// The room that every connection may keep.
const LEAST: usize = 64 * 1024;
/// The room that no habit extends. A buffer for more is allocated for each message: next to the
/// transfer that costs little.
const MOST: usize = 512 * 1024;

/// What the messages of one connection have needed.
#[derive(Debug, Default)]
pub(super) struct Room {
    largest: usize,
    second: usize,
}

impl Room {
    /// Takes note of a request and its reply, of which the larger had `len` bytes, and gives what a
    /// buffer with `capacity` shrinks to; `None` where it stays.
    #[inline]
    pub(super) fn after(&mut self, len: usize, capacity: usize) -> Option<usize> {
        let len = len.min(MOST);
        self.second = (self.second - self.second / 8).max(len.min(self.largest));
        self.largest = (self.largest - self.largest / 8).max(len);
        // A buffer that grew by doubling has up to twice the room of its message.
        let keep = self.second.max(LEAST);
        (capacity > 2 * keep).then_some(keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: usize = 1024;
    const MIB: usize = 1024 * KIB;

    #[test]
    fn one_large_message_leaves_the_least() {
        let mut room = Room::default();
        assert_eq!(room.after(100, 16 * KIB), None);
        assert_eq!(room.after(45 * MIB, 64 * MIB), Some(LEAST));
    }

    #[test]
    fn large_messages_in_a_row_keep_their_buffer() {
        let mut room = Room::default();
        assert_eq!(room.after(300 * KIB, 512 * KIB), Some(LEAST));
        for _ in 0..100 {
            assert_eq!(room.after(300 * KIB, 512 * KIB), None);
        }
    }

    #[test]
    fn every_second_message_large_keeps_its_buffer() {
        let mut room = Room::default();
        room.after(300 * KIB, 512 * KIB);
        for _ in 0..100 {
            room.after(100, LEAST);
            assert_eq!(room.after(300 * KIB, 512 * KIB), None);
        }
    }

    #[test]
    fn no_habit_keeps_more_than_the_most() {
        let mut room = Room::default();
        for _ in 0..100 {
            assert!(room.after(45 * MIB, 64 * MIB).is_some_and(|keep| keep <= MOST));
        }
    }

    #[test]
    fn a_habit_is_forgotten() {
        let mut room = Room::default();
        for _ in 0..10 {
            room.after(500 * KIB, MIB);
        }
        let messages = (0..).take_while(|_| room.after(100, MIB) != Some(LEAST)).take(1000).count();
        assert!((1..60).contains(&messages), "{messages}");
    }
}
