//! Sessions of usual size, sealed as the gateway seals them, and written to its database in bulk.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use jiff::Timestamp;
use maxlab_auth_core::credential::{PresentedToken, SessionHandle, SessionKey};
use maxlab_auth_core::identity::{Identity, Issuer, Subject, VerificationSource};
use maxlab_auth_core::issued_tokens::TokenUse;
use maxlab_auth_core::seal::{SealedValue, SealingKeys};
use maxlab_auth_core::session::{
    IndexedSession, InsertOutcome, NewSession, ReplaceOutcome, SessionLookup, SessionManager, SessionPolicy,
    SessionStore, SessionToken, StoredSession,
};
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{CutoffScope, TokenKey};
use serde_json::{Value, json};

use crate::tokens::TOKEN_BYTES;

/// Number of rows in one statement.
const BATCH: usize = 1_000;

/// Limits as by default.
pub const POLICY: SessionPolicy = SessionPolicy {
    idle_timeout: Duration::from_secs(3_600),
    max_lifetime: Duration::from_secs(86_400),
    max_per_user: 20,
};

/// Returns the login of a user, with tokens and claims of usual size.
///
/// # Errors
/// There are no random bytes.
pub fn login(number: usize, now: Timestamp) -> Result<NewSession> {
    let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    let token = |token_use: TokenUse| {
        let text = format!("{}-{number}-{}", token_use.as_str(), "x".repeat(TOKEN_BYTES));
        let presented = PresentedToken::parse(&text)?;
        let key = TokenKey::from_jti(&format!("{}-{number}", token_use.as_str()));
        Ok::<_, anyhow::Error>(SessionToken::new(
            key,
            token_use,
            Issuer::DEFAULT,
            &presented,
            None,
        ))
    };
    Ok(NewSession {
        identity: Identity {
            issuer: Issuer::DEFAULT,
            user_id: format!("user-{number}"),
            email: Some(format!("user-{number}@example.test")),
            name: Some(format!("User {number}")),
            avatar: None,
            roles: words(["member", "editor"]),
            permissions: Vec::new(),
            groups: words(["research", "platform"]),
            workspaces: Vec::new(),
            scope: words(["openid", "profile"]),
            client_id: Some("web".to_owned()),
            sid: None,
            session_id: None,
            verification_source: VerificationSource::LocalJwt,
            verified_at: now,
        },
        ip_address: Some("192.0.2.7".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned()),
        handle: SessionHandle::generate()?,
        login_at: now,
        tokens: vec![token(TokenUse::Access)?, token(TokenUse::Refresh)?],
        login: None,
        cutoff_scopes: vec![
            CutoffScope::Client("web".to_owned()),
            CutoffScope::Issuer("https://issuer.example".to_owned()),
        ],
    })
}

/// Rows of the gateway's table `sessions`, and their cookies.
#[derive(Debug)]
pub struct SessionRows {
    /// Values of the cookie.
    pub cookies: Vec<String>,
    rows: Vec<Value>,
}

impl SessionRows {
    /// Creates `count` sessions of different users, sealed with this key.
    ///
    /// # Errors
    /// The key is not valid, or there are no random bytes.
    pub async fn create(count: usize, key: &str, now: Timestamp) -> Result<Self> {
        let collected = Arc::new(CollectedRows::default());
        let keys = SealingKeys::parse(key).context("the sealing key is not valid")?;
        let manager = SessionManager::new(Arc::clone(&collected) as _, Arc::new(keys), POLICY);
        let mut cookies = Vec::with_capacity(count);
        for number in 0..count {
            let created = manager.create(login(number, now)?, now).await?;
            cookies.push(created.id.expose().as_str().to_owned());
        }
        let rows = std::mem::take(&mut *collected.0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Self { cookies, rows })
    }

    /// Writes the rows to the database of a gateway, whose tables exist.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn insert_into_sqlite(&self, file: &std::path::Path) -> Result<()> {
        use sqlx::Connection as _;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await?;
        for rows in self.rows.chunks(BATCH) {
            sqlx::query(
                "INSERT INTO sessions (key, user_id, handle, sealed, created_at_ms, idle_at_ms, dead_at_ms)
                 SELECT value ->> 'key', value ->> 'user_id', value ->> 'handle', value ->> 'sealed',
                     value ->> 'created_at_ms', value ->> 'idle_at_ms', value ->> 'dead_at_ms'
                 FROM json_each($1)",
            )
            .bind(serde_json::to_string(rows)?)
            .execute(&mut connection)
            .await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// The same for PostgreSQL.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn insert_into_postgres(&self, url: &str) -> Result<()> {
        use sqlx::Connection as _;
        let mut connection = sqlx::PgConnection::connect(url).await?;
        for rows in self.rows.chunks(BATCH) {
            sqlx::query(
                "INSERT INTO sessions (key, user_id, handle, sealed, created_at_ms, idle_at_ms, dead_at_ms)
                 SELECT * FROM json_to_recordset($1::json) AS row(key text, user_id text, handle text,
                     sealed text, created_at_ms bigint, idle_at_ms bigint, dead_at_ms bigint)",
            )
            .bind(serde_json::to_string(rows)?)
            .execute(&mut connection)
            .await?;
        }
        connection.close().await?;
        Ok(())
    }
}

/// Store that only keeps what is inserted, for a bulk insert.
#[derive(Debug, Default)]
struct CollectedRows(Mutex<Vec<Value>>);

impl CollectedRows {
    fn unsupported<T>() -> Result<T, Unavailable> {
        Err(Unavailable::process("only insertions are collected"))
    }
}

#[async_trait]
impl SessionStore for CollectedRows {
    async fn insert(
        &self,
        key: &SessionKey,
        session: &StoredSession,
        created_at: Timestamp,
        _limit: usize,
        _now: Timestamp,
    ) -> Result<InsertOutcome, Unavailable> {
        let row = json!({
            "key": key.as_str(),
            "user_id": session.subject.storage_name(),
            "handle": session.handle.as_str(),
            "sealed": session.sealed.as_str(),
            "created_at_ms": created_at.as_millisecond(),
            "idle_at_ms": session.idle_expires_at.as_millisecond(),
            "dead_at_ms": session.expires_at.as_millisecond(),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        Ok(InsertOutcome::Inserted(Vec::new()))
    }

    async fn read(&self, _: &SessionKey, _: Timestamp) -> Result<SessionLookup, Unavailable> {
        Self::unsupported()
    }

    async fn replace(
        &self,
        _: &SessionKey,
        _: &SealedValue,
        _: &SealedValue,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        Self::unsupported()
    }

    async fn rename(
        &self,
        _: &SessionKey,
        _: &SessionKey,
        _: &SealedValue,
        _: &StoredSession,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<ReplaceOutcome, Unavailable> {
        Self::unsupported()
    }

    async fn end(
        &self,
        _: &Subject,
        _: &IndexedSession,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<bool, Unavailable> {
        Self::unsupported()
    }

    async fn of_user(&self, _: &Subject, _: Timestamp) -> Result<Vec<IndexedSession>, Unavailable> {
        Self::unsupported()
    }

    async fn purge(&self, _: Timestamp) -> Result<u64, Unavailable> {
        Self::unsupported()
    }
}
