//! Learns that a thread has died, and runs what it left behind.
