//! All sections: the reference of their settings, and the sources that know these names.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::sync::LazyLock;

use super::framework::{SettingDoc, SettingsSource};
use super::{
    app, forward_auth, listen, login, pages, rate_limit, revocation, session, stores, upstream, verify,
};

// The order of the sections is that of docs/SETTINGS.md and of `check`.
static REFERENCE: LazyLock<Vec<SettingDoc>> = LazyLock::new(|| {
    [
        app::DOCS,
        listen::DOCS,
        rate_limit::DOCS,
        stores::DOCS,
        upstream::DOCS,
        upstream::endpoints::DOCS,
        upstream::connection::DOCS,
        verify::DOCS,
        revocation::DOCS,
        session::DOCS,
        forward_auth::DOCS,
        login::DOCS,
        pages::DOCS,
    ]
    .concat()
});

/// Returns all settings, by section.
#[must_use]
pub fn reference() -> &'static [SettingDoc] {
    &REFERENCE
}

impl SettingsSource {
    /// Reads the process environment, and `.env` in the working directory below it. Changes neither.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_vars_and_dotenv(std::env::vars_os(), Path::new(".env"))
    }

    /// Creates a source with these values as its environment and without `.env`.
    #[must_use]
    pub fn from_map(values: BTreeMap<String, String>) -> Self {
        let mut source = Self::empty(reference());
        source.push_values(values);
        source
    }

    /// Creates a source from the text of a `.env` file, without an environment.
    #[must_use]
    pub fn from_dotenv(text: &str) -> Self {
        let mut source = Self::empty(reference());
        source.push_dotenv(text);
        source
    }

    pub(super) fn from_vars_and_dotenv(
        vars: impl IntoIterator<Item = (OsString, OsString)>,
        dotenv: &Path,
    ) -> Self {
        let mut source = Self::empty(reference());
        source.push_environment(with_lower_case_proxies(vars));
        source.push_dotenv_file(dotenv);
        source
    }
}

/// Renames `http_proxy`, `https_proxy` and `no_proxy` to upper case: most programs accept both forms. If both are
/// set, the one in upper case is used.
fn with_lower_case_proxies(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
) -> BTreeMap<OsString, OsString> {
    let mut vars: BTreeMap<_, _> = vars.into_iter().collect();
    for (lower, setting) in [
        ("https_proxy", "HTTPS_PROXY"),
        ("http_proxy", "HTTP_PROXY"),
        ("no_proxy", "NO_PROXY"),
    ] {
        if let Some(value) = vars.remove(OsStr::new(lower)) {
            vars.entry(setting.into()).or_insert(value);
        }
    }
    vars
}
