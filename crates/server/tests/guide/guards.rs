//! May they: administrators, groups and workspaces, by claims and by the database.

use maxlab_auth_core::identity::Subject;
use maxlab_auth_testkit::Actor;
use serde_json::{Value, json};

use crate::gateway::{Stores, World, eventually, on_every_store, verdict};

fn someone(world: &World, claims: Value) -> String {
    let token = world.opaque_token("unused");
    world.auth.accept_token(&token, claims);
    token
}

async fn may(world: &World, token: &str, what: &str) -> (u16, String) {
    verdict(
        &world
            .bearer(token)
            .get(&format!("/api/v1/auth/access/{what}"))
            .await,
    )
}

fn denied() -> (u16, String) {
    (403, "insufficient_permission".into())
}

async fn a_workspace_is_entered_by_claim_by_membership_or_by_an_administrator(stores: Stores) {
    let world = World::on(stores, &[("VERIFY_CACHE_SECONDS", "0")]).await;
    let workspaces = world.engine().deps().workspaces.clone().unwrap();
    workspaces
        .add_member("w2", &Subject::of_default("member"))
        .await
        .unwrap();
    let by_claim = someone(&world, json!({ "sub": "claimant", "workspaces": ["w1"] }));
    let by_database = someone(&world, json!({ "sub": "member" }));
    let admin = someone(&world, json!({ "sub": "root", "roles": ["admin"] }));
    let table = [
        (&by_claim, "w1", true),
        (&by_claim, "w2", false),
        (&by_claim, "w", false),
        (&by_database, "w1", false),
        (&by_database, "w2", true),
        (&by_database, "w20", false),
        (&admin, "w1", true),
        (&admin, "w9", true),
    ];
    for (token, workspace, allowed) in table {
        let seen = may(&world, token, &format!("workspaces/{workspace}")).await;
        assert_eq!(
            seen,
            if allowed { (200, String::new()) } else { denied() },
            "{workspace}"
        );
    }
    let me = world.me(&by_database).await.json();
    assert_eq!(me["workspaces"], json!(["w2"]));
    workspaces
        .remove_member("w2", &Subject::of_default("member"))
        .await
        .unwrap();
    assert_eq!(
        may(&world, &by_database, "workspaces/w2").await,
        denied(),
        "it counts at once"
    );
}

#[tokio::test]
async fn where_membership_comes_from_is_a_setting() {
    for (source, by_claim, by_database) in [("claims", 200, 403), ("both", 200, 200)] {
        let world = World::embedded(&[("WORKSPACE_SOURCE", source)]).await;
        world
            .sql("INSERT INTO workspaces (id, name) VALUES ('w2', 'Two')")
            .await;
        world
            .sql("INSERT INTO workspace_members (workspace_id, user_id) VALUES ('w2', 'user-1')")
            .await;
        let token = someone(&world, json!({ "sub": "user-1", "workspaces": ["w1"] }));
        assert_eq!(may(&world, &token, "workspaces/w1").await.0, by_claim, "{source}");
        assert_eq!(
            may(&world, &token, "workspaces/w2").await.0,
            by_database,
            "{source}"
        );
    }
}

#[tokio::test]
async fn membership_only_in_the_database_ignores_claims() {
    let world = World::embedded(&[("WORKSPACE_SOURCE", "database")]).await;
    world
        .sql("INSERT INTO workspaces (id, name) VALUES ('w2', 'Two')")
        .await;
    world
        .sql("INSERT INTO workspace_members (workspace_id, user_id) VALUES ('w2', 'user-1')")
        .await;
    let token = someone(&world, json!({ "sub": "user-1", "workspaces": ["w1"] }));
    assert_eq!(may(&world, &token, "workspaces/w2").await.0, 200);
    assert_eq!(may(&world, &token, "workspaces/w1").await, denied());
    assert_eq!(world.me(&token).await.json()["workspaces"], json!(["w2"]));
}

#[tokio::test]
async fn the_guards_answer_in_the_guides_words() {
    let world = World::embedded(&[("ADMIN_ROLES", "owner")]).await;
    let token = someone(
        &world,
        json!({ "sub": "user-1", "roles": ["admin"], "groups": ["g1"] }),
    );
    for (what, detail) in [
        ("admin", "Admin permission required"),
        ("groups/g2", "Group 'g2' permission required"),
        ("workspaces/w1", "Workspace 'w1' access denied"),
    ] {
        let reply = world
            .bearer(&token)
            .get(&format!("/api/v1/auth/access/{what}"))
            .await
            .expect_status(403);
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        let body = reply.json();
        assert_eq!(
            (body["detail"].as_str(), body["code"].as_str()),
            (Some(detail), Some("insufficient_permission"))
        );
    }
    assert_eq!(may(&world, &token, "groups/g1").await.0, 200);
    let owner = someone(&world, json!({ "sub": "user-2", "roles": "owner" }));
    assert_eq!(
        may(&world, &owner, "admin").await.0,
        200,
        "ADMIN_ROLES says who is one"
    );
}

#[tokio::test]
async fn every_guarded_route_wants_a_credential_first() {
    let world = World::embedded(&[]).await;
    let guarded = [
        "/api/v1/auth/me",
        "/api/v1/auth/sessions",
        "/oauth/userinfo",
        "/api/v1/auth/access/admin",
        "/api/v1/auth/access/groups/g",
        "/api/v1/auth/access/workspaces/w",
        "/api/v1/admin/denylist",
        "/api/v1/admin/audit",
    ];
    for path in guarded {
        let reply = world.anonymous().get(path).await;
        assert_eq!(verdict(&reply), (401, "missing_credential".into()), "{path}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer "));
        let reply = world.bearer("opaque-nobody-knows").get(path).await;
        assert_eq!(verdict(&reply), (401, "invalid_token".into()), "{path}");
        assert!(
            reply
                .header("www-authenticate")
                .unwrap()
                .contains("error=\"invalid_token\"")
        );
    }
}

#[tokio::test]
async fn a_session_carries_the_same_rights_as_its_login() {
    let world = World::embedded(&[]).await;
    let code = crate::issuer::Code::of("root")
        .claim("roles", json!(["admin"]))
        .claim("groups", json!(["g1"]));
    let login = world.log_in_with(&code).await;
    for (path, status) in [("admin", 200), ("groups/g1", 200), ("groups/g2", 403)] {
        let reply = login.browser.get(&format!("/api/v1/auth/access/{path}")).await;
        assert_eq!(reply.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_right_that_was_taken_away_is_gone_when_the_memory_of_it_is() {
    for (remembered, at_once) in [("0", true), ("1", false)] {
        let world = World::embedded(&[("VERIFY_CACHE_SECONDS", remembered)]).await;
        let token = someone(
            &world,
            json!({ "sub": "user-1", "roles": ["admin"], "groups": ["g1"] }),
        );
        assert_eq!(may(&world, &token, "admin").await.0, 200);
        world
            .auth
            .accept_token(&token, json!({ "sub": "user-1", "groups": ["g2"] }));
        if !at_once {
            eventually("the memory is over", async || {
                may(&world, &token, "admin").await.0 == 403
            })
            .await;
        }
        assert_eq!(may(&world, &token, "admin").await, denied());
        assert_eq!(may(&world, &token, "groups/g1").await, denied());
        assert_eq!(may(&world, &token, "groups/g2").await.0, 200);
    }
}

on_every_store!(a_workspace_is_entered_by_claim_by_membership_or_by_an_administrator);
