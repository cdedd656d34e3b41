//! JOSE header of a token whose signature is not verified yet (RFC 7515 §4).

use serde_json::{Map, Value};

use super::algorithm::Algorithm;
use super::fault::MalformedToken;

/// Unverified header. Exposes only what is needed to choose a key and to apply the rule for `typ`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnverifiedHeader {
    alg: String,
    algorithm: Option<Algorithm>,
    key_id: Option<String>,
    token_type: Option<String>,
}

impl UnverifiedHeader {
    /// Returns `alg` as sent. It may name an unsupported algorithm.
    #[must_use]
    pub fn alg(&self) -> &str {
        &self.alg
    }

    /// Returns the algorithm, if it is supported.
    #[must_use]
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// Returns `kid` as sent.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Returns `typ` as sent.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.token_type.as_deref()
    }

    /// Reads a header and applies the rules for it. `jwk`, `jku`, `x5c` and `x5u` are ignored: a token must
    /// not bring its own key (RFC 8725 §3.10).
    pub(super) fn from_object(header: &Map<String, Value>) -> Result<Self, MalformedToken> {
        // Whatever it lists: no extension is understood here, so the token must be refused
        // (RFC 7515 §4.1.11).
        if header.contains_key("crit") {
            return Err(MalformedToken::CriticalExtension);
        }
        // A lenient library might honour these without `crit`, and would then read another payload.
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
        // Names are case-sensitive, but some libraries have accepted `nOnE`. Every spelling is refused here.
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
