//! Parser of the gateway's client at a provider.

use std::ops::Range;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::settings::{ClientAuthentication, ClientCredential, ProviderClient};
use crate::table::{FaultList, TableReader};

/// Reads the client. `None` without one, or after a fault.
pub(crate) fn parse_client(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> Option<ProviderClient> {
    const CREDENTIALS: [&str; 3] = ["client_secret", "client_secret_file", "private_key_file"];
    let given: Vec<_> = CREDENTIALS
        .into_iter()
        .filter(|key| reader.get(key).is_some())
        .collect();
    if let [_, second, ..] = given.as_slice() {
        let problem = format!("{} are both set", given.join(" and "));
        faults.report(&reader.span_of(second), problem, "keep one of them");
    }
    let credential = match given.first() {
        None => Some(ClientCredential::Public),
        // Not through `parsed`, which would quote a wrong one.
        Some(&"client_secret") => reader
            .text("client_secret", faults)
            .map(|text| ClientCredential::Secret(SecretString::from(text))),
        Some(&"client_secret_file") => {
            path(reader, "client_secret_file", faults).map(ClientCredential::SecretFile)
        }
        Some(_) => path(reader, "private_key_file", faults).map(ClientCredential::PrivateKeyFile),
    };
    let authentication = reader.parsed(
        "client_authentication",
        "use client_secret_basic, client_secret_post, private_key_jwt or none, or leave it out",
        faults,
        authentication,
    );
    let id = reader.text("client_id", faults);
    if let (None, Some(key)) = (&id, given.first()) {
        let problem = format!("{key} is set, and client_id is not");
        faults.report(&reader.span_of(key), problem, "set client_id, too");
    }
    let (id, credential) = (id?, credential?);
    if let Some(way) = authentication {
        check_authentication(way, &credential, &reader.span_of("client_authentication"), faults);
    }
    Some(ProviderClient {
        id,
        credential,
        authentication,
    })
}

fn authentication(text: &str) -> Option<ClientAuthentication> {
    Some(match text {
        "client_secret_basic" => ClientAuthentication::Basic,
        "client_secret_post" => ClientAuthentication::Post,
        "none" => ClientAuthentication::None,
        "private_key_jwt" => ClientAuthentication::PrivateKeyJwt,
        _ => return None,
    })
}

/// Reports a way of authentication that does not go with the client's proof.
fn check_authentication(
    way: ClientAuthentication,
    credential: &ClientCredential,
    span: &Range<usize>,
    faults: &mut FaultList<'_>,
) {
    let fits = match credential {
        ClientCredential::Public => way == ClientAuthentication::None,
        ClientCredential::Secret(_) | ClientCredential::SecretFile(_) => {
            matches!(way, ClientAuthentication::Basic | ClientAuthentication::Post)
        }
        ClientCredential::PrivateKeyFile(_) => way == ClientAuthentication::PrivateKeyJwt,
    };
    if !fits {
        let problem = "client_authentication does not go with what the client has";
        let remedy = "client_secret_basic and client_secret_post need a secret, private_key_jwt needs private_key_file, none needs neither";
        faults.report(span, problem, remedy);
    }
}

fn path(reader: &TableReader<'_>, key: &str, faults: &mut FaultList<'_>) -> Option<PathBuf> {
    reader.text(key, faults).map(PathBuf::from)
}
