//! Names under which revocations of tokens, sessions and cut-offs are recorded.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::token_key::{TokenKey, percent_escape};
use crate::credential::{SessionHandle, SessionKey};
use crate::identity::{Subject, UpstreamSession};

/// Scope of a cut-off: everything that was issued to a user or a client, by an issuer, or in an upstream session,
/// up to a time.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CutoffScope {
    /// A user.
    User(Subject),
    /// An OAuth client, by `client_id`.
    Client(String),
    /// An issuer, by its identifier.
    Issuer(String),
    /// A session at an authorization server, with every credential that came out of it.
    UpstreamSession(UpstreamSession),
    /// Every credential that the gateway may see, also one that names neither client nor issuer.
    Everything,
}

impl CutoffScope {
    /// Returns the name, not escaped. `None` for [`CutoffScope::Everything`].
    pub fn name(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::User(subject) => Some(subject.storage_name()),
            Self::Client(id) | Self::Issuer(id) => Some(Cow::Borrowed(id)),
            Self::UpstreamSession(session) => Some(session.storage_name()),
            Self::Everything => None,
        }
    }
}

/// Prefix of the name of a single session id. No handle contains `@`.
const COOKIE_PREFIX: &str = "@cookie-";

/// Subject of a revocation: a token, a session or a cut-off scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RevocationKey {
    /// One token.
    Token(TokenKey),
    /// A session of the gateway with its refresh-token family, or [one id](Self::cookie) that a session had. A
    /// session of an authorization server is a [cut-off scope](CutoffScope::UpstreamSession).
    Session(String),
    /// Everything in a scope that was issued up to a time.
    Cutoff(CutoffScope),
}

impl RevocationKey {
    /// Words for all [kinds](Self::kind).
    pub const KINDS: [&str; 7] = [
        "token",
        "session",
        "user",
        "client",
        "issuer",
        "upstream_session",
        "everything",
    ];

    /// Key of the session with this public handle.
    pub fn session(handle: &SessionHandle) -> Self {
        Self::Session(handle.as_str().to_owned())
    }

    /// Key of one id of a session, by its hash. The session goes on under another id (decision 23).
    pub fn cookie(key: &SessionKey) -> Self {
        Self::Session(format!("{COOKIE_PREFIX}{}", key.as_str()))
    }

    /// Key of a cut-off for this user.
    pub fn user(subject: &Subject) -> Self {
        Self::Cutoff(CutoffScope::User(subject.clone()))
    }

    /// Returns true for a cut-off, which needs a time.
    pub fn is_cutoff(&self) -> bool {
        matches!(self, Self::Cutoff(_))
    }

    /// Returns the stable word for the kind, one of [`KINDS`](Self::KINDS).
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "token",
            Self::Session(_) => "session",
            Self::Cutoff(CutoffScope::User(_)) => "user",
            Self::Cutoff(CutoffScope::Client(_)) => "client",
            Self::Cutoff(CutoffScope::Issuer(_)) => "issuer",
            Self::Cutoff(CutoffScope::UpstreamSession(_)) => "upstream_session",
            Self::Cutoff(CutoffScope::Everything) => "everything",
        }
    }

    /// Returns the name without the kind, escaped so that it is safe inside a store's key.
    pub fn name(&self) -> String {
        match self {
            Self::Token(key) => key.as_str().to_owned(),
            Self::Session(id) => percent_escape(id),
            Self::Cutoff(scope) => scope
                .name()
                .map_or_else(|| "all".to_owned(), |name| percent_escape(&name)),
        }
    }

    /// Key with this [`kind`](Self::kind) and this [`name`](Self::name). `None` if the kind is unknown, or if
    /// the name is not UTF-8 when unescaped.
    pub fn from_parts(kind: &str, name: &str) -> Option<Self> {
        let plain = || {
            percent_decode_str(name)
                .decode_utf8()
                .ok()
                .map(|text| text.into_owned())
        };
        Some(match kind {
            // Not unescaped: the escaped form is the token key itself.
            "token" => Self::Token(TokenKey::from_stored(name)),
            "session" => Self::Session(plain()?),
            "user" => Self::Cutoff(CutoffScope::User(Subject::from_storage_name(&plain()?))),
            "client" => Self::Cutoff(CutoffScope::Client(plain()?)),
            "issuer" => Self::Cutoff(CutoffScope::Issuer(plain()?)),
            "upstream_session" => {
                let session = UpstreamSession::from_storage_name(&plain()?);
                Self::Cutoff(CutoffScope::UpstreamSession(session))
            }
            "everything" => Self::Cutoff(CutoffScope::Everything),
            _ => return None,
        })
    }
}

impl fmt::Display for RevocationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Issuer;

    #[test]
    fn a_key_survives_its_parts() {
        let other = Issuer::of(None, "https://as.example:8443/a");
        let keys = [
            RevocationKey::Token(TokenKey::from_jti("j/1")),
            RevocationKey::Session("s 1".into()),
            RevocationKey::user(&Subject::of_default("김:1")),
            RevocationKey::user(&Subject::of_default("@x|y")),
            RevocationKey::user(&Subject::new(other.clone(), "김:1")),
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(UpstreamSession::new(
                Issuer::DEFAULT,
                "s 1",
            ))),
            RevocationKey::Cutoff(CutoffScope::UpstreamSession(UpstreamSession::new(other, "s 1"))),
            RevocationKey::Cutoff(CutoffScope::Client("c".into())),
            RevocationKey::Cutoff(CutoffScope::Issuer("https://as.example".into())),
            RevocationKey::Cutoff(CutoffScope::Everything),
        ];
        for key in keys {
            assert!(RevocationKey::KINDS.contains(&key.kind()));
            assert_eq!(RevocationKey::from_parts(key.kind(), &key.name()), Some(key));
        }
    }
}
