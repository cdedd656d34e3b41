//! Connections to a PostgreSQL server: their session settings, and the reason if there is none.

use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::unavailable::{GatewayComponent, Unavailable};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Postgres, Row as _};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::value::{TRANSACTION_POOLER, component_unavailable, unavailable_from_sqlx};

/// Idle time from which a connection is pinged before its next use. Under load, connections are not idle for
/// this long, so a ping does not cost a round trip for each statement.
const PING_AFTER_IDLE: Duration = Duration::from_millis(100);

/// Connections of one instance. A server with the default limit of 100 serves about ten instances.
const MAX_CONNECTIONS: u32 = 8;

/// Session settings of every connection.
///
/// * `plan_cache_mode`: a cached plan from a time when a table was small would read the whole table after it
///   has grown.
/// * `synchronous_commit` may be stronger than `on`, but never `off`.
/// * The time limits match [`OPERATION_LIMIT`](super::database::OPERATION_LIMIT) on the server's side, so
///   that a client that was lost does not keep its locks.
const POSTGRES_SESSION: &str = "
    SET plan_cache_mode = 'force_custom_plan';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
    SET statement_timeout = '5s';
    SET lock_timeout = '5s';
    SET idle_in_transaction_session_timeout = '10s';
";

/// Number of questions to each of two connections, by which a pooler is recognised.
const POOLER_ROUNDS: usize = 4;

/// Longest wait of a caller for a connection.
const ACQUIRE_LIMIT: Duration = Duration::from_secs(3);

/// Wait after which a caller probes the server for the reason. Equals [`ACQUIRE_LIMIT`] less [`PROBE_LIMIT`].
const PROBE_AFTER: Duration = Duration::from_secs(2);
/// Time limit of a probe, and the age up to which other callers reuse its result.
const PROBE_LIMIT: Duration = Duration::from_secs(1);

/// A connection pool that reports why no connection is available.
///
/// The pool of sqlx retries refused connections and drops the reason. So the reason is found by a probe, a
/// connection outside of the pool.
#[derive(Clone, Debug)]
pub(super) struct PostgresPool {
    pool: PgPool,
    component: GatewayComponent,
    options: Arc<PgConnectOptions>,
    /// Result of the latest probe. The mutex is held during a probe, so that only one runs at a time.
    last_probe: Arc<Mutex<Option<ProbeResult>>>,
}

/// Outcome of a probe.
#[derive(Clone, Debug)]
struct ProbeResult {
    at: Instant,
    outcome: Result<(), Unavailable>,
}

impl PostgresPool {
    /// Creates a pool. It connects at its first use.
    pub(super) fn open(url: &str, component: GatewayComponent) -> Result<Self, Unavailable> {
        // The name is for `pg_stat_activity`. Statements are not logged, because they may contain user names.
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| {
                component_unavailable(
                    component,
                    "the URL is not a valid PostgreSQL URL (postgresql://user:password@host/database)",
                )
            })?
            .application_name("maxlab-auth")
            // Not sent: PgBouncer refuses this startup parameter, and no column is a float.
            .extra_float_digits(None)
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_LIMIT)
            // As for SQLite (`database.rs`). A connection that the server has closed is found by the ping.
            .idle_timeout(None)
            .max_lifetime(None)
            // Replaced by the ping below, which is sent only after an idle time.
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > PING_AFTER_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(POSTGRES_SESSION).await.map(drop) })
            })
            .connect_lazy_with(options.clone());
        Ok(Self {
            pool,
            component,
            options: Arc::new(options),
            last_probe: Arc::default(),
        })
    }

    /// Refuses a connection pooler that gives each transaction another server connection. It would share
    /// prepared statements and session settings (`synchronous_commit`, time limits) among its clients.
    ///
    /// # Errors
    /// There is such a pooler, or the server does not answer.
    pub(super) async fn reject_transaction_pooler(&self) -> Result<(), Unavailable> {
        let deadline = Instant::now() + ACQUIRE_LIMIT;
        let (mut one, mut other) = (self.acquire(deadline).await?, self.acquire(deadline).await?);
        let mut pids = [Vec::new(), Vec::new()];
        for _ in 0..POOLER_ROUNDS {
            for (connection, pids) in [&mut one, &mut other].into_iter().zip(&mut pids) {
                pids.push(self.backend_pid(connection).await?);
            }
        }
        // Two sessions never have one backend process at the same time.
        let [one, other] = pids;
        if one.iter().any(|pid| other.contains(pid)) {
            return Err(component_unavailable(self.component, TRANSACTION_POOLER));
        }
        Ok(())
    }

    async fn backend_pid(&self, connection: &mut PgConnection) -> Result<i32, Unavailable> {
        // Without a prepared statement, which such a pooler would lose.
        let row = sqlx::raw_sql("SELECT pg_backend_pid()")
            .fetch_one(connection)
            .await;
        row.and_then(|row| row.try_get(0))
            .map_err(|error| unavailable_from_sqlx(self.component, &error))
    }

    /// Returns a connection before the deadline. The error names the reason why there is none.
    pub(super) async fn acquire(&self, deadline: Instant) -> Result<PoolConnection<Postgres>, Unavailable> {
        let acquired = timeout_at(deadline, self.pool.acquire());
        let reason = async {
            sleep(PROBE_AFTER).await;
            timeout_at(deadline, self.probe()).await
        };
        let (mut acquired, mut reason) = (pin!(acquired), pin!(reason));
        let mut probe_result = None;
        let acquired = loop {
            tokio::select! {
                // The connection wins if both are ready: then the reason is of no interest.
                biased;
                acquired = &mut acquired => break acquired,
                result = &mut reason, if probe_result.is_none() => probe_result = Some(result),
            }
        };
        match acquired {
            Ok(Ok(connection)) => return Ok(connection),
            // This error names its own reason. `PoolTimedOut` does not.
            Ok(Err(error)) if !matches!(error, sqlx::Error::PoolTimedOut) => {
                return Err(unavailable_from_sqlx(self.component, &error));
            }
            Ok(Err(_)) | Err(_) => {}
        }
        let probe_result = match probe_result {
            Some(probe_result) => probe_result,
            None => reason.await,
        };
        match probe_result {
            Ok(Err(fault)) => Err(fault),
            Ok(Ok(())) => Err(component_unavailable(
                self.component,
                "no connection became free in time",
            )),
            Err(_) => Err(component_unavailable(
                self.component,
                "no answer within the time limit",
            )),
        }
    }

    /// Connects once outside of the pool, or returns the result of a probe that ended a moment ago.
    async fn probe(&self) -> Result<(), Unavailable> {
        let mut last_probe = self.last_probe.lock().await;
        if let Some(latest) = &*last_probe
            && latest.at.elapsed() < PROBE_LIMIT
        {
            return latest.outcome.clone();
        }
        // With the session settings, because a server may accept a connection and then refuse statements.
        let attempt = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            connection.execute(POSTGRES_SESSION).await?;
            connection.close().await
        };
        let probe_result = match timeout(PROBE_LIMIT, attempt).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(unavailable_from_sqlx(self.component, &error)),
            Err(_) => Err(component_unavailable(
                self.component,
                "no answer to a new connection",
            )),
        };
        *last_probe = Some(ProbeResult {
            at: Instant::now(),
            outcome: probe_result.clone(),
        });
        probe_result
    }
}
