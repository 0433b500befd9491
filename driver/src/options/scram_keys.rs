//! The keys that SCRAM derives from a password, and their cache.
//!
//! The derivation is slow on purpose (PBKDF2 with thousands of iterations), so a cache keeps the
//! keys by all inputs. The members of a replica set share user and salt, so a client derives the
//! keys once for all its connections.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The hash function of a SCRAM mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(crate) fn mechanism(self) -> &'static str {
        match self {
            Hash::Sha1 => "SCRAM-SHA-1",
            Hash::Sha256 => "SCRAM-SHA-256",
        }
    }

    /// The password in the mechanism's form: for SHA-1 a digest of username and password, for
    /// SHA-256 prepared with SASLprep.
    ///
    /// # Errors
    /// `InvalidArgument` if it contains characters that SASLprep forbids.
    pub(crate) fn prepare<'p>(self, user: &str, password: &'p str) -> Result<Cow<'p, str>> {
        match self {
            Hash::Sha1 => {
                let digest = Md5::digest(format!("{user}:mongo:{password}"));
                Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
            }
            Hash::Sha256 => stringprep::saslprep(password).map_err(|_| {
                Error::invalid_argument(
                    "the password contains characters that SASLprep (RFC 4013) forbids, such \
                         as control characters",
                )
            }),
        }
    }

    pub(crate) fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, data).finalize().into_bytes().to_vec(),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data).finalize().into_bytes().to_vec(),
        }
    }

    /// Whether `signature` is the HMAC of `data`, compared in constant time.
    pub(crate) fn verify(self, key: &[u8], data: &[u8], signature: &[u8]) -> bool {
        match self {
            Hash::Sha1 => mac::<Hmac<Sha1>>(key, data).verify_slice(signature).is_ok(),
            Hash::Sha256 => mac::<Hmac<Sha256>>(key, data).verify_slice(signature).is_ok(),
        }
    }

    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Hash::Sha1 => Sha1::digest(data).to_vec(),
            Hash::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    fn stretch(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        match self {
            Hash::Sha1 => stretched::<Hmac<Sha1>>(password, salt, iterations),
            Hash::Sha256 => stretched::<Hmac<Sha256>>(password, salt, iterations),
        }
    }
}

/// The first block of PBKDF2 (RFC 8018): the function `Hi` of SCRAM (RFC 5802).
fn stretched<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
    let keyed = mac::<M>(password, &[]);
    let mut last =
        keyed.clone().chain_update(salt).chain_update(1_u32.to_be_bytes()).finalize().into_bytes();
    let mut sum = last.clone();
    for _ in 1..iterations {
        last = keyed.clone().chain_update(&last).finalize().into_bytes();
        sum.iter_mut().zip(&last).for_each(|(sum, last)| *sum ^= last);
    }
    sum.to_vec()
}

fn mac<M: Mac + KeyInit>(key: &[u8], data: &[u8]) -> M {
    let mut mac = M::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(data);
    mac
}

/// The keys that authenticate the user and the server.
pub(crate) struct Keys {
    pub(crate) client: Vec<u8>,
    pub(crate) stored: Vec<u8>,
    pub(crate) server: Vec<u8>,
}

impl Keys {
    /// Derives the keys. Takes milliseconds, so do not call it on a thread that runs tasks.
    pub(crate) fn derive(hash: Hash, password: &str, salt: &[u8], iterations: u32) -> Self {
        let salted = hash.stretch(password.as_bytes(), salt, iterations);
        let client = hash.hmac(&salted, b"Client Key");
        let stored = hash.digest(&client);
        let server = hash.hmac(&salted, b"Server Key");
        Keys { client, stored, server }
    }
}

/// The inputs of the derivation.
#[derive(PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) hash: Hash,
    /// The result of [`Hash::prepare`].
    pub(crate) password: String,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

type Entries = Vec<(Origin, Arc<Keys>)>;

/// The most recent keys. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct KeyCache {
    entries: Arc<Mutex<Entries>>,
}

impl KeyCache {
    /// A user has one salt per mechanism, so few entries are needed. In a full cache, a new entry
    /// evicts the oldest.
    const CAPACITY: usize = 4;

    pub(crate) fn get(&self, origin: &Origin) -> Option<Arc<Keys>> {
        self.lock().iter().find(|(known, _)| known == origin).map(|(_, keys)| keys.clone())
    }

    pub(crate) fn put(&self, origin: Origin, keys: Arc<Keys>) {
        let mut entries = self.lock();
        if entries.iter().all(|(known, _)| *known != origin) {
            if entries.len() == Self::CAPACITY {
                entries.remove(0);
            }
            entries.push((origin, keys));
        }
    }

    /// Replaces all keys by useless ones, and returns their number.
    #[cfg(test)]
    pub(crate) fn spoil(&self) -> usize {
        let mut entries = self.lock();
        for (_, keys) in &mut *entries {
            *keys = Arc::new(Keys::derive(Hash::Sha1, "spoilt", &[0], 1));
        }
        entries.len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Origin, Arc<Keys>)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hides the content.
impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyCache")
    }
}

/// The cache does not count when credentials are compared.
impl PartialEq for KeyCache {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(salt: u8) -> Origin {
        Origin { hash: Hash::Sha1, password: "p".into(), salt: vec![salt], iterations: 4096 }
    }

    #[test]
    fn cache_keeps_the_newest_entries() {
        let cache = KeyCache::default();
        let keys = Arc::new(Keys::derive(Hash::Sha1, "p", &[0], 1));
        (0..10).for_each(|salt| cache.clone().put(origin(salt), keys.clone()));
        assert!((0..6).all(|salt| cache.get(&origin(salt)).is_none()));
        assert!((6..10).all(|salt| cache.get(&origin(salt)).is_some()));
        assert!(cache.get(&Origin { password: "q".into(), ..origin(9) }).is_none());
    }

    /// RFC 4013, section 3, and the passwords of the specification's prose tests.
    #[test]
    fn passwords_are_prepared() {
        let prepared = |password| Hash::Sha256.prepare("u", password).map(Cow::into_owned);
        for (written, meant) in [
            ("I\u{AD}X", "IX"),
            ("\u{2168}", "IX"),
            ("\u{2163}", "IV"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{AA}", "a"),
        ] {
            assert_eq!(prepared(written).unwrap(), meant);
        }
        assert!(prepared("\u{7}").is_err());
    }
}
