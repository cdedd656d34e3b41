//! Page after a logout (`GET /auth/logged-out`): says what was ended, and what was not.

use askama::Template;

use crate::foreign_text::cut_foreign_text;
use crate::messages::Messages;
use crate::page::{PageContext, render_template};

/// Thing that a logout may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptTarget {
    /// This session.
    Here,
    /// The other sessions of the person.
    OtherSessions,
    /// The login at the provider.
    Provider,
    /// The tokens of the session, at the provider.
    Tokens,
}

impl ReceiptTarget {
    /// Every target, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Here, Self::OtherSessions, Self::Provider, Self::Tokens];

    /// Returns the word in `data-target` and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::OtherSessions => "other_sessions",
            Self::Provider => "provider",
            Self::Tokens => "tokens",
        }
    }
}

/// Outcome of ending something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptResult {
    /// Ended.
    Done,
    /// Being ended; the gateway repeats it until it is confirmed.
    Pending,
    /// Not ended.
    Failed,
    /// The provider has no way to end it.
    NotSupported,
}

impl ReceiptResult {
    /// Every result.
    pub const ALL: [Self; 4] = [Self::Done, Self::Pending, Self::Failed, Self::NotSupported];

    /// Returns the word in `data-result` and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::NotSupported => "not_supported",
        }
    }
}

/// One line of what a logout did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Thing that was to be ended.
    pub target: ReceiptTarget,
    /// Outcome of ending it.
    pub result: ReceiptResult,
}

/// Page after a logout.
#[derive(Clone, Debug)]
pub struct LoggedOutPage<'p> {
    /// Contents that all pages share.
    pub context: PageContext<'p>,
    /// Lines about what was ended. Empty for a visit without a logout before it.
    pub receipts: &'p [Receipt],
    /// Name of the provider.
    pub provider: Option<&'p str>,
    /// Address of the provider, for a person who may still be logged in there. It is shown unless a receipt says
    /// that the logout there is done.
    pub provider_url: Option<&'p str>,
    /// Address that begins a login.
    pub login_url: &'p str,
    /// Where the application wants people to go on.
    pub return_to: Option<&'p str>,
}

struct ReceiptLine {
    target: &'static str,
    result: &'static str,
    text: String,
    mark: &'static str,
}

#[derive(Template)]
#[template(path = "logged_out.html")]
struct LoggedOutTemplate<'p> {
    page: PageContext<'p>,
    m: &'static Messages,
    receipts: Vec<ReceiptLine>,
    still_logged_in: Option<String>,
    provider_url: Option<&'p str>,
    open_provider: String,
    login_url: &'p str,
    return_to: Option<&'p str>,
}

impl LoggedOutPage<'_> {
    /// Returns the page as HTML.
    pub fn render(&self) -> String {
        let m = self.context.messages();
        let provider = self.provider.map(|name| cut_foreign_text(name, 120));
        let provider = provider.as_deref().unwrap_or(m.the_provider);
        let of_provider = self
            .receipts
            .iter()
            .find(|receipt| receipt.target == ReceiptTarget::Provider);
        let is_open = match of_provider {
            Some(receipt) => receipt.result != ReceiptResult::Done,
            None => self.provider_url.is_some(),
        };
        render_template(&LoggedOutTemplate {
            page: self.context,
            m,
            receipts: self
                .receipts
                .iter()
                .map(|receipt| line(*receipt, m, provider))
                .collect(),
            still_logged_in: is_open.then(|| m.still_logged_in.replace("{}", provider)),
            provider_url: self.provider_url.filter(|_| is_open),
            open_provider: m.open_provider.replace("{}", provider),
            login_url: self.login_url,
            return_to: self.return_to,
        })
    }
}

fn line(receipt: Receipt, m: &'static Messages, provider: &str) -> ReceiptLine {
    ReceiptLine {
        target: receipt.target.as_str(),
        result: receipt.result.as_str(),
        text: m.receipt(receipt).replace("{}", provider),
        mark: match receipt.result {
            ReceiptResult::Done => "✓",
            ReceiptResult::Pending => "…",
            ReceiptResult::Failed | ReceiptResult::NotSupported => "!",
        },
    }
}
