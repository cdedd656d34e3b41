//! Settings of the pages for people: whose they are, and where help is found.

use std::path::PathBuf;

use url::Url;

use super::app::AppSettings;
use super::faults::InvalidValue;
use super::reader::SettingsReader;
use super::reference::DefaultValue::Unset;
use super::reference::SettingDoc;
use super::value_parsers::text;

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "BRAND_NAME",
        "text",
        Unset("APP_NAME"),
        "The name at the top of the pages for people: login, errors, logout.",
    ),
    SettingDoc::new(
        "BRAND_LOGO_FILE",
        "path",
        Unset("none"),
        "A picture next to the name: .svg, .png, .webp or .jpg, at most 256 KiB. It is read at the start.",
    ),
    SettingDoc::new(
        "SUPPORT_URL",
        "URL",
        Unset("none"),
        "Where these pages send people who need help: an https, http or mailto URL.",
    ),
];

/// Settings of the pages.
#[derive(Debug, Clone)]
pub struct PageSettings {
    /// `BRAND_NAME`.
    pub brand_name: String,
    /// `BRAND_LOGO_FILE`, with its media type.
    pub logo: Option<LogoPath>,
    /// `SUPPORT_URL`.
    pub support_url: Option<String>,
}

/// Path of the logo. Its ending says what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogoPath {
    /// Path.
    pub path: PathBuf,
    /// Media type of the file.
    pub media_type: &'static str,
}

/// Reads the section. The name of the application is the default of the brand.
pub(super) fn read(reader: &mut SettingsReader<'_>, app: Option<&AppSettings>) -> Option<PageSettings> {
    let brand_name = reader.try_optional("BRAND_NAME", text);
    let logo = reader.try_optional("BRAND_LOGO_FILE", logo_path);
    let support_url = reader.try_optional("SUPPORT_URL", support_url);
    Some(PageSettings {
        brand_name: brand_name.ok()?.or_else(|| app.map(|app| app.name.clone()))?,
        logo: logo.ok()?,
        support_url: support_url.ok()?,
    })
}

fn logo_path(text: &str) -> Result<LogoPath, InvalidValue> {
    let path = PathBuf::from(text);
    let ending = path.extension().and_then(|ending| ending.to_str());
    let media_type = match ending.map(str::to_ascii_lowercase).as_deref() {
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("jpg" | "jpeg") => "image/jpeg",
        _ => {
            return Err(InvalidValue::new(
                "is no picture that browsers show",
                "name a file that ends in .svg, .png, .webp or .jpg",
            ));
        }
    };
    Ok(LogoPath { path, media_type })
}

fn support_url(text: &str) -> Result<String, InvalidValue> {
    let url = Url::parse(text).ok();
    // Other schemes, such as javascript:, would run in the page.
    url.filter(|url| matches!(url.scheme(), "https" | "http" | "mailto"))
        .map(String::from)
        .ok_or_else(|| {
            InvalidValue::new(
                "is neither an https, an http nor a mailto URL",
                "write for example https://help.example.com or mailto:help@example.com",
            )
        })
}
