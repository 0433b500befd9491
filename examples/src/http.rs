//! A small HTTP server on loopback, and a client for it, both built on hyper.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use toro::Event;

/// A page, or the server's error status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

impl Page {
    /// A page with status 200.
    pub fn ok(body: impl Into<Bytes>) -> Self {
        Page { status: StatusCode::OK, body: body.into() }
    }

    /// A status without a body.
    pub fn status(status: StatusCode) -> Self {
        Page { status, body: Bytes::new() }
    }

    /// The body as text. Invalid UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The reason why there is no answer.
#[derive(Clone, Debug)]
pub struct FetchError(Arc<str>);

impl FetchError {
    /// An error with its cause.
    pub fn new(what: impl fmt::Display) -> Self {
        FetchError(what.to_string().into())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for FetchError {}

/// A server on a free port of the loopback interface. Stops listening when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Arc<Event>,
}

impl Server {
    /// Starts a server. `answer` gets the target of each request: a path, or a whole URL for a
    /// proxy.
    ///
    /// # Errors
    ///
    /// No socket can be opened.
    pub async fn start<A, F>(answer: A) -> std::io::Result<Server>
    where
        A: Fn(String) -> F + Clone + Send + 'static,
        F: Future<Output = Page> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let stop = Arc::new(Event::new());
        tokio::spawn(accept(listener, stop.clone(), answer));
        Ok(Server { address, stop })
    }

    /// The address of the server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.set();
    }
}

async fn accept<A, F>(listener: TcpListener, stop: Arc<Event>, answer: A)
where
    A: Fn(String) -> F + Clone + Send + 'static,
    F: Future<Output = Page> + Send + 'static,
{
    loop {
        let mut stream = None;
        let next = async { stream = listener.accept().await.ok() };
        if stop.wait().until(next).await.is_ok() {
            return;
        }
        let Some((stream, _)) = stream else { continue };
        let answer = answer.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let page = answer(request.uri().to_string());
                async move {
                    let page = page.await;
                    let mut response = Response::new(Full::new(page.body));
                    *response.status_mut() = page.status;
                    Ok::<_, Infallible>(response)
                }
            });
            // A client that disconnects ends only its own connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

/// Fetches `url` on a new connection.
///
/// # Errors
///
/// The URL names no host, the server cannot be reached, or it disconnects. A status such as 404 is
/// not an error.
pub async fn get(url: &str) -> Result<Page, FetchError> {
    let uri: hyper::Uri = url.parse().map_err(|e| FetchError::new(format!("{url}: {e}")))?;
    let host = uri.authority().ok_or_else(|| FetchError::new(format!("{url} names no host")))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    send(host.as_str(), &path, host.as_str()).await
}

/// Fetches `url` through the proxy at `proxy`.
///
/// # Errors
///
/// Those of [`get`].
pub async fn get_through(proxy: SocketAddr, url: &str) -> Result<Page, FetchError> {
    send(&proxy.to_string(), url, &proxy.to_string()).await
}

async fn send(server: &str, target: &str, host: &str) -> Result<Page, FetchError> {
    let failed = |e: &dyn fmt::Display| FetchError::new(format!("{server}: {e}"));
    let stream = TcpStream::connect(server).await.map_err(|e| failed(&e))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| failed(&e))?;
    tokio::spawn(connection);
    let request = Request::get(target)
        .header(hyper::header::HOST, host)
        .body(Empty::<Bytes>::new())
        .map_err(|e| failed(&e))?;
    let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|e| failed(&e))?.to_bytes();
    Ok(Page { status, body })
}
