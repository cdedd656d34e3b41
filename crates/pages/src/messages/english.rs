//! English texts.

use super::{ErrorTexts, Messages};
use crate::logged_out::{Receipt, ReceiptResult, ReceiptTarget};
use crate::page_error::PageError;

pub(super) static MESSAGES: Messages = Messages {
    support: "Get help",
    request_id: "Request",
    error_code: "Code:",
    provider_says: "The provider says:",
    logged_in_as: "Logged in as",
    start_again: "Log in again",
    try_again: "Try again",
    other_account: "Use another account",
    log_out: "Log out",
    start_page: "Go to the start page",
    chooser_title: "Log in",
    chooser_target: "You need to log in to open {}.",
    chooser_question: "Which account do you want to use?",
    last_used: "Used last",
    logout_title: "Log out?",
    logout_provider: "You logged in with {}. You are logged out there too, if it allows that.",
    logout_here: "Log out here",
    logout_everywhere: "Log out everywhere",
    logout_everywhere_note: "“Everywhere” also ends your sessions in other browsers and on other devices.",
    stay: "Stay logged in",
    logged_out_title: "You are logged out",
    logged_out_text: "There is no session in this browser.",
    the_provider: "the login provider",
    still_logged_in: "You may still be logged in at {}. On a shared computer, log out there too, or close the browser.",
    open_provider: "Open {}",
    log_in: "Log in",
    go_on: "Continue",
    errors: &ERRORS,
    receipt,
};

const fn texts(title: &'static str, happened: &'static str, remedy: &'static str) -> ErrorTexts {
    ErrorTexts {
        title,
        happened,
        remedy,
    }
}

/// Texts about each failure, in the order of the kinds.
static ERRORS: [(PageError, ErrorTexts); PageError::ALL.len()] = [
    (
        PageError::LoginStateInvalid,
        texts(
            "This login cannot be continued",
            "The address does not belong to a login that was started here. It may be an old bookmark, or it was cut off.",
            "Start the login again.",
        ),
    ),
    (
        PageError::LoginExpired,
        texts(
            "The login took too long",
            "For your safety, a login must be finished within a limited time.",
            "Log in again. You will come back to the page that you wanted.",
        ),
    ),
    (
        PageError::LoginOtherBrowser,
        texts(
            "This login was started in another browser",
            "A login must be finished in the browser in which it was started.",
            "Go back to that browser, or start the login again here.",
        ),
    ),
    (
        PageError::CookiesDisabled,
        texts(
            "Your browser does not keep cookies",
            "The login needs one cookie of this site, and your browser did not send it back.",
            "Allow cookies for this site, or leave private browsing, and log in again.",
        ),
    ),
    (
        PageError::LoginConflict,
        texts(
            "This login has already been used",
            "A second answer arrived for the same login, so it was refused.",
            "If you are not logged in, start the login again.",
        ),
    ),
    (
        PageError::ProviderDenied,
        texts(
            "The login was not allowed",
            "The login provider refused the login, or you cancelled it.",
            "Log in again, or use another account.",
        ),
    ),
    (
        PageError::ProviderError,
        texts(
            "The login did not work",
            "The login provider gave an answer that cannot be used.",
            "Try again. If it happens again, send the request number below to your administrator.",
        ),
    ),
    (
        PageError::ProviderUnavailable,
        texts(
            "The login is not available now",
            "The login provider does not answer. Sessions that are already open are not affected.",
            "Wait a moment, and try again.",
        ),
    ),
    (
        PageError::IdTokenInvalid,
        texts(
            "Your identity could not be verified",
            "The proof of identity from the login provider is not valid.",
            "Log in again. If it happens again, send the request number below to your administrator.",
        ),
    ),
    (
        PageError::NotAllowed,
        texts(
            "You do not have access",
            "You are logged in, but this account may not open this page.",
            "Use another account, or ask your administrator for access.",
        ),
    ),
    (
        PageError::RedirectLoop,
        texts(
            "The login goes in circles",
            "You are logged in, but the application keeps sending you back to the login. It probably does not receive the session cookie.",
            "Administrators: check that the application and the login use the same host name and https, and that the proxy forwards the Cookie header.",
        ),
    ),
    (
        PageError::StoreUnavailable,
        texts(
            "The service is not available now",
            "Your request could not be completed. Nothing was changed, and you were not logged out.",
            "Wait a moment, and try again.",
        ),
    ),
    (
        PageError::MissingCredential,
        texts(
            "You need to log in",
            "This request needs a login, and it cannot start one by itself. Nothing was sent on.",
            "Log in, go back to the page, and send the form again.",
        ),
    ),
    (
        PageError::CrossSiteRequest,
        texts(
            "This request came from another site",
            "For your safety, only pages of this site may do this. Nothing was changed.",
            "Open the page of this site, and do it there.",
        ),
    ),
    (
        PageError::AmbiguousRequest,
        texts(
            "Your browser sent two sessions",
            "There are two session cookies with the same name, so it is not clear who you are.",
            "Delete the cookies of this site in your browser, and log in again.",
        ),
    ),
    (
        PageError::InvalidRequest,
        texts(
            "This request cannot be understood",
            "A part of the address or of the form is missing or wrong.",
            "Go back and try again, or go to the start page.",
        ),
    ),
    (
        PageError::RateLimited,
        texts(
            "Too many requests",
            "There were too many requests from your address in a short time. Nothing was changed.",
            "Wait a minute, and try again.",
        ),
    ),
    (
        PageError::NotFound,
        texts(
            "This page does not exist",
            "There is nothing at this address.",
            "Check the address, or go to the start page.",
        ),
    ),
    (
        PageError::InternalError,
        texts(
            "Something went wrong",
            "The service made a mistake. Nothing was decided about your request.",
            "Try again. If it happens again, send the request number below to your administrator.",
        ),
    ),
];

fn receipt(receipt: Receipt) -> &'static str {
    match (receipt.target, receipt.result) {
        (ReceiptTarget::Here, ReceiptResult::Done) => "This browser is logged out.",
        (ReceiptTarget::Here, ReceiptResult::Pending) => "This browser is being logged out.",
        (ReceiptTarget::Here, _) => "This browser could not be logged out.",
        (ReceiptTarget::OtherSessions, ReceiptResult::Done) => {
            "Your other browsers and devices are logged out."
        }
        (ReceiptTarget::OtherSessions, ReceiptResult::Pending) => {
            "Your other browsers and devices are being logged out."
        }
        (ReceiptTarget::OtherSessions, _) => "Your other browsers and devices could not be logged out.",
        (ReceiptTarget::Provider, ReceiptResult::Done) => "You are logged out at {}.",
        (ReceiptTarget::Provider, ReceiptResult::Pending) => "The logout at {} is not confirmed.",
        (ReceiptTarget::Provider, ReceiptResult::Failed) => "The logout at {} did not work.",
        (ReceiptTarget::Provider, ReceiptResult::NotSupported) => "You cannot be logged out at {} from here.",
        (ReceiptTarget::Tokens, ReceiptResult::Done) => {
            "The access that was granted to this site is withdrawn."
        }
        (ReceiptTarget::Tokens, ReceiptResult::Pending) => {
            "The access that was granted to this site is being withdrawn. It already has no effect here."
        }
        (ReceiptTarget::Tokens, ReceiptResult::Failed) => {
            "The access that was granted to this site could not be withdrawn at the provider. It has no effect here."
        }
        (ReceiptTarget::Tokens, ReceiptResult::NotSupported) => {
            "The provider cannot withdraw the access that was granted to this site. It has no effect here."
        }
    }
}
