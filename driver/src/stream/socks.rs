//! A SOCKS5 client (RFC 1928, username and password by RFC 1929; specification "SOCKS5 Support").
//!
//! The proxy resolves the server's name, because it may know names that the client's resolver does
//! not.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Stream;
use super::connect::connect as connect_directly;
use crate::deadline::Deadline;
use crate::error::{Error, Result};
use crate::options::{ServerAddress, Socks5Proxy};
use crate::rt::Runtime;

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
const USERNAME_PASSWORD: u8 = 2;
const NONE_ACCEPTABLE: u8 = 0xFF;
const CONNECT: u8 = 1;

/// Opens a stream to `host` and `port` through `proxy`. The socket to the proxy must connect by
/// `socket_deadline`.
///
/// # Errors
/// - Those of a connection to the proxy.
/// - `Io` with the proxy's reason if it refuses.
/// - `InvalidArgument` if a name is too long for the protocol.
pub(super) async fn connect(
    proxy: &Socks5Proxy,
    host: &str,
    port: u16,
    runtime: &Runtime,
    socket_deadline: Deadline,
    deadline: Deadline,
) -> Result<Stream> {
    let greeting = greeting(proxy);
    let login = proxy.authentication.as_ref().map(login).transpose()?;
    let request = request(host, port)?;
    let at = ServerAddress::Tcp {
        host: proxy.host.clone(),
        port: proxy.port.unwrap_or(Socks5Proxy::DEFAULT_PORT),
    };
    let mut stream = connect_directly(&at, runtime, deadline, socket_deadline).await?;
    stream.set_deadline(deadline);
    let talk = async {
        stream.write_all(greeting).await?;
        match read::<2>(&mut stream).await? {
            [VERSION, NO_AUTHENTICATION] => {}
            [VERSION, USERNAME_PASSWORD] => {
                let login = login.ok_or_else(|| refused("requires a username and password"))?;
                stream.write_all(&login).await?;
                if read::<2>(&mut stream).await?[1] != 0 {
                    return Err(refused("does not accept the username and password"));
                }
            }
            [VERSION, NONE_ACCEPTABLE] => {
                return Err(refused("accepts none of the offered authentication methods"));
            }
            _ => return Err(refused("does not speak SOCKS5")),
        }
        stream.write_all(&request).await?;
        let [version, reply, _, kind] = read::<4>(&mut stream).await?;
        match (version, reply) {
            (VERSION, 0) => {}
            (VERSION, reply) => return Err(refused(reason(reply))),
            _ => return Err(refused("does not speak SOCKS5")),
        }
        skip_bound_address(&mut stream, kind).await
    };
    let talk = runtime.timeout(deadline, talk).await;
    let talk = talk.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match talk {
        Ok(()) => Ok(stream),
        Err(cause) => {
            Err(Error::io(format!("cannot reach {host}:{port} through the proxy {at}"), cause))
        }
    }
}

fn greeting(proxy: &Socks5Proxy) -> &'static [u8] {
    match proxy.authentication {
        None => &[VERSION, 1, NO_AUTHENTICATION],
        Some(_) => &[VERSION, 2, NO_AUTHENTICATION, USERNAME_PASSWORD],
    }
}

fn login((user, password): &(String, String)) -> Result<Vec<u8>> {
    let mut login = vec![1];
    push_short(&mut login, "proxyUsername", user)?;
    push_short(&mut login, "proxyPassword", password)?;
    Ok(login)
}

fn request(host: &str, port: u16) -> Result<Vec<u8>> {
    let mut request = vec![VERSION, CONNECT, 0];
    match host.parse() {
        Ok(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(Ipv4Addr::octets(&ip));
        }
        Ok(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(Ipv6Addr::octets(&ip));
        }
        Err(_) => {
            request.push(3);
            push_short(&mut request, "the host name", host)?;
        }
    }
    request.extend(port.to_be_bytes());
    Ok(request)
}

fn push_short(bytes: &mut Vec<u8>, what: &str, text: &str) -> Result<()> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length > 0).ok_or_else(|| {
        Error::invalid_argument(format!("{what} must have 1 to 255 bytes for a SOCKS5 proxy"))
    })?;
    bytes.push(length);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}

async fn skip_bound_address(stream: &mut Stream, kind: u8) -> io::Result<()> {
    match kind {
        1 => read::<6>(stream).await.map(drop),
        4 => read::<18>(stream).await.map(drop),
        3 => {
            let [length] = read::<1>(stream).await?;
            let mut rest = vec![0; usize::from(length) + 2];
            read_exact(stream, &mut rest).await
        }
        _ => Err(refused("answers with an unknown address type")),
    }
}

async fn read<const N: usize>(stream: &mut Stream) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    read_exact(stream, &mut bytes).await?;
    Ok(bytes)
}

async fn read_exact(stream: &mut Stream, mut bytes: &mut [u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match stream.read(bytes).await? {
            0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the proxy closed the connection",
                ));
            }
            n => bytes = &mut bytes[n..],
        }
    }
    Ok(())
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionRefused, format!("the proxy {why}"))
}

/// The reason that a reply code stands for (RFC 1928, section 6).
fn reason(reply: u8) -> &'static str {
    match reply {
        1 => "failed",
        2 => "does not allow the connection",
        3 => "cannot reach the network",
        4 => "cannot reach the host",
        5 => "was refused by the host",
        6 => "reports that the time to live expired",
        7 => "does not support the command",
        8 => "does not support the address type",
        _ => "refused for an unknown reason",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_encodes_ip_addresses_and_host_names() {
        assert_eq!(request("127.0.0.1", 258).unwrap(), [5, 1, 0, 1, 127, 0, 0, 1, 1, 2]);
        assert_eq!(request("ab", 1).unwrap(), [5, 1, 0, 3, 2, b'a', b'b', 0, 1]);
        assert_eq!(request("::1", 1).unwrap()[3..6], [4, 0, 0]);
        assert!(request(&"a".repeat(256), 1).is_err());
    }

    #[test]
    fn login_carries_both_lengths() {
        assert_eq!(login(&("u".into(), "pw".into())).unwrap(), [1, 1, b'u', 2, b'p', b'w']);
        assert!(login(&(String::new(), "p".into())).is_err());
    }
}
