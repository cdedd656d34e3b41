//! Secrets are never shown: not by `Debug`, not in rows, faults or warnings.

use super::*;
use crate::config::{ValueExposure, reference};

const CANARY: &str = "canary-5f3a-that-must-not-be-shown-and-long-enough";

/// Returns every setting that may contain a secret, with the canary in it.
fn with_canaries() -> Vec<(&'static str, String)> {
    vec![
        (
            "DATABASE_URL",
            format!("postgresql://user:{CANARY}@db/maxlab?password={CANARY}"),
        ),
        ("REDIS_URL", format!("redis+sentinel://user:{CANARY}@a,b/main")),
        ("REDIS_SENTINEL_PASSWORD", CANARY.to_owned()),
        ("OAUTH_CLIENT_ID", "gateway".to_owned()),
        ("OAUTH_CLIENT_SECRET", CANARY.to_owned()),
        ("INTROSPECTION_CLIENTS", format!("a:{CANARY},b:{CANARY}")),
        ("JWT_SECRET_KEY", CANARY.to_owned()),
        ("SECRET_KEY", CANARY.to_owned()),
    ]
}

fn source(pairs: &[(&'static str, String)]) -> SettingsSource {
    development(
        &pairs
            .iter()
            .map(|(name, text)| (*name, text.as_str()))
            .collect::<Vec<_>>(),
    )
}

#[test]
fn neither_debug_nor_rows_nor_warnings_show_a_secret() {
    let source = source(&with_canaries());
    let (settings, warnings) = load(&source);
    let dump = format!(
        "{settings:?} {source:?} {warnings:?} {}",
        serde_json::to_string(settings.rows()).unwrap()
    );
    assert!(!dump.contains("canary"), "{dump}");
    assert!(!dump.contains(&FERNET_KEY[..12]), "{dump}");
    let database = settings
        .rows()
        .iter()
        .find(|row| row.name == "DATABASE_URL")
        .unwrap();
    assert_eq!(database.value, "postgresql://…@db/maxlab?…");
}

#[test]
fn a_fault_repeats_no_secret_however_it_is_wrong() {
    for doc in reference()
        .iter()
        .filter(|doc| doc.exposure != ValueExposure::Public)
    {
        for text in [
            CANARY.to_owned(),
            format!("x://u:{CANARY}@h:p/q"),
            format!("your-{CANARY}"),
            format!("[{CANARY}"),
        ] {
            if let Err(faults) = Settings::load(&development(&[(doc.name, &text)])) {
                let message = format!("{faults} {faults:?}");
                assert!(!message.contains("canary"), "{}: {message}", doc.name);
            }
        }
    }
}

#[test]
fn a_bad_line_of_the_file_is_counted_and_not_repeated() {
    let faults = faults(&SettingsSource::from_dotenv(&format!(
        "PORT=1\n{CANARY}\nSECRET_KEY='{CANARY}' x\n"
    )));
    assert_eq!(names(&faults), [".env", ".env"]);
    let message = faults.to_string();
    assert!(
        message.contains("line 2") && message.contains("line 3") && !message.contains("canary"),
        "{message}"
    );
}
