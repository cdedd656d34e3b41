//! Identity from the headers of a gateway's answer. Nothing is guessed: an answer that cannot be read counts
//! as none.

use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use maxlab_auth_core::identity::{Identity, Subject, VerificationSource};
use maxlab_auth_core::unavailable::Unavailable;

// A 200 has all of them that no setting turns off, empty if there is no value.
pub(crate) use maxlab_auth_core::access::IDENTITY_HEADERS;
use maxlab_auth_core::access::WORKSPACES_HEADER;

/// Reads the identity from the headers of a 200.
///
/// # Errors
/// [`Unavailable`] if a header is missing, repeated or not encoded as the gateway encodes it, or if the user
/// id is empty.
pub(super) fn identity_from_headers(headers: &HeaderMap, now: Timestamp) -> Result<Identity, Unavailable> {
    let user_id = optional_value(headers, "remote-user")?.ok_or_else(|| {
        // Public paths are answered 200 without an identity. This guard was asked for one, so that is no yes.
        Unavailable::upstream(
            "the gateway's answer names no user: its policy makes this path public, and the application does not",
        )
    })?;
    let source = optional_value(headers, "x-auth-source")?;
    // Compared with the whole list: an unknown layer means another version of the gateway, or another server.
    let source = VerificationSource::ALL
        .into_iter()
        .find(|known| Some(known.as_str()) == source.as_deref());
    // The gateway writes issuer and id as one text.
    let subject = Subject::from_storage_name(&user_id);
    Ok(Identity {
        user_id: (*subject.id).to_owned(),
        issuer: subject.issuer,
        email: optional_value(headers, "remote-email")?,
        name: optional_value(headers, "remote-name")?,
        avatar: None,
        roles: list_value(headers, "remote-roles")?,
        // The answer has no headers for the lists that stay empty here; `add_granted` adds what the query
        // proved.
        permissions: Vec::new(),
        groups: list_value(headers, "remote-groups")?,
        // Only if the gateway sends them (`IDENTITY_WORKSPACES`).
        workspaces: if headers.contains_key(WORKSPACES_HEADER) {
            list_value(headers, WORKSPACES_HEADER)?
        } else {
            Vec::new()
        },
        scope: Vec::new(),
        client_id: None,
        session_id: None,
        sid: None,
        verification_source: source.ok_or_else(|| unreadable_header("x-auth-source"))?,
        verified_at: now,
    })
}

/// Reads one value; `None` if it is empty.
fn optional_value(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Unavailable> {
    let text = single_header(headers, name)?;
    let value = percent_decode(text).ok_or_else(|| unreadable_header(name))?;
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Reads a list: elements separated by commas, each percent-encoded, none empty.
fn list_value(headers: &HeaderMap, name: &'static str) -> Result<Vec<String>, Unavailable> {
    let text = single_header(headers, name)?;
    if text.is_empty() {
        return Ok(Vec::new());
    }
    // Split before decoding: a comma inside a name is sent as `%2C`, so one role never reads as two.
    let elements = text.split(|byte| *byte == b',').map(|element| {
        percent_decode(element)
            .filter(|element| !element.is_empty())
            .ok_or_else(|| unreadable_header(name))
    });
    elements.collect()
}

fn single_header<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h [u8], Unavailable> {
    let mut values = headers.get_all(name).iter();
    // A second field may come from something between the gateway and here. Neither of the two is believed.
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(HeaderValue::as_bytes(value)),
        _ => Err(unreadable_header(name)),
    }
}

/// Decodes UTF-8 in which `%XX` stands for one byte; `None` if it is malformed. (`percent_encoding` would
/// accept a lone `%`.)
fn percent_decode(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        // Not `u8::from_str_radix`, which accepts a sign: `%+1` is malformed.
        let hex = |digit: u8| char::from(digit).to_digit(16);
        let byte = hex(*digits.first()?)? * 16 + hex(*digits.get(1)?)?;
        bytes.push(u8::try_from(byte).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn unreadable_header(name: &str) -> Unavailable {
    Unavailable::upstream(format_args!(
        "the gateway's header {name} is missing, repeated or malformed"
    ))
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
        identity_from_headers(&answer(change), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn one_role_never_reads_as_two() {
        let who = read(&[("remote-roles", Some("a%2Cb,관리자,100%25,%20x"))]).unwrap();
        assert_eq!(who.roles, ["a,b", "관리자", "100%", " x"]);
        assert_eq!(read(&[]).unwrap().roles, Vec::<String>::new());
    }

    #[test]
    fn i12_the_issuer_of_the_user_is_read() {
        let read = |text| read(&[("remote-user", Some(text))]).unwrap();
        let (plain, other) = (read("alice"), read("@https://sso.example|alice"));
        assert_eq!((&*plain.user_id, plain.issuer.name()), ("alice", None));
        assert_eq!(
            (&*other.user_id, other.issuer.name()),
            ("alice", Some("https://sso.example"))
        );
        assert_eq!(read("@|@alice:example.org").user_id, "@alice:example.org");
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
        assert!(identity_from_headers(&twice, Timestamp::UNIX_EPOCH).is_err());
    }
}
