//! `GET /oauth/authorize`: checks what a login asks for, and sends the browser to the authorization server.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use reqwest::Method;
use url::Url;

use super::super::body::Parameters;
use super::super::error::{Failure, OAuthFailure};
use super::super::gateway::{Gateway, LoginRules};
use super::{passed_through, redirect};
use crate::upstream::{Endpoint, UpstreamError};

/// The longest query that is passed on, in bytes.
const LONGEST_QUERY: usize = 8 * 1024;

/// Sends the browser to where it logs in.
///
/// # Errors
/// The request asks for what is not allowed, or the authorization server does not answer.
pub async fn authorize(
    State(gateway): State<Gateway>,
    RawQuery(query): RawQuery,
) -> Result<Response, OAuthFailure> {
    let query = query.unwrap_or_default();
    if query.len() > LONGEST_QUERY {
        return Err(Failure::InvalidRequest("The query is longer than 8 KiB".into()).into());
    }
    let parameters = Parameters::from_form(query.as_bytes())?;
    check(&parameters, &gateway.login)?;
    let discovered = gateway
        .server
        .metadata()
        .await
        .and_then(|metadata| metadata.endpoint(Endpoint::Authorize));
    if let Some(address) = discovered {
        return Ok(redirect(with(address, &parameters).as_str())?);
    }
    Ok(asked(&gateway, &parameters).await?)
}

/// What every login must ask for: a code (RFC 6749 §4.1.1), for a client and a redirect URI that are known, compared
/// exactly (RFC 9700 §2.1), with PKCE and S256 (RFC 7636 §4.3).
fn check(parameters: &Parameters, rules: &LoginRules) -> Result<(), Failure> {
    let invalid = |why: &str| Err(Failure::InvalidRequest(why.to_owned()));
    let client_id = parameters.required("client_id")?;
    if rules
        .client_ids
        .as_ref()
        .is_some_and(|known| !known.iter().any(|id| id == client_id))
    {
        return invalid("This client_id is not known here (see ALLOWED_CLIENT_IDS)");
    }
    let redirect_uri = parameters.required("redirect_uri")?;
    if rules
        .redirect_uris
        .as_ref()
        .is_some_and(|known| !known.iter().any(|uri| uri == redirect_uri))
    {
        return invalid(
            "This redirect_uri is not allowed (see ALLOWED_REDIRECT_URIS); it is compared exactly",
        );
    }
    if !acceptable_redirect(redirect_uri) {
        return invalid("The redirect_uri must be an absolute URL without a fragment");
    }
    if parameters.required("response_type")? != "code" {
        return invalid("The response_type must be `code`");
    }
    let challenge = parameters.required("code_challenge")?;
    let form = challenge.len() == 43
        && challenge
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if parameters.find("code_challenge_method") != Some("S256") || !form {
        return invalid(
            "PKCE with code_challenge_method=S256 is required; the challenge has 43 base64url characters",
        );
    }
    Ok(())
}

/// The form that any redirect URI must have (RFC 6749 §3.1.2), before the authorization server compares it.
fn acceptable_redirect(uri: &str) -> bool {
    let plain = uri
        .bytes()
        .all(|b| b.is_ascii_graphic() && b != b'\\' && b != b'#');
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let dangerous = ["javascript", "data", "vbscript", "file", "blob", "about"];
    let web = scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let host = Url::parse(uri)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    plain
        && !dangerous.iter().any(|bad| scheme.eq_ignore_ascii_case(bad))
        && !rest.contains('@')
        && (!web
            || (rest.starts_with("//") && !rest.starts_with("///") && host.is_some_and(|h| !h.is_empty())))
        && Url::parse(uri).is_ok()
}

/// A server without metadata is asked as the guide does it: it answers with the address, or with a redirect.
async fn asked(gateway: &Gateway, parameters: &Parameters) -> Result<Response, Failure> {
    let unreadable = |why| Failure::Upstream(UpstreamError::Unreadable(why));
    let address = gateway.server.address(Endpoint::Authorize).await;
    let address = with(
        address.ok_or_else(|| unreadable("it has no authorization endpoint"))?,
        parameters,
    );
    let request = gateway.server.request_to(Method::GET, address.clone());
    let answer = gateway.server.send(Endpoint::Authorize, request).await?;
    if answer.status.is_redirection() {
        let location = answer
            .location()
            .ok_or_else(|| unreadable("it redirects nowhere"))?;
        let target = address
            .join(location)
            .map_err(|_| unreadable("it redirects to what is no URL"))?;
        return redirect(
            web_address(&target).ok_or_else(|| unreadable("it redirects to what is no web page"))?,
        );
    }
    if answer.status.is_success() && answer.is_html() {
        // It shows its login page at once: the browser goes there itself.
        return redirect(address.as_str());
    }
    if answer.status.is_success() {
        let body = answer.json()?;
        let target = body.get("authorization_url").and_then(|url| url.as_str());
        let target = target.and_then(|url| Url::parse(url).ok());
        let target = target.ok_or_else(|| unreadable("it names no authorization_url"))?;
        return redirect(
            web_address(&target).ok_or_else(|| unreadable("its authorization_url is no web page"))?,
        );
    }
    passed_through(&answer)
}

fn web_address(url: &Url) -> Option<&str> {
    matches!(url.scheme(), "http" | "https").then_some(url.as_str())
}

fn with(mut address: Url, parameters: &Parameters) -> Url {
    address.query_pairs_mut().extend_pairs(parameters.pairs());
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fapp.example%2Fcb\
        &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256&state=s";

    fn checked(query: &str, rules: &LoginRules) -> Result<(), Failure> {
        check(&Parameters::from_form(query.as_bytes()).unwrap(), rules)
    }

    #[test]
    fn each_fault_alone_refuses() {
        let open = LoginRules::default();
        assert!(checked(GOOD, &open).is_ok());
        for (from, to) in [
            ("response_type=code", "response_type=token"),
            ("client_id=c&", ""),
            ("S256", "plain"),
            ("&code_challenge_method=S256", ""),
            ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "short"),
            ("https%3A%2F%2Fapp.example%2Fcb", "%2Fcb"),
            ("https%3A%2F%2Fapp.example%2Fcb", "javascript%3Aalert(1)"),
            (
                "https%3A%2F%2Fapp.example%2Fcb",
                "https%3A%2F%2Fapp.example%2Fcb%23f",
            ),
        ] {
            assert!(checked(&GOOD.replace(from, to), &open).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn clients_and_redirect_uris_are_compared_exactly() {
        let rules = LoginRules {
            client_ids: Some(vec!["c".into()]),
            redirect_uris: Some(vec!["https://app.example/cb".into()]),
            url: None,
        };
        assert!(checked(GOOD, &rules).is_ok());
        assert!(checked(&GOOD.replace("client_id=c", "client_id=C"), &rules).is_err());
        for other in [
            "https%3A%2F%2Fapp.example%2Fcb%2F",
            "https%3A%2F%2FApp.example%2Fcb",
            "https%3A%2F%2Fapp.example%2Fcb%3Fx",
        ] {
            assert!(
                checked(&GOOD.replace("https%3A%2F%2Fapp.example%2Fcb", other), &rules).is_err(),
                "{other}"
            );
        }
    }
}
