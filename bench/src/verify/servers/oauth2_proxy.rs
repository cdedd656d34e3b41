//! oauth2-proxy, which many deployments use for the same purpose, and logins at it.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use maxlab_auth_dev_idp::{DevIdpConfig, OAuthClient};
use maxlab_auth_testkit::forge::AUDIENCE;
use maxlab_auth_testkit::{LyingAuthServer, free_port};
use reqwest::{Client, Response, header, redirect};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::process::ServerProcess;

/// Path of the program, as `cargo xtask bench verify` installs it.
const PROGRAM: &str = "e2e/.providers/bin/oauth2-proxy";
/// Secret of its client. It protects only data of this benchmark.
const SECRET: &str = "a-secret-of-this-benchmark-only";
/// Name of its cookie.
const COOKIE: &str = "_oauth2_proxy";
/// Flags of every instance. It writes no access log, as the gateway here writes none, and answers a check
/// with the person's headers.
const FLAGS: [&str; 10] = [
    "--provider=oidc",
    "--email-domain=*",
    "--insecure-oidc-allow-unverified-email=true",
    "--upstream=static://200",
    "--cookie-secret=0123456789abcdef0123456789abcdef",
    "--cookie-secure=false",
    "--request-logging=false",
    "--auth-logging=false",
    "--set-xauthrequest=true",
    "--skip-provider-button=true",
];

/// Returns whether the program was installed.
pub(in crate::verify) fn is_built() -> bool {
    Path::new(PROGRAM).exists()
}

/// Starts an instance that checks the bearer tokens of this server.
pub(in crate::verify) fn start_for_tokens(auth: &LyingAuthServer) -> Result<ServerProcess> {
    let url = auth.url();
    // The issuer's name is not an address here, so the key set is named instead of discovered.
    let flags = [
        "--skip-jwt-bearer-tokens=true".to_owned(),
        "--skip-oidc-discovery=true".to_owned(),
        format!("--oidc-issuer-url={}", auth.forge().issuer()),
        format!("--oidc-jwks-url={url}/.well-known/jwks.json"),
        format!("--login-url={url}/authorize"),
        format!("--redeem-url={url}/token"),
        format!("--client-id={AUDIENCE}"),
        "--redirect-url=http://127.0.0.1/oauth2/callback".to_owned(),
    ];
    start(&flags, free_port(), tempfile::tempdir()?)
}

fn start(flags: &[String], port: u16, folder: TempDir) -> Result<ServerProcess> {
    let address = format!("--http-address=127.0.0.1:{port}");
    let secret = format!("--client-secret={SECRET}");
    let mut command = vec![PROGRAM, &address, &secret];
    command.extend(FLAGS);
    command.extend(flags.iter().map(String::as_str));
    ServerProcess::start(&command, port, folder)
}

/// An instance with its sessions in Redis, and cookies of people who are logged in.
pub(in crate::verify) struct SessionInstance {
    pub(in crate::verify) process: ServerProcess,
    pub(in crate::verify) cookies: Vec<String>,
}

impl SessionInstance {
    /// Starts an instance that keeps its sessions in this Redis, and logs people in at a development
    /// authorization server, `logins` times.
    pub(in crate::verify) async fn start(redis: &str, logins: usize) -> Result<Self> {
        let port = free_port();
        let callback = format!("http://127.0.0.1:{port}/oauth2/callback");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let issuer = format!("http://127.0.0.1:{}", listener.local_addr()?.port());
        let folder = tempfile::tempdir()?;
        let mut config = DevIdpConfig::new(&issuer, folder.path());
        // No session is refreshed while it is measured.
        config.access_token_seconds = 24 * 3_600;
        config.clients = vec![OAuthClient::confidential(
            "oauth2-proxy",
            SECRET,
            vec![callback.clone()],
        )];
        tokio::spawn(maxlab_auth_dev_idp::serve(
            listener,
            config,
            std::future::pending(),
        ));
        let flags = [
            "--session-store-type=redis".to_owned(),
            format!("--redis-connection-url={redis}"),
            format!("--oidc-issuer-url={issuer}"),
            format!("--redirect-url={callback}"),
            "--client-id=oauth2-proxy".to_owned(),
            "--scope=openid profile email".to_owned(),
            "--code-challenge-method=S256".to_owned(),
        ];
        let process = start(&flags, port, folder)?;
        let mut cookies = Vec::with_capacity(logins);
        for _ in 0..logins {
            cookies.push(log_in(port).await?);
        }
        Ok(Self { process, cookies })
    }

    /// Header of its cookies, and what comes before the cookie's value.
    pub(in crate::verify) const COOKIE_HEADER: [&'static str; 2] = ["Cookie", "_oauth2_proxy="];
}

/// Logs a person in as a browser does, and returns the value of the session's cookie.
async fn log_in(port: u16) -> Result<String> {
    let client = Client::builder().redirect(redirect::Policy::none()).build()?;
    let started = client
        .get(format!("http://127.0.0.1:{port}/oauth2/start?rd=/"))
        .send()
        .await?;
    let attempt = cookie_pair(&started, "_csrf").context("oauth2-proxy sets no cookie for the attempt")?;
    let form = [("login", "admin"), ("password", "admin")];
    let answered = client.post(location(&started)?).form(&form).send().await?;
    let finished = client
        .get(location(&answered)?)
        .header(header::COOKIE, attempt)
        .send()
        .await?;
    ensure!(
        finished.status().is_redirection(),
        "oauth2-proxy refuses the login: {}",
        finished.status()
    );
    let session = cookie_pair(&finished, COOKIE).context("oauth2-proxy sets no session cookie")?;
    let (_, value) = session.split_once('=').context("a cookie without a value")?;
    Ok(value.to_owned())
}

/// Returns the target of a redirect.
fn location(answer: &Response) -> Result<String> {
    let target = answer.headers().get(header::LOCATION);
    let target = target.with_context(|| format!("{} is no redirect: {}", answer.url(), answer.status()))?;
    Ok(target.to_str()?.to_owned())
}

/// Returns `name=value` of the first cookie that is set with a value and whose name contains `part`.
fn cookie_pair(answer: &Response, part: &str) -> Option<String> {
    let set = answer.headers().get_all(header::SET_COOKIE).iter();
    set.filter_map(|value| value.to_str().ok()?.split(';').next())
        .find(|pair| {
            pair.split_once('=')
                .is_some_and(|(name, value)| name.contains(part) && !value.is_empty())
        })
        .map(str::to_owned)
}
