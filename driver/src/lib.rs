//! A MongoDB client for replica sets.
