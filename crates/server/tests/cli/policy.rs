//! `check` and the policy file.

use maxlab_auth_testkit::LyingAuthServer;

use crate::tool::Tool;

const POLICY: &str = "[[rule]]\npath = \"/open/**\"\nmethods = \"GET\"\naccess = \"public\"\n\n\
    [[rule]]\nhost = \"*.example\"\npath = \"/admin/**\"\nrequire = [\"role=admin\", \"group=ops\"]\n";

fn tool(policy: &str) -> Tool {
    let tool = Tool::new();
    let path = tool.folder().join("policy.toml");
    std::fs::write(&path, policy).unwrap();
    tool.env("POLICY_FILE", path.display().to_string())
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9")
        .env("TRUSTED_PROXIES", "127.0.0.1")
}

#[tokio::test]
async fn it_says_which_rule_is_about_a_request() {
    let tool = tool(POLICY);
    for (method, url, said) in [
        ("GET", "https://a.example/open/x?y", "rule 1 (line 1): public"),
        (
            "POST",
            "https://a.example/open/x",
            "no rule, so the default: authenticated",
        ),
        (
            "GET",
            "https://a.example:8443/%61dmin",
            "rule 2 (line 6): require role=admin and group=ops",
        ),
        (
            "GET",
            "https://b.a.example/admin",
            "no rule, so the default: authenticated",
        ),
    ] {
        let ended = tool.run(&["check", "--policy-for", method, url]).await.expect(0);
        assert!(ended.stdout.contains(said), "{url}: {ended:?}");
    }
    let words = [
        "check",
        "--json",
        "--policy-for",
        "GET",
        "https://a.example/admin/x",
    ];
    let report = tool.run(&words).await.expect(0).json();
    assert_eq!(
        (&report["rule"], &report["line"], &report["path"]),
        (&2.into(), &6.into(), &"/admin/x".into())
    );
    let ended = tool
        .run(&["check", "--policy-for", "GET", "https://a.example/open/../admin"])
        .await
        .expect(1);
    assert!(
        ended.stdout.contains("400") && ended.stdout.contains("dot segment"),
        "{ended:?}"
    );
    let ended = tool
        .run(&["check", "--policy-for", "GET", "/admin"])
        .await
        .expect(1);
    assert!(ended.stderr.contains("write a whole URL"), "{ended:?}");
    let ended = Tool::new()
        .run(&["check", "--policy-for", "GET", "/"])
        .await
        .expect(1);
    assert!(ended.stderr.contains("POLICY_FILE"), "{ended:?}");
}

#[tokio::test]
async fn a_faulty_policy_fails_the_check_and_the_start_but_no_revocation() {
    let server = LyingAuthServer::start().await.unwrap();
    let good = tool(POLICY).env("EXTERNAL_AUTH_URL", server.url());
    let report = good.run(&["check", "--json"]).await.expect(0).json();
    let policy = |report: &serde_json::Value| {
        let all = report["components"].as_array().unwrap().clone();
        all.into_iter().find(|one| one["component"] == "policy").unwrap()
    };
    assert_eq!(
        policy(&report)["detail"],
        "2 rules; default access: authenticated"
    );

    std::fs::write(good.folder().join("policy.toml"), "[[rule]]\nfoo = 1\n").unwrap();
    let report = good.run(&["check", "--json"]).await.expect(1).json();
    assert_eq!(policy(&report)["status"], "unhealthy");
    assert!(
        policy(&report)["detail"]
            .as_str()
            .unwrap()
            .contains("line 2 (rule 1)"),
        "{report}"
    );
    let bad = good.env("PORT", "0");
    let ended = bad.run(&["serve"]).await.expect(1);
    for words in [
        "policy.toml",
        "line 1 (rule 1): the rule has no path",
        "line 2 (rule 1): unknown key",
    ] {
        assert!(ended.stderr.contains(words), "{words}: {ended:?}");
    }
    bad.run(&["revoke", "--user", "u-1"]).await.expect(0);
}
