//! SASL conversations by the commands `saslStart` and `saslContinue`.

use std::sync::Arc;

use bson::RawDocument;
use bson::raw::cstr;
use bson::spec::BinarySubtype;

use super::scram::{Challenge, ClientFirst};
use super::{Channel, user};
use crate::error::{CommandError, Error, Result};
use crate::options::Credential;
use crate::options::scram_keys::{Hash, Keys, Origin};
use crate::wire::DocWriter;

/// The server's reply to one step.
struct Turn {
    conversation: i32,
    done: bool,
    payload: Vec<u8>,
}

impl Turn {
    fn read(reply: &RawDocument) -> Result<Self> {
        let conversation =
            reply.get_i32("conversationId").map_err(|_| missing("conversationId"))?;
        let done = reply.get_bool("done").map_err(|_| missing("done"))?;
        let payload = reply.get_binary("payload").map_err(|_| missing("payload"))?;
        Ok(Turn { conversation, done, payload: payload.bytes.to_vec() })
    }
}

fn missing(field: &str) -> Error {
    Error::invalid_response(format!("a reply of the SASL conversation lacks the field {field}"))
}

/// Writes the command that starts a conversation.
pub(super) fn write_start(start: &mut DocWriter<'_>, mechanism: &str, payload: &[u8]) {
    start.i32(cstr!("saslStart"), 1);
    start.str(cstr!("mechanism"), mechanism);
    start.binary(cstr!("payload"), BinarySubtype::Generic, payload);
    start.nested(cstr!("options")).bool(cstr!("skipEmptyExchange"), true);
}

async fn proceed(
    channel: &mut Channel<'_>,
    credential: &Credential,
    conversation: i32,
    payload: &[u8],
) -> Result<Turn> {
    let reply = channel.command(credential.resolved_source(), credential, |body| {
        body.i32(cstr!("saslContinue"), 1);
        body.i32(cstr!("conversationId"), conversation);
        body.binary(cstr!("payload"), BinarySubtype::Generic, payload);
    });
    Turn::read(reply.await?)
}

async fn start(
    channel: &mut Channel<'_>,
    credential: &Credential,
    mechanism: &str,
    payload: &[u8],
) -> Result<Turn> {
    let source = credential.resolved_source();
    Turn::read(
        channel.command(source, credential, |body| write_start(body, mechanism, payload)).await?,
    )
}

/// Runs SCRAM from the first message.
pub(super) async fn scram(
    channel: &mut Channel<'_>,
    credential: &Credential,
    hash: Hash,
) -> Result<()> {
    let first = ClientFirst::new(hash, user(credential))?;
    let turn = start(channel, credential, hash.mechanism(), first.message().as_bytes()).await?;
    after_first(channel, credential, first, turn).await
}

/// Continues SCRAM with the server's `answer` to a first message in `hello`.
pub(super) async fn finish_scram(
    channel: &mut Channel<'_>,
    credential: &Credential,
    first: ClientFirst,
    answer: &RawDocument,
) -> Result<()> {
    let turn = Turn::read(answer)?;
    after_first(channel, credential, first, turn).await
}

async fn after_first(
    channel: &mut Channel<'_>,
    credential: &Credential,
    first: ClientFirst,
    turn: Turn,
) -> Result<()> {
    let hash = first.hash();
    let challenge = first.answer(&turn.payload)?;
    let keys = keys(channel, credential, hash, &challenge).await?;
    let last = challenge.prove(&keys);
    let mut turn =
        proceed(channel, credential, turn.conversation, last.message().as_bytes()).await?;
    last.verify(&turn.payload)?;
    if !turn.done {
        // Servers before 4.4 end the conversation with an empty exchange.
        turn = proceed(channel, credential, turn.conversation, &[]).await?;
    }
    if !turn.done {
        return Err(Error::authentication("SCRAM: the server did not end the conversation"));
    }
    Ok(())
}

/// The keys of the password, from the cache or derived on a thread that may block.
async fn keys(
    channel: &Channel<'_>,
    credential: &Credential,
    hash: Hash,
    challenge: &Challenge,
) -> Result<Arc<Keys>> {
    let password =
        hash.prepare(user(credential), credential.password.as_deref().unwrap_or_default())?;
    let (password, salt) = (password.into_owned(), challenge.salt.clone());
    let origin = Origin { hash, password, salt, iterations: challenge.iterations };
    if let Some(keys) = credential.keys.get(&origin) {
        return Ok(keys);
    }
    let derive = move || {
        let keys = Keys::derive(origin.hash, &origin.password, &origin.salt, origin.iterations);
        (origin, Arc::new(keys))
    };
    let derived = if channel.runtime.is_blocking() {
        Ok(Some(derive()))
    } else {
        let deadline = channel.time.deadline();
        channel.runtime.timeout(deadline, channel.runtime.spawn_blocking(derive)).await
    };
    let (origin, keys) = match derived {
        Ok(Some(derived)) => derived,
        Ok(None) => return Err(Error::authentication("SCRAM: the runtime is shutting down")),
        Err(_) => {
            let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
            return Err(Error::io("timed out while deriving the keys of the password", late));
        }
    };
    credential.keys.put(origin, keys.clone());
    Ok(keys)
}

/// PLAIN (RFC 4616): username and password in one message.
pub(super) async fn plain(channel: &mut Channel<'_>, credential: &Credential) -> Result<()> {
    let password = credential.password.as_deref().unwrap_or_default();
    let payload = format!("\0{}\0{password}", user(credential));
    let turn = start(channel, credential, "PLAIN", payload.as_bytes()).await?;
    if !turn.done {
        return Err(Error::authentication("PLAIN: the server did not end the conversation"));
    }
    Ok(())
}

/// The error in a reply, if it has one.
pub(super) fn refusal(reply: &RawDocument) -> Result<Option<CommandError>> {
    let mut ok = false;
    let mut refusal = CommandError::default();
    for element in reply.iter() {
        let (key, value) = element.map_err(|e| Error::invalid_response(e.to_string()))?;
        match key.as_str() {
            "ok" => {
                ok = value.as_f64() == Some(1.0)
                    || value.as_i32() == Some(1)
                    || value.as_i64() == Some(1)
            }
            "code" => refusal.code = value.as_i32().unwrap_or_default(),
            "codeName" => refusal.code_name = value.as_str().unwrap_or_default().to_owned(),
            "errmsg" => refusal.message = value.as_str().unwrap_or_default().to_owned(),
            _ => {}
        }
    }
    Ok((!ok).then_some(refusal))
}
