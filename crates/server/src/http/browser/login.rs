//! `GET /auth/login`: sends a browser to the provider, or straight back if its person is logged in already.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::engine::SessionView;
use maxlab_auth_core::login::{BrowserBinding, LoginAttempt, ReturnTarget};
use maxlab_auth_core::verify::UpstreamBudget as _;
use maxlab_auth_pages::{ErrorPage, PageError};

use super::super::app_state::{AppState, SharedState};
use super::super::docs::failures::RelayFailures;
use super::super::error::{ApiError, loaded_ahead};
use super::super::navigation::{is_prefetch, is_top_level_navigation};
use super::super::rate_limit::CallerBudget;
use super::answer_form::wants_page;
use super::browser_login::{BrowserLogin, LoginProvider};
use super::login_cookies::{BrowserCookie, ReturnCount, browser_cookie, set_browser_cookie};
use super::login_query::LoginQuery;
use super::page_response::{PageRequest, error_page_response};
use super::user::session_if_any;

/// Begins a login
///
/// Sends the browser to the provider (OpenID Connect Core §3.1). Only a page that a person opens can begin a login:
/// everything else is answered 401. Somebody who is logged in goes straight to `return_to`, unless `prompt`,
/// `max_age` or `acr` asks for more.
#[utoipa::path(
    get, path = "/auth/login", tag = "Browser", operation_id = "browserLogin", security(("session" = []), ()),
    params(
        ("return_to" = Option<String>, Query, description = "Where to go after the login: a path, or an address of an origin in `LOGIN_RETURN_ORIGINS`.", example = "/"),
        ("provider" = Option<String>, Query, description = "Id of the provider.", example = "default"),
        ("prompt" = Option<String>, Query, description = "`none`, `login`, `consent` or `select_account`.", example = "login"),
        ("max_age" = Option<u32>, Query, description = "Longest time since the person proved who they are, in seconds.", example = 900),
        ("acr" = Option<String>, Query, description = "Wanted strength of that proof.", example = "gold"),
        ("login_hint" = Option<String>, Query, description = "Passed on to the provider.", example = "member"),
        ("ui_locales" = Option<String>, Query, description = "Passed on to the provider.", example = "ko en"),
    ),
    responses((status = 303, description = "To the provider, or to `return_to`.",
        headers(("Location" = String), ("Cache-Control" = String), ("Set-Cookie" = Option<String>))), RelayFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn login(
    State(gateway): State<SharedState>,
    method: Method,
    page: PageRequest,
    budget: CallerBudget,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(login) = &gateway.browser_login else {
        return ApiError::NotFound("There is no browser login: PUBLIC_URL is not set").into_response();
    };
    let call = LoginCall {
        gateway: &gateway,
        login,
        page: &page,
        headers: &headers,
    };
    if let Some(refusal) = call.refuse_other_requests(&method) {
        return refusal;
    }
    let begun = async {
        let query = LoginQuery::parse(&query.unwrap_or_default())?;
        let target = login.rules.target_or_root(query.return_to.as_deref());
        if let Some(answer) = call.without_provider(&query, &target).await? {
            return Ok(answer);
        }
        budget.try_spend()?;
        let provider = call.provider(&query).await?;
        let browser = call.browser()?;
        let now = gateway.engine.login_time().await;
        let attempt =
            LoginAttempt::begin(&provider.id, target.as_str(), &browser, query.wishes.clone(), now)?;
        Ok(call
            .send_to_provider(provider, &attempt, &browser, &query.hints)
            .await)
    };
    begun
        .await
        .unwrap_or_else(|failure: ApiError| call.failure(&failure))
}

/// Request of a browser in a login.
pub(super) struct LoginCall<'r> {
    pub(super) gateway: &'r AppState,
    pub(super) login: &'r BrowserLogin,
    pub(super) page: &'r PageRequest,
    pub(super) headers: &'r HeaderMap,
}

impl LoginCall<'_> {
    /// Returns the refusal of everything that is not a page which a person opens. Nothing is spent, and no cookie is
    /// set.
    pub(super) fn refuse_other_requests(&self, method: &Method) -> Option<Response> {
        if is_prefetch(self.headers) {
            return Some(loaded_ahead());
        }
        if is_top_level_navigation(method, self.headers) {
            return None;
        }
        let failure = ApiError::MissingCredential;
        Some(if wants_page(self.headers) && method == Method::GET {
            self.failure(&failure)
        } else {
            failure.into_login_response(&self.login.login_url())
        })
    }

    /// Answers a person who is logged in already, and who is asked for nothing more.
    async fn without_provider(
        &self,
        query: &LoginQuery,
        target: &ReturnTarget,
    ) -> Result<Option<Response>, ApiError> {
        if query.wishes.need_provider() || self.session().await?.is_none() {
            return Ok(None);
        }
        let count = ReturnCount::next(self.headers, target.as_str(), self.gateway.engine.now());
        let mut answer = if count.is_loop() {
            self.error(PageError::RedirectLoop, None)
        } else {
            see_other(target.as_str())
        };
        append_cookie(&mut answer, count.set_cookie(self.is_secure()));
        Ok(Some(answer))
    }

    /// Returns the session of the browser, if it has one. Looking does not prolong it.
    pub(super) async fn session(&self) -> Result<Option<SessionView>, ApiError> {
        session_if_any(self.gateway, self.headers).await
    }

    async fn provider(&self, query: &LoginQuery) -> Result<&LoginProvider, ApiError> {
        let id = query.provider.as_deref().unwrap_or(&self.login.provider.id);
        let provider = self
            .login
            .provider(id)
            .ok_or(ApiError::NotFound("There is no provider with this id"))?;
        match &query.issuer {
            Some(named) if Some(named) != provider.issuer().await.as_ref() => Err(ApiError::InvalidRequest(
                "`iss` is not the issuer of a provider of this gateway".into(),
            )),
            _ => Ok(provider),
        }
    }

    /// Returns the browser's own value: that of its cookie, or a new one.
    fn browser(&self) -> Result<BrowserBinding, ApiError> {
        match browser_cookie(self.headers, self.is_secure()) {
            BrowserCookie::Present(binding) => Ok(binding),
            BrowserCookie::Absent | BrowserCookie::Ambiguous => Ok(BrowserBinding::generate()?),
        }
    }

    /// Redirects the browser to the provider.
    pub(super) async fn send_to_provider(
        &self,
        provider: &LoginProvider,
        attempt: &LoginAttempt,
        browser: &BrowserBinding,
        hints: &[(&'static str, String)],
    ) -> Response {
        let state = attempt.seal(&self.login.keys, self.gateway.engine.now());
        let url = self
            .login
            .authorization_url(provider, attempt, browser, &state, hints)
            .await;
        let Some(url) = url else {
            tracing::warn!(
                provider = provider.id,
                "login not begun, the authorization endpoint is not known"
            );
            return self.error(PageError::ProviderUnavailable, Some(&attempt.return_to));
        };
        let mut answer = see_other(url.as_str());
        // Also if it is known: this prolongs its life.
        append_cookie(&mut answer, set_browser_cookie(browser, self.is_secure()));
        answer
    }

    /// Returns the error page, with a button that begins again for the same target.
    pub(super) fn error(&self, code: PageError, return_to: Option<&str>) -> Response {
        self.error_with_detail(code, return_to, None)
    }

    pub(super) fn error_with_detail(
        &self,
        code: PageError,
        return_to: Option<&str>,
        detail: Option<&str>,
    ) -> Response {
        tracing::info!(code = code.code(), "login not finished");
        let (retry, other) = (
            login_url(return_to, None),
            login_url(return_to, Some("select_account")),
        );
        let context = self.page.context(&self.gateway.pages.brand);
        error_page_response(&ErrorPage {
            retry_url: Some(&retry),
            other_account_url: Some(&other),
            detail,
            ..ErrorPage::new(context, code)
        })
    }

    pub(super) fn failure(&self, failure: &ApiError) -> Response {
        self.page
            .failure(&self.gateway.pages.brand, failure, "/auth/login")
    }

    pub(super) fn is_secure(&self) -> bool {
        self.gateway.cookies.secure
    }
}

/// Returns the address of the login for a target.
pub(in crate::http) fn login_url(return_to: Option<&str>, prompt: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    if let Some(target) = return_to {
        query.append_pair("return_to", target);
    }
    if let Some(prompt) = prompt {
        query.append_pair("prompt", prompt);
    }
    let query = query.finish();
    let separator = if query.is_empty() { "" } else { "?" };
    format!("/auth/login{separator}{query}")
}

/// Redirects with GET, and lets no other server learn the address that was left (RFC 9700 §4.12).
pub(super) fn see_other(location: &str) -> Response {
    let location = HeaderValue::from_str(location).unwrap_or(HeaderValue::from_static("/"));
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

pub(super) fn append_cookie(answer: &mut Response, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
}
