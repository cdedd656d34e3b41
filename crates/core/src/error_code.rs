//! Stable error codes with their statuses and texts. The gateway's answers, the guard library, the OpenAPI
//! document and `docs/ERRORS.md` are made from this one list.

mod table;

/// Kind of failure as clients see it. Two kinds may have one code text, and differ in their status.
///
/// The order is that of the table in `docs/ERRORS.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// Request without a credential.
    MissingCredential,
    /// Token that is not accepted.
    InvalidToken,
    /// Token that has expired.
    TokenExpired,
    /// Token that was revoked.
    TokenRevoked,
    /// Session that was ended.
    SessionRevoked,
    /// Cookie without a session.
    InvalidSession,
    /// Requirement that the caller does not meet.
    InsufficientPermission,
    /// Request that the policy allows to no one.
    PolicyDenied,
    /// Original request that can be read in more than one way.
    AmbiguousRequest,
    /// Unsafe request with the session cookie and without proof of its origin.
    CrossSiteRequest,
    /// Request that cannot be understood.
    InvalidRequest,
    /// Body of a media type that the route does not read.
    UnsupportedMediaType,
    /// Body that is too long.
    PayloadTooLarge,
    /// Request target that is too long.
    UriTooLong,
    /// Body in a transfer coding that is not understood.
    UnsupportedTransferCoding,
    /// Body that did not arrive in time.
    RequestTimeout,
    /// OAuth client that is unknown or did not authenticate.
    InvalidClient,
    /// Code or refresh token that is not valid.
    InvalidGrant,
    /// Route or resource that does not exist.
    NotFound,
    /// Method that the route does not have.
    MethodNotAllowed,
    /// Rate limit that is reached.
    RateLimited,
    /// Store or database that does not answer.
    StoreUnavailable,
    /// Limit of unproven tokens that is reached.
    TooManyUnproven,
    /// Authorization server that does not answer a verification.
    UpstreamUnavailable,
    /// Authorization server that did not answer a relayed request in time.
    UpstreamTimeout,
    /// Authorization server that failed at a relayed request.
    UpstreamFailed,
    /// Request that exceeded its time limit.
    Timeout,
    /// Gateway whose connections are all busy.
    Overloaded,
    /// Failure of the answering process itself.
    InternalError,
}

/// Description of one kind of failure.
struct ErrorDescription {
    kind: ErrorCode,
    code: &'static str,
    status: u16,
    oauth_error: &'static str,
    retry_after: Option<u32>,
    detail: &'static str,
    doc: &'static str,
    remedy: &'static str,
}

impl ErrorCode {
    /// All kinds, in the order of `docs/ERRORS.md`.
    pub const ALL: [Self; 29] = [
        Self::MissingCredential,
        Self::InvalidToken,
        Self::TokenExpired,
        Self::TokenRevoked,
        Self::SessionRevoked,
        Self::InvalidSession,
        Self::InsufficientPermission,
        Self::PolicyDenied,
        Self::AmbiguousRequest,
        Self::CrossSiteRequest,
        Self::InvalidRequest,
        Self::UnsupportedMediaType,
        Self::PayloadTooLarge,
        Self::UriTooLong,
        Self::UnsupportedTransferCoding,
        Self::RequestTimeout,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RateLimited,
        Self::StoreUnavailable,
        Self::TooManyUnproven,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
        Self::UpstreamFailed,
        Self::Timeout,
        Self::Overloaded,
        Self::InternalError,
    ];

    fn describe(self) -> &'static ErrorDescription {
        // The table has one row for each variant, in their order (checked below, when this is compiled).
        &table::DESCRIPTIONS[self as usize]
    }

    /// Returns the member `code` of the answer.
    pub fn as_str(self) -> &'static str {
        self.describe().code
    }

    /// Returns the HTTP status.
    pub fn status(self) -> u16 {
        self.describe().status
    }

    /// Returns the member `error` of the OAuth form: a value of RFC 6749 §5.2 or RFC 6750 §3.1, or of RFC
    /// 6749 §4.1.2.1 if those have no fitting one.
    pub fn oauth_error(self) -> &'static str {
        self.describe().oauth_error
    }

    /// Returns the seconds of `Retry-After` if the failure itself does not say when a retry makes sense.
    /// `None` if a retry does not help.
    pub fn retry_after(self) -> Option<u32> {
        self.describe().retry_after
    }

    /// Returns the text for people, for a failure that has no text of its own.
    pub fn detail(self) -> &'static str {
        self.describe().detail
    }

    /// Returns when the failure occurs, in Markdown. Links are relative to `docs/`.
    pub fn doc(self) -> &'static str {
        self.describe().doc
    }

    /// Returns what the client does then, in Markdown.
    pub fn remedy(self) -> &'static str {
        self.describe().remedy
    }
}

// A row in the wrong place would give a failure the status of another one.
const _: () = {
    let mut index = 0;
    while index < ErrorCode::ALL.len() {
        assert!(ErrorCode::ALL[index] as usize == index);
        assert!(table::DESCRIPTIONS[index].kind as usize == index);
        index += 1;
    }
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kinds_never_share_both_code_and_status() {
        for (index, code) in ErrorCode::ALL.iter().enumerate() {
            let same =
                |other: &&ErrorCode| (other.as_str(), other.status()) == (code.as_str(), code.status());
            assert_eq!(ErrorCode::ALL[..index].iter().find(same), None, "{code:?}");
        }
    }

    /// I11: an outage is never a refusal, and says when to try again.
    #[test]
    fn what_may_be_retried_is_no_refusal() {
        for code in ErrorCode::ALL {
            let undecided = matches!(code.status(), 429 | 502 | 503 | 504);
            assert_eq!(code.retry_after().is_some(), undecided, "{code:?}");
            assert_eq!(
                code.oauth_error() == "temporarily_unavailable",
                undecided,
                "{code:?}"
            );
            if let Some(seconds) = code.retry_after().filter(|_| code != ErrorCode::RateLimited) {
                let text = format!("`Retry-After: {seconds}`");
                assert!(code.doc().contains(&text), "{code:?}: {text}");
            }
        }
    }
}
