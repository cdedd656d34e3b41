//! Ways to end something: what the request shows, and what it covers.

use std::sync::Arc;

use reqwest::header::COOKIE;
use reqwest::{Client as Http, RequestBuilder};
use serde_json::json;

use super::people::{Login, Person};
use super::register::{Named, Presented};
use crate::history::{Covers, LoginId, Outcome, Way};
use maxlab_auth_testkit::SeededRandom;

/// The session cookie's name in development.
const SESSION: &str = "maxlab_session";

/// How many of a hundred endings of a login go which way.
const WAYS: [(usize, Way); 11] = [
    (16, Way::LogoutBearer),
    (16, Way::LogoutCookie),
    (12, Way::LogoutBoth),
    (12, Way::LogoutNamed),
    (6, Way::LogoutAll),
    (4, Way::LogoutAllCookie),
    (4, Way::LogoutEverywhere),
    (14, Way::Terminate),
    (10, Way::RevokeRefresh),
    (2, Way::RevokeAccess),
    (4, Way::AdminLogout),
];

/// What an ending reaches at one login, user or token.
#[derive(Clone, Copy, Debug)]
struct Reach {
    may_end: Covers,
    promised: Covers,
    /// The promise of an instance that does not know which tokens belong to the login.
    elsewhere: Option<Covers>,
    /// The instance at which the login began.
    home: Option<usize>,
    /// Whether the login is named by another login's credential.
    is_named: bool,
}

impl Reach {
    fn surely(covers: Covers) -> Self {
        Self {
            may_end: covers,
            promised: covers,
            elsewhere: Some(covers),
            home: None,
            is_named: false,
        }
    }

    fn login(login: &Login, elsewhere: Option<Covers>) -> Self {
        Self {
            may_end: Covers::Login(login.id),
            promised: Covers::Login(login.id),
            elsewhere,
            home: Some(login.home),
            is_named: false,
        }
    }
}

/// One thing to be ended, in one way.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub(crate) way: Way,
    pub(crate) bearer: Option<Presented>,
    pub(crate) cookie: Option<Presented>,
    /// The token in the form of `/oauth/revoke`, or that the command line reads.
    pub(crate) token: Option<Presented>,
    /// The session or the user that the request names.
    named: Arc<str>,
    reach: Vec<Reach>,
    /// What is over when it is acknowledged, to be asked about.
    pub(crate) over: Vec<Presented>,
    /// The logins that lose a credential.
    pub(crate) touched: Vec<LoginId>,
    /// The login to be ended by its access token if the session is lost.
    remaining: Option<Login>,
}

impl Ending {
    fn new(way: Way) -> Self {
        Self {
            way,
            bearer: None,
            cookie: None,
            token: None,
            named: "".into(),
            reach: Vec::new(),
            over: Vec::new(),
            touched: Vec::new(),
            remaining: None,
        }
    }

    /// The revocation of one token.
    pub(crate) fn of_token(way: Way, token: &Presented) -> Self {
        Self {
            token: Some(token.clone()),
            reach: vec![Reach::surely(Covers::Credential(token.id))],
            over: vec![token.clone()],
            ..Self::new(way)
        }
    }

    /// A logout-all by the first of a user's tokens.
    pub(crate) fn of_user_tokens(owner: &Named, tokens: &[Presented]) -> Self {
        Self {
            bearer: tokens.first().cloned(),
            reach: vec![Reach::surely(Covers::User(owner.user))],
            over: tokens.to_vec(),
            ..Self::new(Way::LogoutAll)
        }
    }

    /// The end of a session id, in favour of another one.
    pub(crate) fn rotation(login: &Login, cookie: &Presented, dice: &mut SeededRandom) -> Self {
        Self {
            bearer: login.access.clone().filter(|_| dice.percent(20)),
            cookie: Some(cookie.clone()),
            reach: vec![Reach::surely(Covers::Credential(cookie.id))],
            over: vec![cookie.clone()],
            ..Self::new(Way::Rotate)
        }
    }

    /// An ending of something of a person.
    pub(crate) fn of_person(person: &Person, dice: &mut SeededRandom) -> Self {
        let asker = &person.logins[dice.below(person.logins.len())];
        let other = &person.logins[dice.below(person.logins.len())];
        let mut left = dice.below(100);
        let way = WAYS.into_iter().find_map(|(weight, way)| {
            let chosen = left < weight;
            left = left.saturating_sub(weight);
            chosen.then_some(way)
        });
        let way = way.unwrap_or(Way::LogoutBearer);
        Self::of_logins(way, person, asker, other, dice).unwrap_or_else(|| Self::by_bearer(asker))
    }

    fn of_logins(
        way: Way,
        person: &Person,
        asker: &Login,
        other: &Login,
        dice: &mut SeededRandom,
    ) -> Option<Self> {
        let everything = || vec![Reach::surely(Covers::User(person.owner.user))];
        let all = || {
            person
                .logins
                .iter()
                .flat_map(Login::credentials)
                .collect::<Vec<_>>()
        };
        let touched: Vec<LoginId> = person.logins.iter().map(|login| login.id).collect();
        let ending = match way {
            Way::LogoutCookie => Self::by_cookie(asker)?,
            Way::LogoutBoth => Self::by_both(asker, other)?,
            Way::LogoutNamed => Self::by_bearer(asker).naming(Way::LogoutNamed, other),
            Way::Terminate => {
                let by_cookie = asker.cookie.clone().filter(|_| dice.percent(50));
                let bearer = by_cookie.is_none().then(|| asker.access.clone()).flatten();
                let shown = Self {
                    bearer,
                    cookie: by_cookie,
                    ..Self::new(Way::Terminate)
                };
                shown.naming(Way::Terminate, other)
            }
            Way::RevokeAccess => Self {
                touched: vec![asker.id],
                ..Self::of_token(way, asker.access.as_ref()?)
            },
            Way::RevokeRefresh => Self::by_refresh_token(asker)?,
            Way::LogoutAll | Way::LogoutEverywhere => Self {
                bearer: Some(asker.access.clone()?),
                reach: everything(),
                over: all(),
                touched,
                ..Self::new(way)
            },
            Way::LogoutAllCookie => Self {
                cookie: Some(asker.cookie.clone()?),
                reach: everything(),
                over: all(),
                touched,
                remaining: Some(asker.clone()),
                ..Self::new(way)
            },
            Way::AdminLogout => Self {
                named: Arc::clone(&person.owner.name),
                reach: everything(),
                over: all(),
                touched,
                ..Self::new(way)
            },
            Way::Revoke | Way::CommandLine | Way::LogoutBearer | Way::Rotate => return None,
        };
        Some(ending)
    }

    fn by_bearer(login: &Login) -> Self {
        let alone = login.access.as_ref().map(|token| Covers::Credential(token.id));
        Self {
            bearer: login.access.clone(),
            reach: vec![Reach::login(login, alone)],
            over: login.credentials(),
            touched: vec![login.id],
            ..Self::new(Way::LogoutBearer)
        }
    }

    fn by_cookie(login: &Login) -> Option<Self> {
        Some(Self {
            cookie: Some(login.cookie.clone()?),
            reach: vec![Reach::login(login, Some(Covers::Cookies(login.id)))],
            over: login.credentials(),
            touched: vec![login.id],
            remaining: Some(login.clone()),
            ..Self::new(Way::LogoutCookie)
        })
    }

    /// A logout with the token of one login and the cookie of another. If that session is lost, its login cannot be
    /// known from the cookie: only the cookie itself is promised to be over.
    fn by_both(asker: &Login, other: &Login) -> Option<Self> {
        let cookie = other.cookie.clone()?;
        let mut ending = Self::by_bearer(asker);
        ending.way = Way::LogoutBoth;
        ending.reach.push(Reach {
            may_end: Covers::Login(other.id),
            ..Reach::surely(Covers::Credential(cookie.id))
        });
        ending.over.push(cookie.clone());
        ending.touched.push(other.id);
        ending.cookie = Some(cookie);
        Some(ending)
    }

    fn by_refresh_token(login: &Login) -> Option<Self> {
        let token = login.refresh.clone()?;
        Some(Self {
            // An instance that does not know the token refuses it for `REVOKE_UNPROVEN_SECONDS` only (docs/REVOCATION.md).
            reach: vec![Reach::login(login, None)],
            over: login.credentials(),
            touched: vec![login.id],
            ..Self::of_token(Way::RevokeRefresh, &token)
        })
    }

    /// The same request, which also names another session.
    fn naming(mut self, way: Way, login: &Login) -> Self {
        self.way = way;
        self.named = Arc::clone(&login.handle);
        // Where the store has lost the session and the instance has no register that knows it, a logout does not count it
        // in its answer and `DELETE` answers 404: neither promises anything of a session that nobody there knows.
        self.reach.push(Reach {
            is_named: true,
            ..Reach::login(login, None)
        });
        self.over.extend(login.credentials());
        self.touched.push(login.id);
        self
    }

    /// What the attempt may end, acknowledged or not.
    pub(crate) fn may_end(&self) -> Vec<Covers> {
        self.reach.iter().map(|reach| reach.may_end).collect()
    }

    /// What an acknowledgement of this instance promises. An instance knows every login if all share a register.
    pub(crate) fn promises(&self, instance: usize, shared: bool, repeat: bool) -> Vec<Covers> {
        let promise = |reach: &Reach| {
            // The first attempt may have revoked the credential that names the login, at an instance that did not know
            // the login's tokens. A revoked credential names nothing (docs/OPERATIONS.md, several SQLite journals).
            let is_looked_at = !(reach.is_named && repeat);
            if shared || is_looked_at && reach.home.is_none_or(|home| home == instance) {
                Some(reach.promised)
            } else {
                reach.elsewhere
            }
        };
        self.reach.iter().filter_map(promise).collect()
    }

    /// The credential of the request that says who asks.
    pub(crate) fn deciding(&self) -> Option<&Presented> {
        self.bearer.as_ref().or(self.cookie.as_ref())
    }

    /// How the client goes on where an answer rules the same request out.
    pub(crate) fn instead(&self, outcome: Outcome) -> Option<Self> {
        match (self.way, outcome) {
            (Way::CommandLine, _) => Some(Self {
                way: Way::Revoke,
                ..self.clone()
            }),
            // The session is lost, and its owner logs out by what is left.
            (_, Outcome::Unacknowledged(401)) => self.remaining.as_ref().map(Self::by_bearer),
            _ => None,
        }
    }

    /// The request to one gateway.
    pub(crate) fn request(&self, http: &Http, base: &str, administrator: &Presented) -> RequestBuilder {
        let api = |path: &str| format!("{base}/api/v1/{path}");
        let request = match self.way {
            Way::Revoke | Way::RevokeAccess | Way::RevokeRefresh | Way::CommandLine => {
                let token = self.token.as_ref().map_or("", |token| token.text.as_ref());
                http.post(format!("{base}/oauth/revoke"))
                    .form(&[("token", token)])
            }
            Way::LogoutBearer | Way::LogoutCookie | Way::LogoutBoth => http.post(api("auth/logout")),
            Way::LogoutNamed => http
                .post(api("auth/logout"))
                .header("x-session-id", self.named.as_ref()),
            Way::LogoutEverywhere => http
                .post(api("auth/logout"))
                .json(&json!({ "logout_all_devices": true })),
            Way::LogoutAll | Way::LogoutAllCookie => http.post(api("auth/logout/all")),
            Way::Terminate => http.delete(api(&format!("auth/sessions/{}", self.named))),
            Way::AdminLogout => http
                .post(api(&format!("admin/users/{}/logout", self.named)))
                .bearer_auth(&administrator.text),
            Way::Rotate => http.post(api("auth/sessions/rotate")),
        };
        let request = match &self.bearer {
            Some(token) => request.bearer_auth(&token.text),
            None => request,
        };
        match &self.cookie {
            Some(cookie) => from_own_page(with_cookie(request, cookie)),
            None => request,
        }
    }
}

/// Adds a session cookie.
pub(crate) fn with_cookie(request: RequestBuilder, cookie: &Presented) -> RequestBuilder {
    request.header(COOKIE, format!("{SESSION}={}", cookie.text))
}

fn from_own_page(request: RequestBuilder) -> RequestBuilder {
    request.header("sec-fetch-site", "same-origin")
}

/// The session id that a `Set-StoredCookie` header gives.
pub(crate) fn session_of(header: &str) -> Option<Arc<str>> {
    let (pair, _) = header.split_once(';').unwrap_or((header, ""));
    let value = pair.strip_prefix(SESSION)?.strip_prefix('=')?;
    (!value.is_empty()).then(|| value.into())
}
