//! Settings of logouts that the OpenID provider asks for.

use maxlab_auth_core::provider_logout::LogoutScope;

use super::reader::SettingsReader;
use super::reference::DefaultValue::Value;
use super::reference::SettingDoc;
use super::value_parsers::{boolean, choice};

pub(super) const DOCS: &[SettingDoc] = &[
    SettingDoc::new(
        "BACKCHANNEL_LOGOUT_SCOPE",
        "session or person",
        Value("session"),
        "What a logout token with a session (sid) ends: that session, or every session of the person at that provider.",
    ),
    SettingDoc::new(
        "FRONTCHANNEL_LOGOUT",
        "true or false",
        Value("false"),
        "Whether GET /auth/frontchannel-logout/{id} ends sessions by issuer and sid, in a frame of the provider's page. Back-channel logout needs no browser and is the better way.",
    ),
];

/// Settings of logouts that the OpenID provider asks for.
#[derive(Debug, Clone, Copy)]
pub struct ProviderLogoutSettings {
    /// `BACKCHANNEL_LOGOUT_SCOPE`.
    pub scope: LogoutScope,
    /// `FRONTCHANNEL_LOGOUT`.
    pub allows_front_channel: bool,
}

/// Reads the section.
pub(super) fn read(reader: &mut SettingsReader<'_>) -> Option<ProviderLogoutSettings> {
    let scopes = [("session", LogoutScope::Session), ("person", LogoutScope::Person)];
    let scope = reader.required("BACKCHANNEL_LOGOUT_SCOPE", choice(&scopes));
    let allows_front_channel = reader.required("FRONTCHANNEL_LOGOUT", boolean);
    Some(ProviderLogoutSettings {
        scope: scope?,
        allows_front_channel: allows_front_channel?,
    })
}
