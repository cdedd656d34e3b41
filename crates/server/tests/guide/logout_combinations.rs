//! Logout where the credentials disagree: everything that the request proves is ended, and what proves nothing ends nothing.

use maxlab_auth_core::credential::SessionId;
use maxlab_auth_testkit::{Actor, Browser, HttpReply};
use reqwest::Method;
use serde_json::{Value, json};

use crate::gateway::{COOKIE, Login, Stores, World, eventually, from_own_page, verdict};
use crate::issuer::Code;

const LOGOUT: &str = "/api/v1/auth/logout";

/// How a credential stands that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Good,
    /// Correctly signed and expired; of a cookie, the session died of age.
    Expired,
    /// Ended before: the token alone, or the session.
    Revoked,
    /// Another person's, and good.
    Foreign,
    Forged,
    Absent,
}

const EACH: [Shown; 6] = [
    Shown::Good,
    Shown::Expired,
    Shown::Revoked,
    Shown::Foreign,
    Shown::Forged,
    Shown::Absent,
];

/// What else a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// `X-Session-ID` of another session of the person.
    SessionId,
    /// A refresh token of another login of the person.
    RefreshToken,
    /// `logout_all_devices`
    Everything,
}

/// Logins of one combination, each the only one of its person's that serves its purpose.
struct Combination {
    bearer: Shown,
    cookie: Shown,
    beside: Beside,
    /// Whose access token is shown.
    by_bearer: Login,
    /// Whose cookie is shown.
    by_cookie: Login,
    /// The session or refresh token that is named.
    named: Login,
    /// The same person's, shown by nothing.
    bystander: Login,
}

impl Combination {
    async fn prepare(world: &World, n: usize, bearer: Shown, cookie: Shown, beside: Beside) -> Self {
        let person = format!("person-{n}");
        let of = |shown: Shown, who: &str| match shown {
            Shown::Foreign => Code::of(&format!("{who}-{n}")),
            _ => Code::of(&person),
        };
        let mut code = of(bearer, "bearer");
        if bearer == Shown::Expired {
            code = code.claim("exp", maxlab_auth_testkit::forge::now() + 5);
        }
        let combination = Self {
            bearer,
            cookie,
            beside,
            by_bearer: world.log_in_with(&code).await,
            by_cookie: world.log_in_with(&of(cookie, "cookie")).await,
            named: world.log_in(&person).await,
            bystander: world.log_in(&person).await,
        };
        if bearer == Shown::Revoked {
            world
                .revoke(&combination.by_bearer.access)
                .await
                .expect_status(200);
        }
        match cookie {
            Shown::Revoked => {
                let path = format!("/api/v1/auth/sessions/{}", combination.by_cookie.handle);
                let bearer = world.bearer(&combination.by_cookie.access);
                bearer.delete(&path).await.expect_status(200);
            }
            Shown::Expired => {
                let id = SessionId::parse(&combination.by_cookie.cookie()).unwrap();
                let key = format!("session:{}", id.store_key().as_str());
                let (redis, _) = world.redis.as_ref().unwrap();
                let reply = redis.command(&["UNLINK", &key]).await.unwrap();
                assert_eq!(reply.text().as_deref(), Some("1"), "{key}");
            }
            _ => {}
        }
        combination
    }

    async fn ask(&self, world: &World) -> HttpReply {
        let browser = Browser::new(&world.gateway.url);
        match self.cookie {
            Shown::Absent => {}
            Shown::Forged => browser.plant_cookie(COOKIE, &"A".repeat(self.by_cookie.cookie().len())),
            _ => browser.plant_cookie(COOKIE, &self.by_cookie.cookie()),
        }
        let token = match self.bearer {
            Shown::Absent => None,
            Shown::Forged => Some(world.auth.forge().forged_twin(&self.by_bearer.access)),
            _ => Some(self.by_bearer.access.clone()),
        };
        let body = match self.beside {
            Beside::RefreshToken => json!({ "refresh_token": self.named.refresh }),
            Beside::Everything => json!({ "logout_all_devices": true }),
            Beside::Nothing | Beside::SessionId => json!({}),
        };
        browser
            .send(Method::POST, LOGOUT, |request| {
                let mut request = request.json(&body).header("sec-fetch-site", "same-origin");
                if let Some(token) = token {
                    request = request.bearer_auth(token);
                }
                if self.beside == Beside::SessionId {
                    request = request.header("x-session-id", &self.named.handle);
                }
                request
            })
            .await
    }

    /// Whether a good credential of the person is shown.
    fn is_person_proven(&self) -> bool {
        self.bearer == Shown::Good || self.cookie == Shown::Good
    }

    fn is_granted(&self) -> bool {
        let good = |shown| matches!(shown, Shown::Good | Shown::Foreign);
        match self.beside {
            Beside::Everything => good(self.bearer) || good(self.cookie),
            Beside::RefreshToken => true,
            Beside::Nothing | Beside::SessionId => {
                !matches!(self.bearer, Shown::Forged | Shown::Absent)
                    || !matches!(self.cookie, Shown::Forged | Shown::Absent | Shown::Expired)
            }
        }
    }

    /// Which of the sessions are over afterwards: of the bearer, of the cookie, the one that is named, the bystander's.
    fn sessions_over(&self) -> [bool; 4] {
        let granted = self.is_granted();
        let everything = granted && self.beside == Beside::Everything && self.is_person_proven();
        let of_person = |shown| everything && shown != Shown::Foreign;
        let bearer = granted && !matches!(self.bearer, Shown::Forged | Shown::Absent);
        let shows_session = !matches!(self.cookie, Shown::Forged | Shown::Absent);
        let cookie = (granted && shows_session) || matches!(self.cookie, Shown::Revoked | Shown::Expired);
        let named = match self.beside {
            Beside::RefreshToken => true,
            Beside::SessionId => self.is_person_proven(),
            Beside::Nothing | Beside::Everything => everything,
        };
        [
            bearer || of_person(self.bearer),
            cookie || of_person(self.cookie),
            named,
            everything,
        ]
    }

    async fn check(&self, world: &World, reply: &HttpReply) {
        let what = format!(
            "bearer {:?}, cookie {:?}, {:?}: {} {}",
            self.bearer,
            self.cookie,
            self.beside,
            reply.status,
            reply.text()
        );
        let granted = self.is_granted();
        assert_eq!(reply.status, if granted { 200 } else { 401 }, "{what}");
        let logins = [&self.by_bearer, &self.by_cookie, &self.named, &self.bystander];
        let over = self.sessions_over();
        let before = [
            false,
            matches!(self.cookie, Shown::Revoked | Shown::Expired),
            false,
            false,
        ];
        for ((login, over), of) in
            logins
                .into_iter()
                .zip(over)
                .zip(["bearer", "cookie", "named", "bystander"])
        {
            let browser = Browser::new(&world.gateway.url);
            browser.plant_cookie(COOKIE, &login.cookie());
            let status = browser.get("/auth/verify").await.status;
            assert_eq!(
                status,
                if over { 401 } else { 200 },
                "{what}, the session of the {of}"
            );
        }
        self.check_tokens(world, over, &what).await;
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        if granted {
            let ended = over
                .iter()
                .zip(before)
                .filter(|(over, before)| **over && !before)
                .count();
            assert_eq!(body["ended"]["sessions"], ended, "{what}");
        }
        let clears = reply.headers.get_all("set-cookie").iter().any(|value| {
            let text = value.to_str().unwrap();
            text.starts_with(&format!("{COOKIE}=;"))
        });
        // What is not known to be over is not taken from the browser.
        let keeps = matches!(self.cookie, Shown::Forged | Shown::Expired);
        assert_eq!(clears, granted && !keeps, "{what}, the cookie");
    }

    async fn check_tokens(&self, world: &World, over: [bool; 4], what: &str) {
        let dead_before = [
            matches!(self.bearer, Shown::Revoked | Shown::Expired),
            self.cookie == Shown::Revoked,
            false,
            false,
        ];
        // Of a session that died of age the token is not over with it, unless everything is.
        let spared = self.cookie == Shown::Expired && !(over[3]);
        let logins = [&self.by_bearer, &self.by_cookie, &self.named, &self.bystander];
        for (n, login) in logins.into_iter().enumerate() {
            let dead = dead_before[n] || (over[n] && !(n == 1 && spared));
            let reply = world.bearer(&login.access).get("/auth/verify").await;
            assert_eq!(
                reply.status,
                if dead { 401 } else { 200 },
                "{what}, access token {n}: {:?}",
                verdict(&reply)
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_everything_that_a_logout_proves_is_ended_and_nothing_else() {
    let world = World::on(
        Stores::Redis,
        &[("CLOCK_SKEW_SECONDS", "0"), ("SESSION_MAX_PER_USER", "10")],
    )
    .await;
    world.keys_are_known().await;
    for beside in [
        Beside::Nothing,
        Beside::SessionId,
        Beside::RefreshToken,
        Beside::Everything,
    ] {
        let mut combinations = Vec::new();
        for bearer in EACH {
            for cookie in EACH {
                let n = combinations.len() + 100 * beside as usize;
                combinations.push(Combination::prepare(&world, n, bearer, cookie, beside).await);
            }
        }
        for combination in &combinations {
            if combination.bearer == Shown::Expired {
                eventually("the token has expired", async || {
                    world.me(&combination.by_bearer.access).await.status == 401
                })
                .await;
            }
            let reply = combination.ask(&world).await;
            combination.check(&world, &reply).await;
        }
    }
}

#[tokio::test]
async fn s4_a_cookie_from_another_site_ends_nothing() {
    let world = World::embedded(&[]).await;
    let (login, other) = (world.log_in("user-1").await, world.log_in("user-2").await);
    let from_elsewhere = async |bearer: Option<&str>| {
        login
            .browser
            .send(Method::POST, LOGOUT, |request| {
                let request = request.header("origin", "https://evil.example");
                match bearer {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            })
            .await
    };
    assert_eq!(from_elsewhere(None).await.status, 403);
    let reply = from_elsewhere(Some(&other.access)).await.expect_status(200);
    assert!(reply.header("set-cookie").is_none(), "its session goes on");
    assert_eq!(world.me(&other.access).await.status, 401);
    login.browser.get("/api/v1/auth/me").await.expect_status(200);
}

#[tokio::test]
async fn s4_a_broken_bearer_does_not_hide_a_good_cookie() {
    let world = World::embedded(&[]).await;
    let login = world.log_in("user-1").await;
    let cookie = login.cookie();
    let reply = login
        .browser
        .send(Method::POST, LOGOUT, |request| {
            request.header("authorization", "Bearer a b")
        })
        .await;
    assert_eq!(
        reply.expect_status(200).json()["ended"],
        json!({ "sessions": 1, "tokens": 0 })
    );
    let thief = Browser::new(&world.gateway.url);
    thief.plant_cookie(COOKIE, &cookie);
    thief.get("/api/v1/auth/me").await.expect_status(401);
    assert_eq!(
        from_own_page(&login.browser, Method::POST, LOGOUT).await.status,
        401
    );
}
