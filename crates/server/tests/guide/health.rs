//! What operators look at: alive, ready with each component, and the counters.

use maxlab_auth_testkit::{Actor, Lie};

use crate::gateway::{Stores, World, eventually, on_every_store};

async fn ready_tells_of_each_component(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let anonymous = world.anonymous();
    let body = anonymous.get("/health/ready").await.expect_status(200).json();
    assert_eq!(body["status"], "ready");
    for component in ["store", "database", "authorization_server"] {
        let shown = &body["components"][component];
        assert_eq!(shown["status"], "healthy", "{component}: {body}");
        assert!(shown["response_time"].as_f64().unwrap() >= 0.0);
    }
    assert_eq!(
        body["components"]["authorization_server"]["status_code"].as_u64(),
        Some(200)
    );
    world.auth.on("/health", Lie::status(503));
    let body = anonymous.get("/health/ready").await.expect_status(200).json();
    let shown = &body["components"]["authorization_server"];
    assert_eq!(
        (shown["status"].as_str(), shown["status_code"].as_u64()),
        (Some("unhealthy"), Some(503))
    );
    world.auth.stop().await;
    let body = anonymous.get("/health/ready").await.expect_status(200).json();
    assert_eq!(body["components"]["authorization_server"]["status"], "unhealthy");
    assert!(body["components"]["authorization_server"]["status_code"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_down_makes_it_unready_and_not_dead() {
    let mut world = World::on(Stores::Shared, &[]).await;
    let anonymous = world.anonymous();
    world.lose_store().await;
    let reply = anonymous.get("/health/ready").await.expect_status(503);
    assert!(reply.header("retry-after").is_some());
    let body = reply.json();
    assert_eq!(
        (
            body["status"].as_str(),
            body["components"]["store"]["status"].as_str()
        ),
        (Some("unavailable"), Some("unhealthy"))
    );
    assert_eq!(body["components"]["database"]["status"], "healthy");
    anonymous.get("/health").await.expect_status(200);
    world.find_store().await;
    eventually("it is ready again", async || {
        anonymous.get("/health/ready").await.status == 200
    })
    .await;
    let (postgres, _) = world.postgres.as_mut().unwrap();
    postgres.kill();
    let body = anonymous.get("/health/ready").await.expect_status(503).json();
    assert_eq!(
        (
            body["components"]["database"]["status"].as_str(),
            body["components"]["store"]["status"].as_str()
        ),
        (Some("unhealthy"), Some("healthy"))
    );
    anonymous.get("/health").await.expect_status(200);
    postgres.restart().await.unwrap();
    eventually("it is ready again", async || {
        anonymous.get("/health/ready").await.status == 200
    })
    .await;
}

#[tokio::test]
async fn alive_asks_nobody() {
    let world = World::embedded(&[]).await;
    let asked = world.auth.count_requests("/health");
    let body = world.anonymous().get("/health").await.expect_status(200).json();
    assert_eq!(
        (body["status"].as_str(), body["service"].as_str()),
        (Some("healthy"), Some("maxlab-auth"))
    );
    assert_eq!(world.auth.count_requests("/health"), asked);
}

#[tokio::test]
async fn the_counters_count_what_happens() {
    let world = World::embedded(&[]).await;
    let anonymous = world.anonymous();
    let read = async || -> String { anonymous.get("/metrics").await.expect_status(200).text() };
    let sum = |text: &str, start: &str| -> f64 {
        text.lines()
            .filter(|line| line.starts_with(start))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let before = read().await;
    let login = world.log_in("user-1").await;
    assert_eq!(world.me(&login.access).await.status, 200);
    world.me("nobody-knows-this").await.expect_status(401);
    world
        .bearer(&login.access)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    world.me(&login.access).await.expect_status(401);
    let after = read().await;
    for (counter, least) in [
        ("sessions_begun_total", 1.0),
        ("sessions_ended_total", 1.0),
        ("verifications_total{", 1.0),
        ("refusals_total{reason=\"token_revoked\"}", 1.0),
        ("refusals_total{reason=\"rejected\"}", 1.0),
        ("revocations_total{", 1.0),
        ("upstream_requests_total{", 2.0),
        ("http_requests_total{", 5.0),
    ] {
        let grown = sum(&after, counter) - sum(&before, counter);
        assert!(grown >= least, "{counter} grew by {grown}:\n{after}");
    }
    assert!(after.contains("maxlab_auth_build_info{version="));
    assert!(
        !after.contains("user-1") && !after.contains(&login.handle),
        "no label holds what a client makes up"
    );
    let kind = anonymous.get("/metrics").await;
    assert!(
        kind.header("content-type")
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
}

#[tokio::test]
async fn the_counters_can_be_closed() {
    let world = World::embedded(&[("METRICS", "false")]).await;
    assert_eq!(world.anonymous().get("/metrics").await.status, 404);
}

on_every_store!(ready_tells_of_each_component);

async fn revocation_can_be_watched(stores: Stores) {
    let world = World::on(stores, &[]).await;
    world.on_a_lease().await;
    let token = world.stray_token("user-1");
    let me = world.me(&token).await;
    assert_eq!(me.status, 200);
    let grounds = me.header("x-auth-assurance").unwrap().to_owned();
    for part in ["layer=", "reads=replica", "term=1", "generation=", "lease_ms="] {
        assert!(grounds.contains(part), "{grounds}");
    }
    world.revoke(&token).await.expect_status(200);
    let body = world
        .anonymous()
        .get("/health/ready")
        .await
        .expect_status(200)
        .json();
    let shown = &body["revocation"];
    assert_eq!(shown["reads"], "replica");
    assert_eq!(shown["answers_from_memory"], true);
    assert!(shown["lease_seconds"].as_f64().unwrap() > 0.0);
    assert!(shown["position"].as_u64().unwrap() >= 1, "{body}");
    let metrics = world.anonymous().get("/metrics").await.expect_status(200).text();
    for name in [
        "revocation_replica_entries{kind=\"token\"} 1",
        "revocation_store_generation 1",
        "revocation_acknowledgement_seconds_count",
        "revocation_lease_remaining_seconds ",
        "revocation_replica_lag 0",
        "revocation_direct_reads_total",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
}

on_every_store!(revocation_can_be_watched);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_production_an_answer_does_not_tell_its_grounds() {
    let settings = [
        ("ENVIRONMENT", "staging"),
        (
            "SECRET_KEY",
            "5d2f0c9a7be14863a1f4c07e9b3d68250f1e2d3c4b5a69788796a5b4c3d2e1f0",
        ),
        (
            "SESSION_ENCRYPTION_KEY",
            "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
        ),
    ];
    let world = World::embedded(&settings).await;
    let me = world.me(&world.stray_token("user-1")).await;
    assert_eq!(me.status, 200);
    assert_eq!(me.header("x-auth-assurance"), None);
}

#[tokio::test]
async fn w14_nothing_but_keys_and_documents_may_be_kept() {
    let world = World::embedded(&[("IDENTITY_TOKEN", "on")]).await;
    for (path, kept) in [
        ("/.well-known/jwks.json", "public, max-age=300"),
        ("/openapi.json", "no-cache"),
        ("/docs", "no-cache"),
        ("/health", "no-store"),
        ("/health/ready", "no-store"),
        ("/metrics", "no-store"),
        ("/auth/verify", "no-store"),
        ("/api/v1/auth/me", "no-store"),
        ("/oauth/authorize", "no-store"),
        ("/nothing", "no-store"),
    ] {
        let reply = world.anonymous().get(path).await;
        assert_eq!(reply.header("cache-control"), Some(kept), "{path}");
    }
}

#[tokio::test]
async fn n15_the_series_of_alerts_are_there_before_their_first_event() {
    let world = World::embedded(&[]).await;
    let text = world.anonymous().get("/metrics").await.expect_status(200).text();
    for series in [
        "store_errors_total{component=\"store\"}",
        "store_errors_total{component=\"database\"}",
        "refusals_total{reason=\"rejected\"}",
        "refusals_total{reason=\"token_revoked\"}",
        "refusals_total{reason=\"policy_denied\"}",
        "refusals_total{reason=\"untold\"}",
        "upstream_requests_total{endpoint=\"token\",outcome=\"timeout\"}",
        "revocations_total{reason=\"refresh_reuse\"}",
        "verifications_total{layer=\"introspection\",outcome=\"verified\"}",
        "verdict_renewals_total{outcome=\"unavailable\"}",
        "http_requests_total{method=\"POST\",route=\"/oauth/token\",status=\"5xx\"}",
        "http_requests_total{method=\"GET\",route=\"/auth/verify\",status=\"5xx\"}",
        "outbox_backlog",
        "policy_stale",
    ] {
        assert!(text.contains(series), "{series} is not there: {text}");
    }
}
