//! Several issuers behind `PROVIDERS_FILE`: a token is judged by the one that it names, and what a removed one
//! vouched for is refused (issue 10 §2, decision 41).

use std::path::PathBuf;
use std::sync::Arc;

use maxlab_auth_core::identity::{Issuer, Subject};
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::RevocationKey;
use maxlab_auth_testkit::lying::Lie;
use maxlab_auth_testkit::{Actor, LyingAuthServer};
use serde_json::json;
use tempfile::TempDir;

use crate::gateway::{World, eventually, verdict};
use crate::two_issuers::{OTHER, session_at_other};

const ME: &str = "/api/v1/auth/me";

/// A gateway with two further providers, `red` and `blue`.
struct Several {
    world: World,
    red: Arc<LyingAuthServer>,
    blue: Arc<LyingAuthServer>,
    path: PathBuf,
    _folder: TempDir,
}

/// Tables of these providers, with these lines in each.
fn providers(list: &[(&str, &str)], more: &str) -> String {
    let table =
        |(id, issuer): &(&str, &str)| format!("[[provider]]\nid = \"{id}\"\nissuer = \"{issuer}\"\n{more}\n");
    list.iter().map(table).collect()
}

impl Several {
    /// Starts them. Each table of the file has these lines.
    async fn with(more: &str) -> Self {
        let (red, blue) = (start().await, start().await);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("providers.toml");
        let list = [("red", red.forge().issuer()), ("blue", blue.forge().issuer())];
        std::fs::write(&path, providers(&list, more)).unwrap();
        let file = path.display().to_string();
        let world = World::embedded(&[("PROVIDERS_FILE", &file)]).await;
        Self {
            world,
            red,
            blue,
            path,
            _folder: folder,
        }
    }

    /// Status, and issuer and user of a good answer.
    async fn me(&self, token: &str) -> (u16, String, String) {
        let reply = self.world.me(token).await;
        let status = reply.status.as_u16();
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        (status, text("issuer"), text("user_id"))
    }

    fn write(&self, text: &str) {
        let draft = self.path.with_extension("draft");
        std::fs::write(&draft, text).unwrap();
        std::fs::rename(&draft, &self.path).unwrap();
    }
}

async fn start() -> Arc<LyingAuthServer> {
    Arc::new(LyingAuthServer::start().await.unwrap())
}

fn signed(by: &LyingAuthServer, user: &str) -> String {
    by.forge().access_token(user).sign()
}

fn opaque(at: &LyingAuthServer, user: &str) -> String {
    let token = format!("opaque-{}", uuid::Uuid::new_v4().simple());
    at.accept_token(&token, json!({ "sub": user }));
    token
}

const LOCAL: &str = "layers = [\"local_jwt\"]";
const USERINFO: &str = "layers = [\"oauth_userinfo\"]";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x08_a_token_is_judged_by_the_keys_of_the_issuer_that_it_names() {
    let several = Several::with(LOCAL).await;
    let (red, blue) = (&several.red, &several.blue);
    for server in [red, blue] {
        let expected = (200, server.forge().issuer().to_owned(), "user-1".to_owned());
        assert_eq!(several.me(&signed(server, "user-1")).await, expected);
    }
    let default = several.world.stray_token("user-1");
    assert_eq!(several.me(&default).await.0, 200);
    // Signed by one, and named after another: by keys of the other, and by those of the default issuer.
    let own = &several.world.auth;
    for (signer, named) in [(blue, red), (red, blue), (own, red), (red, own)] {
        let token = signer
            .forge()
            .access_token("user-1")
            .claim("iss", named.forge().issuer())
            .sign();
        let (status, ..) = several.me(&token).await;
        assert_eq!(status, 401, "{} for {}", signer.url(), named.url());
    }
    // An issuer that nobody configured: nobody is asked, not even the careless default one.
    let stranger = start().await;
    let token = signed(&stranger, "user-1");
    own.accept_token(&token, json!({ "sub": "user-1" }));
    let asked = own.count_token_requests();
    eventually("the name of the default issuer is known", async || {
        several.me(&token).await.0 == 401
    })
    .await;
    assert_eq!(own.count_token_requests(), asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i12_the_same_sub_at_three_issuers_is_three_people() {
    let several = Several::with(LOCAL).await;
    let world = &several.world;
    let tokens = [
        world.stray_token("user-1"),
        signed(&several.red, "user-1"),
        signed(&several.blue, "user-1"),
    ];
    for (token, name) in tokens.iter().zip(["user-1", "red:user-1", "blue:user-1"]) {
        let reply = world.bearer(token).get("/auth/verify").await.expect_status(200);
        assert_eq!(reply.header("remote-user"), Some(name));
    }
    // Somebody at the default issuer cannot take the name of a person of another one.
    let poser = world.opaque_token("red:user-1");
    let reply = world.bearer(&poser).get("/auth/verify").await.expect_status(200);
    assert_eq!(reply.header("remote-user"), Some("@|red:user-1"));
    let red = Subject::new(Issuer::of(None, several.red.forge().issuer()), "user-1");
    let key = RevocationKey::user(&red);
    let engine = world.engine();
    engine
        .revoke_key(key, RevocationReason::Logout, Vec::new())
        .await
        .unwrap();
    let statuses = [&tokens[0], &tokens[1], &tokens[2]].map(|token| several.me(token));
    let [own, red, blue] = statuses;
    assert_eq!((own.await.0, red.await.0, blue.await.0), (200, 401, 200));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_opaque_token_is_asked_in_the_order_of_the_file_and_an_outage_is_no_answer() {
    let several = Several::with(USERINFO).await;
    let (red, blue) = (&several.red, &several.blue);
    let token = opaque(blue, "user-1");
    let expected = (200, blue.forge().issuer().to_owned(), "user-1".to_owned());
    assert_eq!(several.me(&token).await, expected);
    assert_eq!(red.count_token_requests(), 1, "red comes first");
    assert_eq!(several.me(&opaque(red, "user-1")).await.1, red.forge().issuer());
    assert_eq!(
        blue.count_token_requests(),
        1,
        "red has accepted it, so blue is not asked"
    );
    red.on("/oauth/userinfo", Lie::status(503));
    let token = opaque(blue, "user-2");
    assert_eq!(several.me(&token).await.2, "user-2");
    // Nobody knows it, and red cannot say: neither accepted nor refused.
    let (status, ..) = several.me("opaque-unknown").await;
    assert_eq!(status, 503);
    red.clear_scripts();
    assert_eq!(several.me("opaque-unknown").await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_one_provider_is_one_for_its_own_tokens_only() {
    let several = Several::with(USERINFO).await;
    several.red.on("/oauth/userinfo", Lie::status(503));
    let (red, blue) = (signed(&several.red, "user-1"), signed(&several.blue, "user-1"));
    several.blue.accept_token(&blue, json!({ "sub": "user-1" }));
    // Another one would say yes, but is not asked.
    several.blue.accept_token(&red, json!({ "sub": "user-1" }));
    several.world.auth.accept_token(&red, json!({ "sub": "user-1" }));
    assert_eq!(several.me(&red).await.0, 503);
    assert_eq!(several.me(&blue).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x07_a_removed_provider_takes_with_it_what_it_vouched_for() {
    let several = Several::with(LOCAL).await;
    let (red, blue) = (signed(&several.red, "user-1"), signed(&several.blue, "user-1"));
    assert_eq!(several.me(&red).await.0, 200);
    assert_eq!(several.me(&blue).await.0, 200);
    // A file with a fault changes nothing, and the next good one is used.
    several.write("[[provider]]\nid = \"blue\"\n");
    let only_blue = providers(&[("blue", several.blue.forge().issuer())], LOCAL);
    several.write(&only_blue);
    eventually("red is removed", async || several.me(&red).await.0 == 401).await;
    assert_eq!(several.me(&blue).await.0, 200);
    let both = [
        ("blue", several.blue.forge().issuer()),
        ("red", several.red.forge().issuer()),
    ];
    several.write(&providers(&both, LOCAL));
    eventually("red is back", async || several.me(&red).await.0 == 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn x07_a_session_ends_with_the_provider_of_its_person() {
    let several = Several::with(LOCAL).await;
    let blue = several.blue.forge().issuer();
    several.write(&providers(&[("blue", blue), ("other", OTHER)], LOCAL));
    let login = several.world.log_in("user-1").await;
    let other = session_at_other(&several.world, &login).await;
    eventually("the other provider counts", async || {
        other.get(ME).await.status == 200
    })
    .await;
    several.write(&providers(&[("blue", blue)], LOCAL));
    eventually("the session has ended", async || {
        verdict(&other.get(ME).await) == (401, "invalid_session".to_owned())
    })
    .await;
    assert_eq!(
        login.browser.get(ME).await.status,
        200,
        "the default issuer stays"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_file_is_no_beginning_and_every_fault_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("providers.toml");
    let text = "[[provider]]\nid = \"A!\"\nissuer = \"https://a.example\"\n\
                [[provider]]\nid = \"b\"\nissuer = \"https://b.example\"\nclaims.roles = [\"a..b\"]\n";
    std::fs::write(&path, text).unwrap();
    let file = path.display().to_string();
    let opened = World::try_embedded(&[("PROVIDERS_FILE", &file)], |_| {}).await;
    let fault = format!("{:#}", opened.err().expect("the file is faulty"));
    assert!(
        fault.contains("line 2") && fault.contains("line 7 (provider b)"),
        "{fault}"
    );
}
