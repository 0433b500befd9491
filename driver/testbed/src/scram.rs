//! Authenticates the testbed as `__system` with all rights. The password is the shared key of the
//! set (SCRAM-SHA-256, RFC 5802 and RFC 7677).
//!
//! The testbed cannot use the driver's authentication, because its tests test the driver.

use std::io::{self, Error, ErrorKind};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bson::{Binary, Bson, Document, doc, spec::BinarySubtype};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::dir::unique;

const USER: &str = "__system";

/// The shared key of the members: the content of their key file.
#[derive(Clone, Debug)]
pub(crate) struct Key(String);

impl Key {
    /// Creates a key. It only has to be unique, because it protects short-lived servers on
    /// loopback.
    pub(crate) fn new() -> Key {
        Key(BASE64.encode(Sha256::digest(unique())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Runs the SCRAM conversation. `ask` runs one command on the database `local`.
    pub(crate) fn prove(
        &self,
        mut ask: impl FnMut(&Document) -> io::Result<Document>,
    ) -> io::Result<()> {
        let nonce = BASE64.encode(Sha256::digest(unique()));
        let bare = format!("n={USER},r={nonce}");
        let start = doc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256",
            "payload": bytes(&format!("n,,{bare}")),
        };
        let reply = ask(&start)?;
        let first = payload(&reply)?;
        let part = |letter: &str| {
            let part =
                first.split(',').find_map(|part| part.strip_prefix(letter)?.strip_prefix('='));
            part.ok_or_else(|| {
                Error::new(ErrorKind::InvalidData, format!("no {letter} in {first:?}"))
            })
        };
        let salt = BASE64.decode(part("s")?).map_err(Error::other)?;
        let rounds = part("i")?.parse().map_err(Error::other)?;
        let salted = salted(self.0.as_bytes(), &salt, rounds);

        let without_proof = format!("c=biws,r={}", part("r")?);
        let client = mac(&salted, b"Client Key");
        let signature =
            mac(&Sha256::digest(client), format!("{bare},{first},{without_proof}").as_bytes());
        let proof: Vec<u8> = client.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        let mut message = format!("{without_proof},p={}", BASE64.encode(proof));
        let id = reply.get("conversationId").cloned().unwrap_or(Bson::Int32(1));
        loop {
            let next =
                doc! { "saslContinue": 1, "conversationId": &id, "payload": bytes(&message) };
            let reply = ask(&next)?;
            payload(&reply)?;
            if reply.get_bool("done").unwrap_or(false) {
                return Ok(());
            }
            // Without `skipEmptyExchange` the server expects a final empty message.
            message.clear();
        }
    }
}

/// PBKDF2 with one block, for a key of the hash's size.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut block = mac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut sum = block;
    for _ in 1..rounds {
        block = mac(password, &block);
        sum.iter_mut().zip(block).for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| unreachable!("any length is a key"));
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn bytes(text: &str) -> Bson {
    Bson::Binary(Binary { subtype: BinarySubtype::Generic, bytes: text.as_bytes().to_vec() })
}

fn payload(reply: &Document) -> io::Result<String> {
    let refused =
        || Error::new(ErrorKind::PermissionDenied, format!("{USER} was refused: {reply}"));
    let bytes = reply.get_binary_generic("payload").map_err(|_| refused())?;
    String::from_utf8(bytes.clone()).map_err(Error::other)
}
