//! The token endpoint of the authorization server. It grants whatever it is asked for, also again: whether a refresh
//! token still counts is for the gateways to say.

use std::collections::HashMap;
use std::sync::Mutex;

use maxlab_auth_testkit::forge::now;
use maxlab_auth_testkit::lying::{Lie, ReceivedRequest, ScriptedResponse};
use maxlab_auth_testkit::{LyingAuthServer, TokenForge};
use serde_json::json;

use super::tokens::{AGE_SECONDS, LIFE_SECONDS};

/// Opens the token endpoint. A code is good for the user whose name stands before its last dot.
pub(crate) fn open_at(auth: &LyingAuthServer) {
    let forge = auth.forge().clone();
    let given_out: Mutex<HashMap<String, String>> = Mutex::default();
    let answer = move |request: &ReceivedRequest| grant(&forge, &given_out, request);
    auth.on("/oauth/token", Lie::handler(answer));
}

/// A code for this user.
pub(crate) fn code_of(user: &str) -> String {
    format!("{user}.{}", uuid::Uuid::new_v4().simple())
}

fn grant(
    forge: &TokenForge,
    given_out: &Mutex<HashMap<String, String>>,
    request: &ReceivedRequest,
) -> ScriptedResponse {
    let mut given_out = given_out.lock().unwrap();
    let user = match request.form("grant_type").as_deref() {
        Some("authorization_code") => {
            let code = request.form("code").unwrap_or_default();
            code.rsplit_once('.').map(|(user, _)| user.to_owned())
        }
        Some("refresh_token") => {
            let token = request.form("refresh_token").unwrap_or_default();
            given_out.get(&token).cloned()
        }
        _ => None,
    };
    let Some(user) = user else {
        return ScriptedResponse::json(400, json!({ "error": "invalid_grant" }));
    };
    let access = forge.access_token(&user).issued_at(now() - AGE_SECONDS);
    let refresh = format!("refresh-{}", uuid::Uuid::new_v4().simple());
    given_out.insert(refresh.clone(), user);
    let body = json!({
        "access_token": access.expires_in(AGE_SECONDS + LIFE_SECONDS).sign(),
        "refresh_token": refresh,
        "token_type": "Bearer",
        "expires_in": LIFE_SECONDS,
    });
    ScriptedResponse::json(200, body)
}
