//! The table of the design, §4: what each layer makes of each answer, seen from the door.

use std::time::Duration;

use maxlab_auth_testkit::{Lie, TokenForge};
use serde_json::json;

use crate::gateway::World;

/// What a layer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Verified,
    Rejected,
    NotMine,
    Unavailable,
}

use Verdict::{NotMine, Rejected, Unavailable, Verified};

/// Two remote layers, of which one is examined and the other is always unavailable, each in a world of its own.
struct Bench {
    endpoint: &'static str,
    alone: World,
    beside_an_outage: World,
}

impl Bench {
    async fn of(layer: &str, endpoint: &'static str, other: &str, other_endpoint: &str) -> Self {
        let quick = [("VERIFY_CACHE_SECONDS", "0"), ("UPSTREAM_TIMEOUT_SECONDS", "0.4")];
        let alone = World::embedded(&[quick[0], quick[1], ("VERIFY_LAYERS", layer)]).await;
        let both = format!("{layer},{other}");
        let beside_an_outage = World::embedded(&[quick[0], quick[1], ("VERIFY_LAYERS", &both)]).await;
        beside_an_outage.auth.on(other_endpoint, Lie::status(500));
        Self {
            endpoint,
            alone,
            beside_an_outage,
        }
    }

    /// "Not mine" and "rejected" are both 401 alone; beside a layer that cannot answer only the second still is.
    async fn verdict(&self, lie: &Lie) -> Verdict {
        let mut seen = Vec::new();
        for world in [&self.alone, &self.beside_an_outage] {
            world.auth.on(self.endpoint, lie.clone());
            seen.push(world.me("opaque-1").await.status.as_u16());
        }
        match seen.as_slice() {
            [200, 200] => Verified,
            [401, 401] => Rejected,
            [401, 503] => NotMine,
            [503, 503] => Unavailable,
            other => panic!("{lie:?} is answered {other:?}"),
        }
    }
}

/// Makes a token of a world.
type Make = Box<dyn Fn(&World) -> String>;

fn table(good: serde_json::Value) -> Vec<(&'static str, Lie, Verdict)> {
    let text = good.to_string();
    let mut deep = "[".repeat(40);
    deep = format!(
        r#"{{"sub":"user-1","user_id":"user-1","x":{deep}{}}}"#,
        "]".repeat(40)
    );
    vec![
        ("200", Lie::json(200, good.clone()), Verified),
        ("401", Lie::status(401), Rejected),
        ("403", Lie::json(403, good.clone()), Rejected),
        ("404", Lie::json(404, good.clone()), NotMine),
        ("405", Lie::status(405), NotMine),
        ("501", Lie::status(501), NotMine),
        ("201", Lie::json(201, good.clone()), Unavailable),
        ("204", Lie::status(204), Unavailable),
        ("400", Lie::json(400, good.clone()), Unavailable),
        ("408", Lie::status(408), Unavailable),
        ("429", Lie::status(429), Unavailable),
        ("500", Lie::status(500), Unavailable),
        ("502", Lie::status(502), Unavailable),
        ("503", Lie::json(503, good.clone()), Unavailable),
        ("504", Lie::status(504), Unavailable),
        ("redirect", Lie::redirect("/oauth/userinfo2"), Unavailable),
        ("redirect with a body", Lie::json(307, good.clone()), Unavailable),
        ("hang", Lie::hang(), Unavailable),
        (
            "late",
            Lie::delay(Duration::from_millis(900), Lie::json(200, good.clone())),
            Unavailable,
        ),
        (
            "drip",
            Lie::slow_drip(200, good.clone(), Duration::from_millis(60)),
            Unavailable,
        ),
        ("closed", Lie::close(), Unavailable),
        ("garbage", Lie::garbage(), Unavailable),
        ("half a body", Lie::half_body(200, good), Unavailable),
        ("1 GB", Lie::huge(1 << 30), Unavailable),
        ("gzip bomb", Lie::gzip_bomb(), Unavailable),
        ("no JSON", Lie::body(200, "text/html", "<html>"), Unavailable),
        (
            "a list",
            Lie::body(200, "application/json", format!("[{text}]")),
            Unavailable,
        ),
        (
            "trailing bytes",
            Lie::body(200, "application/json", format!("{text} x")),
            Unavailable,
        ),
        (
            "a name twice",
            Lie::body(
                200,
                "application/json",
                text.replacen('{', r#"{"sub":"admin","user_id":"admin","#, 1),
            ),
            Unavailable,
        ),
        (
            "NaN",
            Lie::body(200, "application/json", text.replacen('{', r#"{"x":NaN,"#, 1)),
            Unavailable,
        ),
        (
            "a lone surrogate",
            Lie::body(
                200,
                "application/json",
                text.replacen('{', r#"{"x":"\ud800","#, 1),
            ),
            Unavailable,
        ),
        ("too deep", Lie::body(200, "application/json", deep), Unavailable),
        (
            "not UTF-8",
            Lie::body(
                200,
                "application/json",
                b"{\"sub\":\"\xff\",\"user_id\":\"\xff\"}".to_vec(),
            ),
            Unavailable,
        ),
        ("empty", Lie::body(200, "application/json", ""), Unavailable),
        ("nobody", Lie::json(200, json!({ "name": "x" })), Rejected),
        (
            "an empty subject",
            Lie::json(200, json!({ "sub": "", "user_id": "", "id": "" })),
            Rejected,
        ),
        (
            "a mistyped subject",
            Lie::json(200, json!({ "sub": ["user-1"], "user_id": { "x": 1 } })),
            Unavailable,
        ),
    ]
}

#[tokio::test]
async fn the_userinfo_layer_judges_each_answer_as_designed() {
    let bench = Bench::of(
        "oauth_userinfo",
        "/oauth/userinfo",
        "traditional_auth",
        "/api/v1/auth/me",
    )
    .await;
    for (what, lie, expected) in table(json!({ "sub": "user-1" })) {
        assert_eq!(bench.verdict(&lie).await, expected, "{what}");
    }
    assert_eq!(
        bench.alone.auth.count_requests("/oauth/userinfo2"),
        0,
        "no redirect is followed"
    );
    assert!(
        bench.alone.auth.body_bytes_sent() < 32 << 20,
        "no answer is read without a bound"
    );
    bench.alone.auth.stop().await;
    bench.beside_an_outage.auth.stop().await;
    assert_eq!(
        bench.verdict(&Lie::honest()).await,
        Unavailable,
        "nobody is there"
    );
}

#[tokio::test]
async fn the_introspection_layer_leaves_tokens_that_the_server_does_not_introspect_to_others() {
    let client = [
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ];
    let layers = ("VERIFY_LAYERS", "introspection,local_jwt");
    let world = World::embedded(&[client[0], client[1], layers, ("VERIFY_CACHE_SECONDS", "0")]).await;
    let token = world.auth.forge().access_token("user-1").sign();
    let refusal = |error: &str| Lie::json(400, json!({ "error": error }));
    world
        .auth
        .on("/oauth/introspect", refusal("unsupported_token_type"));
    assert_eq!(world.verdict(&token).await.0, 200, "the signature decides");
    assert_eq!(world.verdict("opaque-1").await.0, 401, "nobody vouches for it");
    world.auth.on("/oauth/introspect", refusal("invalid_request"));
    assert_eq!(
        world.verdict("opaque-1").await.0,
        503,
        "another error says nothing"
    );
}

#[tokio::test]
async fn the_traditional_layer_judges_each_answer_as_designed() {
    let bench = Bench::of(
        "traditional_auth",
        "/api/v1/auth/me",
        "oauth_userinfo",
        "/oauth/userinfo",
    )
    .await;
    for (what, lie, expected) in table(json!({ "user_id": "user-1" })) {
        assert_eq!(bench.verdict(&lie).await, expected, "{what}");
    }
    for (subject, expected) in [
        (json!({ "id": 42 }), Verified),
        (json!({ "user_id": 7 }), Verified),
        (json!({ "id": 4.2 }), Unavailable),
    ] {
        assert_eq!(
            bench.verdict(&Lie::json(200, subject.clone())).await,
            expected,
            "{subject}"
        );
    }
}

#[tokio::test]
async fn the_local_layer_judges_each_token_as_designed() {
    let quick = [("VERIFY_CACHE_SECONDS", "0")];
    let alone = World::embedded(&[quick[0], ("VERIFY_LAYERS", "local_jwt")]).await;
    let beside = World::embedded(&[quick[0], ("VERIFY_LAYERS", "local_jwt,oauth_userinfo")]).await;
    beside.auth.on("/oauth/userinfo", Lie::status(500));
    let verdict = async |make: &dyn Fn(&World) -> String| {
        let (one, other) = (
            alone.me(&make(&alone)).await.status.as_u16(),
            beside.me(&make(&beside)).await.status.as_u16(),
        );
        match (one, other) {
            (200, 200) => Verified,
            (401, 401) => Rejected,
            (401, 503) => NotMine,
            (503, 503) => Unavailable,
            seen => panic!("answered {seen:?}"),
        }
    };
    let token = |world: &World| world.auth.forge().access_token("user-1");
    let table: [(&str, Make, Verdict); 11] = [
        ("good", Box::new(move |w| token(w).sign()), Verified),
        ("opaque", Box::new(|_| "opaque-1".to_owned()), NotMine),
        (
            "unknown issuer",
            Box::new(|_| {
                TokenForge::es256("https://other.example")
                    .access_token("user-1")
                    .sign()
            }),
            NotMine,
        ),
        (
            "forged",
            Box::new(move |w| w.auth.forge().forged_twin(&token(w).sign())),
            Rejected,
        ),
        (
            "expired",
            Box::new(move |w| token(w).expires_in(-60).sign()),
            Rejected,
        ),
        (
            "a stranger's audience is nobody's business here",
            Box::new(move |w| token(w).claim("aud", "x").sign()),
            Verified,
        ),
        (
            "an ID token that says so",
            Box::new(move |w| token(w).typ("JWT").claim("typ", "ID").claim("nonce", "x").sign()),
            Rejected,
        ),
        (
            "what may be an ID token: another layer may know it (F1)",
            Box::new(move |w| token(w).typ("JWT").claim("nonce", "x").sign()),
            NotMine,
        ),
        (
            "unsigned",
            Box::new(move |w| w.auth.forge().unsigned(&token(w).claims())[0].clone()),
            Rejected,
        ),
        (
            "HS256 under the public key",
            Box::new(move |w| w.auth.forge().hs256_with_public_key(&token(w).claims())[0].clone()),
            Rejected,
        ),
        (
            "an unknown critical extension",
            Box::new(move |w| w.auth.forge().with_crit(&token(w).claims())),
            Rejected,
        ),
    ];
    for (what, make, expected) in table {
        assert_eq!(verdict(&*make).await, expected, "{what}");
    }
}

#[tokio::test]
async fn the_local_layer_cannot_say_while_the_key_source_is_down() {
    let world = World::embedded(&[
        ("VERIFY_LAYERS", "local_jwt"),
        ("EXTERNAL_AUTH_URL", "http://127.0.0.1:1"),
    ])
    .await;
    let token = world.auth.forge().access_token("user-1").sign();
    assert_eq!(world.verdict(&token).await, (503, "upstream_unavailable".into()));
    assert_eq!(
        world.verdict("opaque-1").await.0,
        401,
        "an opaque token needs no key to be none of its"
    );
}
