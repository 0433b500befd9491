//! Transports other than a TCP socket: a Unix domain socket and a SOCKS5 proxy. Both APIs.

use driver::bson::doc;
use driver::options::ClientOptions;
use driver::{Client, sync};
use testbed::Standalone;

/// A ping on each API.
async fn ping(uri: &str) -> [driver::Result<()>; 2] {
    let asynchronous = async {
        let client = Client::with_uri_str(uri).await?;
        client.database("admin").run_command(doc! { "ping": 1 }).await.map(drop)
    };
    let uri = uri.to_owned();
    let blocking = tokio::task::spawn_blocking(move || {
        let client = sync::Client::with_uri_str(uri)?;
        client.database("admin").run_command(doc! { "ping": 1 }).run().map(drop)
    });
    [asynchronous.await, blocking.await.unwrap()]
}

#[tokio::test]
async fn unix_domain_socket_connects() {
    // The path of a socket is limited to about a hundred bytes, less than many build folders have.
    let folder = std::env::temp_dir().join(format!("driver-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let server = Standalone::builder()
        .args(["--unixSocketPrefix", folder.to_str().unwrap()])
        .start()
        .unwrap();
    let port = server.host().rsplit_once(':').unwrap().1.to_owned();
    let socket = folder.join(format!("mongodb-{port}.sock"));
    let uri = format!(
        "mongodb://{}/?directConnection=true",
        socket.to_str().unwrap().replace('/', "%2F")
    );
    let pings = ping(&uri).await;
    drop(server);
    std::fs::remove_dir_all(&folder).unwrap();
    for ping in pings {
        ping.unwrap();
    }
    let gone = format!("{uri}&serverSelectionTimeoutMS=500");
    for ping in ping(&gone).await {
        let error = ping.unwrap_err().to_string();
        assert!(error.contains(socket.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn warning_names_a_compressor_that_is_not_built_in() {
    let parsed = ClientOptions::parse("mongodb://h/?compressors=zlib").await.unwrap();
    assert_eq!(parsed.warnings().is_empty(), cfg!(feature = "zlib"), "{:?}", parsed.warnings());
}

#[cfg(feature = "socks5")]
mod socks5 {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::ping;

    /// A SOCKS5 proxy that knows one name, and maps it to a port of this machine. Ends with the
    /// process.
    struct Relay {
        port: u16,
        relayed: Arc<AtomicUsize>,
    }

    impl Relay {
        fn start(
            name: &'static str,
            target: u16,
            login: Option<(&'static str, &'static str)>,
        ) -> Relay {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            let relayed = Arc::new(AtomicUsize::new(0));
            let count = relayed.clone();
            thread::spawn(move || {
                for client in listener.incoming().map_while(Result::ok) {
                    let count = count.clone();
                    thread::spawn(move || {
                        // A failed client ends only its own thread.
                        let _ = serve(client, name, target, login, &count);
                    });
                }
            });
            Relay { port, relayed }
        }
    }

    fn serve(
        mut client: TcpStream,
        name: &str,
        target: u16,
        login: Option<(&str, &str)>,
        relayed: &AtomicUsize,
    ) -> std::io::Result<()> {
        let [5, methods] = take(&mut client)? else { return Ok(()) };
        let mut offered = vec![0; methods.into()];
        client.read_exact(&mut offered)?;
        let wanted = if login.is_some() { 2 } else { 0 };
        if !offered.contains(&wanted) {
            return client.write_all(&[5, 0xFF]);
        }
        client.write_all(&[5, wanted])?;
        if let Some((user, password)) = login {
            let [1] = take(&mut client)? else { return Ok(()) };
            let right = short(&mut client)? == user.as_bytes()
                && short(&mut client)? == password.as_bytes();
            client.write_all(&[1, u8::from(!right)])?;
            if !right {
                return Ok(());
            }
        }
        let [5, 1, 0, 3] = take(&mut client)? else {
            return client.write_all(&[5, 8, 0, 1, 0, 0, 0, 0, 0, 0]);
        };
        let host = short(&mut client)?;
        let port: [u8; 2] = take(&mut client)?;
        if host != name.as_bytes() || u16::from_be_bytes(port) != 27017 {
            return client.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]);
        }
        let mut server = TcpStream::connect(("127.0.0.1", target))?;
        client.write_all(&[5, 0, 0, 3, 2, b'm', b'e', 0, 1])?;
        relayed.fetch_add(1, Ordering::Relaxed);
        let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from_server, &mut to_client);
            let _ = to_client.shutdown(Shutdown::Both);
        });
        std::io::copy(&mut client, &mut server)?;
        server.shutdown(Shutdown::Both)
    }

    fn take<const N: usize>(stream: &mut TcpStream) -> std::io::Result<[u8; N]> {
        let mut bytes = [0; N];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn short(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
        let [length] = take(stream)?;
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn server_port() -> u16 {
        let host = testbed::shared_standalone().unwrap().host();
        host.rsplit_once(':').unwrap().1.parse().unwrap()
    }

    /// Only the proxy can resolve the name.
    #[tokio::test]
    async fn proxy_resolves_the_host_name() {
        for login in [None, Some(("monkey", "banana"))] {
            let relay = Relay::start("inside.example", server_port(), login);
            let credentials = login.map_or(String::new(), |(user, password)| {
                format!("&proxyUsername={user}&proxyPassword={password}")
            });
            let uri = format!(
                "mongodb://inside.example/?directConnection=true&proxyHost=127.0.0.1\
                 &proxyPort={}{credentials}",
                relay.port
            );
            for ping in ping(&uri).await {
                ping.unwrap();
            }
            assert!(relay.relayed.load(Ordering::Relaxed) >= 2);
        }
    }

    #[tokio::test]
    async fn error_has_the_reason_of_the_proxy() {
        let open = Relay::start("inside.example", server_port(), None);
        let locked = Relay::start("inside.example", server_port(), Some(("monkey", "banana")));
        for (port, host, more, reason) in [
            (open.port, "elsewhere.example", "", "cannot reach the host"),
            (locked.port, "inside.example", "", "accepts none of the offered"),
            (
                locked.port,
                "inside.example",
                "&proxyUsername=monkey&proxyPassword=mango",
                "username and password",
            ),
        ] {
            let uri = format!(
                "mongodb://{host}/?directConnection=true&serverSelectionTimeoutMS=1000\
                 &proxyHost=127.0.0.1&proxyPort={port}{more}"
            );
            for ping in ping(&uri).await {
                let error = ping.unwrap_err().to_string();
                assert!(error.contains(reason) && error.contains("proxy"), "{error}");
                assert!(!error.contains("mango"), "{error}");
            }
        }
    }
}
