//! The JOSE header of a token whose signature is not verified yet (RFC 7515 §4).

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::jws::MalformedToken;

/// What an unverified header may be used for: choosing the key and the rule for `typ`. It exposes nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedHeader {
    alg: String,
    algorithm: Option<Algorithm>,
    key_id: Option<String>,
    token_type: Option<String>,
}

impl UnverifiedHeader {
    /// `alg` as sent; it may name an algorithm that is not known here.
    #[must_use]
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// `alg`, where it is one of ours.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// `kid` as sent.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `typ` as sent.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Applies the header rules. `jwk`, `jku`, `x5c` and `x5u` are ignored: a token does not bring its own key (RFC 8725 §3.10).
    pub(super) fn from_object(header: &Map<String, Value>) -> Result<Self, MalformedToken> {
        if header.contains_key("crit") {
            return Err(MalformedToken::CriticalExtension);
        }
        if let Some(name) = ["b64", "zip", "enc"]
            .into_iter()
            .find(|name| header.contains_key(*name))
        {
            return Err(MalformedToken::Unsupported(name));
        }
        let text = |name: &'static str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(MalformedToken::HeaderParameter(name)),
        };
        let alg = text("alg")?
            .filter(|name| !name.is_empty())
            .ok_or(MalformedToken::HeaderParameter("alg"))?;
        if alg.trim().eq_ignore_ascii_case("none") {
            return Err(MalformedToken::Unsigned);
        }
        Ok(Self {
            algorithm: alg.parse().ok(),
            alg,
            key_id: text("kid")?,
            token_type: text("typ")?,
        })
    }
}
