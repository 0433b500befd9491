//! TLS handshakes with real servers and generated certificates, on both APIs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bson::doc;
use bson::raw::cstr;
use pkcs8::pkcs5::pbes2;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::UnixTime;
use testbed::Standalone;

use super::*;
use crate::options::{AuthMechanism, ClientOptions, Credential, Tls};
use crate::pool::{Connection, Establisher, Generation, Purpose};
use crate::rt;

/// Certificates of one authority, and servers that use them.
struct Bed {
    folder: PathBuf,
    good: Standalone,
    misnamed: Standalone,
}

impl Bed {
    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for `host` and its key.
fn identity(issuer: &CertifiedIssuer<'static, KeyPair>, host: &str) -> (String, KeyPair) {
    let mut params = CertificateParams::new(vec![host.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, host);
    if host == "client" {
        // A server treats clients of its own organization as members of its replica set.
        params.distinguished_name.push(DnType::OrganizationName, "monkeys");
    }
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key)
}

fn server(folder: &Path, certificate: &str) -> Standalone {
    Standalone::builder()
        .args(["--tlsMode", "preferTLS", "--tlsAllowConnectionsWithoutCertificates"])
        .args(["--tlsCertificateKeyFile", folder.join(certificate).to_str().unwrap()])
        .args(["--tlsCAFile", folder.join("ca.pem").to_str().unwrap()])
        .start()
        .unwrap()
}

fn bed() -> &'static Bed {
    static BED: OnceLock<Bed> = OnceLock::new();
    BED.get_or_init(|| {
        // A subdirectory of the shared server's directory, which is removed when the process ends.
        let shared = testbed::shared_standalone().unwrap().log_path();
        let folder = shared.parent().unwrap().join("certificates");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |file: &str, content: &str| std::fs::write(folder.join(file), content).unwrap();
        let issuer = authority("the authority");
        write("ca.pem", &issuer.pem());
        write("other-ca.pem", &authority("another authority").pem());
        for (file, host) in [
            ("good.pem", "127.0.0.1"),
            ("misnamed.pem", "elsewhere.example"),
            ("client.pem", "client"),
        ] {
            let (certificate, key) = identity(&issuer, host);
            write(file, &format!("{certificate}{}", key.serialize_pem()));
            if file == "client.pem" {
                write(
                    "client-encrypted.pem",
                    &format!("{certificate}{}", encrypted(&key, b"banana")),
                );
            }
        }
        let [good, misnamed] = ["good.pem", "misnamed.pem"].map(|file| server(&folder, file));
        Bed { folder, good, misnamed }
    })
}

/// The key as an encrypted PEM section.
fn encrypted(key: &KeyPair, password: &[u8]) -> String {
    let params =
        pbes2::Parameters::generate_pbkdf2_sha256_aes256cbc(1000, &[7; 16], [9; 16]).unwrap();
    let der = key.serialize_der();
    let plain = pkcs8::PrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
    let sealed = plain.encrypt_with_params(params, password).unwrap();
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(sealed.as_bytes());
    let lines: Vec<_> =
        text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{}\n-----END ENCRYPTED PRIVATE KEY-----\n",
        lines.join("\n")
    )
}

fn establish(
    host: impl AsRef<str>,
    tls: TlsOptions,
    credential: Option<Credential>,
    runtime: &Runtime,
) -> Result<Connection> {
    let options = ClientOptions::builder()
        .hosts(vec![ServerAddress::parse(host)?])
        .tls(Tls::Enabled(tls))
        .credential(credential)
        .build();
    let address = Arc::new(options.hosts[0].clone());
    let establisher = Establisher::new(Arc::new(options), runtime.clone())?;
    let connecting = establisher.establish(
        &address,
        1,
        Generation::FIRST,
        Purpose::Application,
        Deadline::NEVER,
    );
    rt::block_on(connecting).map_err(|failure| failure.error)
}

fn trusting(ca: &str) -> TlsOptions {
    TlsOptions::builder().ca_file_path(bed().path(ca)).build()
}

/// A client clock that shows the given time. Servers with expired certificates do not start, so the
/// client's clock differs instead.
#[derive(Debug)]
struct Clock(UnixTime);

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

fn in_the_year(year: u64) -> TlsOptions {
    let since_1970 = std::time::Duration::from_secs((year - 1970) * 31_556_952);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_details(
        provider,
        Arc::new(Clock(UnixTime::since_unix_epoch(since_1970))),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots(&trusting("ca.pem")).unwrap())
    .with_no_client_auth();
    TlsOptions::builder()
        .rustls_config(crate::options::RustlsConfig::from(Arc::new(config)))
        .build()
}

/// Runs `claim` on the runtimes of both APIs.
fn on_both_apis(claim: impl Fn(Runtime)) {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let _entered = tokio.enter();
    claim(Runtime::current().unwrap());
    claim(Runtime::blocking().unwrap());
}

/// The authenticated user of the connection.
fn user(connection: &mut Connection, runtime: &Runtime) -> Option<String> {
    {
        let mut message = connection.begin();
        let mut body = message.body();
        body.i32(cstr!("connectionStatus"), 1);
        body.str(cstr!("$db"), "admin");
    }
    rt::block_on(connection.round_trip(runtime, Deadline::NEVER)).unwrap();
    let status: bson::Document = connection.reply().unwrap().try_into().unwrap();
    let users = status.get_document("authInfo").unwrap().get_array("authenticatedUsers").unwrap();
    users.first().map(|user| user.as_document().unwrap().get_str("user").unwrap().to_owned())
}

#[test]
fn trusted_server_is_accepted() {
    on_both_apis(|runtime| {
        let bed = bed();
        let mut from_file = establish(bed.good.host(), trusting("ca.pem"), None, &runtime).unwrap();
        assert_eq!(user(&mut from_file, &runtime), None);
        let pem = std::fs::read(bed.path("ca.pem")).unwrap();
        let from_bytes = TlsOptions::builder().ca_pem(pem).build();
        establish(bed.good.host(), from_bytes, None, &runtime).unwrap();
    });
}

/// A reply of many TLS records, which arrive in any pieces.
#[test]
fn large_messages_pass_in_both_directions() {
    on_both_apis(|runtime| {
        let mut connection =
            establish(bed().good.host(), trusting("ca.pem"), None, &runtime).unwrap();
        let long = "x".repeat(3_000_000);
        {
            let mut message = connection.begin();
            let mut body = message.body();
            body.i32(cstr!("ping"), 1);
            body.str(cstr!("comment"), &long);
            body.str(cstr!("$db"), "admin");
        }
        rt::block_on(connection.round_trip(&runtime, Deadline::NEVER)).unwrap();
        {
            let mut message = connection.begin();
            let mut body = message.body();
            body.i32(cstr!("aggregate"), 1);
            let mut pipeline = body.array(cstr!("pipeline"));
            pipeline.serialize(&doc! { "$documents": [{ "long": &long }] }).unwrap();
            drop(pipeline);
            body.nested(cstr!("cursor"));
            body.str(cstr!("$db"), "admin");
        }
        rt::block_on(connection.round_trip(&runtime, Deadline::NEVER)).unwrap();
        assert!(
            connection.reply().unwrap().as_bytes().len() > long.len(),
            "{:?}",
            connection.reply()
        );
    });
}

#[test]
fn untrusted_certificate_is_refused_with_the_reason() {
    on_both_apis(|runtime| {
        let bed = bed();
        for (server, tls, reason) in [
            (&bed.misnamed, trusting("ca.pem"), "not for the host"),
            (&bed.good, trusting("other-ca.pem"), "untrusted"),
            (&bed.good, in_the_year(2100), "expired"),
            (&bed.good, in_the_year(2000), "not valid yet"),
        ] {
            let error = establish(server.host(), tls, None, &runtime).unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Tls { .. }), "{error:?}");
            assert!(error.to_string().contains(reason) && error.host().is_some(), "{error}");
        }
    });
}

#[test]
fn each_insecure_option_relaxes_only_its_check() {
    on_both_apis(|runtime| {
        let bed = bed();
        let any_name = || TlsOptions { allow_invalid_hostnames: Some(true), ..trusting("ca.pem") };
        establish(bed.misnamed.host(), any_name(), None, &runtime).unwrap();
        let other = TlsOptions { allow_invalid_hostnames: Some(true), ..trusting("other-ca.pem") };
        assert!(establish(bed.good.host(), other, None, &runtime).is_err());
        for relaxed in [
            TlsOptions::builder().insecure(true).build(),
            TlsOptions::builder().allow_invalid_certificates(true).build(),
        ] {
            for server in [&bed.good, &bed.misnamed] {
                establish(server.host(), relaxed.clone(), None, &runtime).unwrap();
            }
        }
    });
}

#[test]
fn client_certificate_authenticates_its_user() {
    let subject = "O=monkeys,CN=client";
    let roles = doc! { "role": "readWrite", "db": "test" };
    bed().good.command("$external", doc! { "createUser": subject, "roles": [roles] }).unwrap();
    let credential = |user: Option<&str>| {
        Credential::builder()
            .mechanism(AuthMechanism::MongoDbX509)
            .username(user.map(str::to_owned))
            .build()
    };
    on_both_apis(|runtime| {
        let bed = bed();
        let with = |file: &str, password: Option<&[u8]>| TlsOptions {
            cert_key_file_path: Some(bed.path(file)),
            tls_certificate_key_file_password: password.map(<[u8]>::to_vec),
            ..trusting("ca.pem")
        };
        let from_bytes = TlsOptions {
            cert_key_pem: Some(std::fs::read(bed.path("client.pem")).unwrap()),
            ..trusting("ca.pem")
        };
        for (tls, name) in [
            (with("client.pem", None), None),
            (with("client.pem", None), Some(subject)),
            (with("client-encrypted.pem", Some(b"banana")), None),
            (from_bytes, None),
        ] {
            let mut connection =
                establish(bed.good.host(), tls, Some(credential(name)), &runtime).unwrap();
            assert_eq!(user(&mut connection, &runtime).as_deref(), Some(subject));
        }
        let error =
            establish(bed.good.host(), trusting("ca.pem"), Some(credential(None)), &runtime)
                .unwrap_err();
        assert!(error.is_auth(), "{error:?}");
        for password in [None, Some(&b"mango"[..])] {
            let error =
                establish(bed.good.host(), with("client-encrypted.pem", password), None, &runtime)
                    .unwrap_err();
            assert!(error.to_string().contains("tlsCertificateKeyFilePassword"), "{error}");
        }
    });
}

/// The client sends the host name (SNI), so that one address can serve several hosts. It sends no
/// IP address.
#[test]
fn client_hello_names_the_host() {
    on_both_apis(|runtime| {
        for (host, named) in [("localhost", true), ("127.0.0.1", false)] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("{host}:{}", listener.local_addr().unwrap().port());
            // Reads the client's first message and closes.
            let first = std::thread::spawn(move || {
                let mut bytes = vec![0; 4096];
                let read =
                    std::io::Read::read(&mut listener.accept().unwrap().0, &mut bytes).unwrap();
                bytes.truncate(read);
                bytes
            });
            establish(address, trusting("ca.pem"), None, &runtime).unwrap_err();
            let hello = first.join().unwrap();
            assert_eq!(hello[0], 22, "a TLS handshake");
            assert_eq!(
                hello.windows(host.len()).any(|part| part == host.as_bytes()),
                named,
                "{host}"
            );
        }
    });
}

#[test]
fn error_tells_that_the_server_has_no_tls() {
    on_both_apis(|runtime| {
        let plain = testbed::shared_standalone().unwrap();
        let error = establish(plain.host(), trusting("ca.pem"), None, &runtime).unwrap_err();
        assert!(error.host().is_some(), "{error}");
        assert!(matches!(error.kind(), ErrorKind::Tls { .. } | ErrorKind::Io { .. }), "{error:?}");
    });
}

#[test]
fn custom_rustls_config_is_used() {
    on_both_apis(|runtime| {
        let bed = bed();
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(&[&rustls::version::TLS12])
                .unwrap()
                .with_root_certificates(roots(&trusting("ca.pem")).unwrap())
                .with_no_client_auth();
        let tls = TlsOptions::builder()
            .rustls_config(crate::options::RustlsConfig::from(Arc::new(config)))
            .build();
        establish(bed.good.host(), tls, None, &runtime).unwrap();
    });
}

#[test]
fn errors_name_unusable_files() {
    let runtime = Runtime::blocking().unwrap();
    let bed = bed();
    std::fs::write(bed.path("empty.pem"), "nothing").unwrap();
    for (tls, culprit) in [
        (TlsOptions::builder().ca_file_path(bed.path("absent.pem")).build(), "absent.pem"),
        (trusting("empty.pem"), "tlsCAFile"),
        (
            TlsOptions { cert_key_file_path: Some(bed.path("ca.pem")), ..trusting("ca.pem") },
            "tlsCertificateKeyFile",
        ),
    ] {
        let error = establish("127.0.0.1:1", tls, None, &runtime).unwrap_err();
        assert!(error.to_string().contains(culprit), "{error}");
    }
}
