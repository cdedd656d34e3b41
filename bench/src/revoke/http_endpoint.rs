//! Revocation over HTTP: `POST /oauth/revoke` to gateway processes, on connections that stay open.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use maxlab_auth_testkit::{GatewayOptions, GatewayProcess, LyingAuthServer, RawClient};

use super::deployment::{Deployment, StoreKind};
use super::load::{NumberSupply, RevokeCaller, RevokeFigures, measure};
use super::{RevokePlan, Spread};

/// Key of all instances: each must open what another one sealed.
const SEALING_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Number of revokes at each instance before the measurement: keys are fetched and connections opened.
const WARM_UP: usize = 20;

/// Valid access tokens with different `jti`, and the authorization server that issued them.
#[derive(Debug)]
pub(super) struct SignedTokens {
    auth: LyingAuthServer,
    all: Arc<Vec<String>>,
}

impl SignedTokens {
    /// Signs `count` tokens with ES256. The authorization server publishes the public key.
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

/// Caller that revokes over one connection.
struct HttpRevokeCaller {
    gateway: SocketAddr,
    client: RawClient,
    tokens: Arc<Vec<String>>,
}

impl HttpRevokeCaller {
    /// Sends a request and returns the status of the answer.
    async fn ask(&mut self, request: String) -> Result<u16> {
        self.client.send(request).await?;
        Ok(self.client.reply().await?.status)
    }
}

impl RevokeCaller for HttpRevokeCaller {
    /// Opens a new connection. A gateway closes one that has been idle for a while.
    async fn prepare(&mut self) -> Result<()> {
        self.client = RawClient::connect(self.gateway).await?;
        Ok(())
    }

    async fn revoke(&mut self, number: usize) -> Result<()> {
        let body = format!("token={}", self.tokens[number]);
        // Written by hand: an HTTP client would add its own time to the measurement.
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

/// Measures `instances` gateways on these stores.
pub(super) async fn run(
    stores: StoreKind,
    instances: usize,
    tokens: &SignedTokens,
    plan: &RevokePlan,
) -> Result<RevokeFigures> {
    let deployment = Deployment::start(stores).await?;
    let mut gateways = Vec::new();
    for _ in 0..instances {
        gateways.push(start(&deployment, &tokens.auth, plan).await?);
    }
    deployment.await_leases(instances).await?;
    let supply = Arc::new(NumberSupply::of(tokens.all.len()));
    let mut callers = Vec::new();
    for gateway in gateways.spread(plan.callers, GatewayProcess::addr) {
        callers.push(HttpRevokeCaller {
            gateway,
            client: RawClient::connect(gateway).await?,
            tokens: Arc::clone(&tokens.all),
        });
    }
    // Callers are spread over the instances in turn, so each instance gets its share of the warm-up.
    for caller in callers.iter_mut().take(instances * WARM_UP) {
        if let Some(number) = supply.take() {
            caller.revoke(number).await?;
        }
    }
    let measured = measure(callers, &supply, plan.rounds, plan.span).await?;
    refused_everywhere(&gateways, tokens, supply.take()).await?;
    Ok(measured)
}

/// Starts a gateway on the servers of the deployment.
async fn start(deployment: &Deployment, auth: &LyingAuthServer, plan: &RevokePlan) -> Result<GatewayProcess> {
    // All callers have one address, so the rate limit would be the limit of the measurement.
    let mut options = GatewayOptions::new(&plan.gateway)
        .env("EXTERNAL_AUTH_URL", auth.url())
        .env("VERIFY_LAYERS", "local_jwt")
        .env("SESSION_ENCRYPTION_KEY", SEALING_KEY)
        .env("RATE_LIMIT_PER_ADDRESS", "off")
        .env("LOG_LEVEL", "warn");
    if let Some(url) = deployment.redis() {
        options = options.env("REDIS_URL", url);
    }
    if let Some(url) = deployment.postgres() {
        options = options.env("DATABASE_URL", url);
    } else if deployment.redis().is_some() {
        // One Redis with several SQLite journals is refused otherwise (decision 25).
        options = options.env("ALLOW_OWN_JOURNALS", "true");
    }
    options.start().await
}

/// Checks that every instance refuses the revoked tokens. Otherwise the figures mean nothing.
async fn refused_everywhere(
    gateways: &[GatewayProcess],
    tokens: &SignedTokens,
    end: Option<usize>,
) -> Result<()> {
    // Without a next number, all tokens are revoked.
    let revoked = &tokens.all[..end.unwrap_or(tokens.all.len())];
    for gateway in gateways {
        let mut caller = HttpRevokeCaller {
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
                bail!("a revoke was acknowledged, but an instance answers {status} to the token");
            }
        }
    }
    Ok(())
}
