//! The ways to end something, and the kinds of credentials.

use std::process::Stdio;

use maxlab_auth_testkit::{Actor, Browser};
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

use super::{Credential, Holder};
use crate::gateway::{COOKIE, Login, World, from_own_page};

const BINARY: &str = env!("CARGO_BIN_EXE_maxlab-auth");
const LOGOUT: &str = "/api/v1/auth/logout";

/// Which layer verifies access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    LocalJwt,
    Userinfo,
    Introspection,
    Traditional,
}

impl Layer {
    pub(super) const ALL: [Self; 4] = [
        Self::LocalJwt,
        Self::Userinfo,
        Self::Introspection,
        Self::Traditional,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::LocalJwt => "local_jwt",
            Self::Userinfo => "oauth_userinfo",
            Self::Introspection => "introspection",
            Self::Traditional => "traditional_auth",
        }
    }
}

/// A kind of credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The login's access token: signed for `local_jwt`, opaque for the others.
    AccessToken(Layer),
    /// The login's refresh token.
    KnownRefreshToken,
    /// A refresh token of the same person that never passed through the gateway.
    UnknownRefreshToken,
    /// The login's session cookie.
    SessionCookie,
    /// A signed token of the same person whose time has not come when the ending is asked for.
    NotYetValid,
    /// A signed token of the same person whose key the issuer publishes later.
    KeyComesLater,
}

impl Kind {
    pub(super) fn all() -> Vec<Self> {
        let tokens = Layer::ALL.map(Self::AccessToken);
        let others = [
            Self::KnownRefreshToken,
            Self::UnknownRefreshToken,
            Self::SessionCookie,
            Self::NotYetValid,
            Self::KeyComesLater,
        ];
        tokens.into_iter().chain(others).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::AccessToken(layer) => layer.name(),
            Self::KnownRefreshToken => "known-refresh-token",
            Self::UnknownRefreshToken => "unknown-refresh-token",
            Self::SessionCookie => "session-cookie",
            Self::NotYetValid => "not-yet-valid",
            Self::KeyComesLater => "key-comes-later",
        }
    }

    /// Whether the login's access token is signed.
    pub(super) fn is_signed(self) -> bool {
        !matches!(self, Self::AccessToken(layer) if layer != Layer::LocalJwt)
    }

    /// Whether nothing accepts it before a moment that is still to come.
    pub(super) fn comes_later(self) -> bool {
        matches!(self, Self::NotYetValid | Self::KeyComesLater)
    }
}

/// A way to end something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// `POST /oauth/revoke` of the credential itself.
    Revoke,
    LogoutByBearer,
    LogoutByCookie,
    LogoutByBoth,
    LogoutAll,
    /// `DELETE /api/v1/auth/sessions/{id}`
    SessionEnd,
    Administrator,
    /// `maxlab-auth revoke` of the credential itself.
    CommandRevoke,
    /// `maxlab-auth sessions end`
    CommandSession,
    /// `maxlab-auth revoke --user`
    CutoffOfPerson,
    /// `maxlab-auth revoke --client`
    CutoffOfClient,
    /// `maxlab-auth revoke --issuer`
    CutoffOfIssuer,
}

impl Way {
    /// The cut-off of the one issuer comes last: it ends everything that is there.
    pub(super) const ALL: [Self; 12] = [
        Self::Revoke,
        Self::LogoutByBearer,
        Self::LogoutByCookie,
        Self::LogoutByBoth,
        Self::LogoutAll,
        Self::SessionEnd,
        Self::Administrator,
        Self::CommandRevoke,
        Self::CommandSession,
        Self::CutoffOfPerson,
        Self::CutoffOfClient,
        Self::CutoffOfIssuer,
    ];

    pub(super) fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Whether it ends what others have too.
    pub(super) fn is_of_everybody(self) -> bool {
        self == Self::CutoffOfIssuer
    }

    /// Does it, with what the login has; returns once it is acknowledged.
    pub(super) async fn act(self, world: &World, person: &Holder) {
        let Holder {
            login,
            client,
            credential,
        } = person;
        let bearer = world.bearer(&login.access);
        let by_cookie = || {
            let browser = Browser::new(&world.gateway.url);
            browser.plant_cookie(COOKIE, &login.cookie());
            browser
        };
        let reply = match self {
            Self::Revoke => world.revoke(token_of(credential)).await,
            Self::LogoutByBearer => bearer.post(LOGOUT).await,
            Self::LogoutByCookie => from_own_page(&by_cookie(), Method::POST, LOGOUT).await,
            Self::LogoutByBoth => {
                let browser = by_cookie();
                let logout = browser.send(Method::POST, LOGOUT, |request| request.bearer_auth(&login.access));
                logout.await
            }
            Self::LogoutAll => bearer.post("/api/v1/auth/logout/all").await,
            Self::SessionEnd => {
                let path = format!("/api/v1/auth/sessions/{}", login.handle);
                bearer.delete(&path).await
            }
            Self::Administrator => {
                let user = user_of(login).await;
                let admin = admin(world);
                world
                    .bearer(&admin)
                    .post(&format!("/api/v1/admin/users/{user}/logout"))
                    .await
            }
            Self::CommandRevoke => return command(world, &["revoke"], Some(token_of(credential))).await,
            Self::CommandSession => {
                let user = user_of(login).await;
                let arguments = ["sessions", "end", "--user", &user, "--session", &login.handle];
                return command(world, &arguments, None).await;
            }
            Self::CutoffOfPerson => {
                let user = user_of(login).await;
                return command(world, &["revoke", "--user", &user], None).await;
            }
            Self::CutoffOfClient => {
                return command(world, &["revoke", "--client", client], None).await;
            }
            Self::CutoffOfIssuer => {
                let issuer = world.auth.forge().issuer().to_owned();
                return command(world, &["revoke", "--issuer", &issuer], None).await;
            }
        };
        assert_eq!(reply.status, 200, "{self:?}: {}", reply.text());
    }
}

fn token_of(credential: &Credential) -> &str {
    match credential {
        Credential::Bearer(token) | Credential::Refresh(token, _) => token,
        Credential::Cookie(_) => panic!("a cookie is no token"),
    }
}

async fn user_of(login: &Login) -> String {
    let me = login
        .browser
        .get("/api/v1/auth/me")
        .await
        .expect_status(200)
        .json();
    me["user_id"].as_str().unwrap().to_owned()
}

fn admin(world: &World) -> String {
    let builder = world
        .auth
        .forge()
        .access_token("root")
        .claim("roles", json!(["admin"]));
    let claims = builder.claims();
    let token = builder.sign();
    world.auth.accept_token(&token, claims);
    token
}

/// Runs the command line with the gateway's own settings, beside it.
async fn command(world: &World, arguments: &[&str], input: Option<&str>) {
    let mut command = Command::new(BINARY);
    command.args(arguments).env_clear().envs(&world.settings);
    if input.is_some() {
        command.arg("--token").arg("-");
    }
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, input.unwrap_or_default().as_bytes())
        .await
        .unwrap();
    drop(stdin);
    let ended = child.wait_with_output().await.unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    );
    assert!(ended.status.success(), "{arguments:?}: {said}");
}
