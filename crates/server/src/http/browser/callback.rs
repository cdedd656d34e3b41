//! `GET /auth/callback/{id}`: the browser comes back from the provider with a code, which becomes a session.

use std::time::Duration;

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use maxlab_auth_core::audit::AuditOrigin;
use maxlab_auth_core::engine::{
    BegunSession, ExchangeFault, ExchangeOutcome, ExchangeRequest, LoginCode, LoginFault,
};
use maxlab_auth_core::login::{
    AttemptFault, BrowserBinding, CallbackAnswer, CallbackParameters, LoginAttempt,
};
use maxlab_auth_core::token_endpoint::{AuthServerRefusal, UpstreamError};
use maxlab_auth_core::verify::UpstreamBudget as _;
use maxlab_auth_pages::PageError;

use super::super::app_state::SharedState;
use super::super::cookies::SessionCookie;
use super::super::docs::failures::RelayFailures;
use super::super::error::ApiError;
use super::super::extract::RequestOrigin;
use super::super::rate_limit::CallerBudget;
use super::browser_login::LoginProvider;
use super::login::{LoginCall, append_cookie, see_other};
use super::login_cookies::{BrowserCookie, browser_cookie, set_browser_cookie};
use super::page_response::PageRequest;

/// Finishes a login
///
/// The provider sends the browser here. The code is redeemed once, only for the browser that began the login, and
/// only if the ID token satisfies every rule (OpenID Connect Core §3.1.3.7). Otherwise a page says what happened.
#[utoipa::path(
    get, path = "/auth/callback/{provider_id}", tag = "Browser", operation_id = "browserCallback",
    params(
        ("provider_id" = String, Path, description = "Id of the provider.", example = "default"),
        ("state" = Option<String>, Query, description = "The login that began here.", example = "gAAAAABp"),
        ("code" = Option<String>, Query, description = "Authorization code.", example = "SplxlOBeZQQYbYS6WxSbIA"),
        ("iss" = Option<String>, Query, description = "Issuer of the answer (RFC 9207).", example = "https://sso.example.com"),
        ("error" = Option<String>, Query, description = "Refusal of the provider.", example = "access_denied"),
    ),
    responses((status = 303, description = "Logged in: to the target of the login.",
        headers(("Location" = String), ("Cache-Control" = String), ("Set-Cookie" = Option<String>))), RelayFailures),
)]
#[tracing::instrument(level = "debug", skip_all)]
#[expect(clippy::too_many_arguments, reason = "extractors of one request")]
pub async fn callback(
    State(gateway): State<SharedState>,
    Path(provider_id): Path<String>,
    method: Method,
    RequestOrigin(origin): RequestOrigin,
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
    let Some(provider) = login.provider(&provider_id) else {
        return call.failure(&ApiError::NotFound("There is no provider with this id"));
    };
    let returned = Return {
        call,
        provider,
        origin,
    };
    match returned.check(query.as_deref().unwrap_or_default()).await {
        Ok(checked) => match budget.try_spend() {
            Ok(()) => returned.redeem(checked).await,
            Err(fault) => returned.call.failure(&fault.into()),
        },
        Err(answer) => answer,
    }
}

/// Code whose attempt is authentic, and was begun by this browser.
struct CheckedReturn {
    attempt: LoginAttempt,
    browser: BrowserBinding,
    code: String,
}

/// Browser that comes back from a provider.
struct Return<'r> {
    call: LoginCall<'r>,
    provider: &'r LoginProvider,
    origin: AuditOrigin,
}

impl Return<'_> {
    /// Checks everything that can be checked before the code is sent.
    async fn check(&self, query: &str) -> Result<CheckedReturn, Response> {
        let invalid = || self.call.error(PageError::LoginStateInvalid, None);
        let parameters = CallbackParameters::parse(query).map_err(|fault| {
            tracing::debug!(%fault, "callback not read");
            invalid()
        })?;
        let now = self.call.gateway.engine.now();
        let attempt =
            LoginAttempt::open(&self.call.login.keys, &parameters.state, now).map_err(|_| invalid())?;
        // Path, state and issuer name one provider, against a mix-up (RFC 9700 §4.4).
        if attempt.provider != self.provider.id
            || !self.provider.may_send_issuer(parameters.issuer.as_deref()).await
        {
            tracing::warn!(provider = self.provider.id, "answer of another provider refused");
            return Err(invalid());
        }
        let browser = self.require_own_browser(&attempt).await?;
        if attempt.check_age(self.call.login.attempt_limit, now) == Err(AttemptFault::Expired) {
            return Err(self.call.error(PageError::LoginExpired, Some(&attempt.return_to)));
        }
        match parameters.answer {
            CallbackAnswer::Code(code) => Ok(CheckedReturn {
                attempt,
                browser,
                code,
            }),
            CallbackAnswer::Refused { error, description } => {
                Err(self.refused_by_provider(&attempt, &error, description.as_deref()))
            }
        }
    }

    /// Returns the browser's value if it began this attempt. Another browser's code is never redeemed.
    async fn require_own_browser(&self, attempt: &LoginAttempt) -> Result<BrowserBinding, Response> {
        let cookie = browser_cookie(self.call.headers, self.call.is_secure());
        let (code, browser) = match cookie {
            BrowserCookie::Present(browser) if attempt.is_of(&browser) => return Ok(browser),
            BrowserCookie::Present(browser) => (PageError::LoginOtherBrowser, Some(browser)),
            BrowserCookie::Absent => (PageError::CookiesDisabled, None),
            BrowserCookie::Ambiguous => (PageError::LoginOtherBrowser, None),
        };
        match self.call.session().await {
            // Another tab has logged in meanwhile.
            Ok(Some(_)) => Err(see_other(&attempt.return_to)),
            Ok(None) => Err(self.begin_again(attempt, browser, code).await),
            Err(fault) => Err(self.call.failure(&fault)),
        }
    }

    /// Begins the login again for the same target, once and without asking. The second time shows the page.
    async fn begin_again(
        &self,
        attempt: &LoginAttempt,
        browser: Option<BrowserBinding>,
        code: PageError,
    ) -> Response {
        let browser = match browser.map_or_else(BrowserBinding::generate, Ok) {
            Ok(browser) => browser,
            Err(fault) => return self.call.failure(&fault.into()),
        };
        let now = self.call.gateway.engine.login_time().await;
        match attempt.begin_again(&browser, now) {
            Ok(Some(again)) => {
                self.call
                    .send_to_provider(self.provider, &again, &browser, &[])
                    .await
            }
            Ok(None) => self.call.error(code, Some(&attempt.return_to)),
            Err(fault) => self.call.failure(&fault.into()),
        }
    }

    /// Answers a refusal of the provider (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6).
    fn refused_by_provider(
        &self,
        attempt: &LoginAttempt,
        error: &str,
        description: Option<&str>,
    ) -> Response {
        tracing::info!(
            provider = self.provider.id,
            ?error,
            "the provider refused a login"
        );
        let is_silent = attempt.wishes.prompt.as_deref() == Some("none");
        let code = match error {
            // The provider was asked to show nothing, and the person is not logged in there.
            "login_required" | "interaction_required" | "consent_required" | "account_selection_required"
                if is_silent =>
            {
                return see_other(&attempt.return_to);
            }
            "access_denied" => PageError::ProviderDenied,
            "temporarily_unavailable" => PageError::ProviderUnavailable,
            _ => PageError::ProviderError,
        };
        self.call
            .error_with_detail(code, Some(&attempt.return_to), description)
    }

    /// Redeems the code, and answers with the session.
    async fn redeem(&self, checked: CheckedReturn) -> Response {
        let CheckedReturn {
            attempt,
            browser,
            code,
        } = checked;
        let (login, provider) = (self.call.login, self.provider);
        let Some(issuer) = provider.issuer().await else {
            return self
                .call
                .error(PageError::ProviderUnavailable, Some(&attempt.return_to));
        };
        let request = ExchangeRequest {
            upstream: login.token_request(provider, &attempt, &browser, &code).await,
            client_id: Some(provider.client_id.clone()),
            presented_session: match self.call.gateway.cookies.read_session_cookie(self.call.headers) {
                Ok(Some(SessionCookie::Session(id))) => Some(id),
                _ => None,
            },
            origin: self.origin.clone(),
        };
        let login_code = LoginCode {
            code,
            attempt: attempt.claim_name(),
            provider: provider.id.clone(),
            issuer,
            client_id: provider.client_id.clone(),
            nonce: attempt.nonce(),
            max_age: attempt.wishes.max_age,
            began_at: attempt.started_at,
        };
        let exchanger = &self.call.gateway.token_exchanger;
        // Boxed: the future of an exchange is large.
        let outcome = Box::pin(exchanger.exchange_login_code(request, login_code)).await;
        match outcome.as_deref() {
            Ok(ExchangeOutcome::Granted {
                session: Some(session),
                ..
            }) => self.logged_in(&attempt, &browser, session),
            Ok(ExchangeOutcome::Granted { session: None, .. }) => self
                .call
                .error(PageError::ProviderError, Some(&attempt.return_to)),
            Ok(ExchangeOutcome::Refused(refusal)) => self.code_refused(&attempt, refusal),
            Ok(ExchangeOutcome::Failed(fault)) => self.failed(&attempt, browser, fault).await,
            Err(fault) => self.call.failure(&fault.clone().into()),
        }
    }

    fn logged_in(
        &self,
        attempt: &LoginAttempt,
        browser: &BrowserBinding,
        session: &BegunSession,
    ) -> Response {
        let mut answer = see_other(&attempt.return_to);
        append_cookie(
            &mut answer,
            self.call.gateway.cookies.set_cookie_header(&session.id),
        );
        append_cookie(&mut answer, set_browser_cookie(browser, self.call.is_secure()));
        answer
    }

    /// Answers a refusal of the token endpoint (RFC 6749 §5.2).
    fn code_refused(&self, attempt: &LoginAttempt, refusal: &AuthServerRefusal) -> Response {
        let error = refusal.error_code().unwrap_or_default();
        let code = match error {
            "invalid_grant" => PageError::LoginExpired,
            // Not the person's fault: the settings of the gateway do not fit the provider.
            "invalid_client" | "unauthorized_client" => {
                let provider = &self.provider.id;
                tracing::error!(provider, error, "the provider refuses the gateway's own client");
                PageError::ProviderUnavailable
            }
            _ if refusal.is_rate_limit() => PageError::ProviderUnavailable,
            _ => PageError::ProviderError,
        };
        self.call.error(code, Some(&attempt.return_to))
    }

    /// Answers a login that the gateway did not finish.
    async fn failed(
        &self,
        attempt: &LoginAttempt,
        browser: BrowserBinding,
        fault: &ExchangeFault,
    ) -> Response {
        let code = match fault {
            ExchangeFault::CodeUsed => return self.repeated(attempt, browser).await,
            ExchangeFault::OtherCode => {
                tracing::warn!(provider = self.provider.id, "second code for one login refused");
                PageError::LoginConflict
            }
            ExchangeFault::IdToken(fault) => {
                tracing::warn!(provider = self.provider.id, %fault, "ID token refused");
                PageError::IdTokenInvalid
            }
            ExchangeFault::Login(LoginFault::NotIdentified(_) | LoginFault::OtherPerson) => {
                PageError::IdTokenInvalid
            }
            // A logout came during the login: the provider says whether the person is still logged in there.
            ExchangeFault::Login(LoginFault::Revoked) => {
                // The cut-off covers the whole second of a logout token, and must not cover the new attempt.
                tokio::time::sleep(Duration::from_secs(1)).await;
                return self
                    .begin_again(attempt, Some(browser), PageError::LoginExpired)
                    .await;
            }
            ExchangeFault::Upstream(UpstreamError::Unreadable(_) | UpstreamError::TooLarge) => {
                PageError::ProviderError
            }
            ExchangeFault::Upstream(_) => PageError::ProviderUnavailable,
            fault => return self.call.failure(&fault.clone().into()),
        };
        self.call.error(code, Some(&attempt.return_to))
    }

    /// Answers a callback that came before: by "reload", "back", a restored tab, or twice at once.
    async fn repeated(&self, attempt: &LoginAttempt, browser: BrowserBinding) -> Response {
        match self.call.session().await {
            Ok(Some(_)) => see_other(&attempt.return_to),
            Ok(None) => {
                self.begin_again(attempt, Some(browser), PageError::LoginExpired)
                    .await
            }
            Err(fault) => self.call.failure(&fault),
        }
    }
}
