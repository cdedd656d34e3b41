//! What all pages share: brand, language, request id.

use crate::language::Language;
use crate::messages::Messages;
use crate::stylesheet::stylesheet_file;

/// Whose pages they are (`BRAND_NAME`, `BRAND_LOGO_FILE`, `SUPPORT_URL`).
#[derive(Clone, Debug, Default)]
pub struct Brand {
    /// Name at the top of every page.
    pub name: String,
    /// URL of the logo, of the same origin.
    pub logo_url: Option<String>,
    /// Where people find help: an https or mailto URL.
    pub support_url: Option<String>,
}

/// Contents that all pages share.
#[derive(Clone, Copy, Debug)]
pub struct PageContext<'p> {
    /// Whose page it is.
    pub brand: &'p Brand,
    /// Language of the page.
    pub language: Language,
    /// Address of the same page in the other language. `None` leaves the link out: not every page can be loaded
    /// again, for example the callback of a login.
    pub other_language_url: Option<&'p str>,
    /// Id of the request, which the log has too.
    pub request_id: Option<&'p str>,
}

impl PageContext<'_> {
    pub(crate) fn messages(&self) -> &'static Messages {
        Messages::of(self.language)
    }

    /// Returns the language of the link to the other language.
    pub(crate) fn other_language(&self) -> Language {
        self.language.other()
    }

    /// Returns the picture for the browser's tab: the logo, or a lock.
    pub(crate) fn icon_url(&self) -> &str {
        self.brand.logo_url.as_deref().unwrap_or("/auth/assets/icon.svg")
    }

    pub(crate) fn stylesheet_url(&self) -> String {
        format!("/auth/assets/{}", stylesheet_file())
    }
}

/// Writes a template. None of them can fail: they are compiled, and write to memory.
pub(crate) fn render_template(template: &impl askama::Template) -> String {
    template.render().unwrap_or_default()
}
