use super::*;
use crate::settings::ClientCredential;

const STAFF: &str = r#"
[[provider]]
id = "staff"
name = "Company login"
issuer = "https://sso.example.com/realms/main"
client_id = "app.gateway"
client_secret_file = "/run/secrets/staff"
hosts = ["app.example.com"]
preset = "keycloak"
audiences = ["maxlab-api"]
"#;

fn parse(text: &str) -> ProviderList {
    ProviderList::parse(text).unwrap_or_else(|faults| panic!("{faults}"))
}

fn faults(text: &str) -> Vec<String> {
    let faults = ProviderList::parse(text).expect_err("it has faults");
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn a_provider_takes_from_its_preset_what_it_does_not_say() {
    let list = parse(&format!("{STAFF}jwks_uri = \"http://127.0.0.1:9/keys\"\n"));
    let [staff] = list.providers.as_slice() else {
        panic!("{list:?}")
    };
    assert_eq!(
        (staff.id.as_str(), staff.name.as_str()),
        ("staff", "Company login")
    );
    assert_eq!(staff.preset.name, "Keycloak");
    assert_eq!(
        staff.claims.roles,
        [r"realm_access.roles + resource_access.app\.gateway.roles"]
    );
    assert_eq!(staff.claims.groups, ["groups"]);
    assert!(staff.claims.email.is_empty());
    assert_eq!(staff.scopes, ["openid", "profile", "email", "offline_access"]);
    assert_eq!(staff.layers, default_layers());
    assert_eq!(
        staff.endpoints.jwks.as_ref().unwrap().as_str(),
        "http://127.0.0.1:9/keys"
    );
    assert_eq!(staff.remote_user, "{issuer_id}:{sub}");
    let client = staff.client.as_ref().unwrap();
    assert!(matches!(&client.credential, ClientCredential::SecretFile(path) if path.ends_with("staff")));
}

#[test]
fn an_issuer_stays_as_it_is_written() {
    for issuer in [
        "https://as.example",
        "https://as.example/",
        "https://AS.example/a%2Fb",
    ] {
        let list = parse(&format!("[[provider]]\nid = \"a\"\nissuer = \"{issuer}\"\n"));
        assert_eq!(list.providers[0].issuer, issuer);
    }
}

#[test]
fn own_claims_replace_those_of_the_preset_part_by_part() {
    let list = parse(&format!(
        "{STAFF}claims.roles = [\"roles\"]\nclaims.user_id = [\"oid\", \"sub\"]\n"
    ));
    let claims = &list.providers[0].claims;
    assert_eq!(claims.roles, ["roles"]);
    assert_eq!(claims.groups, ["groups"]);
    // Not united: a person has one id.
    assert_eq!(claims.user_id, ["oid", "sub"]);
}

#[test]
fn every_fault_of_the_file_is_reported_at_once_with_its_line() {
    let text = r#"
[[provider]]
id = "Staff"
issuer = "sso.example.com"
colour = "red"

[[provider]]
id = "b"
issuer = "https://b.example"
client_secret = "s3cret-value"
layers = ["local_jwt", "magic"]
preset = "keyclaok"
token_endpoint = "/token"
claims.shoe = "size"
"#;
    let found = faults(text);
    let starts = [
        "line 3 (provider 1): id = \"Staff\" cannot be used",
        "line 4 (provider 1): issuer = \"sso.example.com\" cannot be used",
        "line 5 (provider 1): unknown key colour",
        "line 10 (provider b): client_secret is set, and client_id is not",
        "line 11 (provider b): \"magic\" is not a layer",
        "line 12 (provider b): preset = \"keyclaok\" cannot be used",
        "line 13 (provider b): token_endpoint = \"/token\" cannot be used",
        "line 14 (provider b): unknown key claims.shoe",
    ];
    assert_eq!(found.len(), starts.len(), "{found:#?}");
    for (fault, start) in found.iter().zip(starts) {
        assert!(fault.starts_with(start), "{fault}\n{start}");
    }
}

#[test]
fn no_fault_quotes_a_secret() {
    let text = format!("{STAFF}client_secret = \"s3cret-value\"\nclient_authentication = \"none\"\n");
    let found = faults(&text).join("\n");
    assert!(
        found.contains("client_secret and client_secret_file are both set"),
        "{found}"
    );
    assert!(
        found.contains("client_authentication does not go with what the client has"),
        "{found}"
    );
    assert!(!found.contains("s3cret"), "{found}");
    let shown = format!(
        "{:?}",
        parse(
            "[[provider]]\nid=\"a\"\nissuer=\"https://a.example\"\nclient_id=\"c\"\nclient_secret=\"s3cret-value\"\n"
        )
    );
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn two_providers_have_neither_id_nor_issuer_in_common() {
    let found = faults(&format!("{STAFF}{STAFF}"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("the id \"staff\" is used twice"), "{found:?}");
    assert!(found[1].contains("has the same issuer"), "{found:?}");
}

#[test]
fn an_issuer_for_all_tenants_needs_the_list_of_them() {
    let entra = |more: &str| {
        format!(
            "[[provider]]\nid = \"e\"\npreset = \"entra\"\nissuer = \"https://login.example/{{tenantid}}/v2.0\"\n{more}"
        )
    };
    assert!(faults(&entra("")).join("").contains("no tenant is listed"));
    let list = parse(&entra("tenants = [\"t-1\"]\n"));
    assert_eq!(list.providers[0].tenants, ["t-1"]);
    let stray = faults(&format!("{STAFF}tenants = [\"t-1\"]\n"));
    assert!(stray.join("").contains("has no {tenantid}"), "{stray:?}");
}

#[test]
fn a_file_without_a_provider_is_no_list() {
    for text in [
        "",
        "# later\n",
        "provider = 1\n",
        "[provider]\nid = \"a\"\n",
        "[[provider]\n",
        "[[provider]]\n",
    ] {
        assert!(!faults(text).is_empty(), "{text:?}");
    }
}
