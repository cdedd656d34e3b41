//! The same answer for Envoy's gRPC door.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use maxlab_auth_ext_authz::{Identity, Plain};

use super::AtOnce;
use super::question::{self, Question};
use crate::http::forward_auth::door::X_AUTH_IDENTITY;
use crate::http::forward_auth::headers;
use crate::http::forward_auth::original::Told;

impl AtOnce {
    /// What a yes says of identity, where the answer is a yes and can be told at once.
    pub(in crate::http) fn identity_for_envoy(&self, plain: &Plain<'_>) -> Option<Identity> {
        let began = Instant::now();
        let question = read(plain, self.gateway.cookies.name())?;
        let now = self.gateway.engine.now();
        let (passing, signed) = self.passing(&question, now)?;
        let live = passing.live();
        let mut identity = headers::texts(live);
        if let Some(signed) = signed {
            identity.push((X_AUTH_IDENTITY, signed.to_str().unwrap_or_default().to_owned()));
        }
        let client = || plain.client.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        self.told(&question.id(), began, client, || ());
        self.counted.count(live, began);
        Some(identity)
    }
}

/// The question in the words of this door. `None` if there is anything about it that wants a closer look.
fn read<'q>(plain: &'q Plain<'_>, cookie: &str) -> Option<Question<'q>> {
    let (mut token, mut request_id) = (None, None);
    for &(name, value) in &plain.fields {
        match name {
            "authorization" => question::once(&mut token, value)?,
            "cookie" => question::without(value, cookie)?,
            "x-request-id" => question::once(&mut request_id, value)?,
            _ => {}
        }
    }
    let told = |text: &'q str| (!text.is_empty()).then_some(text);
    plain
        .method
        .bytes()
        .all(|byte| byte.is_ascii_uppercase())
        .then_some(())?;
    Some(Question {
        token: match token {
            Some(field) => Some(question::bearer(field)?),
            None => None,
        },
        query: question::plain_query(&plain.query)?,
        request_id,
        told: Told {
            method: told(plain.method),
            host: told(plain.host),
            uri: told(plain.target),
        },
    })
}
