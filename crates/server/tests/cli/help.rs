//! What needs no gateway: help, keys, the OpenAPI document, and faulty settings.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::tool::{COMMANDS, Tool};

#[tokio::test]
async fn every_command_shows_an_example() {
    let tool = Tool::new();
    let top = tool.run(&["--help"]).await.expect(0).stdout;
    assert!(top.contains("maxlab-auth dev"), "{top}");
    for command in COMMANDS {
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

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn n7_keygen_writes_a_private_dotenv_and_loses_nothing_that_is_there() {
    let tool = Tool::new()
        .env("ENVIRONMENT", "production")
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9");
    let file = tool.folder().join(".env");
    let made = tool.run(&["keygen", "--write", ".env"]).await.expect(0);
    let first = std::fs::read_to_string(&file).unwrap();
    assert_eq!(mode(&file), 0o600);
    for (line, key) in first.lines().filter_map(|line| line.split_once('=')) {
        assert!(!made.text().contains(key), "{line} is shown: {}", made.text());
    }
    tool.run(&["check"]).await.expect(1);
    tool.run(&["keygen", "--write", ".env"]).await.expect(0);
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        first,
        "a second time changes nothing"
    );

    let theirs = "# ours\nPORT=1234\nSESSION_ENCRYPTION_KEY=an-old-key\nSECRET_KEY=\n";
    std::fs::write(&file, theirs).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let done = tool
        .run(&["keygen", "--write", ".env", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        done,
        serde_json::json!({ "written": ["SECRET_KEY"], "kept": ["SESSION_ENCRYPTION_KEY"] })
    );
    let after = std::fs::read_to_string(&file).unwrap();
    let key = after
        .strip_prefix(theirs.trim_end())
        .expect("every line stays")
        .trim_end();
    assert!(key.len() >= 43, "{after}");
    assert_eq!(mode(&file), 0o600);

    std::fs::write(&file, "OPEN=\"quote\n").unwrap();
    let refused = tool.run(&["keygen", "--write", ".env"]).await.expect(1);
    assert!(
        refused.stderr.contains("line 1 is not NAME=value"),
        "{}",
        refused.stderr
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "OPEN=\"quote\n");
    assert!(!tool.folder().join(".env.new").exists(), "no draft is left");
}

#[tokio::test]
async fn n7_secrets_that_everybody_can_read_are_warned_of() {
    let tool = Tool::new()
        .env("EXTERNAL_AUTH_URL", "http://127.0.0.1:9")
        .env("DATA_DIR", "data");
    let (file, data) = (tool.folder().join(".env"), tool.folder().join("data"));
    tool.run(&["keygen", "--write", ".env"]).await.expect(0);
    std::fs::create_dir(&data).unwrap();
    for (modes, warned) in [
        ((0o600, 0o700), false),
        ((0o640, 0o750), false),
        ((0o644, 0o755), true),
        ((0o604, 0o711), true),
    ] {
        std::fs::set_permissions(&file, Permissions::from_mode(modes.0)).unwrap();
        std::fs::set_permissions(&data, Permissions::from_mode(modes.1)).unwrap();
        let warnings = tool.run(&["check", "--json"]).await.expect(1).json()["warnings"].clone();
        for name in [".env", "DATA_DIR"] {
            let found = warnings
                .as_array()
                .unwrap()
                .iter()
                .any(|warning| warning["name"] == name);
            assert_eq!(found, warned, "{name} with {modes:?}: {warnings}");
        }
    }
    std::fs::write(&file, "PORT=1\n").unwrap();
    let warnings = tool.run(&["check", "--json"]).await.expect(1).json()["warnings"].to_string();
    assert!(!warnings.contains(".env"), "no secret is in it: {warnings}");
}

#[tokio::test]
async fn openapi_prints_the_document() {
    let document = Tool::new().run(&["openapi"]).await.expect(0).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/oauth/token"]["post"].is_object());
}
