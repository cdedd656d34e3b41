//! Queries on the register of issued tokens by cut-off scope: a user, a client, an issuer, an upstream session, or
//! everything.

use jiff::Timestamp;
use maxlab_auth_core::issued_tokens::CredentialCounts;
use maxlab_auth_core::unavailable::Unavailable;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};

use super::{PooledConnection, sql_values};
use crate::millis::floor_ms;

/// Counts the tokens and sessions that are not revoked. A cut-off covers logins that began up to its time.
// Without a cut-off every login counts: times are never as low as -1.
macro_rules! count {
    ($column:literal) => {
        concat!(
            "SELECT count(*), count(DISTINCT session) FROM issued_tokens t
             WHERE ",
            $column,
            " = $1 AND expires_at_ms > $2 AND superseded_at_ms IS NULL
             AND login_at_ms > coalesce((SELECT max(at_ms) FROM revocations r
                 WHERE r.entry = 'revoked' AND r.kind = $3 AND r.name = $4), -1)
             AND NOT EXISTS (SELECT 1 FROM revocations r
                 WHERE r.entry = 'revoked' AND r.kind = 'token' AND r.name = t.key)
             AND NOT EXISTS (SELECT 1 FROM revocations r
                 WHERE r.entry = 'revoked' AND r.kind = 'session' AND r.name = t.session)"
        )
    };
}

const COUNT_OF_USER: &str = count!("user_id");
const COUNT_OF_CLIENT: &str = count!("client_id");
const COUNT_OF_ISSUER: &str = count!("issuer");
const COUNT_OF_UPSTREAM_SESSION: &str = count!("upstream_session");
/// Compares the parameter with itself, so that all statements have the same parameters.
const COUNT_OF_ALL: &str = count!("CAST($1 AS TEXT)");

const LIST_USERS: &str = "SELECT DISTINCT user_id FROM issued_tokens LIMIT $1";
const LIST_CLIENTS: &str =
    "SELECT DISTINCT client_id FROM issued_tokens WHERE client_id IS NOT NULL LIMIT $1";
const LIST_UPSTREAM_SESSIONS: &str =
    "SELECT DISTINCT upstream_session FROM issued_tokens WHERE upstream_session IS NOT NULL LIMIT $1";
const LIST_ISSUERS: &str = "SELECT DISTINCT issuer FROM issued_tokens WHERE issuer IS NOT NULL LIMIT $1";

/// Counts the tokens and sessions that a cut-off of this scope would end.
pub(super) async fn count_credentials(
    conn: &mut PooledConnection,
    scope: &CutoffScope,
    now: Timestamp,
) -> Result<CredentialCounts, Unavailable> {
    let sql = match scope {
        CutoffScope::User(_) => COUNT_OF_USER,
        CutoffScope::Client(_) => COUNT_OF_CLIENT,
        CutoffScope::Issuer(_) => COUNT_OF_ISSUER,
        CutoffScope::UpstreamSession(_) => COUNT_OF_UPSTREAM_SESSION,
        CutoffScope::Everything => COUNT_OF_ALL,
    };
    let name = scope.name().unwrap_or_default();
    // Only an earlier cut-off of the same scope is considered: the count is for an operator, not a decision.
    let key = RevocationKey::Cutoff(scope.clone());
    let values = sql_values![&*name, floor_ms(now), key.kind(), key.name().as_str()];
    let Some(row) = conn.fetch_first(sql, &values).await? else {
        return Ok(CredentialCounts::default());
    };
    let number = |column| {
        row.int(column)
            .map(|count| u64::try_from(count).unwrap_or_default())
    };
    Ok(CredentialCounts {
        tokens: number(0)?,
        sessions: number(1)?,
    })
}

/// Lists up to `limit` names of the same kind as this scope, so that a mistyped name can be noticed.
pub(super) async fn list_party_names(
    conn: &mut PooledConnection,
    scope: &CutoffScope,
    limit: u32,
) -> Result<Vec<String>, Unavailable> {
    let sql = match scope {
        CutoffScope::User(_) => LIST_USERS,
        CutoffScope::Client(_) => LIST_CLIENTS,
        CutoffScope::Issuer(_) => LIST_ISSUERS,
        CutoffScope::UpstreamSession(_) => LIST_UPSTREAM_SESSIONS,
        // "Everything" has no name that could be mistyped.
        CutoffScope::Everything => return Ok(Vec::new()),
    };
    let rows = conn.fetch_all(sql, &sql_values![limit]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}
