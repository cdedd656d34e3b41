//! At the HTTP door: `POST /oauth/revoke` to gateways that run as processes, over connections that stay open.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer, RawClient};

use super::load::{Caller, Measured, Supply, measure};
use super::place::{Place, Stores};
use super::{Plan, Spread};

/// Every instance must open what another one sealed.
const SEALING_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Revokes of each instance before anything is measured: keys are fetched, connections are opened.
const WARM_UP: usize = 20;

/// Access tokens, all of them good, each with a `jti` of its own, and the authorization server that they are from.
#[derive(Debug)]
pub(super) struct Tokens {
    auth: LyingAuthServer,
    all: Arc<Vec<String>>,
}

impl Tokens {
    /// Signs so many with ES256, whose public key the authorization server publishes.
    pub(super) async fn sign(count: usize) -> Result<Self> {
        let auth = LyingAuthServer::start().await?;
        let signed = (0..count).map(|number| {
            let token = auth.forge().access_token(&format!("user-{}", number % 1_000));
            token.expires_in(3_600).sign()
        });
        let all = Arc::new(signed.collect());
        Ok(Self { auth, all })
    }
}

struct DoorCaller {
    gateway: SocketAddr,
    client: RawClient,
    tokens: Arc<Vec<String>>,
}

impl DoorCaller {
    async fn ask(&mut self, request: String) -> Result<u16> {
        self.client.send(request).await?;
        Ok(self.client.reply().await?.status)
    }
}

impl Caller for DoorCaller {
    /// A gateway closes connections on which nothing comes for a while.
    async fn prepare(&mut self) -> Result<()> {
        self.client = RawClient::connect(self.gateway).await?;
        Ok(())
    }

    async fn revoke(&mut self, number: usize) -> Result<()> {
        let body = format!("token={}", self.tokens[number]);
        let request = format!(
            "POST /oauth/revoke HTTP/1.1\r\nhost: gateway\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        );
        let status = self.ask(request).await?;
        ensure!(status == 200, "a revoke was answered {status}");
        Ok(())
    }
}

/// Measures so many gateways on these stores.
pub(super) async fn run(stores: Stores, instances: usize, tokens: &Tokens, plan: &Plan) -> Result<Measured> {
    let place = Place::start(stores).await?;
    let mut gateways = Vec::new();
    for _ in 0..instances {
        gateways.push(start(&place, &tokens.auth, plan).await?);
    }
    place.await_leases(instances).await?;
    let supply = Arc::new(Supply::of(tokens.all.len()));
    let mut callers = Vec::new();
    for gateway in gateways.spread(plan.callers, GatewayProcess::addr) {
        callers.push(DoorCaller {
            gateway,
            client: RawClient::connect(gateway).await?,
            tokens: Arc::clone(&tokens.all),
        });
    }
    for caller in callers.iter_mut().take(instances * WARM_UP) {
        if let Some(number) = supply.take() {
            caller.revoke(number).await?;
        }
    }
    let measured = measure(callers, &supply, plan.rounds, plan.span).await?;
    refused_everywhere(&gateways, tokens, supply.take()).await?;
    Ok(measured)
}

async fn start(place: &Place, auth: &LyingAuthServer, plan: &Plan) -> Result<GatewayProcess> {
    let mut options = GatewayOptions::new(&plan.gateway)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("VERIFY_LAYERS", "local_jwt")
        .env("SESSION_ENCRYPTION_KEY", SEALING_KEY)
        .env("LOG_LEVEL", "warn");
    if let Some(url) = place.redis() {
        options = options.env("REDIS_URL", url);
    }
    if let Some(url) = place.postgres() {
        options = options.env("DATABASE_URL", url);
    }
    options.start().await
}

/// What was revoked is refused by every instance, or the figures mean nothing.
async fn refused_everywhere(gateways: &[GatewayProcess], tokens: &Tokens, end: Option<usize>) -> Result<()> {
    let revoked = &tokens.all[..end.unwrap_or(tokens.all.len())];
    for gateway in gateways {
        let mut caller = DoorCaller {
            gateway: gateway.addr(),
            client: RawClient::connect(gateway.addr()).await?,
            tokens: Arc::clone(&tokens.all),
        };
        for token in revoked.iter().step_by(199) {
            let request = format!(
                "GET /api/v1/auth/me HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {token}\r\n\r\n"
            );
            let status = caller.ask(request).await?;
            if status != 401 {
                bail!("a revoke was acknowledged, and an instance answers {status} to the token");
            }
        }
    }
    Ok(())
}
