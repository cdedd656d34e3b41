//! Envoy, as far as it asks: a tonic client of the ext_authz service and of its health.

use std::collections::HashMap;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use maxlab_auth_ext_authz::proto::{
    Address, AttributeContext, CheckRequest, CheckResponse, DeniedHttpResponse, HeaderValueOption,
    HttpRequest, HttpResponse, OkHttpResponse, Peer, SocketAddress,
};
use tokio::net::TcpStream;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tower::Service;

/// A connection to the door.
#[derive(Clone)]
pub(crate) struct Envoy {
    sender: http2::SendRequest<Body>,
    origin: Uri,
}

impl Service<Request<Body>> for Envoy {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Response<Incoming>, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}

impl Envoy {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        let origin = format!("http://127.0.0.1:{port}").parse().unwrap();
        Self { sender, origin }
    }

    /// What gRPC says to a question.
    pub(crate) async fn try_check(&self, question: CheckRequest) -> Result<CheckResponse, tonic::Status> {
        let mut grpc = tonic::client::Grpc::with_origin(self.clone(), self.origin.clone());
        grpc.ready().await.unwrap();
        let path = PathAndQuery::from_static("/envoy.service.auth.v3.Authorization/Check");
        let codec = ProstCodec::<CheckRequest, CheckResponse>::default();
        let answer = grpc.unary(tonic::Request::new(question), path, codec).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn check(&self, question: &Question) -> Answer {
        let answer = self.try_check(question.message()).await.unwrap();
        let rpc = answer.status.as_ref().unwrap().code;
        match answer.http_response.unwrap() {
            HttpResponse::Ok(ok) => {
                assert_eq!(rpc, 0);
                Answer::Ok(ok)
            }
            HttpResponse::Denied(denied) => {
                assert_ne!(rpc, 0);
                Answer::Denied(denied)
            }
        }
    }

    /// `SERVING` is 1, `NOT_SERVING` 2.
    pub(crate) async fn health(&self, service: &str) -> i32 {
        let mut client = HealthClient::with_origin(self.clone(), self.origin.clone());
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        client.check(request).await.unwrap().into_inner().status
    }
}

/// A client's request, as Envoy tells of it.
#[derive(Clone, Default)]
pub(crate) struct Question {
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) extensions: Vec<(&'static str, &'static str)>,
}

impl Question {
    /// With this token.
    pub(crate) fn of(token: &'static str) -> Self {
        Self {
            path: "/x",
            headers: vec![("authorization", token)],
            extensions: vec![],
        }
    }

    pub(crate) fn needs(mut self, name: &'static str, value: &'static str) -> Self {
        self.extensions.push((name, value));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn at(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    pub(crate) fn message(&self) -> CheckRequest {
        let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let http = HttpRequest {
            method: "GET".to_owned(),
            path: self.path.to_owned(),
            host: "app.example".to_owned(),
            scheme: "https".to_owned(),
            headers: map(&self.headers),
            ..HttpRequest::default()
        };
        let address = SocketAddress {
            address: "198.51.100.7".to_owned(),
            port_value: 4711,
        };
        let source = Peer {
            address: Some(Address {
                socket_address: Some(address),
            }),
        };
        CheckRequest {
            attributes: Some(AttributeContext {
                source: Some(source),
                request: Some(maxlab_auth_ext_authz::proto::Request { http: Some(http) }),
                context_extensions: map(&self.extensions),
            }),
        }
    }
}

/// What Envoy makes of a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Ok(OkHttpResponse),
    Denied(DeniedHttpResponse),
}

impl Answer {
    #[track_caller]
    pub(crate) fn ok(self) -> OkHttpResponse {
        match self {
            Self::Ok(ok) => ok,
            Self::Denied(denied) => panic!("{denied:?}"),
        }
    }

    /// The refusal, if it has this status.
    #[track_caller]
    pub(crate) fn denied(self, status: i32) -> DeniedHttpResponse {
        match self {
            Self::Denied(denied) if denied.status.as_ref().unwrap().code == status => denied,
            other => panic!("not {status}: {other:?}"),
        }
    }
}

/// The value of a header field that is set.
pub(crate) fn value<'f>(fields: &'f [HeaderValueOption], name: &str) -> Option<&'f str> {
    let fields = fields.iter().filter_map(|field| field.header.as_ref());
    let mut named = fields
        .filter(|field| field.key == name)
        .map(|field| field.value.as_str());
    let found = named.next();
    assert!(named.next().is_none(), "{name} is there twice");
    found
}
