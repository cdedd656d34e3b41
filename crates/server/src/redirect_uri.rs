//! Form of a redirect URI. Settings and requests are checked by the same rules, so that a listed URI can match.

use url::Url;

/// Reason why a text is not an acceptable redirect URI (RFC 6749 §3.1.2, RFC 9700 §4.1). The text of an error
/// completes "…, which".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriFault {
    /// No absolute URI.
    #[error("is not an absolute URI")]
    NotAbsolute,
    /// A fragment.
    #[error("has a fragment")]
    Fragment,
    /// A character that must be percent-encoded, or a backslash, which browsers read as a slash.
    #[error("contains a character that must be percent-encoded")]
    Unencoded,
    /// A scheme whose address a browser runs or opens by itself, with the authorization code in it.
    #[error("a browser would run or open by itself")]
    DangerousScheme,
    /// A user name or password before the host, which can make one host look like another.
    #[error("contains a user name or a password")]
    UserInfo,
    /// An http(s) URI without a host.
    #[error("has no host")]
    NoHost,
}

impl RedirectUriFault {
    /// Returns what to change.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotAbsolute | Self::NoHost => "write each like https://app.example.com/callback",
            Self::Fragment => "remove the # and everything after it",
            Self::Unencoded => "percent-encode everything outside ASCII, spaces and backslashes",
            Self::DangerousScheme => "use https:// or the app's own scheme",
            Self::UserInfo => "remove everything between // and the @",
        }
    }
}

/// Checks the form of a redirect URI. Schemes other than http(s) are accepted, because native apps have their
/// own (RFC 8252 §7.1).
///
/// # Errors
/// [`RedirectUriFault`] with the first reason found.
pub fn check_redirect_uri(uri: &str) -> Result<(), RedirectUriFault> {
    if uri.contains('#') {
        return Err(RedirectUriFault::Fragment);
    }
    if !uri.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(RedirectUriFault::Unencoded);
    }
    let url = Url::parse(uri).map_err(|_| RedirectUriFault::NotAbsolute)?;
    if matches!(
        url.scheme(),
        "javascript" | "data" | "vbscript" | "file" | "blob" | "about"
    ) {
        return Err(RedirectUriFault::DangerousScheme);
    }
    let (_, rest) = uri.split_once(':').ok_or(RedirectUriFault::NotAbsolute)?;
    let authority = rest.strip_prefix("//").map(|rest| {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        rest.split_at(end).0
    });
    // Of the authority only: `@` is an ordinary character of a path and of a query (RFC 3986 §3.3, §3.4).
    if authority.is_some_and(|authority| authority.contains('@')) {
        return Err(RedirectUriFault::UserInfo);
    }
    // As written and not as parsed: `https:app` and `https:///app` are repaired by a parser, and not by every
    // one to the same address.
    let has_host = authority.is_some_and(|authority| !authority.is_empty() && !authority.starts_with(':'));
    if matches!(url.scheme(), "http" | "https") && !has_host {
        return Err(RedirectUriFault::NoHost);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f23_an_at_sign_in_path_or_query_is_an_ordinary_character() {
        for good in [
            "https://app.example/@me/callback",
            "https://app.example/cb?user=a@b.example",
            "https://app.example?x=a@b",
            "com.example.app:/cb@x",
            "com.example.app://host/cb",
            "http://[::1]:3000/cb",
        ] {
            assert_eq!(check_redirect_uri(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn each_fault_has_its_own_reason() {
        for (bad, fault) in [
            ("/callback", RedirectUriFault::NotAbsolute),
            ("//app.example/cb", RedirectUriFault::NotAbsolute),
            ("https://app.example/cb#x", RedirectUriFault::Fragment),
            ("https://app.example/c b", RedirectUriFault::Unencoded),
            ("https://app.example/콜백", RedirectUriFault::Unencoded),
            ("https://app.example\\@evil.example/", RedirectUriFault::Unencoded),
            ("javascript:alert(1)", RedirectUriFault::DangerousScheme),
            ("JavaScript:alert(1)", RedirectUriFault::DangerousScheme),
            ("https://app.example@evil.example/cb", RedirectUriFault::UserInfo),
            ("https://u:p@app.example/cb", RedirectUriFault::UserInfo),
            ("app://u@host/cb", RedirectUriFault::UserInfo),
            ("https:app.example/cb", RedirectUriFault::NoHost),
            ("https:///app.example/cb", RedirectUriFault::NoHost),
        ] {
            assert_eq!(check_redirect_uri(bad), Err(fault), "{bad}");
        }
    }
}
