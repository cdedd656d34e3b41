//! The messages of Envoy's external authorization, version 3, as far as they are used here. What else a message holds is
//! skipped when it is read (`envoy/service/auth/v3/external_auth.proto`, `attribute_context.proto`).

use std::collections::HashMap;

/// What Envoy asks.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckRequest {
    /// Of what.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// A request, and from where it came.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeContext {
    /// Who sent it to Envoy.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// What the route's configuration adds (`check_settings.context_extensions`).
    #[prost(map = "string, string", tag = "10")]
    pub context_extensions: HashMap<String, String>,
}

/// One end of a connection.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Peer {
    /// Its address.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
}

/// An address; of its kinds only the one of IP.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Address {
    /// IP address and port.
    #[prost(message, optional, tag = "1")]
    pub socket_address: Option<SocketAddress>,
}

/// IP address and port.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SocketAddress {
    /// The IP address.
    #[prost(string, tag = "2")]
    pub address: String,
    /// The port.
    #[prost(uint32, tag = "3")]
    pub port_value: u32,
}

/// A request of any protocol.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Request {
    /// One of HTTP.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// A request of HTTP.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpRequest {
    /// `X-Request-ID`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The header fields, those of one name joined. Empty with `encode_raw_headers`.
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    /// The header fields with `encode_raw_headers`: each by itself.
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderMap>,
    /// Path and query, not decoded.
    #[prost(string, tag = "4")]
    pub path: String,
    /// `Host` or `:authority`.
    #[prost(string, tag = "5")]
    pub host: String,
    /// `http` or `https`.
    #[prost(string, tag = "6")]
    pub scheme: String,
}

/// Header fields in their order.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderMap {
    /// The fields.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// A header field. Either `value` or `raw_value` is set.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value, where that is text.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Its value, whatever it is.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: bytes::Bytes,
}

/// What Envoy is told.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckResponse {
    /// `OK` lets the request pass, any other refuses it.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RpcStatus>,
    /// How.
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub http_response: Option<HttpResponse>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct RpcStatus {
    /// One of gRPC's status codes.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// How a request passes or is refused.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum HttpResponse {
    /// It is refused.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// It passes.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// The answer that the client gets in the place of the application's.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeniedHttpResponse {
    /// Its status.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Its header fields.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Its body.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// What becomes of a request that passes.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OkHttpResponse {
    /// Header fields that the application gets.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Header fields of the client's that the application does not get.
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
    /// Header fields that the client gets with the application's answer.
    #[prost(message, repeated, tag = "6")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
}

/// `envoy.type.v3.HttpStatus`: its codes are those of HTTP.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpStatus {
    /// The status.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// A header field, and what becomes of one of the same name that is there.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderValueOption {
    /// The field.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// Whether both stay (`google.protobuf.BoolValue`).
    #[prost(message, optional, tag = "2")]
    pub append: Option<bool>,
    /// Whether it is sent although its value is empty.
    #[prost(bool, tag = "4")]
    pub keep_empty_value: bool,
}
