//! The token endpoint of the authorization server, and people who log in through the gateway.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, Weak};

use maxlab_auth_testkit::lying::{ReceivedRequest, ScriptedResponse};
use maxlab_auth_testkit::{Actor, HttpReply, Lie, LyingAuthServer};
use serde_json::json;
use uuid::Uuid;

/// Exchanges codes `subject~anything` and rotates refresh tokens, each of them once. A subject that begins with
/// `admin` gets that role.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    used: Mutex<HashSet<String>>,
    refresh_tokens: Mutex<HashMap<String, String>>,
    granted: Mutex<HashMap<String, usize>>,
}

impl Desk {
    /// Opens the desk at `POST /oauth/token` of `auth`.
    pub(crate) fn open(auth: &Arc<LyingAuthServer>) -> Arc<Self> {
        let desk = Arc::new(Self::default());
        auth.on("POST /oauth/token", desk.answering(auth));
        desk
    }

    /// The same answers as a lie, to be held back or delayed.
    pub(crate) fn answering(self: &Arc<Self>, auth: &Arc<LyingAuthServer>) -> Lie {
        let (desk, auth) = (Arc::clone(self), Arc::downgrade(auth));
        Lie::handler(move |request| desk.answer(&auth, request))
    }

    /// How often this code or refresh token brought tokens.
    pub(crate) fn grants(&self, grant: &str) -> usize {
        self.granted
            .lock()
            .unwrap()
            .get(grant)
            .copied()
            .unwrap_or_default()
    }

    fn answer(&self, auth: &Weak<LyingAuthServer>, request: &ReceivedRequest) -> ScriptedResponse {
        let refused = |error: &str| ScriptedResponse::json(400, json!({ "error": error }));
        let field = |name: &str| request.form(name).unwrap_or_default();
        let (grant, subject) = match field("grant_type").as_str() {
            "authorization_code" => {
                let code = field("code");
                let subject = code.split_once('~').map(|(subject, _)| subject.to_owned());
                (code, subject)
            }
            "refresh_token" => {
                let token = field("refresh_token");
                let subject = self.refresh_tokens.lock().unwrap().get(&token).cloned();
                (token, subject)
            }
            _ => return refused("unsupported_grant_type"),
        };
        let (Some(subject), Some(auth)) = (subject, auth.upgrade()) else {
            return refused("invalid_grant");
        };
        if !self.used.lock().unwrap().insert(grant.clone()) {
            return refused("invalid_grant");
        }
        *self.granted.lock().unwrap().entry(grant).or_default() += 1;
        self.issue(&auth, &subject)
    }

    fn issue(&self, auth: &LyingAuthServer, subject: &str) -> ScriptedResponse {
        let roles = if subject.starts_with("admin") {
            json!(["admin"])
        } else {
            json!([])
        };
        let access = auth.forge().access_token(subject).claim("roles", roles);
        let signed = access.sign();
        auth.accept_token(&signed, access.claims());
        let refresh = format!("refresh.{subject}.{}", Uuid::new_v4().simple());
        self.refresh_tokens
            .lock()
            .unwrap()
            .insert(refresh.clone(), subject.to_owned());
        ScriptedResponse::json(
            200,
            json!({ "access_token": signed, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 300 }),
        )
    }
}

/// What a login left with a person.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The access token.
    pub(crate) access: String,
    /// The refresh token.
    pub(crate) refresh: String,
    /// The public name of the session.
    pub(crate) handle: String,
    /// `name=value` of the session cookie.
    pub(crate) cookie: String,
}

/// Exchanges a new code of this person.
pub(crate) async fn exchange_code(actor: &impl Actor, subject: &str) -> HttpReply {
    let code = format!("{subject}~{}", Uuid::new_v4().simple());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("client_id", "test-app"),
        ("redirect_uri", "https://app.example/callback"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ];
    actor.post_form("/oauth/token", &fields).await
}

/// Logs this person in.
pub(crate) async fn log_in(actor: &impl Actor, subject: &str) -> Login {
    let reply = exchange_code(actor, subject).await.expect_status(200);
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    let cookie = reply
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    Login {
        access: text("access_token"),
        refresh: text("refresh_token"),
        handle: reply.header("x-session-id").unwrap().to_owned(),
        cookie,
    }
}

/// Exchanges a refresh token.
pub(crate) async fn refresh(actor: &impl Actor, token: &str) -> HttpReply {
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", "test-app"),
    ];
    actor.post_form("/oauth/token", &fields).await
}
