//! "Initial DNS Seedlist Discovery": seeds and options from SRV and TXT records.
//!
//! A small authoritative UDP server on loopback serves the records that the specification assumes.
//! The members `hosts` and `ping` are not asserted, because they concern discovery, which has its
//! own suite.

use serde_json::Value;

use super::expect::{asserted, text};
use crate::suite::{Case, Outcome};

/// A file is one case.
pub(crate) fn cases(content: &Value) -> Result<Vec<Case>, String> {
    let uri = text(content, "uri")?.to_owned();
    if asserted(content, "options").is_none() && asserted(content, "error").is_none() {
        return Err("the case expects neither options nor an error".into());
    }
    let case = content.clone();
    Ok(vec![Case { description: uri, run: Box::new(move || run(&case)) }])
}

#[cfg(not(feature = "dns"))]
fn run(_: &Value) -> Outcome {
    Outcome::Ignored("needs the driver's feature dns".into())
}

#[cfg(feature = "dns")]
fn run(case: &Value) -> Outcome {
    live::run(case).into()
}

#[cfg(feature = "dns")]
mod live {
    use std::collections::BTreeSet;
    use std::net::{SocketAddr, UdpSocket};
    use std::str::FromStr;
    use std::sync::OnceLock;

    use driver::conformance::dns::{Resolved, resolve};
    use hickory_proto::op::{Message, MessageType, ResponseCode};
    use hickory_proto::rr::rdata::{SRV, TXT};
    use hickory_proto::rr::{Name, RData, Record, RecordType};
    use serde_json::{Value, json};

    use super::super::expect::{asserted, same, text};
    use super::super::uri_options;

    const DOMAIN: &str = "test.build.10gen.cc.";

    /// Owner, port, target. A name without a final dot is below [`DOMAIN`].
    const SRV_RECORDS: &[(&str, u16, &str)] = &[
        ("_mongodb._tcp.test1", 27017, "localhost"),
        ("_mongodb._tcp.test1", 27018, "localhost"),
        ("_mongodb._tcp.test2", 27018, "localhost"),
        ("_mongodb._tcp.test2", 27019, "localhost"),
        ("_mongodb._tcp.test3", 27017, "localhost"),
        ("_mongodb._tcp.test5", 27017, "localhost"),
        ("_mongodb._tcp.test6", 27017, "localhost"),
        ("_mongodb._tcp.test7", 27017, "localhost"),
        ("_mongodb._tcp.test8", 27017, "localhost"),
        ("_mongodb._tcp.test10", 27017, "localhost"),
        ("_mongodb._tcp.test11", 27017, "localhost"),
        ("_mongodb._tcp.test12", 27017, "localhost.build.10gen.cc."),
        ("_mongodb._tcp.test13", 27017, "test.build.10gen.cc."),
        ("_mongodb._tcp.test14", 27017, "localhost.not-test.build.10gen.cc."),
        ("_mongodb._tcp.test15", 27017, "localhost.test.not-build.10gen.cc."),
        ("_mongodb._tcp.test16", 27017, "localhost.test.build.not-10gen.cc."),
        ("_mongodb._tcp.test17", 27017, "localhost.test.build.10gen.not-cc."),
        ("_mongodb._tcp.test18", 27017, "localhost.sub"),
        ("_mongodb._tcp.test19", 27017, "localhost.evil.build.10gen.cc."),
        ("_mongodb._tcp.test19", 27017, "localhost"),
        ("_mongodb._tcp.test20", 27017, "localhost"),
        ("_mongodb._tcp.test21", 27017, "localhost"),
        // The specification's list lacks the second record, but its case needs both.
        ("_customname._tcp.test22", 27017, "localhost"),
        ("_customname._tcp.test22", 27018, "localhost"),
        ("_mongodb._tcp.test23", 8000, "localhost"),
        ("_mongodb._tcp.test24", 8000, "localhost"),
    ];

    /// Owner and strings.
    const TXT_RECORDS: &[(&str, &[&str])] = &[
        ("test5", &["replicaSet=repl0&authSource=thisDB"]),
        ("test6", &["replicaSet=repl0"]),
        ("test6", &["authSource=otherDB"]),
        ("test7", &["ssl=false"]),
        ("test8", &["authSource"]),
        ("test10", &["socketTimeoutMS=500"]),
        ("test11", &["replicaS", "et=rep", "l0"]),
        ("test20", &["loadBalanced=true"]),
        ("test21", &["loadBalanced=false"]),
        ("test24", &["loadBalanced=true"]),
    ];

    pub(super) fn run(case: &Value) -> Result<(), String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|e| e.to_string())?;
        let resolved = runtime.block_on(resolve(text(case, "uri")?, name_server()));
        let expects_error = case.get("error").and_then(Value::as_bool).unwrap_or(false);
        let resolved = match (resolved, expects_error) {
            (Err(_), true) => return Ok(()),
            (Ok(_), true) => return Err("expected an error, found none".into()),
            (Err(e), false) => return Err(format!("unexpected error: {e}")),
            (Ok(resolved), false) => resolved,
        };
        let seeds: BTreeSet<_> = resolved.options.hosts.iter().map(ToString::to_string).collect();
        if let Some(expected) = asserted(case, "seeds").and_then(Value::as_array) {
            let expected = expected.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            same("seeds", &seeds, &expected)?;
        }
        if let Some(expected) = asserted(case, "numSeeds") {
            same("the number of seeds", Some(seeds.len() as u64), expected.as_u64())?;
        }
        for (name, expected) in
            asserted(case, "options").and_then(Value::as_object).into_iter().flatten()
        {
            let actual = match name.as_str() {
                "ssl" => uri_options::value(&resolved.options, "tls")?,
                "authSource" => json!(resolved.auth_source),
                name => uri_options::value(&resolved.options, name)?,
            };
            same(name, &actual, expected)?;
        }
        for (name, expected) in
            asserted(case, "parsed_options").and_then(Value::as_object).into_iter().flatten()
        {
            same(name, parsed(&resolved, name)?, expected.clone())?;
        }
        Ok(())
    }

    fn parsed(resolved: &Resolved, name: &str) -> Result<Value, String> {
        let credential = resolved.options.credential.as_ref();
        Ok(match name {
            "user" => json!(credential.and_then(|c| c.username.as_ref())),
            "password" => json!(credential.and_then(|c| c.password.as_ref())),
            "db" | "auth_database" | "defaultDatabase" => json!(resolved.options.default_database),
            other => return Err(format!("the harness does not know {other:?}")),
        })
    }

    /// The address of the process's name server.
    fn name_server() -> SocketAddr {
        static SERVER: OnceLock<SocketAddr> = OnceLock::new();
        *SERVER.get_or_init(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port on loopback");
            let address = socket.local_addr().expect("the address of a bound socket");
            std::thread::spawn(move || serve(&socket));
            address
        })
    }

    /// Answers readable queries. A resolver repeats a query without an answer.
    fn serve(socket: &UdpSocket) {
        let mut bytes = [0; 1500];
        while let Ok((n, from)) = socket.recv_from(&mut bytes) {
            let reply = Message::from_vec(&bytes[..n]).map(answer);
            if let Ok(reply) = reply.map_err(drop).and_then(|reply| reply.to_vec().map_err(drop)) {
                let _ = socket.send_to(&reply, from);
            }
        }
    }

    fn answer(mut query: Message) -> Message {
        let asked = query.queries.first().cloned();
        query.metadata.message_type = MessageType::Response;
        query.metadata.authoritative = true;
        query.metadata.response_code = ResponseCode::NoError;
        query.edns = None;
        query.additionals.clear();
        if let Some(asked) = asked {
            let records: Vec<_> = match asked.query_type() {
                RecordType::SRV => SRV_RECORDS
                    .iter()
                    .filter(|(owner, ..)| name(owner) == *asked.name())
                    .map(|(_, port, target)| RData::SRV(SRV::new(0, 0, *port, name(target))))
                    .collect(),
                RecordType::TXT => TXT_RECORDS
                    .iter()
                    .filter(|(owner, _)| name(owner) == *asked.name())
                    .map(|(_, strings)| {
                        RData::TXT(TXT::new(strings.iter().map(ToString::to_string).collect()))
                    })
                    .collect(),
                _ => Vec::new(),
            };
            if records.is_empty() {
                query.metadata.response_code = ResponseCode::NXDomain;
            }
            for record in records {
                query.add_answer(Record::from_rdata(asked.name().clone(), 86400, record));
            }
        }
        query
    }

    fn name(text: &str) -> Name {
        let full = if text.ends_with('.') { text.to_owned() } else { format!("{text}.{DOMAIN}") };
        Name::from_str(&full).expect("a name of the table")
    }
}
