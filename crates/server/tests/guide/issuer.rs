//! The token endpoint of an honest authorization server: codes that say whose they are, and rotating refresh tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use maxlab_auth_testkit::LyingAuthServer;
use maxlab_auth_testkit::lying::{Lie, ReceivedRequest, ScriptedResponse};
use serde_json::{Value, json};

/// An authorization code; its text says what it will be exchanged for.
#[derive(Clone, Debug)]
pub(crate) struct Code(Value);

impl Code {
    /// A new code for this user.
    pub(crate) fn of(user: &str) -> Self {
        let nonce = uuid::Uuid::new_v4().to_string();
        Self(json!({ "sub": user, "nonce": nonce, "claims": {}, "answer": {} }))
    }

    /// A claim of the access token.
    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0["claims"][name] = value.into();
        self
    }

    /// The access token is opaque.
    pub(crate) fn opaque(mut self) -> Self {
        self.0["opaque"] = json!(true);
        self
    }

    /// A field of the token endpoint's answer.
    pub(crate) fn answer(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0["answer"][name] = value.into();
        self
    }

    pub(crate) fn text(&self) -> String {
        self.0.to_string()
    }
}

/// What the token endpoint has given out.
#[derive(Clone, Debug)]
pub(crate) struct Issuer(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    refresh: HashMap<String, Code>,
    spent: Vec<String>,
    careless: bool,
    access: Vec<String>,
}

impl Issuer {
    /// Opens the token endpoint of this server.
    pub(crate) fn open_at(auth: &Arc<LyingAuthServer>) -> Self {
        let issuer = Self(Arc::default());
        auth.on("/oauth/token", issuer.honest(auth));
        issuer
    }

    /// The honest token endpoint, to be put behind a lie.
    pub(crate) fn honest(&self, auth: &Arc<LyingAuthServer>) -> Lie {
        let (book, auth) = (self.clone(), Arc::downgrade(auth));
        Lie::handler(move |request| book.answer(&auth, request))
    }

    /// From now on whatever a refresh token brings is for this user, with this claim.
    pub(crate) fn change(&self, user: &str, name: &str, value: impl Into<Value>) {
        let value = value.into();
        for code in self.0.lock().unwrap().refresh.values_mut() {
            code.0["sub"] = user.into();
            code.0["claims"][name] = value.clone();
        }
    }

    /// A refresh token that was given out in another way than through a gateway.
    pub(crate) fn plant(&self, refresh: &str, code: Code) {
        self.0.lock().unwrap().refresh.insert(refresh.to_owned(), code);
    }

    /// From now on a code is exchanged however often it comes.
    pub(crate) fn is_careless(&self) {
        self.0.lock().unwrap().careless = true;
    }

    /// Every access token given out, the oldest first, also where the answer never arrived.
    pub(crate) fn access_tokens(&self) -> Vec<String> {
        self.0.lock().unwrap().access.clone()
    }

    fn answer(&self, auth: &Weak<LyingAuthServer>, request: &ReceivedRequest) -> ScriptedResponse {
        let auth = auth.upgrade().expect("the server outlives its requests");
        let mut book = self.0.lock().unwrap();
        let code = match request.form("grant_type").as_deref() {
            Some("authorization_code") => {
                let text = request.form("code").unwrap_or_default();
                let code = serde_json::from_str(&text)
                    .ok()
                    .filter(|_| book.careless || !book.spent.contains(&text));
                book.spent.push(text);
                code.map(Code)
            }
            Some("refresh_token") => book
                .refresh
                .remove(&request.form("refresh_token").unwrap_or_default()),
            _ => return ScriptedResponse::json(400, json!({ "error": "unsupported_grant_type" })),
        };
        let Some(code) = code else {
            return ScriptedResponse::json(
                400,
                json!({ "error": "invalid_grant", "error_description": "not a good one" }),
            );
        };
        let access = access_token(&auth, &code);
        let refresh = format!("refresh-{}", uuid::Uuid::new_v4().simple());
        book.access.push(access.clone());
        book.refresh.insert(refresh.clone(), code.clone());
        let mut body = json!({
            "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 300,
            "scope": "openid profile",
        });
        for (name, value) in code.0["answer"].as_object().unwrap() {
            body[name] = value.clone();
        }
        ScriptedResponse::json(200, body)
    }
}

fn access_token(auth: &LyingAuthServer, code: &Code) -> String {
    let user = code.0["sub"].as_str().unwrap();
    let mut builder = auth.forge().access_token(user);
    for (name, value) in code.0["claims"].as_object().unwrap() {
        builder = builder.claim(name, value.clone());
    }
    let claims = builder.claims();
    let opaque = code.0["opaque"] == json!(true);
    let token = if opaque {
        format!("opaque-{}", uuid::Uuid::new_v4().simple())
    } else {
        builder.sign()
    };
    let said = if opaque {
        let mut said = code.0["claims"].clone();
        said["sub"] = json!(user);
        said
    } else {
        claims
    };
    auth.accept_token(&token, said);
    token
}
