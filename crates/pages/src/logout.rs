//! Page that asks whether to log out (`GET /auth/logout`): a link alone never ends a session.

use askama::Template;

use crate::foreign_text::cut_foreign_text;
use crate::messages::Messages;
use crate::page::{PageContext, render_template};

/// Greatest length of the name of a person.
const MAX_NAME_CHARS: usize = 120;

/// Question with two answers: here, or everywhere.
#[derive(Clone, Copy, Debug)]
pub struct LogoutPage<'p> {
    /// Contents that all pages share.
    pub context: PageContext<'p>,
    /// Name, email address or id of the person.
    pub person: &'p str,
    /// Name of the provider that the person logged in with.
    pub provider: Option<&'p str>,
    /// Address to go on to afterwards.
    pub return_to: Option<&'p str>,
    /// Where "stay logged in" leads to.
    pub stay_url: &'p str,
}

#[derive(Template)]
#[template(path = "logout.html")]
struct LogoutTemplate<'p> {
    page: PageContext<'p>,
    m: &'static Messages,
    person: String,
    provider: Option<String>,
    return_to: Option<&'p str>,
    stay_url: &'p str,
}

impl LogoutPage<'_> {
    /// Returns the page as HTML.
    pub fn render(&self) -> String {
        let m = self.context.messages();
        let provider = self.provider.map(|name| {
            m.logout_provider
                .replace("{}", &cut_foreign_text(name, MAX_NAME_CHARS))
        });
        render_template(&LogoutTemplate {
            page: self.context,
            m,
            person: cut_foreign_text(self.person, MAX_NAME_CHARS),
            provider,
            return_to: self.return_to,
            stay_url: self.stay_url,
        })
    }
}
