//! The gateway's pages for people: chooser, errors, logout question, receipts. HTML is rendered on the server, in
//! English and Korean, without scripts and without I/O.
//!
//! A page is a struct with public fields and a `render` function. Every text from outside is escaped by the
//! templates. The server adds status, headers and the policy of [`PAGE_POLICY`].

mod chooser;
mod error_page;
mod foreign_text;
mod language;
mod logged_out;
mod logout;
mod messages;
mod page;
mod page_error;
mod stylesheet;

pub use chooser::{ChooserOption, ChooserPage};
pub use error_page::ErrorPage;
pub use foreign_text::cut_foreign_text;
pub use language::Language;
pub use logged_out::{LoggedOutPage, Receipt, ReceiptResult, ReceiptTarget};
pub use logout::LogoutPage;
pub use page::{Brand, PageContext};
pub use page_error::PageError;
pub use stylesheet::{ICON, STYLESHEET, is_stylesheet_file, stylesheet_file};

/// `Content-Security-Policy` of every page: nothing is loaded but the own style sheet and logo, nothing runs, no
/// other page may frame it, and forms go to the gateway.
pub const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'";

/// `Content-Security-Policy` of the logout question. Browsers apply `form-action` to the redirect after the form
/// too, and that one leads to a provider, which may redirect further. So it is left out here.
pub const LOGOUT_PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     base-uri 'none'; frame-ancestors 'none'";
