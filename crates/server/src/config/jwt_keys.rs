//! Keys that verify a JWT: a shared secret or the issuer's key set, with the algorithms of that kind.

use maxlab_auth_jose::{Algorithm, KeySet};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::address::http_url;
use super::faults::InvalidValue;
use super::plaintext::PlaintextPolicy;
use super::reader::{FaultRecorded, SettingsReader};
use super::secret::gateway_secret;
use super::value_parsers::non_empty_list_of;

const SHARED_SECRET_REMEDY: &str = "generate one with `maxlab-auth keygen`, and set it at the issuer too";

/// Keys of the issuer. A secret and key pairs are never mixed (RFC 8725 §3.1).
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// `JWT_SECRET_KEY`, with one HMAC algorithm.
    Secret {
        /// Secret as text. Its UTF-8 bytes are the key.
        key: SecretString,
        /// HS256, HS384 or HS512.
        algorithm: Algorithm,
    },
    /// The issuer's key set.
    Jwks {
        /// `JWKS_URL`. `None` if it is discovered.
        url: Option<Url>,
        /// Asymmetric algorithms, at least one.
        algorithms: Vec<Algorithm>,
    },
}

/// Reads the keys of the issuer.
pub(super) fn read(reader: &mut SettingsReader<'_>, wire: PlaintextPolicy) -> Result<JwtKeys, FaultRecorded> {
    let url = reader.try_optional("JWKS_URL", http_url);
    wire.refuse_http(reader, "JWKS_URL", url.as_ref().ok().and_then(Option::as_ref));
    let secret = reader.try_optional("JWT_SECRET_KEY", shared_secret);
    let algorithms = reader.try_optional("JWT_ALGORITHM", non_empty_list_of(algorithm));
    // Only now: each of the three reports its own fault.
    let (url, secret, algorithms) = (url?, secret?, algorithms?);
    match secret {
        Some(_) if url.is_some() => {
            reader.fault(
                "JWT_SECRET_KEY",
                "it is set together with JWKS_URL, but an issuer has either a secret or key pairs",
                "remove one of them",
            );
            Err(FaultRecorded)
        }
        Some(key) => secret_keys(reader, key, algorithms.as_deref()),
        None => Ok(JwtKeys::Jwks {
            url,
            algorithms: asymmetric_algorithms(reader, algorithms)?,
        }),
    }
}

/// Parses the shared secret. It must be long enough for HS256, the HMAC algorithm with the shortest key (RFC
/// 7518 §3.2).
fn shared_secret(text: &str) -> Result<SecretString, InvalidValue> {
    let secret = gateway_secret(text)?;
    KeySet::from_secret(text.as_bytes(), Algorithm::HS256)
        .map_err(|fault| InvalidValue::new(format!("is too short: {fault}"), SHARED_SECRET_REMEDY))?;
    Ok(secret)
}

/// Checks that the algorithm and the secret fit each other.
fn secret_keys(
    reader: &mut SettingsReader<'_>,
    key: SecretString,
    algorithms: Option<&[Algorithm]>,
) -> Result<JwtKeys, FaultRecorded> {
    let algorithm = match algorithms {
        None => Algorithm::HS256,
        Some(&[algorithm]) if algorithm.is_symmetric() => algorithm,
        Some(_) => {
            reader.fault(
                "JWT_ALGORITHM",
                "JWT_SECRET_KEY needs exactly one HMAC algorithm",
                "set JWT_ALGORITHM=HS256, or remove JWT_SECRET_KEY if the issuer signs with a key pair",
            );
            return Err(FaultRecorded);
        }
    };
    // Checked again: HS384 and HS512 need longer secrets.
    if let Err(fault) = KeySet::from_secret(key.expose_secret().as_bytes(), algorithm) {
        reader.fault("JWT_SECRET_KEY", &fault.to_string(), SHARED_SECRET_REMEDY);
        return Err(FaultRecorded);
    }
    Ok(JwtKeys::Secret { key, algorithm })
}

/// Returns the algorithms for a key set.
fn asymmetric_algorithms(
    reader: &mut SettingsReader<'_>,
    algorithms: Option<Vec<Algorithm>>,
) -> Result<Vec<Algorithm>, FaultRecorded> {
    // In fixed order, so that `check` shows the same list each time.
    let every = || {
        Algorithm::ALL
            .into_iter()
            .filter(|algorithm| !algorithm.is_symmetric())
            .collect()
    };
    match algorithms {
        None => Ok(every()),
        Some(named) if named.iter().all(|algorithm| !algorithm.is_symmetric()) => Ok(named),
        // The sample in docs/GUIDE.md sets JWT_ALGORITHM=HS256 with an optional secret. Without the secret it
        // has no effect.
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
            Err(FaultRecorded)
        }
    }
}

/// Parses the name of an algorithm (RFC 7518 §3.1), which is case-sensitive.
fn algorithm(text: &str) -> Result<Algorithm, InvalidValue> {
    text.parse().map_err(|_| {
        let names: Vec<&str> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        InvalidValue::new(
            format!("names {text:?}, which is not a known algorithm"),
            format!("choose from {}", names.join(", ")),
        )
    })
}
