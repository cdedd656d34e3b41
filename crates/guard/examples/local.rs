//! An application that verifies tokens in its own process, with the gateways' Redis and their settings:
//!
//! ```sh
//! maxlab-auth guard-config > guard.json      # with the settings of a gateway
//! REDIS_URL=redis://127.0.0.1:6379 cargo run -p maxlab-auth-guard --example local guard.json
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/me
//! ```

use axum::routing::get;
use axum::{Json, Router};
use maxlab_auth_guard::{
    Admin, AuthGuard, CurrentUser, Identity, LocalVerifierSettings, RedisStore, SetupFault,
};

async fn me(CurrentUser(caller): CurrentUser) -> Json<Identity> {
    Json(caller.identity().clone())
}

/// Returns the application's router. A layer guards all routes under `/reports`.
pub(crate) fn app(guard: &AuthGuard) -> Router {
    let reports = Router::new()
        .route("/reports", get(async || "For administrators\n"))
        .layer(guard.require::<Admin>());
    Router::new()
        .route("/me", get(me))
        .with_state(guard.clone())
        .merge(reports)
}

/// Makes the guard. Call it inside a Tokio runtime: it follows the revocations from then on.
pub(crate) fn guard(redis_url: &str, document: &str) -> Result<AuthGuard, SetupFault> {
    let redis = RedisStore::open(redis_url)?;
    AuthGuard::local(LocalVerifierSettings::from_gateway(redis, document)?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args().nth(1).unwrap_or("guard.json".into());
    let guard = guard(&std::env::var("REDIS_URL")?, &std::fs::read_to_string(file)?)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{} ({guard:?})", listener.local_addr()?);
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, app(&guard))
        .with_graceful_shutdown(stop)
        .await?;
    // After the server has drained: from here on this process accepts nothing, so no revoke has to wait for
    // it.
    guard.release().await;
    Ok(())
}
