//! What a user may ask for: of a client, of a database or collection, of one operation.

mod address;

pub use self::address::ServerAddress;
