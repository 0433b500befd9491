//! The memory that the buffers of an idle connection keep.
//!
//! A buffer keeps the capacity for the second largest recent message. A single message of 45 MB is
//! freed, while a connection with many messages of 500 KB does not allocate for each. The recorded
//! sizes decrease by an eighth with each smaller message, so those of large messages are forgotten
//! after a few dozen messages.

/// The capacity that every connection may keep.
const LEAST: usize = 64 * 1024;
/// The upper limit of the kept capacity. Larger buffers are allocated per message, which is cheap
/// compared with the transfer.
const MOST: usize = 512 * 1024;

/// The sizes of a connection's recent messages.
#[derive(Debug, Default)]
pub(super) struct Room {
    largest: usize,
    second: usize,
}

impl Room {
    /// Records a request and its reply, the larger of `len` bytes. Returns the capacity to which a
    /// buffer of `capacity` shrinks, or `None` to keep it.
    #[inline]
    pub(super) fn after(&mut self, len: usize, capacity: usize) -> Option<usize> {
        let len = len.min(MOST);
        self.second = (self.second - self.second / 8).max(len.min(self.largest));
        self.largest = (self.largest - self.largest / 8).max(len);
        // A buffer that grew by doubling has up to twice the capacity of its message.
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
    fn single_large_message_is_freed() {
        let mut room = Room::default();
        assert_eq!(room.after(100, 16 * KIB), None);
        assert_eq!(room.after(45 * MIB, 64 * MIB), Some(LEAST));
    }

    #[test]
    fn consecutive_large_messages_keep_their_buffer() {
        let mut room = Room::default();
        assert_eq!(room.after(300 * KIB, 512 * KIB), Some(LEAST));
        for _ in 0..100 {
            assert_eq!(room.after(300 * KIB, 512 * KIB), None);
        }
    }

    #[test]
    fn alternating_large_messages_keep_their_buffer() {
        let mut room = Room::default();
        room.after(300 * KIB, 512 * KIB);
        for _ in 0..100 {
            room.after(100, LEAST);
            assert_eq!(room.after(300 * KIB, 512 * KIB), None);
        }
    }

    #[test]
    fn kept_capacity_has_an_upper_limit() {
        let mut room = Room::default();
        for _ in 0..100 {
            assert!(room.after(45 * MIB, 64 * MIB).is_some_and(|keep| keep <= MOST));
        }
    }

    #[test]
    fn former_sizes_are_forgotten() {
        let mut room = Room::default();
        for _ in 0..10 {
            room.after(500 * KIB, MIB);
        }
        let messages = (0..).take_while(|_| room.after(100, MIB) != Some(LEAST)).take(1000).count();
        assert!((1..60).contains(&messages), "{messages}");
    }
}
