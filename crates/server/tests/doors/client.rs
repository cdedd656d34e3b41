//! A client of HTTP over whatever stream it is given.

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

/// A GET with these header fields.
pub(crate) fn get(path: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::get(path);
    if !fields.iter().any(|(name, _)| *name == "host") && path.starts_with('/') {
        request = request.header("host", "localhost");
    }
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

/// Asks over HTTP/1.1, on a connection for this alone.
pub(crate) async fn ask<S>(stream: S, request: Request<Body>) -> Result<Response<Bytes>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    whole(sender.send_request(request).await?).await
}

/// Asks over HTTP/2, with the whole URL in the request.
pub(crate) async fn ask_http2<S>(stream: S, request: Request<Body>) -> Result<Response<Bytes>, hyper::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    whole(sender.send_request(request).await?).await
}

async fn whole(answer: Response<hyper::body::Incoming>) -> Result<Response<Bytes>, hyper::Error> {
    let (parts, body) = answer.into_parts();
    Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
}
