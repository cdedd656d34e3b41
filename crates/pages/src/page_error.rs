//! Failures that a page explains: a closed list of codes, each with its status and what helps.

/// Kind of failure on an error page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The login attempt is not one of this gateway, or was changed.
    LoginStateInvalid,
    /// The login took longer than `LOGIN_ATTEMPT_SECONDS`.
    LoginExpired,
    /// The login was begun in another browser.
    LoginOtherBrowser,
    /// The browser keeps no cookies.
    CookiesDisabled,
    /// A second code came for a login that is over.
    LoginConflict,
    /// The provider, or the person there, said no.
    ProviderDenied,
    /// The provider answered with something that cannot be used.
    ProviderError,
    /// The provider does not answer.
    ProviderUnavailable,
    /// The ID token breaks a rule.
    IdTokenInvalid,
    /// The person is logged in, and may not enter.
    NotAllowed,
    /// The browser is sent to the login again and again.
    RedirectLoop,
    /// The gateway's own store does not answer.
    StoreUnavailable,
    /// Request without a session that cannot begin a login.
    MissingCredential,
    /// A form does not prove that it comes from the gateway's own pages.
    CrossSiteRequest,
    /// The request can be read in two ways, for example with two session cookies.
    AmbiguousRequest,
    /// A part of the request is wrong.
    InvalidRequest,
    /// Too many requests.
    RateLimited,
    /// Unknown address.
    NotFound,
    /// A defect of the gateway.
    InternalError,
}

/// Way out of a failure, in the order of the buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PageAction {
    /// Log in again, with the same target.
    StartAgain,
    /// Log in.
    LogIn,
    /// Try the same again later.
    TryAgain,
    /// Log in with another account.
    OtherAccount,
    /// Log out.
    LogOut,
    /// Open the start page of the application.
    StartPage,
}

impl PageError {
    /// Every kind. The first twelve belong to the login.
    pub const ALL: [Self; 19] = [
        Self::LoginStateInvalid,
        Self::LoginExpired,
        Self::LoginOtherBrowser,
        Self::CookiesDisabled,
        Self::LoginConflict,
        Self::ProviderDenied,
        Self::ProviderError,
        Self::ProviderUnavailable,
        Self::IdTokenInvalid,
        Self::NotAllowed,
        Self::RedirectLoop,
        Self::StoreUnavailable,
        Self::MissingCredential,
        Self::CrossSiteRequest,
        Self::AmbiguousRequest,
        Self::InvalidRequest,
        Self::RateLimited,
        Self::NotFound,
        Self::InternalError,
    ];

    /// Returns the code, as in `data-code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::LoginStateInvalid => "login_state_invalid",
            Self::LoginExpired => "login_expired",
            Self::LoginOtherBrowser => "login_other_browser",
            Self::CookiesDisabled => "cookies_disabled",
            Self::LoginConflict => "login_conflict",
            Self::ProviderDenied => "provider_denied",
            Self::ProviderError => "provider_error",
            Self::ProviderUnavailable => "provider_unavailable",
            Self::IdTokenInvalid => "id_token_invalid",
            Self::NotAllowed => "not_allowed",
            Self::RedirectLoop => "redirect_loop",
            Self::StoreUnavailable => "store_unavailable",
            Self::MissingCredential => "missing_credential",
            Self::CrossSiteRequest => "cross_site_request",
            Self::AmbiguousRequest => "ambiguous_request",
            Self::InvalidRequest => "invalid_request",
            Self::RateLimited => "rate_limited",
            Self::NotFound => "not_found",
            Self::InternalError => "internal_error",
        }
    }

    /// Returns the HTTP status of the page.
    pub fn status(self) -> u16 {
        match self {
            Self::LoginStateInvalid
            | Self::LoginExpired
            | Self::LoginOtherBrowser
            | Self::CookiesDisabled
            | Self::LoginConflict
            | Self::RedirectLoop
            | Self::AmbiguousRequest
            | Self::InvalidRequest => 400,
            Self::MissingCredential => 401,
            Self::ProviderDenied | Self::NotAllowed | Self::CrossSiteRequest => 403,
            Self::NotFound => 404,
            Self::RateLimited => 429,
            Self::InternalError => 500,
            Self::ProviderError | Self::IdTokenInvalid => 502,
            Self::ProviderUnavailable | Self::StoreUnavailable => 503,
        }
    }

    /// Returns the seconds for `Retry-After`; `None` if waiting does not help.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::ProviderUnavailable | Self::StoreUnavailable => Some(5),
            Self::ProviderError | Self::IdTokenInvalid => Some(30),
            Self::RateLimited => Some(60),
            _ => None,
        }
    }

    /// Returns what a person can do, at least one thing.
    pub(crate) fn actions(self) -> &'static [PageAction] {
        use PageAction::{LogIn, LogOut, OtherAccount, StartAgain, StartPage, TryAgain};
        match self {
            Self::LoginStateInvalid
            | Self::LoginExpired
            | Self::LoginOtherBrowser
            | Self::CookiesDisabled
            | Self::LoginConflict
            | Self::IdTokenInvalid => &[StartAgain, StartPage],
            Self::MissingCredential => &[LogIn, StartPage],
            Self::ProviderDenied => &[StartAgain, OtherAccount, StartPage],
            Self::ProviderError | Self::ProviderUnavailable | Self::StoreUnavailable => {
                &[TryAgain, StartPage]
            }
            Self::NotAllowed => &[OtherAccount, LogOut, StartPage],
            Self::RedirectLoop => &[TryAgain, LogOut],
            Self::CrossSiteRequest => &[LogOut, StartPage],
            Self::AmbiguousRequest | Self::InvalidRequest | Self::RateLimited | Self::NotFound => {
                &[StartPage]
            }
            Self::InternalError => &[TryAgain, StartPage],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_the_login_have_their_settled_statuses() {
        let settled = [
            ("login_state_invalid", 400),
            ("login_expired", 400),
            ("login_other_browser", 400),
            ("cookies_disabled", 400),
            ("login_conflict", 400),
            ("provider_denied", 403),
            ("provider_error", 502),
            ("provider_unavailable", 503),
            ("id_token_invalid", 502),
            ("not_allowed", 403),
            ("redirect_loop", 400),
            ("store_unavailable", 503),
        ];
        let ours: Vec<_> = PageError::ALL[..12]
            .iter()
            .map(|error| (error.code(), error.status()))
            .collect();
        assert_eq!(ours, settled);
    }

    #[test]
    fn x27_every_failure_leaves_something_to_do_and_an_outage_says_when() {
        for error in PageError::ALL {
            assert!(!error.actions().is_empty(), "{error:?}");
            if matches!(error.status(), 429 | 502 | 503) {
                assert!(error.retry_after().is_some(), "{error:?}");
            }
        }
        let mut codes: Vec<_> = PageError::ALL.iter().map(|error| error.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), PageError::ALL.len());
    }
}
