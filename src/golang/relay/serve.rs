//! `gox-server relay CACHE SUMDB`: passes on the requests of `go`, and sends those that will follow before `go` does. stdout is the listening
//! socket; stdin has a line MODULE@VERSION for each download, and the relay ends with it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use hyper::http::response::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::requests;

/// Limit of a text, in bytes.
const TEXT_BYTES: usize = 8 << 20;

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

/// The head of a response, and its body.
type Text = (Parts, Bytes);

type BoxError = Box<dyn Error + Send + Sync>;

struct Server {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    proxy: String,
    cache: PathBuf,
    sumdb: String,
    responses: Mutex<Responses>,
}

/// The responses for later requests, by path.
#[derive(Default)]
struct Responses {
    /// Of requests that were sent early; `None` when `go` has sent the same one.
    early: HashMap<String, Option<JoinHandle<Answer>>>,
    /// The texts that are requested once.
    texts: HashMap<String, Arc<OnceCell<Text>>>,
}

/// Serves until stdin ends.
pub fn run(proxy: &str, cache: &Path, sumdb: &str) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::from(io::stdout().as_fd().try_clone_to_owned()?);
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let stdin = pipe::Receiver::from_owned_fd(io::stdin().as_fd().try_clone_to_owned()?)?;
        let mut queries = BufReader::new(stdin).lines();
        let server = Arc::new(Server {
            client: new_client()?,
            proxy: proxy.to_owned(),
            cache: cache.to_owned(),
            sumdb: sumdb.to_owned(),
            responses: Mutex::default(),
        });
        loop {
            tokio::select! {
                query = queries.next_line() => match query? {
                    Some(query) => server.send_early(requests::first(&query, sumdb)),
                    None => return Ok(()),
                },
                accepted = listener.accept() => Arc::clone(&server).serve(accepted?.0),
            }
        }
    })
}

/// Makes a client with the certificates of the system. Does not connect.
fn new_client() -> io::Result<Client<HttpsConnector<HttpConnector>, Empty<Bytes>>> {
    let connector = HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .map_err(io::Error::other)?
        .https_or_http()
        .enable_all_versions()
        .build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

impl Server {
    /// Serves a connection of `go`, in a task.
    fn serve(self: Arc<Server>, stream: TcpStream) {
        let service = service_fn(move |request: Request<Incoming>| {
            let server = Arc::clone(&self);
            async move { Ok::<_, Infallible>(server.answer(request.uri().path()).await) }
        });
        // `go` reports a broken connection.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }

    async fn answer(&self, path: &str) -> Answer {
        let path = path.trim_start_matches('/');
        let early = self.responses().early.get_mut(path).and_then(Option::take);
        match early {
            // A panic is a fault of this program, and was printed.
            Some(task) => task.await.unwrap_or_else(|error| bad_gateway(&error)),
            None => self.send(path).await,
        }
    }

    /// The response of the proxy.
    async fn send(&self, path: &str) -> Answer {
        let answer = match requests::is_text(path) {
            true => self
                .text(path)
                .await
                .map(|(head, text)| Response::from_parts(head, text_body(text))),
            false => self
                .request(path)
                .await
                .map(|response| response.map(BodyExt::boxed)),
        };
        answer.unwrap_or_else(|error| bad_gateway(&*error))
    }

    /// Requests a text, unless a task has requested it before; then waits for that response.
    async fn text(&self, path: &str) -> Result<Text, BoxError> {
        let cell = Arc::clone(self.responses().texts.entry(path.to_owned()).or_default());
        let request = || async {
            let (head, body) = self.request(path).await?.into_parts();
            let text = Limited::new(body, TEXT_BYTES).collect().await?;
            Ok::<_, BoxError>((head, text.to_bytes()))
        };
        Ok(cell.get_or_try_init(request).await?.clone())
    }

    /// Sends a request to the proxy.
    async fn request(&self, path: &str) -> Result<Response<Incoming>, BoxError> {
        let request = Request::get(format!("{}/{path}", self.proxy))
            .header(USER_AGENT, concat!("gox-server/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())?;
        let (mut head, body) = self.client.request(request).await?.into_parts();
        let passed_on = |name: &HeaderName| head.headers.get(name).map(|value| (name.clone(), value.clone()));
        head.headers = [CONTENT_TYPE, LOCATION].iter().filter_map(passed_on).collect();
        head.version = Version::HTTP_11;
        Ok(Response::from_parts(head, body))
    }

    /// Sends these requests, except those whose response is in the module cache.
    fn send_early(self: &Arc<Server>, paths: Vec<String>) {
        for path in paths {
            let cached = requests::path_in_cache(&path);
            let is_cached = cached.is_some_and(|path| self.cache.join(path).exists());
            if !is_cached && !self.responses().early.contains_key(&path) {
                let task = tokio::spawn(Arc::clone(self).send_with_followers(path.clone()));
                self.responses().early.insert(path, Some(task));
            }
        }
    }

    /// Sends a request, and early those that follow it. Boxed, because it calls itself.
    fn send_with_followers(self: Arc<Server>, path: String) -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(async move {
            let answer = self.send(&path).await;
            if let Some((head, text)) = self.received(&path)
                && head.status == StatusCode::OK
            {
                let text = String::from_utf8_lossy(&text);
                self.send_early(requests::after(&path, &text, &self.sumdb));
            }
            answer
        })
    }

    /// The text, if it has arrived.
    fn received(&self, path: &str) -> Option<Text> {
        self.responses().texts.get(path)?.get().cloned()
    }

    fn responses(&self) -> MutexGuard<'_, Responses> {
        self.responses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text_body(text: impl Into<Bytes>) -> BoxBody<Bytes, hyper::Error> {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

/// The response if the proxy gives none. `go` prints its text.
fn bad_gateway(error: &dyn Error) -> Answer {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let mut answer = Response::new(text_body(text));
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
