//! What the pages for people show: name, logo, support.

use anyhow::anyhow;
use maxlab_auth_pages::Brand;

use crate::config::Settings;
use crate::files::read_regular;
use crate::http::browser::{LOGO_URL, Logo, PageAssets};

/// Greatest size of the logo, in bytes.
const MAX_LOGO_BYTES: u64 = 256 * 1024;

/// Reads the logo.
///
/// # Errors
/// The file cannot be read, or is too large.
pub(super) fn open_pages(settings: &Settings) -> anyhow::Result<PageAssets> {
    let pages = &settings.pages;
    let read = |logo: &crate::config::LogoPath| {
        let body = read_regular(&logo.path, MAX_LOGO_BYTES)
            .map_err(|fault| anyhow!("BRAND_LOGO_FILE {} {fault}", logo.path.display()))?;
        Ok::<_, anyhow::Error>(Logo {
            media_type: logo.media_type,
            body: body.into(),
        })
    };
    let logo = pages.logo.as_ref().map(read).transpose()?;
    Ok(PageAssets {
        brand: Brand {
            name: pages.brand_name.clone(),
            logo_url: logo.as_ref().map(|_| LOGO_URL.to_owned()),
            support_url: pages.support_url.clone(),
        },
        logo,
    })
}
