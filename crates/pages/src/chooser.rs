//! Page on which a person chooses a provider (`GET /auth/login` with several providers).

use askama::Template;

use crate::messages::Messages;
use crate::page::{PageContext, render_template};

/// Provider that a person can choose.
#[derive(Clone, Debug)]
pub struct ChooserOption {
    /// Name of the provider in the language of the page.
    pub name: String,
    /// Address that begins the login there.
    pub url: String,
    /// `true` for the provider of the last login in this browser.
    pub is_last_used: bool,
}

/// Page with one link for each provider.
#[derive(Clone, Debug)]
pub struct ChooserPage<'p> {
    /// Contents that all pages share.
    pub context: PageContext<'p>,
    /// Host that the person wants to enter, if it is another one than the gateway's.
    pub target_host: Option<&'p str>,
    /// Providers in the order of the settings. The one that was used last is shown first.
    pub options: Vec<ChooserOption>,
}

#[derive(Template)]
#[template(path = "chooser.html")]
struct ChooserTemplate<'p> {
    page: PageContext<'p>,
    m: &'static Messages,
    target: Option<String>,
    options: Vec<ChooserOption>,
}

impl ChooserPage<'_> {
    /// Returns the page as HTML.
    pub fn render(&self) -> String {
        let m = self.context.messages();
        let mut options = self.options.clone();
        // Stable: the others keep their order.
        options.sort_by_key(|option| !option.is_last_used);
        render_template(&ChooserTemplate {
            page: self.context,
            m,
            target: self.target_host.map(|host| m.chooser_target.replace("{}", host)),
            options,
        })
    }
}
