//! The connection to Redis: one, shared, renewed when it breaks; and the only place where commands are sent.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use maxlab_auth_core::unavailable::Unavailable;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, Pipeline, RedisError, ServerError};
use tokio::time::{Instant, timeout, timeout_at};

/// How long one trip may take, with the wait for a connection.
const TRIP_LIMIT: Duration = Duration::from_secs(2);

/// How long connecting may take; less than a trip, so that those who wait behind it learn of its failure.
const CONNECT_LIMIT: Duration = Duration::from_millis(1_500);

/// After a failed attempt to connect, nobody tries again for so long.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that nobody used for so long is asked whether it still stands, since writes are not repeated.
const DOUBTFUL_AFTER: Duration = Duration::from_secs(1);

const DOUBT_LIMIT: Duration = Duration::from_millis(500);

/// One Redis, standalone. Sentinel and Cluster would differ in how a connection is found, and in nothing above.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    client: Client,
    config: AsyncConnectionConfig,
    current: Mutex<Option<Current>>,
    /// Held while connecting; keeps the last failure.
    connecting: tokio::sync::Mutex<Option<(Instant, Unavailable)>>,
}

#[derive(Clone)]
struct Current {
    connection: MultiplexedConnection,
    born: Instant,
    used: Instant,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Link(..)")
    }
}

impl Link {
    pub(super) fn new(url: &str) -> Result<Self, Unavailable> {
        let known = ["redis://", "rediss://"]
            .iter()
            .any(|scheme| url.starts_with(scheme));
        let client = Client::open(url).ok().filter(|_| known);
        let client =
            client.ok_or_else(|| Unavailable::store("the URL is not one of redis:// or rediss://"))?;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(TRIP_LIMIT));
        let (current, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self(Arc::new(Inner {
            client,
            config,
            current,
            connecting,
        })))
    }

    /// Sends one command.
    pub(super) async fn one<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, Unavailable> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command.clone());
        let (answer,): (T,) = self.trip(&pipeline).await?;
        Ok(answer)
    }

    /// Sends several commands at once, which Redis runs in this order; an error of any is an error of all. Nothing is
    /// ever sent twice.
    pub(super) async fn trip<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T, Unavailable> {
        let deadline = Instant::now() + TRIP_LIMIT;
        let Ok(found) = timeout_at(deadline, self.connection()).await else {
            return Err(too_late());
        };
        let mut current = found?;
        match timeout_at(deadline, pipeline.query_async(&mut current.connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                if is_of_the_connection(&error) {
                    self.forget(current.born);
                }
                Err(unavailable(&error))
            }
            Err(_) => {
                self.forget(current.born);
                Err(too_late())
            }
        }
    }

    async fn connection(&self) -> Result<Current, Unavailable> {
        if let Some(current) = self.current().await {
            return Ok(current);
        }
        let mut last_failure = self.0.connecting.lock().await;
        if let Some(current) = self.current().await {
            return Ok(current);
        }
        if let Some((at, failure)) = &*last_failure
            && at.elapsed() < PAUSE
        {
            return Err(failure.clone());
        }
        match self
            .0
            .client
            .get_multiplexed_async_connection_with_config(&self.0.config)
            .await
        {
            Ok(connection) => {
                let born = Instant::now();
                let current = Current {
                    connection,
                    born,
                    used: born,
                };
                *self.lock() = Some(current.clone());
                *last_failure = None;
                Ok(current)
            }
            Err(error) => {
                let failure = unavailable(&error);
                *last_failure = Some((Instant::now(), failure.clone()));
                Err(failure)
            }
        }
    }

    async fn current(&self) -> Option<Current> {
        let mut current = self.lock().clone()?;
        if current.used.elapsed() > DOUBTFUL_AFTER {
            let ping = redis::cmd("PING");
            let answer = timeout(DOUBT_LIMIT, ping.query_async::<()>(&mut current.connection)).await;
            if !matches!(answer, Ok(Ok(()))) {
                self.forget(current.born);
                return None;
            }
        }
        if let Some(shared) = self.lock().as_mut() {
            shared.used = Instant::now();
        }
        Some(current)
    }

    fn forget(&self, born: Instant) {
        let mut current = self.lock();
        if current.as_ref().is_some_and(|c| c.born == born) {
            *current = None;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Redis itself refused: the first of a trip.
fn refusal(error: &RedisError) -> Option<ServerError> {
    error
        .clone()
        .into_server_errors()?
        .first()
        .map(|(_, refusal)| refusal.clone())
}

/// Whether another connection may fare better: the line is broken, or the server behind it is not, or not yet, the
/// master.
fn is_of_the_connection(error: &RedisError) -> bool {
    match refusal(error) {
        Some(refusal) => matches!(refusal.code(), "READONLY" | "LOADING" | "MASTERDOWN"),
        None => error.is_io_error() || error.is_timeout() || error.is_unrecoverable_error(),
    }
}

fn unavailable(error: &RedisError) -> Unavailable {
    let cause = match refusal(error) {
        Some(refusal) => format!("{} {}", refusal.code(), refusal.details().unwrap_or_default()),
        None => error.to_string(),
    };
    // Redis may repeat the beginning of a command in its answer.
    Unavailable::store(cause.chars().take(160).collect::<String>())
}

fn too_late() -> Unavailable {
    Unavailable::store("no answer within the time limit")
}
