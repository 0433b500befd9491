//! Real mongod processes for tests, examples and benches.
