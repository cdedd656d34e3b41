//! Routes for browsers: pages for people, and what an application's page asks about its session.

mod answer_form;
pub(super) mod assets;
mod browser_login;
pub(super) mod callback;
mod event_slots;
pub(super) mod events;
pub(super) mod logged_out;
pub(super) mod login;
mod login_cookies;
mod login_query;
pub(super) mod logout;
mod logout_form;
mod logout_receipts;
mod logout_state;
mod page_response;
pub(super) mod user;

pub use assets::{LOGO_URL, Logo, PageAssets, asset, client_script, client_types};
pub use browser_login::{BrowserLogin, DEFAULT_PROVIDER, LoginProvider};
pub use callback::callback;
pub use event_slots::EventSlots;
pub use events::events;
pub use logged_out::logged_out;
pub use login::login;
pub use logout::{logout, logout_page};
pub use logout_state::LogoutStates;
pub use user::user;
