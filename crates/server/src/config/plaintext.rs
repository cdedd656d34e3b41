//! Refusal of plain text on a network (`ALLOW_PLAINTEXT_UPSTREAM`).

use url::Url;

use super::address::is_loopback;
use super::app::Environment;
use super::reader::SettingsReader;

/// Settings that decide whether plain text is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct PlaintextPolicy {
    pub(super) environment: Environment,
    /// `ALLOW_PLAINTEXT_UPSTREAM`.
    pub(super) allow_plaintext: bool,
}

impl PlaintextPolicy {
    /// Reports a plain-text connection to another machine. In production it is a fault unless it is allowed.
    ///
    /// `encrypt` is the remedy.
    pub(super) fn refuse_plaintext<'h>(
        self,
        reader: &mut SettingsReader<'_>,
        name: &'static str,
        hosts: impl IntoIterator<Item = &'h str>,
        encrypt: &str,
    ) {
        if self.environment == Environment::Development || hosts.into_iter().all(is_loopback) {
            return;
        }
        let problem = "the address is on another machine, and the connection to it is not encrypted";
        let remedy = format!(
            "{encrypt}, or set ALLOW_PLAINTEXT_UPSTREAM=true if the network between the machines is private"
        );
        if self.allow_plaintext {
            reader.warn(name, &format!("{problem}; ALLOW_PLAINTEXT_UPSTREAM allows it"));
        } else {
            reader.fault_in_production(self.environment, name, problem, &remedy);
        }
    }

    /// Calls [`Self::refuse_plaintext`] for an `http://` URL. Accepts any other.
    pub(super) fn refuse_http(self, reader: &mut SettingsReader<'_>, name: &'static str, url: Option<&Url>) {
        if let Some(url) = url.filter(|url| url.scheme() == "http") {
            self.refuse_plaintext(reader, name, url.host_str(), "use https://");
        }
    }
}
