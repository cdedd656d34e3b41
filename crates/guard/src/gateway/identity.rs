//! Who it is, from the headers of a gateway's answer. Nothing is guessed: what cannot be read is no answer.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use maxlab_auth_core::identity::{Identity, VerificationSource};
use maxlab_auth_core::unavailable::Unavailable;

/// The gateway's identity headers. It sends all of them, always.
pub(crate) const IDENTITY_HEADERS: [&str; 7] = [
    "remote-user",
    "remote-name",
    "remote-email",
    "remote-groups",
    "remote-roles",
    "x-auth-source",
    "x-auth-identity",
];

const SOURCES: [VerificationSource; 4] = [
    VerificationSource::OauthUserinfo,
    VerificationSource::TraditionalAuth,
    VerificationSource::Introspection,
    VerificationSource::LocalJwt,
];

/// The identity that an answer of 200 names.
///
/// # Errors
/// One of the headers is missing, there twice or not encoded as the gateway encodes it, or nobody is named.
pub(super) fn identity(headers: &HeaderMap, now: Timestamp) -> Result<Identity, Unavailable> {
    let user_id = scalar(headers, "remote-user")?.ok_or_else(|| {
        Unavailable::upstream(
            "it lets the request pass without saying who asks: its policy names the path public",
        )
    })?;
    let source = scalar(headers, "x-auth-source")?;
    let source = SOURCES
        .into_iter()
        .find(|known| Some(known.as_str()) == source.as_deref());
    Ok(Identity {
        user_id,
        email: scalar(headers, "remote-email")?,
        name: scalar(headers, "remote-name")?,
        avatar: None,
        roles: list(headers, "remote-roles")?,
        permissions: Vec::new(),
        groups: list(headers, "remote-groups")?,
        workspaces: Vec::new(),
        scope: Vec::new(),
        client_id: None,
        session_id: None,
        verification_source: source.ok_or_else(|| unreadable("x-auth-source"))?,
        verified_at: now,
    })
}

/// One value; `None` where it is empty.
fn scalar(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Unavailable> {
    let text = single(headers, name)?;
    let value = decoded(text).ok_or_else(|| unreadable(name))?;
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// A list: elements between commas, each encoded, none empty.
fn list(headers: &HeaderMap, name: &'static str) -> Result<Vec<String>, Unavailable> {
    let text = single(headers, name)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let elements = text.split(|byte| *byte == b',').map(|element| {
        decoded(element)
            .filter(|element| !element.is_empty())
            .ok_or_else(|| unreadable(name))
    });
    elements.collect()
}

fn single<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h [u8], Unavailable> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(HeaderValue::as_bytes(value)),
        _ => Err(unreadable(name)),
    }
}

/// UTF-8 in which `%XX` stands for one byte.
fn decoded(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let hex = |digit: u8| char::from(digit).to_digit(16);
        let byte = hex(*digits.first()?)? * 16 + hex(*digits.get(1)?)?;
        bytes.push(u8::try_from(byte).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn unreadable(name: &str) -> Unavailable {
    Unavailable::upstream(format_args!("its header {name} is missing or cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(change: &[(&'static str, Option<&str>)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for name in IDENTITY_HEADERS {
            headers.insert(name, HeaderValue::from_static(""));
        }
        headers.insert("remote-user", HeaderValue::from_static("u"));
        headers.insert("x-auth-source", HeaderValue::from_static("local_jwt"));
        for (name, value) in change {
            match value {
                Some(value) => _ = headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap()),
                None => _ = headers.remove(*name),
            }
        }
        headers
    }

    fn read(change: &[(&'static str, Option<&str>)]) -> Result<Identity, Unavailable> {
        identity(&answer(change), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_role_never_reads_as_two() {
        let who = read(&[("remote-roles", Some("a%2Cb,관리자,100%25,%20x"))]).unwrap();
        assert_eq!(who.roles, ["a,b", "관리자", "100%", " x"]);
        assert_eq!(read(&[]).unwrap().roles, Vec::<String>::new());
    }

    #[test]
    fn an_answer_that_names_nobody_or_cannot_be_read_is_none() {
        for broken in [
            ("remote-user", Some("")),
            ("remote-user", None),
            ("remote-user", Some("%")),
            ("remote-user", Some("%4")),
            ("remote-user", Some("%+1")),
            ("remote-user", Some("%FF")),
            ("remote-name", None),
            ("remote-roles", None),
            ("remote-roles", Some("a,,b")),
            ("remote-roles", Some(",")),
            ("remote-groups", Some("a,%zz")),
            ("x-auth-source", Some("")),
            ("x-auth-source", Some("oauth_userinfo,local_jwt")),
        ] {
            assert!(read(&[broken]).is_err(), "{broken:?}");
        }
        let mut twice = answer(&[]);
        twice.append("remote-user", HeaderValue::from_static("admin"));
        assert!(identity(&twice, Timestamp::UNIX_EPOCH).is_err());
    }
}
