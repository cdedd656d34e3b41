//! The keys that verify a JWT: one shared secret or the issuer's key set, and the algorithms that go with them.

use maxlab_auth_core::token::{Algorithm, KeySet};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::{Wire, http_url};
use super::fault::Wrong;
use super::parse::some_list_of;
use super::reader::{Noted, Reader};
use super::secret::own_key;

const SHARED_REMEDY: &str = "make one with `maxlab-auth keygen`, for the issuer too";

/// What verifies a JWT's signature. A secret and key pairs are never mixed for one issuer.
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// `JWT_SECRET_KEY`, with one HMAC algorithm.
    Secret {
        /// The secret as text; its UTF-8 bytes are the key.
        key: SecretString,
        /// HS256, HS384 or HS512.
        algorithm: Algorithm,
    },
    /// The issuer's key set.
    Jwks {
        /// `JWKS_URL`; `None` where it is discovered.
        url: Option<Url>,
        /// Asymmetric algorithms, never none of them.
        algorithms: Vec<Algorithm>,
    },
}

/// The keys of the one issuer: a secret or a key set, with algorithms of that kind.
pub(super) fn read(reader: &mut Reader<'_>, wire: Wire) -> Result<JwtKeys, Noted> {
    let url = reader.take("JWKS_URL", http_url);
    wire.refuse_http(reader, "JWKS_URL", url.as_ref().ok().and_then(Option::as_ref));
    let secret = reader.take("JWT_SECRET_KEY", shared_secret);
    let algorithms = reader.take("JWT_ALGORITHM", some_list_of(algorithm));
    let (url, secret, algorithms) = (url?, secret?, algorithms?);
    match secret {
        Some(_) if url.is_some() => {
            reader.fault(
                "JWT_SECRET_KEY",
                "it is set together with JWKS_URL, and one issuer has a secret or key pairs, never both",
                "take one of them out",
            );
            Err(Noted)
        }
        Some(key) => secret_keys(reader, key, algorithms.as_deref()),
        None => Ok(JwtKeys::Jwks {
            url,
            algorithms: asymmetric(reader, algorithms)?,
        }),
    }
}

/// A secret long enough for the least of the HMAC algorithms, whichever it will be.
fn shared_secret(text: &str) -> Result<SecretString, Wrong> {
    let secret = own_key(text)?;
    KeySet::symmetric(text.as_bytes(), Algorithm::HS256)
        .map_err(|fault| Wrong::new(format!("is too short: {fault}"), SHARED_REMEDY))?;
    Ok(secret)
}

fn secret_keys(
    reader: &mut Reader<'_>,
    key: SecretString,
    algorithms: Option<&[Algorithm]>,
) -> Result<JwtKeys, Noted> {
    let algorithm = match algorithms {
        None => Algorithm::HS256,
        Some(&[algorithm]) if algorithm.is_symmetric() => algorithm,
        Some(_) => {
            reader.fault(
                "JWT_ALGORITHM",
                "JWT_SECRET_KEY goes with one HMAC algorithm",
                "set JWT_ALGORITHM=HS256, or take JWT_SECRET_KEY out where the issuer signs with a key pair",
            );
            return Err(Noted);
        }
    };
    if let Err(fault) = KeySet::symmetric(key.expose_secret().as_bytes(), algorithm) {
        reader.fault("JWT_SECRET_KEY", &fault.to_string(), SHARED_REMEDY);
        return Err(Noted);
    }
    Ok(JwtKeys::Secret { key, algorithm })
}

/// HS256 stands in the guide's sample beside an optional secret; without the secret it means nothing.
fn asymmetric(reader: &mut Reader<'_>, algorithms: Option<Vec<Algorithm>>) -> Result<Vec<Algorithm>, Noted> {
    let every = || {
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric())
            .collect()
    };
    match algorithms {
        None => Ok(every()),
        Some(named) if named.iter().all(|algorithm| !algorithm.is_symmetric()) => Ok(named),
        Some(named) if named.iter().all(|algorithm| algorithm.is_symmetric()) => {
            reader.warn(
                "JWT_ALGORITHM",
                "it names an HMAC algorithm, but JWT_SECRET_KEY is not set: ignored, tokens are checked with the issuer's key set",
            );
            Ok(every())
        }
        Some(_) => {
            reader.fault(
                "JWT_ALGORITHM",
                "it mixes HMAC with key-pair algorithms",
                "name algorithms of one kind; HS* needs JWT_SECRET_KEY",
            );
            Err(Noted)
        }
    }
}

fn algorithm(text: &str) -> Result<Algorithm, Wrong> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        Wrong::new(
            format!("names {text:?}, which is no algorithm known here"),
            format!("choose from {}", names.join(", ")),
        )
    })
}
