//! Messages of Envoy's external authorization, version 3, with the fields that are used here. Unknown fields
//! are skipped when a message is read (`envoy/service/auth/v3/external_auth.proto`,
//! `attribute_context.proto`).

// Written by hand (docs/decisions/0013): field numbers never change, and no protobuf compiler is needed to
// build.

use std::collections::HashMap;

/// Check of one client request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckRequest {
    /// Attributes of the client's request.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// A client's request and its source.
#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeContext {
    /// The peer that sent the request to Envoy.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// Names and values from the route's configuration (`check_settings.context_extensions`).
    #[prost(map = "string, string", tag = "10")]
    pub context_extensions: HashMap<String, String>,
}

/// One end of a connection.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Peer {
    /// The peer's address.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
}

/// An address. Only IP addresses are read; a Unix socket has none.
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
    /// The HTTP request.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// An HTTP request.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpRequest {
    /// `X-Request-ID`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// The method.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The header fields, with the values of one name joined. Empty if Envoy has `encode_raw_headers` set.
    #[prost(map = "string, string", tag = "3")]
    pub headers: HashMap<String, String>,
    /// The header fields if Envoy has `encode_raw_headers` set: one element per field.
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
    /// Name of the field.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Value of the field, if it is text.
    #[prost(string, tag = "2")]
    pub value: String,
    /// Value of the field, as any bytes.
    // `Bytes`: a slice of the received message, without a copy.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: bytes::Bytes,
}

/// Result of a check.
#[derive(Clone, PartialEq, prost::Message)]
pub struct CheckResponse {
    /// `OK` lets the request pass. Any other status refuses it.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RpcStatus>,
    /// Changes to the request, or the answer to the client.
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

/// Result of a check in terms of HTTP.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum HttpResponse {
    /// The request is refused with this answer.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// The request passes with these changes.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// Answer that the client gets instead of the application's.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeniedHttpResponse {
    /// Status of the answer.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Header fields of the answer.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Body of the answer.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// Changes to a request that passes, and to its answer.
#[derive(Clone, PartialEq, prost::Message)]
pub struct OkHttpResponse {
    /// Header fields that the application gets.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Names of the client's header fields that are removed before the application gets the request.
    #[prost(string, repeated, tag = "5")]
    pub headers_to_remove: Vec<String>,
    /// Header fields that are added to the application's answer.
    #[prost(message, repeated, tag = "6")]
    pub response_headers_to_add: Vec<HeaderValueOption>,
}

/// `envoy.type.v3.HttpStatus`. Its codes are those of HTTP.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HttpStatus {
    /// The status.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// A header field, and how it is combined with existing fields of the same name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HeaderValueOption {
    /// The field.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// `true` keeps existing fields and adds this one (`google.protobuf.BoolValue`).
    // A wrapper message on the wire. prost implements it for `bool` itself.
    #[prost(message, optional, tag = "2")]
    pub append: Option<bool>,
    /// `true` sends the field even if its value is empty.
    #[prost(bool, tag = "4")]
    pub keep_empty_value: bool,
}
