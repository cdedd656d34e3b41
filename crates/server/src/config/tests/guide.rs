//! The sample `.env` file of docs/GUIDE.md, word for word: the first file of many users.

use super::*;

const SAMPLE: &str = r#"# 애플리케이션 설정
APP_NAME=MaxLab Platform
DEBUG=false
ENVIRONMENT=production

# 데이터베이스
DATABASE_URL=postgresql://user:password@localhost/maxlab
REDIS_URL=redis://localhost:6379/0

# 외부 인증 서버
EXTERNAL_AUTH_URL=http://localhost:8000

# 보안 키
SECRET_KEY=your-super-secret-key-here
SESSION_ENCRYPTION_KEY=your-session-encryption-key-here

# JWT 설정 (옵션 - 로컬 fallback용)
JWT_SECRET_KEY=your-jwt-secret-key
JWT_ALGORITHM=HS256
JWT_EXPIRE_MINUTES=15

# CORS 설정
CORS_ORIGINS=["http://localhost:3000", "https://yourdomain.com"]

# 로깅
LOG_LEVEL=INFO
"#;

#[test]
fn the_guides_sample_keys_are_the_only_faults_and_are_listed_at_once() {
    let faults = faults(&SettingsSource::from_dotenv(SAMPLE));
    assert_eq!(
        names(&faults),
        ["JWT_SECRET_KEY", "SECRET_KEY", "SESSION_ENCRYPTION_KEY"]
    );
    for fault in faults.iter() {
        assert!(fault.problem.contains("a sample value, not a key"), "{fault}");
        assert!(fault.remedy.contains("`maxlab-auth keygen`"), "{fault}");
    }
    let message = faults.to_string();
    assert!(message.starts_with("3 settings are wrong:\n"), "{message}");
    assert!(!message.contains("your-"), "{message}");
}

#[test]
fn sample_keys_are_faults_in_development_too() {
    let sample = SAMPLE.replace("ENVIRONMENT=production", "ENVIRONMENT=development");
    assert_eq!(
        names(&faults(&SettingsSource::from_dotenv(&sample))),
        ["JWT_SECRET_KEY", "SECRET_KEY", "SESSION_ENCRYPTION_KEY"]
    );
}

#[test]
fn with_real_keys_the_guides_file_starts() {
    let file = SAMPLE
        .replace("your-super-secret-key-here", LONG_KEY)
        .replace("your-session-encryption-key-here", FERNET_KEY)
        .replace("your-jwt-secret-key", LONG_KEY);
    let (settings, _) = load(&SettingsSource::from_dotenv(&file));
    assert_eq!(settings.app.name, "MaxLab Platform");
    assert_eq!(settings.app.environment, crate::config::Environment::Production);
    assert_eq!(
        settings.app.cors_origins,
        ["http://localhost:3000", "https://yourdomain.com"]
    );
    assert_eq!(
        settings.upstream.external_auth_url.as_str(),
        "http://localhost:8000/"
    );
    assert!(matches!(
        settings.stores.database,
        crate::config::DatabaseUrl::Postgres(_)
    ));
    assert!(matches!(
        settings.stores.store,
        crate::config::StoreUrl::Redis { tls: false, .. }
    ));
}

#[test]
fn what_keygen_prints_is_accepted() {
    let printed = crate::cli::keygen::render_new_keys(false).unwrap();
    let file = format!("ENVIRONMENT=production\nEXTERNAL_AUTH_URL=https://auth.example.com\n{printed}");
    load(&SettingsSource::from_dotenv(&file));
    load(&SettingsSource::from_dotenv(&format!(
        "{}\nJWT_ALGORITHM=HS512\n",
        file.replace("# JWT_SECRET", "JWT_SECRET")
            .replace("# IDENTITY", "IDENTITY")
    )));
    let json: BTreeMap<String, String> =
        serde_json::from_str(&crate::cli::keygen::render_new_keys(true).unwrap()).unwrap();
    assert_eq!(
        json.keys().collect::<Vec<_>>(),
        [
            "IDENTITY_SIGNING_KEY",
            "JWT_SECRET_KEY",
            "SECRET_KEY",
            "SESSION_ENCRYPTION_KEY"
        ]
    );
    assert!(
        !printed.contains(&json["SECRET_KEY"]),
        "two runs made the same key"
    );
}
