//! HTTP entry point: all routes are in `router`, all status codes in `error`.

pub mod account;
pub mod admin;
pub mod app_state;
mod assurance;
pub mod body;
pub mod browser;
pub mod cookies;
pub mod docs;
pub mod error;
mod error_page;
pub mod ext_authz;
pub mod extract;
pub mod fast_path;
pub mod forward_auth;
pub mod health;
pub mod layers;
mod log_once;
mod navigation;
pub mod oauth;
pub mod peer;
pub mod rate_limit;
pub mod request_id;
pub mod router;
pub mod serve;
pub mod startup;
