//! Answers that are pages: language, request id, policy, status.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maxlab_auth_core::error_code::ErrorCode;
use maxlab_auth_pages::{Brand, ErrorPage, Language, PAGE_POLICY, PageContext, PageError};

use super::super::app_state::SharedState;
use super::super::body::RequestParameters;
use super::super::error::{ApiError, with_page_error};
use super::super::request_id::RequestId;

/// Parts of a request that each page needs.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Language of the page: `?lang=`, else `Accept-Language`.
    pub(in crate::http) language: Language,
    request_id: Option<String>,
    other_language_url: String,
}

impl FromRequestParts<SharedState> for PageRequest {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &SharedState) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        // A query that cannot be read has no language; the handler refuses it.
        let pairs = RequestParameters::parse_pairs(query.as_bytes()).unwrap_or_default();
        let lang = pairs.iter().find(|(name, _)| name == "lang");
        let accepted = parts.headers.get(header::ACCEPT_LANGUAGE);
        let language = Language::choose(
            lang.map(|(_, value)| value.as_str()),
            accepted.and_then(|value| value.to_str().ok()),
        );
        let mut other = form_urlencoded::Serializer::new(String::new());
        other.extend_pairs(pairs.iter().filter(|(name, _)| name != "lang"));
        other.append_pair("lang", language.other().tag());
        Ok(Self {
            language,
            request_id: parts
                .extensions
                .get::<RequestId>()
                .map(|RequestId(id)| id.clone()),
            other_language_url: format!("{}?{}", parts.uri.path(), other.finish()),
        })
    }
}

impl PageRequest {
    /// Returns what the page shares with all others, without a link to the other language: the address cannot be
    /// opened a second time.
    pub(in crate::http) fn context<'p>(&'p self, brand: &'p Brand) -> PageContext<'p> {
        PageContext {
            brand,
            language: self.language,
            other_language_url: None,
            request_id: self.request_id.as_deref(),
        }
    }

    /// Returns the same with the link, for an address that can be opened as often as one likes.
    pub(in crate::http) fn repeatable_context<'p>(&'p self, brand: &'p Brand) -> PageContext<'p> {
        PageContext {
            other_language_url: Some(&self.other_language_url),
            ..self.context(brand)
        }
    }

    /// Returns the page about a failure of a route that answers with pages. Logs the cause.
    pub(in crate::http) fn failure(&self, brand: &Brand, failure: &ApiError, retry_url: &str) -> Response {
        failure.log();
        let code = page_error_of(failure);
        let page = ErrorPage {
            retry_url: Some(retry_url),
            ..ErrorPage::new(self.context(brand), code)
        };
        error_page_response(&page)
    }
}

/// Returns a page with its policy.
pub(in crate::http) fn page_response(status: StatusCode, html: String, policy: &'static str) -> Response {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (
            header::VARY,
            HeaderValue::from_static("accept, accept-language, cookie"),
        ),
    ];
    (status, headers, Html(html)).into_response()
}

/// Returns an error page with the status and the `Retry-After` of its code.
pub(in crate::http) fn error_page_response(page: &ErrorPage<'_>) -> Response {
    let response = page_response(StatusCode::OK, page.render(), PAGE_POLICY);
    with_page_error(page.code, response)
}

/// Returns the words for a failure that the person sees.
fn page_error_of(failure: &ApiError) -> PageError {
    match failure.code() {
        ErrorCode::CrossSiteRequest => PageError::CrossSiteRequest,
        ErrorCode::RateLimited => PageError::RateLimited,
        ErrorCode::NotFound => PageError::NotFound,
        ErrorCode::AmbiguousRequest => PageError::AmbiguousRequest,
        ErrorCode::InternalError => PageError::InternalError,
        ErrorCode::InsufficientPermission | ErrorCode::PolicyDenied => PageError::NotAllowed,
        ErrorCode::UpstreamTimeout | ErrorCode::UpstreamFailed | ErrorCode::UpstreamUnavailable => {
            PageError::ProviderUnavailable
        }
        code => match code.status() {
            400 | 405 | 408 | 413 | 414 | 415 => PageError::InvalidRequest,
            401 => PageError::MissingCredential,
            _ => PageError::StoreUnavailable,
        },
    }
}
