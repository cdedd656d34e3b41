//! What a logout ended, as the person and the page read it.

use maxlab_auth_pages::{Receipt, ReceiptResult, ReceiptTarget};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Facts of one logout, kept in the state that comes back from the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LogoutFacts {
    /// The other sessions of the person: `None` if they were to go on, else whether they were ended.
    pub(super) others: Option<bool>,
    /// The provider of the session, if there was a session.
    pub(super) provider: Option<ProviderLogout>,
    /// `true` if tokens of the session are to be revoked at the provider.
    pub(super) tokens: bool,
}

/// Logout at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProviderLogout {
    /// The browser is sent there.
    Asked,
    /// The provider has no logout that can be asked for.
    NotSupported,
}

/// Progress since then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LogoutProgress {
    /// The browser came back from the provider.
    pub(super) returned: bool,
    /// The provider has confirmed the revocation of all tokens.
    pub(super) tokens_revoked: bool,
}

impl LogoutFacts {
    /// Returns the receipts, in the order of the page.
    pub(super) fn receipts(self, progress: LogoutProgress) -> Vec<Receipt> {
        let receipt = |target, result| Some(Receipt { target, result });
        let others = self.others.map(|ended| {
            if ended {
                ReceiptResult::Done
            } else {
                ReceiptResult::Failed
            }
        });
        let provider = self.provider.map(|provider| match provider {
            ProviderLogout::NotSupported => ReceiptResult::NotSupported,
            ProviderLogout::Asked if progress.returned => ReceiptResult::Done,
            ProviderLogout::Asked => ReceiptResult::Pending,
        });
        let tokens = self.tokens.then_some(if progress.tokens_revoked {
            ReceiptResult::Done
        } else {
            ReceiptResult::Pending
        });
        [
            receipt(ReceiptTarget::Here, ReceiptResult::Done),
            others.and_then(|result| receipt(ReceiptTarget::OtherSessions, result)),
            provider.and_then(|result| receipt(ReceiptTarget::Provider, result)),
            tokens.and_then(|result| receipt(ReceiptTarget::Tokens, result)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Receipt in an answer for a script.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptBody {
    /// `here`, `other_sessions`, `provider` or `tokens`.
    target: &'static str,
    /// `done`, `pending`, `failed` or `not_supported`.
    result: &'static str,
}

impl From<Receipt> for ReceiptBody {
    fn from(receipt: Receipt) -> Self {
        Self {
            target: receipt.target.as_str(),
            result: receipt.result.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l19_the_receipts_say_what_is_done_and_what_is_not() {
        let words = |facts: LogoutFacts, progress| -> Vec<String> {
            let receipts = facts.receipts(progress).into_iter().map(ReceiptBody::from);
            receipts
                .map(|receipt| format!("{} {}", receipt.target, receipt.result))
                .collect()
        };
        let sent = LogoutProgress::default();
        let returned = LogoutProgress {
            returned: true,
            tokens_revoked: true,
        };
        assert_eq!(words(LogoutFacts::default(), sent), ["here done"]);
        let everything = LogoutFacts {
            others: Some(true),
            provider: Some(ProviderLogout::Asked),
            tokens: true,
        };
        assert_eq!(
            words(everything, sent),
            [
                "here done",
                "other_sessions done",
                "provider pending",
                "tokens pending"
            ]
        );
        assert_eq!(
            words(everything, returned),
            ["here done", "other_sessions done", "provider done", "tokens done"]
        );
        let alone = LogoutFacts {
            others: Some(false),
            provider: Some(ProviderLogout::NotSupported),
            tokens: false,
        };
        assert_eq!(
            words(alone, returned),
            ["here done", "other_sessions failed", "provider not_supported"]
        );
    }
}
