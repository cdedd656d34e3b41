//! Rules of a browser login by OpenID Connect (OpenID Connect Core 1.0 §3.1, RFC 9700, decision 39).
//!
//! ```text
//! LoginAttempt ─seal─► state ──browser, provider──► CallbackParameters ─open─► LoginAttempt ─► code ─► ID token
//! ```
//!
//! An attempt needs no storage: its sealed text travels as the `state` parameter. A code is redeemed only after
//! its attempt was found authentic and of this browser.

mod attempt;
mod browser_binding;
mod callback_parameters;
mod id_token;
mod return_target;

pub use attempt::{AttemptFault, LoginAttempt, LoginKeys, LoginWishes};
pub use browser_binding::BrowserBinding;
pub use callback_parameters::{CallbackAnswer, CallbackFault, CallbackParameters};
pub use id_token::{IdTokenFault, IdTokenRules, VerifiedIdToken};
pub use return_target::{ReturnRules, ReturnTarget};
