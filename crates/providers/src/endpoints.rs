//! Parser of endpoints that replace those of the metadata.

use crate::parser::http_url;
use crate::settings::EndpointOverrides;
use crate::table::{FaultList, TableReader};

/// Keys of the endpoints, named as in the metadata (RFC 8414 §2).
pub(crate) const ENDPOINT_KEYS: [&str; 7] = [
    "authorization_endpoint",
    "token_endpoint",
    "userinfo_endpoint",
    "jwks_uri",
    "revocation_endpoint",
    "introspection_endpoint",
    "end_session_endpoint",
];

/// Reads endpoints: in a provider by their names in the metadata, in a preset as a table.
pub(crate) fn parse_endpoints(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> EndpointOverrides {
    let nested = reader.table("endpoints", "endpoints.", faults);
    let mut endpoint = |name: &str, short: &str| {
        let (reader, key) = match &nested {
            Some(nested) => (nested, short),
            None => (reader, name),
        };
        reader.parsed(
            key,
            "write an absolute URL, such as https://sso.example.com/token",
            faults,
            http_url,
        )
    };
    EndpointOverrides {
        authorization: endpoint("authorization_endpoint", "authorization"),
        token: endpoint("token_endpoint", "token"),
        userinfo: endpoint("userinfo_endpoint", "userinfo"),
        jwks: endpoint("jwks_uri", "jwks"),
        revocation: endpoint("revocation_endpoint", "revocation"),
        introspection: endpoint("introspection_endpoint", "introspection"),
        end_session: endpoint("end_session_endpoint", "end_session"),
    }
}

impl EndpointOverrides {
    /// Returns these endpoints, and those of `others` where one is missing.
    pub(crate) fn or(self, others: &Self) -> Self {
        Self {
            authorization: self.authorization.or_else(|| others.authorization.clone()),
            token: self.token.or_else(|| others.token.clone()),
            userinfo: self.userinfo.or_else(|| others.userinfo.clone()),
            jwks: self.jwks.or_else(|| others.jwks.clone()),
            revocation: self.revocation.or_else(|| others.revocation.clone()),
            introspection: self.introspection.or_else(|| others.introspection.clone()),
            end_session: self.end_session.or_else(|| others.end_session.clone()),
        }
    }
}
