//! HAProxy, which checks the signature of each request's token.

use std::fs;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use maxlab_auth_testkit::{ForgeAlgorithm, TokenForge, free_port};
use serde_json::Value;

use super::process::{ServerProcess, is_installed};

/// Starts HAProxy with one thread and the keys of this forge. `None` if it is not installed.
pub(in crate::verify) fn start(
    forge: &TokenForge,
    algorithm: ForgeAlgorithm,
) -> Result<Option<ServerProcess>> {
    if !is_installed("haproxy") {
        return Ok(None);
    }
    let folder = tempfile::tempdir()?;
    let port = free_port();
    // A secret is written into the configuration, a public key into a file.
    let key = match forge.secret() {
        Some(secret) => secret,
        None => {
            let path = folder.path().join("key.pem");
            fs::write(&path, pem(&forge.jwks())?)?;
            path.display().to_string()
        }
    };
    let name = algorithm.name();
    let text = format!(
        "global
  nbthread 1
defaults
  mode http
  timeout client 60s
  timeout connect 5s
  timeout server 60s
frontend check
  bind 127.0.0.1:{port}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(\"{name}\",\"{key}\") 1 }}
  http-request return status 200
"
    );
    let path = folder.path().join("haproxy.cfg");
    fs::write(&path, text)?;
    let path = path.display().to_string();
    // Without a master, and in the foreground, it is one process.
    ServerProcess::start(&["haproxy", "-db", "-f", &path], port, folder).map(Some)
}

/// Encodes the first key of the set as SubjectPublicKeyInfo (RFC 5280 §4.1) in PEM.
fn pem(jwks: &Value) -> Result<String> {
    let key = &jwks["keys"][0];
    let part = |name: &str| -> Result<Vec<u8>> {
        let text = key[name]
            .as_str()
            .with_context(|| format!("the key has no {name}"))?;
        Ok(URL_SAFE_NO_PAD.decode(text)?)
    };
    let der = if key["kty"] == "RSA" {
        let numbers = [integer(&part("n")?), integer(&part("e")?)].concat();
        // A bit string begins with its number of unused bits.
        let bits = [vec![0], tagged(0x30, &numbers)].concat();
        // rsaEncryption with NULL parameters (RFC 3279 §2.3.1).
        let algorithm = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        tagged(0x30, &[algorithm.to_vec(), tagged(0x03, &bits)].concat())
    } else {
        // 4: an uncompressed point (SEC 1 §2.3.3), after the number of unused bits.
        let point = [vec![0, 4], part("x")?, part("y")?].concat();
        // id-ecPublicKey on prime256v1 (RFC 5480 §2.1.1).
        let algorithm =
            b"\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
        tagged(0x30, &[algorithm.to_vec(), tagged(0x03, &point)].concat())
    };
    let text = STANDARD.encode(der);
    Ok(format!(
        "-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n"
    ))
}

/// Encodes a positive integer in DER.
fn integer(bytes: &[u8]) -> Vec<u8> {
    // A leading zero byte keeps the first bit from being read as a sign.
    let positive = if bytes.first().is_some_and(|first| first & 0x80 != 0) {
        [&[0], bytes].concat()
    } else {
        bytes.to_vec()
    };
    tagged(0x02, &positive)
}

/// Encodes a DER element with its tag and length.
fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let digits: Vec<u8> = length.into_iter().skip_while(|digit| *digit == 0).collect();
    let mut out = vec![tag];
    match digits.as_slice() {
        [] => out.push(0),
        // The short form holds lengths up to 127. The long form begins with the number of length bytes.
        [short] if *short < 0x80 => out.push(*short),
        long => {
            out.push(0x80 | u8::try_from(long.len()).unwrap_or(0));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
    out
}
