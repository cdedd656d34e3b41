//! An application with guarded routes that asks a gateway, next to `cargo run -- dev`:
//!
//! ```sh
//! cargo run -p maxlab-auth-guard --example gateway
//! curl -i -H "Authorization: Bearer $TOKEN" http://127.0.0.1:3000/me    # TOKEN: as `dev` prints it
//! ```
//!
//! `GATEWAY_URL` is the gateway's address, by default http://127.0.0.1:8080.

use axum::extract::Path;
use axum::routing::{delete, get};
use axum::{Json, Router};
use maxlab_auth_guard::{
    Admin, AuthGuard, CurrentUser, GatewayClientSettings, Identity, Permit, Require, RequireAdmin,
    RequireGroup, RequirePermission, RequireWorkspace, claim_names,
};

claim_names! { Engineering = "engineering"; WriteDocuments = "documents:write"; }

async fn me(CurrentUser(caller): CurrentUser) -> Json<Identity> {
    Json(caller.identity().clone())
}

async fn documents(workspace: RequireWorkspace) -> String {
    format!("The documents of {}\n", workspace.workspace_id)
}

// Two extractors on one route: the caller is authenticated once, and must meet both requirements.
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

/// Deletes a document. The permit makes a call without an administrator impossible: it would not compile.
fn shred(id: &str, by: &Permit<Admin>) -> String {
    format!("{} shredded {id}\n", by.identity().user_id)
}

/// Returns the application's router.
pub(crate) fn app(guard: AuthGuard) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/plans", get(plans))
        .route("/workspaces/{workspace_id}/documents", get(documents).post(write))
        .route("/documents/{id}", delete(remove))
        .with_state(guard)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gateway = std::env::var("GATEWAY_URL").unwrap_or("http://127.0.0.1:8080".into());
    let guard = AuthGuard::via_gateway(&GatewayClientSettings::new(gateway))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("http://{} ({guard:?})", listener.local_addr()?);
    let stop = async { _ = tokio::signal::ctrl_c().await };
    axum::serve(listener, app(guard))
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}
