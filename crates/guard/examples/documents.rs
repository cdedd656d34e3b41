//! An application with guarded routes, beside `cargo run -- dev`:
//!
//! ```sh
//! cargo run -p maxlab-auth-guard --example documents
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/me    # TOKEN: as `dev` prints it
//! ```
//!
//! With `REDIS_URL`, `JWKS_URL` and `JWT_ISSUER` set as for the gateways it verifies in its own process.

use axum::extract::Path;
use axum::routing::{delete, get};
use axum::{Json, Router};
use maxlab_auth_guard::{
    Admin, AskGateway, AuthGuard, CurrentUser, Identity, Permit, RedisStore, Require, RequireAdmin,
    RequireGroup, RequirePermission, RequireWorkspace, VerifyLocally, names,
};

names! { Engineering = "engineering"; WriteDocuments = "documents:write"; }

async fn me(CurrentUser(caller): CurrentUser) -> Json<Identity> {
    Json(caller.identity().clone())
}

async fn documents(workspace: RequireWorkspace) -> String {
    format!("The documents of {}\n", workspace.workspace_id)
}

async fn write(workspace: RequireWorkspace, Require(writer): RequirePermission<WriteDocuments>) -> String {
    format!(
        "{} wrote in {}\n",
        writer.identity().user_id,
        workspace.workspace_id
    )
}

async fn plans(Require(engineer): RequireGroup<Engineering>) -> String {
    format!("Plans for {}\n", engineer.identity().user_id)
}

async fn remove(Path(id): Path<String>, Require(admin): RequireAdmin) -> String {
    shred(&id, &admin)
}

/// Nobody can call this without the proof.
fn shred(id: &str, by: &Permit<Admin>) -> String {
    format!("{} shredded {id}\n", by.identity().user_id)
}

/// The application.
pub(crate) fn app(guard: AuthGuard) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/plans", get(plans))
        .route("/workspaces/{workspace_id}/documents", get(documents).post(write))
        .route("/documents/{id}", delete(remove))
        .with_state(guard)
}

/// Where the environment says so in this process, else at the gateway.
fn guard(setting: impl Fn(&str) -> Option<String>) -> Result<AuthGuard, Box<dyn std::error::Error>> {
    Ok(
        match (setting("REDIS_URL"), setting("JWKS_URL"), setting("JWT_ISSUER")) {
            (Some(redis), Some(keys), Some(issuer)) => {
                AuthGuard::local(VerifyLocally::new(RedisStore::open(&redis)?, keys, issuer))?
            }
            _ => {
                let gateway = setting("GATEWAY_URL").unwrap_or("http://127.0.0.1:8080".into());
                AuthGuard::asking(&AskGateway::at(gateway))?
            }
        },
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guard = guard(|name| std::env::var(name).ok())?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{} ({guard:?})", listener.local_addr()?);
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, app(guard.clone()))
        .with_graceful_shutdown(stop)
        .await?;
    guard.release().await;
    Ok(())
}
