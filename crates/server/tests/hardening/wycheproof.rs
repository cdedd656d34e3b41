//! Wycheproof's JWS cases as bearer tokens: their payloads are no claims, so none of them, validly signed or not, gets in.
//!
//! Whether each signature is judged as the file says is the suite of the crate `jose`. Here the whole gateway is asked, with the
//! vectors' keys in the issuer's key set.

use std::path::Path;

use maxlab_auth_testkit::{Actor, BearerActor, Lie, LyingAuthServer};
use serde_json::{Value, json};

use crate::support::{Answer, Stack, assert_lives, refused};

/// Groups of the file that the suite of the crate `jose` judges.
fn groups() -> Vec<Value> {
    let file = "../jose/tests/vectors/wycheproof/json_web_signature_test.json";
    let text = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let document: Value = serde_json::from_slice(&text).unwrap();
    document["testGroups"].as_array().unwrap().clone()
}

async fn nobody_gets_in(groups: &[Value]) -> usize {
    let mut keys: Vec<Value> = groups
        .iter()
        .filter_map(|group| group.get("public").cloned())
        .collect();
    let script = |auth: &LyingAuthServer| {
        // The issuer's own key stands beside them, so that the key set is known to be in use.
        keys.extend(auth.forge().jwks()["keys"].as_array().unwrap().clone());
        auth.on("/.well-known/jwks.json", Lie::json(200, json!({ "keys": keys })));
    };
    let stack = Stack::scripted(script, |options| options.env("VERIFY_LAYERS", "local_jwt")).await;
    let own = stack.auth.forge().access_token("ann").sign();
    BearerActor::new(&stack.url(), &own)
        .get("/api/v1/auth/me")
        .await
        .expect_status(200);
    let mut asked = 0;
    for case in groups.iter().flat_map(|group| group["tests"].as_array().unwrap()) {
        let Some(token) = case["jws"]
            .as_str()
            .filter(|token| token.bytes().all(|b| (0x20..0x7f).contains(&b)))
        else {
            continue;
        };
        let reply = BearerActor::new(&stack.url(), token).get("/api/v1/auth/me").await;
        let what = format!("case {}: {}", case["tcId"], case["comment"]);
        assert!(matches!(reply.code(), 400 | 401), "{what}: {}", reply.shown());
        refused(&reply, &what);
        asked += 1;
    }
    assert_lives(&stack.gateway).await;
    asked
}

#[tokio::test]
async fn no_case_gets_in() {
    // Keys that share a `kid` would be ambiguous in one set, so they are spread over several issuers.
    let mut sets: Vec<Vec<Value>> = vec![Vec::new(); 6];
    for group in groups() {
        let kid = group["public"]["kid"].as_str().unwrap_or_default().to_owned();
        let free = sets.iter_mut().find(|set| {
            set.iter()
                .all(|other| kid.is_empty() || other["public"]["kid"] != kid.as_str())
        });
        free.unwrap().push(group);
    }
    let mut asked = 0;
    for set in sets.iter().filter(|set| !set.is_empty()) {
        asked += nobody_gets_in(set).await;
    }
    assert!(asked > 390, "only {asked} cases were asked");
}
