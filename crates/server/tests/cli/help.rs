//! What needs no gateway: help, keys, the OpenAPI document, and faulty settings.

use crate::tool::Tool;

#[tokio::test]
async fn every_command_shows_an_example() {
    let tool = Tool::new();
    let top = tool.run(&["--help"]).await.expect(0).stdout;
    assert!(top.contains("maxlab-auth dev"), "{top}");
    for command in [
        "serve",
        "dev",
        "check",
        "keygen",
        "openapi",
        "revoke",
        "sessions",
        "sessions list",
        "sessions end",
        "sessions end-all",
        "denylist",
        "denylist list",
        "denylist stats",
        "denylist clean",
        "audit",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = tool.run(&words).await.expect(0).stdout;
        let example = help
            .split_once("Example")
            .map(|(_, rest)| rest.contains(&format!("maxlab-auth {command}")));
        assert_eq!(
            example,
            Some(command != "sessions" && command != "denylist" || help.contains("list --user")),
            "{help}"
        );
    }
    assert!(
        tool.folder().read_dir().unwrap().next().is_none(),
        "help writes nothing"
    );
}

#[tokio::test]
async fn a_wrong_call_is_a_usage_fault() {
    let tool = Tool::new();
    for words in [
        &["nonsense"][..],
        &[],
        &["revoke"],
        &["revoke", "--jti", "a", "--user", "b"],
        &["dev", "--idp-port", "0"],
    ] {
        let ended = tool.run(words).await.expect(2);
        assert!(ended.stdout.is_empty() && !ended.stderr.is_empty(), "{ended:?}");
    }
}

#[tokio::test]
async fn every_faulty_setting_is_listed_at_once_with_its_remedy_and_no_secret() {
    let tool = Tool::new()
        .env("ENVIRONMENT", "production")
        .env("PORT", "99999")
        .env("VERIFY_LAYERS", "magic")
        .env("SESSION_ENCRYPTION_KEY", "canary-is-no-fernet-key")
        .env("CLOCK_SKEW_SECONDS", "sixty");
    let names = [
        "PORT",
        "EXTERNAL_AUTH_URL",
        "VERIFY_LAYERS",
        "CLOCK_SKEW_SECONDS",
        "SECRET_KEY",
        "SESSION_ENCRYPTION_KEY",
    ];
    for command in [&["serve"][..], &["check"], &["sessions", "list", "--user", "u"]] {
        let ended = tool.run(command).await.expect(2);
        assert!(ended.stdout.is_empty(), "{ended:?}");
        for name in names {
            assert!(ended.stderr.contains(&format!("\n{name}: ")), "{name}: {ended:?}");
        }
        assert!(
            ended.stderr.contains("6 settings are wrong") && ended.stderr.contains("maxlab-auth keygen"),
            "{ended:?}"
        );
        assert!(!ended.text().contains("canary"), "{ended:?}");
    }
    let faults = tool.run(&["check", "--json"]).await.expect(2).json();
    let listed: Vec<&str> = faults["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["name"].as_str().unwrap())
        .collect();
    assert!(names.iter().all(|name| listed.contains(name)), "{faults}");
    assert!(!faults.to_string().contains("canary"));
}

#[tokio::test]
async fn what_keygen_prints_is_a_dotenv_that_production_accepts() {
    let tool = Tool::new()
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9");
    tool.run(&["check"]).await.expect(2);
    let keys = tool.run(&["keygen"]).await.expect(0).stdout;
    std::fs::write(tool.folder().join(".env"), &keys).unwrap();
    // Nothing listens on port 9, so a component fails; but no setting does.
    let checked = tool.run(&["check", "--json"]).await.expect(1);
    let rows = checked.json()["settings"].as_array().unwrap().clone();
    for name in ["SECRET_KEY", "SESSION_ENCRYPTION_KEY"] {
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        assert_eq!(
            (row["source"].as_str(), row["value"].as_str()),
            (Some(".env"), Some("(set)"))
        );
        let secret = keys
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")))
            .unwrap();
        assert!(!checked.text().contains(secret));
    }
    assert_ne!(tool.run(&["keygen"]).await.stdout, keys, "keys are new each time");
    let json = tool.run(&["keygen", "--json"]).await.expect(0).json();
    assert!(json["SECRET_KEY"].as_str().is_some_and(|key| key.len() >= 43));
}

#[tokio::test]
async fn openapi_prints_the_document() {
    let document = Tool::new().run(&["openapi"]).await.expect(0).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/oauth/token"]["post"].is_object());
}
