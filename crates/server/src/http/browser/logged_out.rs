//! `GET /auth/logged-out`: the page after a logout. It is public and never leads to a login by itself.

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maxlab_auth_pages::{LoggedOutPage, PAGE_POLICY, PageContext};

use super::super::app_state::{AppState, SharedState};
use super::super::body::RequestParameters;
use super::super::navigation::is_prefetch;
use super::logout_receipts::LogoutProgress;
use super::logout_state::LogoutState;
use super::page_response::{PageRequest, page_response};

/// Says what a logout has ended
///
/// A public page. With the `state` of a logout it shows the receipts; with any other `state`, or none, the same page
/// without them.
#[utoipa::path(
    get, path = "/auth/logged-out", tag = "Browser", operation_id = "loggedOut",
    params(("state" = Option<String>, Query, description = "State of the logout, as it came back from the provider.",
        example = "gAAAAABp")),
    responses((status = 200, description = "The page.", body = String, content_type = "text/html",
        headers(("Cache-Control" = String)), example = json!("<!doctype html>…"))),
)]
#[tracing::instrument(level = "debug", skip_all)]
pub async fn logged_out(
    State(gateway): State<SharedState>,
    page: PageRequest,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    // A query that cannot be read contains no state: the page is the same.
    let parameters = RequestParameters::from_form(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let text = parameters.find("state").unwrap_or_default();
    let state = gateway.logout_states.open(text, gateway.engine.now());
    let mut context = page.repeatable_context(&gateway.pages.brand);
    if let Some(language) = state.as_ref().and_then(LogoutState::language)
        && parameters.find("lang").is_none()
    {
        context.language = language;
    }
    let progress = match &state {
        // A page that is loaded ahead is no return.
        Some(state) if !is_prefetch(&headers) => release(&gateway, state).await,
        _ => LogoutProgress::default(),
    };
    page_response(
        StatusCode::OK,
        render(context, state.as_ref(), progress),
        PAGE_POLICY,
    )
}

/// Lets the tokens of the session be revoked at the provider now: its own logout is over.
async fn release(gateway: &AppState, state: &LogoutState) -> LogoutProgress {
    let returned = true;
    if state.outbox_source.is_empty() {
        return LogoutProgress {
            returned,
            tokens_revoked: false,
        };
    }
    let waiting = gateway
        .engine
        .release_upstream_revocations(&state.outbox_source)
        .await;
    if let Err(fault) = &waiting {
        // The messages become due by themselves.
        tracing::debug!(%fault, "delayed messages to the authorization server not released");
    }
    LogoutProgress {
        returned,
        tokens_revoked: waiting.is_ok_and(|waiting| waiting == 0),
    }
}

fn render(context: PageContext<'_>, state: Option<&LogoutState>, progress: LogoutProgress) -> String {
    let receipts = state
        .map(|state| state.facts.receipts(progress))
        .unwrap_or_default();
    LoggedOutPage {
        context,
        receipts: &receipts,
        provider: None,
        provider_url: None,
        login_url: "/auth/login",
        return_to: state.and_then(|state| state.return_to.as_deref()),
    }
    .render()
}
