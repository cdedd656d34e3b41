//! The processes under torture, and the links between them.

use std::path::PathBuf;
use std::time::Duration;

use maxlab_auth_testkit::servers::RedisSnapshot;
use maxlab_auth_testkit::{
    BreakableLink, GatewayOptions, GatewayProcess, LyingAuthServer, PostgresServer, RedisOptions,
    RedisSentinels, RedisServer,
};

use crate::arrangement::Arrangement;

/// `REVOCATION_LEASE_SECONDS` of every instance.
pub(crate) const LEASE: Duration = Duration::from_secs(1);

/// How long a process may take to come up, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(120);

const SHARED_KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";

/// Everything that runs. Each gateway reaches Redis by a link of its own, and the first one PostgreSQL.
#[derive(Debug)]
pub(crate) struct World {
    // The gateways first, so that they are gone before what they stand on.
    pub(crate) gateways: Vec<GatewayProcess>,
    pub(crate) redis_links: Vec<BreakableLink>,
    pub(crate) database_link: Option<BreakableLink>,
    pub(crate) redis: Option<RedisServer>,
    pub(crate) sentinels: Option<RedisSentinels>,
    /// What Redis had on its disk some time ago.
    pub(crate) snapshot: Option<RedisSnapshot>,
    pub(crate) postgres: Option<PostgresServer>,
    pub(crate) auth: LyingAuthServer,
    /// The settings of each gateway, for the command line beside it.
    settings: Vec<Vec<(String, String)>>,
}

/// The binary, and one instance of it.
#[derive(Clone, Debug)]
pub(crate) struct Beside {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Vec<(String, String)>,
}

/// The binary under torture: this build's, or the one that `MAXLAB_TORTURE_BINARY` names.
fn binary() -> PathBuf {
    let other = std::env::var_os("MAXLAB_TORTURE_BINARY");
    other.map_or_else(|| env!("CARGO_BIN_EXE_maxlab-auth").into(), PathBuf::from)
}

impl World {
    /// Starts everything.
    ///
    /// # Panics
    /// When something does not come up.
    pub(crate) async fn start(arrangement: Arrangement) -> Self {
        let auth = LyingAuthServer::start().await.unwrap();
        let mut world = Self {
            gateways: Vec::new(),
            redis_links: Vec::new(),
            database_link: None,
            redis: None,
            sentinels: None,
            snapshot: None,
            postgres: None,
            auth,
            settings: Vec::new(),
        };
        if arrangement.has_redis() {
            world.redis = Some(RedisServer::start().await.unwrap());
        }
        if arrangement.has_sentinels() {
            world.sentinels = Some(
                RedisSentinels::start_with(RedisOptions::durable(), None)
                    .await
                    .unwrap(),
            );
        }
        let mut database = None;
        if arrangement.has_postgres() {
            let postgres = PostgresServer::start().await.unwrap();
            let url = postgres.create_database().await.unwrap();
            let link = BreakableLink::to(postgres.addr()).await.unwrap();
            database = Some((url, postgres.port(), link.addr().port()));
            world.postgres = Some(postgres);
            world.database_link = Some(link);
        }
        for instance in 0..arrangement.instances() {
            let url = database.as_ref().map(|(url, own, link)| match instance {
                0 => url.replace(&format!(":{own}/"), &format!(":{link}/")),
                _ => url.clone(),
            });
            world.add_gateway(url).await;
        }
        world
    }

    /// Keeps a copy of what Redis has on its disk, for a fault that brings it back.
    ///
    /// # Panics
    /// When its files cannot be copied.
    pub(crate) fn take_snapshot(&mut self) {
        self.snapshot = self.redis.as_ref().map(|redis| redis.snapshot().unwrap());
    }

    async fn add_gateway(&mut self, database: Option<String>) {
        let mut settings = vec![
            ("EXTERNAL_AUTH_URL", self.auth.url()),
            ("JWT_ISSUER", self.auth.forge().issuer().to_owned()),
            ("JWT_AUDIENCE", "maxlab-api".to_owned()),
            ("VERIFY_LAYERS", "local_jwt".to_owned()),
            ("REVOCATION_LEASE_SECONDS", LEASE.as_secs().to_string()),
            ("SESSION_ENCRYPTION_KEY", SHARED_KEY.to_owned()),
            ("LOG_LEVEL", "WARNING".to_owned()),
            ("RATE_LIMIT_PER_ADDRESS", "off".to_owned()),
            ("RATE_LIMIT_PER_PERSON", "off".to_owned()),
            // A login that was not answered may have left a session, and none may end for the sake of another one.
            ("SESSION_MAX_PER_USER", "100".to_owned()),
        ];
        if let Some(redis) = &self.redis {
            let link = BreakableLink::to(redis.addr()).await.unwrap();
            settings.push(("REDIS_URL", format!("redis://{}/", link.addr())));
            self.redis_links.push(link);
        }
        if database.is_none() {
            settings.push(("ALLOW_OWN_JOURNALS", "true".to_owned()));
        }
        if let Some(sentinels) = &self.sentinels {
            settings.push(("REDIS_URL", sentinels.url()));
        }
        if let Some(url) = database {
            settings.push(("DATABASE_URL", url));
        }
        let mut options = GatewayOptions::new(binary()).start_timeout(PATIENCE);
        for (name, value) in &settings {
            options = options.env(name, value);
        }
        let gateway = options.start().await.unwrap();
        settings.push(("DATA_DIR", gateway.folder().join("data").display().to_string()));
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value));
        self.settings.push(settings.collect());
        self.gateways.push(gateway);
    }

    /// The command line beside an instance, with its settings.
    pub(crate) fn beside(&self, instance: usize) -> Beside {
        Beside {
            binary: binary(),
            folder: self.gateways[instance].folder().to_owned(),
            settings: self.settings[instance].clone(),
        }
    }
}
