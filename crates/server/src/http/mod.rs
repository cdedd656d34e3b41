//! The HTTP door: every route on one screen in `router`, every status code in `error`.

pub mod account;
pub mod admin;
mod assurance;
pub mod body;
pub mod cookies;
pub mod docs;
pub mod error;
pub mod ext_authz;
pub mod extract;
pub mod forward_auth;
pub mod gateway;
pub mod health;
pub mod layers;
pub mod oauth;
pub mod peer;
pub mod request_id;
pub mod router;
pub mod serve;
