//! `check --token`: why a token is refused, layer by layer, without printing it.

use maxlab_auth_testkit::{GatewayProcess, Lie, LyingAuthServer, TokenForge};
use serde_json::{Value, json};

use crate::tool::{Ended, Tool, start_beside};

/// An authorization server, a gateway that has run with these settings, and a command line with the same.
struct Scene {
    server: LyingAuthServer,
    _gateway: GatewayProcess,
    tool: Tool,
}

impl Scene {
    async fn with(settings: &[(&str, &str)]) -> Self {
        let server = LyingAuthServer::start().await.unwrap();
        let (gateway, tool) = start_beside(&server, settings).await;
        Self {
            server,
            _gateway: gateway,
            tool,
        }
    }

    /// Explains a token, whose text must not be in the output.
    async fn explain(&mut self, token: &str, code: i32) -> Value {
        self.tool = std::mem::replace(&mut self.tool, Tool::new()).input(&format!("Bearer {token}\n"));
        let tool = &self.tool;
        let text = tool.run(&["check", "--token", "-"]).await.expect(code);
        let report = tool.run(&["check", "--token", "-", "--json"]).await.expect(code);
        for ended in [&text, &report] {
            assert_not_printed(ended, token);
        }
        assert!(text.stdout.starts_with("STEP"), "{text:?}");
        let report = report.json();
        for step in report["steps"].as_array().unwrap() {
            // The two commands ran one after the other.
            let finding = step["finding"].as_str().unwrap().split(", now ").next().unwrap();
            assert!(text.stdout.contains(finding), "{step}");
        }
        report
    }
}

#[track_caller]
fn assert_not_printed(ended: &Ended, token: &str) {
    // Each segment alone is a secret or shows the claims.
    for part in token.split('.') {
        assert!(!ended.text().contains(part), "{part}: {ended:?}");
    }
}

/// The steps of this name, as `verdict: finding`.
fn steps(report: &Value, name: &str) -> Vec<String> {
    let steps = report["steps"].as_array().unwrap().iter();
    let text = |step: &Value, member: &str| step[member].as_str().unwrap_or_default().to_owned();
    steps
        .filter(|step| step["step"] == name)
        .map(|step| format!("{}: {}", text(step, "verdict"), text(step, "finding")))
        .collect()
}

#[track_caller]
fn assert_step(report: &Value, name: &str, start: &str) {
    let found = steps(report, name);
    assert!(
        found.iter().any(|step| step.starts_with(start)),
        "{name} {start}: {report:#}"
    );
}

fn remedies(report: &Value) -> String {
    let steps = report["steps"].as_array().unwrap().iter();
    steps
        .filter_map(|step| step["remedy"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn an_accepted_token_shows_layer_identity_and_what_was_asked() {
    let mut scene = Scene::with(&[
        ("VERIFY_LAYERS", "oauth_userinfo,local_jwt"),
        ("CLAIM_ROLES", "realm_access.roles + roles"),
    ])
    .await;
    let token = scene.server.forge().access_token("user-1").sign();
    let claims = json!({ "sub": "user-1", "realm_access": { "roles": ["editor"] }, "roles": ["admin"] });
    scene.server.accept_token(&token, claims);
    let report = scene.explain(&token, 0).await;
    assert_eq!(
        (&report["result"], &report["user_id"], &report["layer"]),
        (&"accepted".into(), &"user-1".into(), &"oauth_userinfo".into())
    );
    let issuer = scene.server.url();
    assert_step(
        &report,
        "token",
        &format!("noted: signed: alg ES256, kid {}", scene.server.forge().kid()),
    );
    assert_step(&report, "signature", "accepted: signature and claims are right");
    assert_step(&report, "register", "noted: not a known refresh token");
    assert_step(
        &report,
        "request",
        &format!("noted: GET {issuer}/oauth/userinfo answered 200, application/json"),
    );
    assert_step(
        &report,
        "oauth_userinfo",
        "accepted: user user-1; roles: editor, admin; groups: none",
    );
    assert_step(&report, "revocation", "accepted: not revoked");
}

#[tokio::test]
async fn each_refusal_names_its_rule_and_what_to_change() {
    let mut scene = Scene::with(&[
        ("VERIFY_LAYERS", "local_jwt,oauth_userinfo"),
        ("JWT_AUDIENCE", "maxlab-api"),
        ("JWT_ALGORITHM", "ES256"),
    ])
    .await;
    let builder = || {
        scene
            .server
            .forge()
            .access_token("user-1")
            .claim("aud", "maxlab-api")
    };
    let extended = scene.server.forge().with_crit(&builder().claims());
    let stranger = TokenForge::es256("https://other.example");
    let table = [
        (
            builder().claim("aud", "web").sign(),
            "token is meant for another audience: aud \"web\", JWT_AUDIENCE maxlab-api",
            "add an audience of the token to JWT_AUDIENCE",
        ),
        (
            builder().expires_in(-100).sign(),
            "the token has expired: exp ",
            "get a new token",
        ),
        (
            builder()
                .claim("nbf", maxlab_auth_testkit::forge::now() + 300)
                .sign(),
            "the token is not valid yet",
            "CLOCK_SKEW_SECONDS",
        ),
        (
            builder().typ("JWT").claim("typ", "ID").sign(),
            "the token is not an access token",
            "send the access token",
        ),
        (
            builder().typ("JWT").claim("nonce", "n").sign(),
            "the token has the claims of an ID token",
            "give it a scope",
        ),
        (
            TokenForge::wrong_signature(&builder().sign()),
            "the signature is wrong",
            "JWKS_URL",
        ),
        (
            stranger.access_token("user-1").sign(),
            "no key fits the token",
            "EXTERNAL_AUTH_URL and JWKS_URL",
        ),
        (
            builder().header("alg", "RS512").sign(),
            "the signature algorithm is not allowed: alg RS512, accepted ES256",
            "JWT_ALGORITHM",
        ),
        (
            builder().without("exp").without("iat").sign(),
            "the token has no expiry",
            "JWT_EXPIRE_MINUTES",
        ),
    ];
    for (token, rule, remedy) in table {
        let report = scene.explain(&token, 1).await;
        assert_eq!(
            (&report["result"], &report["status"]),
            (&"refused".into(), &401.into()),
            "{rule}"
        );
        let found = steps(&report, "signature").join("\n");
        assert!(found.contains(rule), "{rule}: {report:#}");
        assert!(remedies(&report).contains(remedy), "{remedy}: {report:#}");
    }
    let report = scene.explain(&extended, 1).await;
    assert_step(&report, "token", "refuted: malformed: ");
}

#[tokio::test]
async fn each_answer_of_a_remote_layer_is_shown_with_its_verdict() {
    let mut scene = Scene::with(&[
        (
            "VERIFY_LAYERS",
            "oauth_userinfo,traditional_auth,introspection,local_jwt",
        ),
        ("OAUTH_CLIENT_ID", "gateway"),
        ("OAUTH_CLIENT_SECRET", "a-secret-of-the-gateway"),
    ])
    .await;
    let server = &scene.server;
    server.on("/oauth/userinfo", Lie::status(401));
    server.on("/api/v1/auth/me", Lie::status(404));
    server.on(
        "/oauth/introspect",
        Lie::json(200, json!({ "active": true, "exp": "tomorrow" })),
    );
    let opaque = "an-opaque-token-of-nobody";
    let report = scene.explain(opaque, 1).await;
    assert_eq!(report["code"], "invalid_token");
    assert_step(&report, "token", "noted: opaque");
    assert_step(
        &report,
        "oauth_userinfo",
        "rejected: the authorization server refuses the token",
    );
    assert_step(
        &report,
        "traditional_auth",
        "not_applicable: the authorization server has no such endpoint",
    );
    assert_step(&report, "introspection", "unavailable: ");
    assert_step(&report, "local_jwt", "skipped: ");
    assert!(
        steps(&report, "introspection")[0].contains("malformed `exp`"),
        "{report:#}"
    );

    scene.server.on(
        "/oauth/userinfo",
        Lie::json(200, json!({ "email": "kim@example.com" })),
    );
    scene.server.on("/oauth/introspect", Lie::status(404));
    let report = scene.explain(opaque, 1).await;
    assert_step(
        &report,
        "oauth_userinfo",
        "noted: no usable subject in the claims: email",
    );
    assert!(remedies(&report).contains("set CLAIM_USER_ID"), "{report:#}");

    scene.server.on("/oauth/userinfo", Lie::status(500));
    let report = scene.explain(opaque, 1).await;
    assert_eq!(
        (&report["result"], &report["status"]),
        (&"undecided".into(), &503.into())
    );
    assert_step(
        &report,
        "request",
        &format!("noted: GET {}/oauth/userinfo answered 500", scene.server.url()),
    );
}

#[tokio::test]
async fn a_revoked_token_is_named_as_such() {
    let scene = Scene::with(&[("VERIFY_LAYERS", "local_jwt,oauth_userinfo")]).await;
    let token = scene.server.forge().access_token("user-1").sign();
    let tool = scene.tool.input(&token);
    tool.run(&["revoke", "--token", "-"]).await.expect(0);
    let mut scene = Scene { tool, ..scene };
    let report = scene.explain(&token, 1).await;
    assert_eq!(report["code"], "token_revoked");
    assert_step(&report, "revocation", "refuted: the token was revoked");
}

#[tokio::test]
async fn without_stores_the_layers_are_explained_and_revocation_is_left_open() {
    let server = LyingAuthServer::start().await.unwrap();
    let token = server.forge().access_token("user-1").sign();
    server.accept_token(&token, json!({ "sub": "user-1" }));
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url()).input(&token);
    let ended = tool.run(&["check", "--token", "-", "--json"]).await.expect(1);
    assert_not_printed(&ended, &token);
    let report = ended.json();
    assert_eq!(report["result"], "undecided");
    assert_step(&report, "oauth_userinfo", "accepted: user user-1");
    assert_step(&report, "revocation", "unavailable: not checked: ");
}

#[tokio::test]
async fn a_token_in_the_place_of_the_file_is_not_printed() {
    let server = LyingAuthServer::start().await.unwrap();
    let token = server.forge().access_token("user-1").sign();
    let tool = Tool::new().env("EXTERNAL_AUTH_URL", server.url());
    let ended = tool.run(&["check", "--token", &token]).await.expect(1);
    assert_not_printed(&ended, &token);
    assert!(
        ended.stderr.contains("--token takes the name of a file"),
        "{ended:?}"
    );
    let file = tool.folder().join("token.txt");
    std::fs::write(&file, format!("{token}\n")).unwrap();
    let named = tool.run(&["check", "--token", "token.txt"]).await;
    assert!(named.stdout.contains("signed: alg ES256"), "{named:?}");
}
