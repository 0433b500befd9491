//! SCRAM-SHA-1 and SCRAM-SHA-256 as a conversation of messages (RFC 5802, RFC 7677, specification
//! "Authentication").
//!
//! [`ClientFirst`] has the username and a nonce. The server's reply has the salt and the iteration
//! count, which give a [`Challenge`]. With the [`Keys`] of the password it becomes a
//! [`ClientFinal`], the client's proof, which also verifies the server's signature. There are no
//! sockets and no clock, and no randomness after the nonce.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::error::{Error, Result};
pub(super) use crate::options::scram_keys::{Hash, Keys};

/// The minimum iteration count. A lower one would help an attacker to guess the password.
const MIN_ITERATIONS: u32 = 4096;
/// The maximum iteration count. No server uses a higher one, and the computation would take too
/// long.
const MAX_ITERATIONS: u32 = 10_000_000;

/// The client's first message.
pub(super) struct ClientFirst {
    hash: Hash,
    nonce: String,
    /// The message without its GS2 header.
    bare: String,
}

impl ClientFirst {
    /// # Errors
    /// `Io` if the operating system provides no random bytes.
    pub(super) fn new(hash: Hash, user: &str) -> Result<Self> {
        let mut nonce = [0; 24];
        getrandom::fill(&mut nonce).map_err(|e| {
            Error::io("cannot draw a nonce for authentication", std::io::Error::other(e))
        })?;
        Ok(Self::with_nonce(hash, user, BASE64.encode(nonce)))
    }

    fn with_nonce(hash: Hash, user: &str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let bare = format!("n={user},r={nonce}");
        ClientFirst { hash, nonce, bare }
    }

    pub(super) fn hash(&self) -> Hash {
        self.hash
    }

    pub(super) fn message(&self) -> String {
        format!("n,,{}", self.bare)
    }

    /// Reads the server's first message.
    ///
    /// # Errors
    /// `Authentication` if the message is malformed, continues another nonce, or has an iteration
    /// count outside the limits.
    pub(super) fn answer(&self, server_first: &[u8]) -> Result<Challenge> {
        let server_first = text(server_first)?;
        let mut attributes = server_first.split(',');
        let nonce = attribute(attributes.next(), 'r')?;
        let salt = attribute(attributes.next(), 's')?;
        let iterations = attribute(attributes.next(), 'i')?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(broken("the server continued a nonce that is not the client's"));
        }
        let salt = BASE64.decode(salt).map_err(|_| broken("the server's salt is not base64"))?;
        if salt.is_empty() {
            return Err(broken("the server's salt is empty"));
        }
        let iterations =
            iterations.parse().map_err(|_| broken("the iteration count is not a number"))?;
        if !(MIN_ITERATIONS..=MAX_ITERATIONS).contains(&iterations) {
            return Err(broken(format!(
                "the server requires {iterations} iterations; {MIN_ITERATIONS} to \
                 {MAX_ITERATIONS} are accepted"
            )));
        }
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{server_first},{without_proof}", self.bare);
        Ok(Challenge { hash: self.hash, salt, iterations, without_proof, signed })
    }
}

/// The server's challenge.
#[derive(Debug)]
pub(super) struct Challenge {
    hash: Hash,
    pub(super) salt: Vec<u8>,
    pub(super) iterations: u32,
    without_proof: String,
    /// The messages that both signatures cover.
    signed: String,
}

impl Challenge {
    /// The client's proof.
    pub(super) fn prove(self, keys: &Keys) -> ClientFinal {
        let signature = self.hash.hmac(&keys.stored, self.signed.as_bytes());
        let proof: Vec<u8> =
            keys.client.iter().zip(signature).map(|(key, sign)| key ^ sign).collect();
        ClientFinal {
            message: format!("{},p={}", self.without_proof, BASE64.encode(proof)),
            hash: self.hash,
            server_key: keys.server.clone(),
            signed: self.signed,
        }
    }
}

/// The client's final message, and the expected server signature.
pub(super) struct ClientFinal {
    message: String,
    hash: Hash,
    server_key: Vec<u8>,
    signed: String,
}

impl ClientFinal {
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// Checks in constant time that the server knows the user's keys.
    ///
    /// # Errors
    /// `Authentication` if the server refuses the proof, or its signature is wrong.
    pub(super) fn verify(&self, server_final: &[u8]) -> Result<()> {
        let server_final = text(server_final)?;
        let first = server_final.split(',').next();
        if let Some(error) = first.and_then(|first| first.strip_prefix("e=")) {
            return Err(broken(format!("the server refused the proof: {error}")));
        }
        let signature = attribute(first, 'v')?;
        let signature =
            BASE64.decode(signature).map_err(|_| broken("the server's signature is not base64"))?;
        if !self.hash.verify(&self.server_key, self.signed.as_bytes(), &signature) {
            return Err(broken(
                "the server's signature is wrong: it does not know the user's keys",
            ));
        }
        Ok(())
    }
}

fn text(message: &[u8]) -> Result<&str> {
    std::str::from_utf8(message).map_err(|_| broken("the server's message is not UTF-8"))
}

fn attribute(attribute: Option<&str>, name: char) -> Result<&str> {
    attribute
        .and_then(|attribute| attribute.strip_prefix(name))
        .and_then(|value| value.strip_prefix('='))
        .ok_or_else(|| {
            broken(format!("the server's message lacks the attribute {name} in its place"))
        })
}

fn broken(why: impl std::fmt::Display) -> Error {
    Error::authentication(format!("SCRAM: {why}"))
}

/// Runs a conversation with known keys on any bytes: the server's two messages, separated by a line
/// feed.
///
/// The conversation may only accept messages that the protocol permits.
#[cfg(feature = "conformance")]
pub(crate) fn fuzz_scram(data: &[u8]) {
    let (first, last) = data
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or((data, &[][..]), |at| (&data[..at], &data[at + 1..]));
    let client = ClientFirst::with_nonce(Hash::Sha256, "user", "rOprNGfwEbeRWgbNEkqO".into());
    let Ok(challenge) = client.answer(first) else { return };
    assert!((MIN_ITERATIONS..=MAX_ITERATIONS).contains(&challenge.iterations), "iterations");
    assert!(!challenge.salt.is_empty(), "salt");
    let keys = Keys { client: vec![1; 32], stored: vec![2; 32], server: vec![3; 32] };
    let proof = challenge.prove(&keys);
    assert!(
        proof.verify(last).is_err() || last.starts_with(b"v="),
        "an invalid signature was accepted"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The conversations in the specification.
    #[test]
    fn conversations_of_the_specification() {
        for (hash, nonce, first, answer, last, end) in [
            (
                Hash::Sha1,
                "fyko+d2lbbFgONRv9qkxdawL",
                "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
                "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000",
                "c=biws,r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,p=MC2T8BvbmWRckDw8oWl5IVghwCY=",
                "v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0=",
            ),
            (
                Hash::Sha256,
                "rOprNGfwEbeRWgbNEkqO",
                "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
                "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
            ),
        ] {
            let client = ClientFirst::with_nonce(hash, "user", nonce.into());
            assert_eq!(client.message(), first);
            let challenge = client.answer(answer.as_bytes()).unwrap();
            let password = hash.prepare("user", "pencil").unwrap();
            let keys = Keys::derive(hash, &password, &challenge.salt, challenge.iterations);
            let proof = challenge.prove(&keys);
            assert_eq!(proof.message(), last);
            proof.verify(end.as_bytes()).unwrap();
            for lie in [
                "v=AAAA",
                "v=",
                "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=",
                "e=invalid-proof",
                "",
                "x",
            ] {
                assert!(proof.verify(lie.as_bytes()).is_err(), "{lie}");
            }
        }
    }

    #[test]
    fn names_are_escaped() {
        let client = ClientFirst::with_nonce(Hash::Sha256, "a=b,c", "N".into());
        assert_eq!(client.message(), "n,,n=a=3Db=2Cc,r=N");
    }

    #[test]
    fn weakened_conversation_is_refused() {
        let client = ClientFirst::with_nonce(Hash::Sha256, "u", "NONCE".into());
        for (answer, why) in [
            ("r=NONCEx,s=AAAA,i=4095", "iterations"),
            ("r=NONCEx,s=AAAA,i=10000001", "iterations"),
            ("r=NONCEx,s=AAAA,i=-1", "iteration"),
            ("r=NONCEx,s=AAAA,i=99999999999", "iteration"),
            ("r=NONCEx,s=,i=4096", "salt"),
            ("r=NONCEx,s=!,i=4096", "salt"),
            ("r=NONCE,s=AAAA,i=4096", "nonce"),
            ("r=OTHER,s=AAAA,i=4096", "nonce"),
            ("m=ext,r=NONCEx,s=AAAA,i=4096", "attribute r"),
            ("r=NONCEx,i=4096", "attribute s"),
            ("r=NONCEx,s=AAAA", "attribute i"),
            ("", "attribute r"),
        ] {
            let error = client.answer(answer.as_bytes()).unwrap_err();
            assert!(error.is_auth() && error.to_string().contains(why), "{answer}: {error}");
        }
        assert!(client.answer(b"\xFF").is_err());
        assert!(client.answer(b"r=NONCEx,s=AAAA,i=4096").is_ok());
    }
}
