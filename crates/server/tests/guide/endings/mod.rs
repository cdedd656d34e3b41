//! The table of endings: each way to end something, each kind of credential, each entry point.
//!
//! A row more is a variant more of [`GuardMode`] or [`Kind`] and its cells in [`table`]; a column of entry points is a variant of
//! [`DenylistEntry`](entries::DenylistEntry). No cell is left out: one that cannot exist says why.

mod entries;
mod table;
mod ways;

use maxlab_auth_testkit::{Actor, AnonymousActor, Browser, Lie, TokenForge};
use serde_json::Value;

use self::entries::{Entries, Entry};
use self::table::{Cell, cell};
use self::ways::{Kind, Layer, Way};
use crate::gateway::{Login, Stores, World, eventually};
use crate::issuer::Code;

/// What is shown at an entry point.
#[derive(Clone, Debug)]
enum Credential {
    Bearer(String),
    Cookie(String),
    /// A refresh token, and the client that shows it.
    Refresh(String, String),
}

/// A person with a login, and the credential of the kind.
struct Holder {
    login: Login,
    client: String,
    credential: Credential,
}

/// One cell, set up: somebody whose login ends, and a bystander.
struct Case {
    way: Way,
    kind: Kind,
    person: Holder,
    bystander: Holder,
}

impl Case {
    async fn prepare(world: &World, way: Way, kind: Kind, later: &LaterKey, n: usize) -> Self {
        let name = format!("{}-{}-{n}", kind.name(), way.name());
        let person = Holder::of(world, kind, later, &format!("person-{name}")).await;
        let bystander = Holder::of(world, kind, later, &format!("bystander-{name}")).await;
        Self {
            way,
            kind,
            person,
            bystander,
        }
    }

    fn what(&self) -> String {
        format!("{:?} of {:?}", self.way, self.kind)
    }
}

impl Holder {
    async fn of(world: &World, kind: Kind, later: &LaterKey, user: &str) -> Self {
        // Each person has a client of their own, so that the cut-off of a client is one person's too.
        let client = format!("client-{user}");
        let code = Code::of(user).claim("client_id", client.clone());
        let code = if kind.is_signed() { code } else { code.opaque() };
        let login = log_in(world, &code, &client).await;
        let credential = match kind {
            Kind::AccessToken(_) => Credential::Bearer(login.access.clone()),
            Kind::KnownRefreshToken => Credential::Refresh(login.refresh.clone(), client.clone()),
            Kind::SessionCookie => Credential::Cookie(login.cookie()),
            Kind::UnknownRefreshToken => {
                // A code of its own, which the gateway never sees.
                let code = Code::of(user).claim("client_id", client.clone());
                let form = [("grant_type", "authorization_code"), ("code", &code.text())];
                let server = AnonymousActor::new(&world.auth.url());
                let answer: Value = server
                    .post_form("/oauth/token", &form)
                    .await
                    .expect_status(200)
                    .json();
                Credential::Refresh(
                    answer["refresh_token"].as_str().unwrap().to_owned(),
                    client.clone(),
                )
            }
            Kind::NotYetValid => {
                let token = world
                    .auth
                    .forge()
                    .access_token(user)
                    .claim("client_id", client.clone());
                let begins = maxlab_auth_testkit::forge::now() + NOT_YET;
                Credential::Bearer(token.claim("nbf", begins).sign())
            }
            Kind::KeyComesLater => {
                let token = later.forge.access_token(user).claim("client_id", client.clone());
                Credential::Bearer(token.sign())
            }
        };
        Self {
            login,
            client,
            credential,
        }
    }
}

/// How many seconds from now a token begins that is not valid yet.
const NOT_YET: i64 = 5;

/// A key of the issuer that it does not publish yet.
struct LaterKey {
    forge: TokenForge,
}

impl LaterKey {
    fn of(world: &World) -> Self {
        Self {
            forge: TokenForge::es256(world.auth.forge().issuer()),
        }
    }

    /// Waits until what was not valid yet is, and publishes the key beside the others: until each entry point accepts a new
    /// token that is signed with it.
    async fn comes(&self, world: &World, entries: &Entries<'_>) {
        let valid_at = maxlab_auth_testkit::forge::now() + NOT_YET;
        let server = AnonymousActor::new(&world.auth.url());
        let mut keys = server
            .get("/.well-known/jwks.json")
            .await
            .expect_status(200)
            .json();
        let more = self.forge.jwks();
        let all = keys["keys"].as_array_mut().unwrap();
        all.extend(more["keys"].as_array().unwrap().iter().cloned());
        world.auth.on("/.well-known/jwks.json", Lie::json(200, keys));
        eventually("the moment has come", async || {
            let new = Credential::Bearer(self.forge.access_token("afterwards").sign());
            maxlab_auth_testkit::forge::now() > valid_at && entries.is_accepted(&new).await
        })
        .await;
    }
}

async fn log_in(world: &World, code: &Code, client: &str) -> Login {
    let browser = Browser::new(&world.gateway.url);
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code.text()),
        ("client_id", client),
    ];
    let reply = browser.post_form("/oauth/token", &form).await.expect_status(200);
    let body = reply.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    Login {
        access: text("access_token"),
        refresh: text("refresh_token"),
        handle: reply.header("x-session-id").unwrap_or_default().to_owned(),
        browser,
        reply,
    }
}

/// Runs the cells of these kinds in one world: nothing covered is accepted once the ending is acknowledged, at any entry point,
/// now or later; what is not covered goes on.
async fn run(world: &World, kinds: &[Kind]) {
    let entries = Entries::open(world).await;
    let (of_everybody, of_one): (Vec<_>, Vec<_>) =
        Way::ALL.into_iter().partition(|way| way.is_of_everybody());
    let mut ended = round(world, &entries, kinds, &of_one).await;
    ended.extend(round(world, &entries, kinds, &of_everybody).await);
    // What was ended stays so, whatever else was ended since, and whatever the store loses.
    let (redis, _) = world.redis.as_ref().unwrap();
    redis.flush_all().await.unwrap();
    for case in &ended {
        let what = format!("{}, after a flush", case.what());
        entries.stay_refused(&case.person.credential, &what).await;
    }
    assert!(!ended.is_empty());
}

/// Runs the cells of these ways; which of them ended something.
async fn round(world: &World, entries: &Entries<'_>, kinds: &[Kind], ways: &[Way]) -> Vec<Case> {
    let later = LaterKey::of(world);
    let mut cases = Vec::new();
    for way in ways {
        for kind in kinds {
            let expected = cell(*way, *kind);
            if matches!(expected, Cell::CannotBe(_)) {
                continue;
            }
            let case = Case::prepare(world, *way, *kind, &later, cases.len()).await;
            if !kind.comes_later() {
                for holder in [&case.person, &case.bystander] {
                    entries.warm(&holder.credential, &case.what()).await;
                }
            }
            way.act(world, &case.person).await;
            if !kind.comes_later() {
                entries.check(&case, expected).await;
            }
            cases.push((case, expected));
        }
    }
    if kinds.iter().any(|kind| kind.comes_later()) {
        later.comes(world, entries).await;
        for (case, expected) in cases.iter().filter(|(case, _)| case.kind.comes_later()) {
            entries.check(case, *expected).await;
        }
    }
    cases.retain(|(_, expected)| *expected == Cell::Ends);
    for (case, _) in &cases {
        let what = format!("{}, later", case.what());
        entries.refuse(&case.person.credential, &what).await;
    }
    cases.into_iter().map(|(case, _)| case).collect()
}

async fn of_layer(layer: Layer) {
    let world = World::on(
        Stores::Redis,
        &[
            ("VERIFY_LAYERS", layer.name()),
            ("OAUTH_CLIENT_ID", "gateway"),
            ("OAUTH_CLIENT_SECRET", "a-secret"),
            ("CLOCK_SKEW_SECONDS", "0"),
            ("ADMIN_ROLES", "admin"),
        ],
    )
    .await;
    let mut kinds = vec![Kind::AccessToken(layer)];
    if layer == Layer::LocalJwt {
        kinds.extend([
            Kind::KnownRefreshToken,
            Kind::UnknownRefreshToken,
            Kind::SessionCookie,
            Kind::NotYetValid,
            Kind::KeyComesLater,
        ]);
    }
    run(&world, &kinds).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_covers_each_credential_at_each_entry_local_jwt() {
    of_layer(Layer::LocalJwt).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_covers_each_credential_at_each_entry_userinfo() {
    of_layer(Layer::Userinfo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_covers_each_credential_at_each_entry_introspection() {
    of_layer(Layer::Introspection).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_ending_covers_each_credential_at_each_entry_traditional() {
    of_layer(Layer::Traditional).await;
}

/// Each cell that cannot exist says why, and each entry point that a credential cannot be shown at does.
#[test]
fn no_cell_is_left_out() {
    for way in Way::ALL {
        for kind in Kind::all() {
            if let Cell::CannotBe(why) = cell(way, kind) {
                assert!(why.len() > 20, "{way:?} of {kind:?}: {why}");
            }
        }
    }
    for kind in Kind::all() {
        let shown = Entry::ALL
            .iter()
            .filter(|entry| entry.cannot_show(kind).is_none())
            .count();
        assert!(shown > 0, "{kind:?} can be shown nowhere");
        for why in Entry::ALL.iter().filter_map(|entry| entry.cannot_show(kind)) {
            assert!(why.len() > 20, "{kind:?}: {why}");
        }
    }
}
