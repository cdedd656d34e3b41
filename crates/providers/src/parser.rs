//! Parser of providers files (TOML), which reports all faults at once.

use maxlab_auth_core::identity::VerificationSource;
use toml::de::DeTable;
use url::Url;

use crate::claims::claim_paths;
use crate::client::parse_client;
use crate::endpoints::{ENDPOINT_KEYS, parse_endpoints};
use crate::fault::ProviderFaults;
use crate::preset::ProviderPreset;
use crate::settings::{ProviderList, ProviderSettings, UserinfoUse};
use crate::table::{FaultList, TableReader};

const PROVIDER_KEYS: [&str; 26] = [
    "id",
    "name",
    "name_ko",
    "issuer",
    "tenants",
    "client_id",
    "client_secret",
    "client_secret_file",
    "private_key_file",
    "client_authentication",
    "scopes",
    "hosts",
    "preset",
    "claims",
    "userinfo",
    "audiences",
    "layers",
    "remote_user",
    "unverified_email",
    ENDPOINT_KEYS[0],
    ENDPOINT_KEYS[1],
    ENDPOINT_KEYS[2],
    ENDPOINT_KEYS[3],
    ENDPOINT_KEYS[4],
    ENDPOINT_KEYS[5],
    ENDPOINT_KEYS[6],
];

/// Longest id of a provider in characters. It is part of paths and of ids of people.
const MAX_ID_LEN: usize = 40;

const TENANT_PLACEHOLDER: &str = "{tenantid}";

impl ProviderList {
    /// Reads a providers file.
    ///
    /// # Errors
    /// [`ProviderFaults`] with every fault of the file.
    #[tracing::instrument(level = "debug", skip_all, fields(bytes = text.len()))]
    pub fn parse(text: &str) -> Result<Self, ProviderFaults> {
        let mut faults = FaultList::new(text);
        let (table, syntax_errors) = DeTable::parse_recoverable(text);
        for error in &syntax_errors {
            let problem = format!("this is not TOML: {}", error.message().replace('\n', " "));
            let span = error.span().unwrap_or_default();
            faults.report(
                &span,
                problem,
                "fix the syntax first; the providers were not checked",
            );
        }
        let mut providers = Vec::new();
        // A table that was recovered from broken syntax may lack anything, so it is not judged.
        if syntax_errors.is_empty() {
            providers = parse_providers(table.get_ref(), &mut faults);
        }
        match ProviderFaults::from_unsorted(faults.faults) {
            None => Ok(Self { providers }),
            Some(faults) => Err(faults),
        }
    }
}

fn parse_providers(table: &DeTable<'_>, faults: &mut FaultList<'_>) -> Vec<ProviderSettings> {
    const REMEDY: &str = "begin each provider with [[provider]]";
    for key in table.keys().filter(|key| key.get_ref() != "provider") {
        faults.report(&key.span(), format!("unknown key {}", key.get_ref()), REMEDY);
    }
    let Some(value) = table.get("provider") else {
        // Most likely its writer was stopped after truncating the file. Accepting it would end every session.
        faults.report(&(0..0), "the file has no provider", REMEDY);
        return Vec::new();
    };
    let Some(items) = value.get_ref().as_array() else {
        faults.report(&value.span(), "provider is not a list of tables", REMEDY);
        return Vec::new();
    };
    let mut providers: Vec<ProviderSettings> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        faults.provider = Some((index + 1).to_string());
        let Some(table) = item.get_ref().as_table() else {
            faults.report(&item.span(), "the provider is not a table", REMEDY);
            continue;
        };
        let reader = TableReader::new(table, item.span(), "");
        if let Some(provider) = parse_provider(&reader, faults) {
            report_repeated(&provider, &providers, &reader, faults);
            providers.push(provider);
        }
        faults.provider = None;
    }
    providers
}

/// Reports what an earlier provider has, too: a token must be judged by one provider only.
fn report_repeated(
    provider: &ProviderSettings,
    earlier: &[ProviderSettings],
    reader: &TableReader<'_>,
    faults: &mut FaultList<'_>,
) {
    if earlier.iter().any(|other| other.id == provider.id) {
        let problem = format!("the id {:?} is used twice", provider.id);
        faults.report(&reader.span_of("id"), problem, "give each provider its own id");
    }
    if let Some(other) = earlier.iter().find(|other| other.issuer == provider.issuer) {
        let problem = format!("provider {} has the same issuer", other.id);
        faults.report(&reader.span_of("issuer"), problem, "name each issuer once");
    }
}

fn parse_provider(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> Option<ProviderSettings> {
    let id = reader.parsed(
        "id",
        "use a-z, 0-9 and -, at most 40 characters, such as staff",
        faults,
        |text| is_id(text).then(|| text.to_owned()),
    );
    match &id {
        Some(id) => faults.provider = Some(id.clone()),
        None if reader.get("id").is_none() => {
            faults.report(&reader.span, "the provider has no id", "add id = \"…\"");
        }
        None => {}
    }
    reader.refuse_unknown(&PROVIDER_KEYS, faults);
    let preset = parse_preset_name(reader, faults);
    let issuer = parse_issuer(reader, preset, faults);
    let tenants = reader.texts("tenants", faults);
    check_tenants(reader, issuer.as_deref(), &tenants, faults);
    let client = parse_client(reader, faults);
    let client_id = client.as_ref().map(|client| client.id.as_str());
    let claims = claim_paths(reader, preset, client_id, faults);
    let layers = parse_layers(reader, faults);
    let remote_user = reader.parsed(
        "remote_user",
        "use {sub}, with {issuer_id} before or after it",
        faults,
        |text| text.contains("{sub}").then(|| text.to_owned()),
    );
    let name = reader.text("name", faults);
    let scopes = reader.texts("scopes", faults);
    let endpoints = parse_endpoints(reader, faults);
    let userinfo = parse_userinfo(reader, faults).unwrap_or(preset.userinfo);
    let (hosts, audiences) = (reader.texts("hosts", faults), reader.texts("audiences", faults));
    let (id, issuer) = (id?, issuer?);
    Some(ProviderSettings {
        name: name.unwrap_or_else(|| preset.name.clone()),
        name_ko: reader.text("name_ko", faults),
        scopes: first_filled([scopes, preset.scopes.clone(), default_scopes()]),
        layers: first_filled([layers, preset.layers.clone(), default_layers()]),
        endpoints: endpoints.or(&preset.endpoints),
        remote_user: remote_user.unwrap_or_else(|| "{issuer_id}:{sub}".to_owned()),
        id,
        issuer,
        tenants,
        client,
        hosts,
        preset,
        claims,
        userinfo,
        audiences,
    })
}

fn first_filled<T, const N: usize>(lists: [Vec<T>; N]) -> Vec<T> {
    lists
        .into_iter()
        .find(|list| !list.is_empty())
        .unwrap_or_default()
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email", "offline_access"]
        .map(str::to_owned)
        .to_vec()
}

fn default_layers() -> Vec<VerificationSource> {
    vec![VerificationSource::OauthUserinfo, VerificationSource::LocalJwt]
}

fn is_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= MAX_ID_LEN && text.bytes().all(allowed)
}

fn parse_preset_name(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> &'static ProviderPreset {
    let names: Vec<_> = ProviderPreset::all()
        .iter()
        .map(|preset| preset.id.as_str())
        .collect();
    let remedy = format!("use one of {}, or leave it out", names.join(", "));
    let preset = reader.parsed("preset", &remedy, faults, ProviderPreset::find);
    preset.unwrap_or_else(ProviderPreset::openid)
}

fn parse_issuer(
    reader: &TableReader<'_>,
    preset: &ProviderPreset,
    faults: &mut FaultList<'_>,
) -> Option<String> {
    const REMEDY: &str =
        "write the issuer exactly as its tokens do, such as https://sso.example.com/realms/main";
    if reader.get("issuer").is_none() {
        if preset.issuer.is_none() {
            faults.report(&reader.span, "the provider has no issuer", REMEDY);
        }
        return preset.issuer.clone();
    }
    // Kept as it is written: an issuer is compared exactly, and a URL library would add a slash.
    reader.parsed("issuer", REMEDY, faults, |text| {
        http_url(&text.replace(TENANT_PLACEHOLDER, "tenant")).map(|_| text.to_owned())
    })
}

fn check_tenants(
    reader: &TableReader<'_>,
    issuer: Option<&str>,
    tenants: &[String],
    faults: &mut FaultList<'_>,
) {
    let Some(issuer) = issuer else { return };
    let has_placeholder = issuer.contains(TENANT_PLACEHOLDER);
    if has_placeholder && tenants.is_empty() {
        let problem = "the issuer stands for every tenant, and no tenant is listed";
        let remedy = "list the accepted ones: tenants = [\"…\"]";
        faults.report(&reader.span_of("issuer"), problem, remedy);
    }
    if !has_placeholder && !tenants.is_empty() {
        let problem = "tenants are listed, and the issuer has no {tenantid}";
        faults.report(
            &reader.span_of("tenants"),
            problem,
            "write {tenantid} in the issuer, or remove tenants",
        );
    }
}

/// Reads the layers of bearer tokens. Empty if they are absent, or after a fault.
pub(crate) fn parse_layers(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> Vec<VerificationSource> {
    let mut layers = Vec::new();
    for text in reader.texts("layers", faults) {
        let layer = VerificationSource::ALL
            .into_iter()
            .find(|layer| layer.as_str() == text);
        let words = VerificationSource::ALL.map(VerificationSource::as_str).join(", ");
        match layer {
            Some(layer) if !layers.contains(&layer) => layers.push(layer),
            Some(_) => faults.report(
                &reader.span_of("layers"),
                format!("{text} is listed twice"),
                "list it once",
            ),
            None => {
                let problem = format!("{text:?} is not a layer");
                faults.report(&reader.span_of("layers"), problem, &format!("use {words}"));
            }
        }
    }
    layers
}

/// Reads when userinfo is asked at a login.
pub(crate) fn parse_userinfo(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> Option<UserinfoUse> {
    reader.parsed("userinfo", "use if-needed, required or never", faults, |text| {
        Some(match text {
            "if-needed" => UserinfoUse::IfNeeded,
            "required" => UserinfoUse::Required,
            "never" => UserinfoUse::Never,
            _ => return None,
        })
    })
}

/// Parses an absolute `https://` or `http://` URL without user, password and fragment.
pub(crate) fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    is_plain.then_some(url)
}

#[cfg(test)]
mod tests;
