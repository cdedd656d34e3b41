//! Page about a failure: what happened, what to do, and the id under which the log tells more.

use askama::Template;

use crate::foreign_text::cut_foreign_text;
use crate::messages::Messages;
use crate::page::{PageContext, render_template};
use crate::page_error::{PageAction, PageError};

/// Greatest length of a text that the provider sent.
const MAX_DETAIL_CHARS: usize = 200;

/// Page about a failure.
#[derive(Clone, Copy, Debug)]
pub struct ErrorPage<'p> {
    /// Contents that all pages share.
    pub context: PageContext<'p>,
    /// Kind of failure.
    pub code: PageError,
    /// Address that starts again with the same target. Default: `/auth/login`.
    pub retry_url: Option<&'p str>,
    /// Address that begins a login with another account. Default: `/auth/login?prompt=select_account`.
    pub other_account_url: Option<&'p str>,
    /// Name of the person who is logged in, for `not_allowed`.
    pub account: Option<&'p str>,
    /// Reason that the provider sent. Only from an answer that is proven to be the provider's.
    pub detail: Option<&'p str>,
}

/// Link that looks like a button.
struct ActionLink<'p> {
    label: &'static str,
    url: &'p str,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'p> {
    page: PageContext<'p>,
    m: &'static Messages,
    code: &'static str,
    title: &'static str,
    happened: &'static str,
    remedy: &'static str,
    account: Option<String>,
    detail: Option<String>,
    actions: Vec<ActionLink<'p>>,
}

impl<'p> ErrorPage<'p> {
    /// Creates a page with the default addresses.
    pub fn new(context: PageContext<'p>, code: PageError) -> Self {
        Self {
            context,
            code,
            retry_url: None,
            other_account_url: None,
            account: None,
            detail: None,
        }
    }

    /// Returns the page as HTML.
    pub fn render(&self) -> String {
        let m = self.context.messages();
        let texts = m.error(self.code);
        let detail = self
            .detail
            .map(|detail| cut_foreign_text(detail, MAX_DETAIL_CHARS));
        render_template(&ErrorTemplate {
            page: self.context,
            m,
            code: self.code.code(),
            title: texts.title,
            happened: texts.happened,
            remedy: texts.remedy,
            account: self
                .account
                .map(|account| cut_foreign_text(account, MAX_DETAIL_CHARS)),
            detail: detail.filter(|detail| !detail.trim().is_empty()),
            actions: self
                .code
                .actions()
                .iter()
                .map(|action| self.link(*action, m))
                .collect(),
        })
    }

    fn link(&self, action: PageAction, m: &'static Messages) -> ActionLink<'p> {
        let retry_url = self.retry_url.unwrap_or("/auth/login");
        let (label, url) = match action {
            PageAction::StartAgain => (m.start_again, retry_url),
            PageAction::LogIn => (m.log_in, retry_url),
            PageAction::TryAgain => (m.try_again, retry_url),
            PageAction::OtherAccount => (
                m.other_account,
                self.other_account_url
                    .unwrap_or("/auth/login?prompt=select_account"),
            ),
            PageAction::LogOut => (m.log_out, "/auth/logout"),
            PageAction::StartPage => (m.start_page, "/"),
        };
        ActionLink { label, url }
    }
}
