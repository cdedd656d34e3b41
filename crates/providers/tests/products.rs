//! Presets with tokens and answers in the shape that each product sends: whom they name, and with which roles and
//! groups.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use jiff::Timestamp;
use maxlab_auth_core::identity::{Identity, VerificationSource};
use maxlab_auth_providers::{ProviderList, ProviderSettings};
use serde_json::{Value, json};

fn provider(preset: &str, more: &str) -> ProviderSettings {
    let text = format!("[[provider]]\nid = \"p\"\npreset = \"{preset}\"\n{more}\n");
    let list = ProviderList::parse(&text).unwrap_or_else(|faults| panic!("{preset}: {faults}"));
    list.providers[0].clone()
}

/// Identity that the first layer of a preset reads from these claims.
fn identity(provider: &ProviderSettings, source: VerificationSource, claims: &Value) -> Identity {
    let claims = claims.as_object().unwrap();
    provider
        .claims
        .read_identity(claims, source, Timestamp::UNIX_EPOCH)
        .unwrap_or_else(|fault| panic!("{}: {fault:?}", provider.preset.id))
}

const ISSUER: &str = "issuer = \"https://op.example\"";
const WITH_CLIENT: &str = "issuer = \"https://op.example\"\nclient_id = \"my.app\"\nclient_secret = \"s\"";

/// Preset, further lines, layer, claims, and then the user id, roles and groups that must be read.
type Row = (
    &'static str,
    &'static str,
    VerificationSource,
    Value,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// Products that companies rent or run at large.
fn hosted_rows() -> Vec<Row> {
    use VerificationSource::{LocalJwt, OauthUserinfo};
    let oid = "11111111-2222-3333-4444-555555555555";
    vec![
        (
            "keycloak",
            WITH_CLIENT,
            LocalJwt,
            json!({"sub": "f:1:alice", "typ": "Bearer", "azp": "my.app", "realm_access": {"roles": ["user"]},
                "resource_access": {"my.app": {"roles": ["editor"]}, "account": {"roles": ["view-profile"]}},
                "groups": ["research"]}),
            "f:1:alice",
            &["user", "editor"],
            &["research"],
        ),
        (
            "entra",
            "issuer = \"https://login.microsoftonline.com/{tenantid}/v2.0\"\ntenants = [\"t-1\"]",
            LocalJwt,
            json!({"aud": "api://gateway", "ver": "2.0", "tid": "t-1", "oid": oid, "sub": "pairwise-of-one-application",
                "roles": ["Editor"], "groups": ["g-1"], "scp": "read"}),
            oid,
            &["Editor"],
            &["g-1"],
        ),
        (
            "entra",
            "issuer = \"https://sts.windows.net/{tenantid}/\"\ntenants = [\"t-1\"]",
            LocalJwt,
            json!({"ver": "1.0", "oid": oid, "sub": "pairwise", "unique_name": "alice@example.com", "roles": ["Editor"]}),
            oid,
            &["Editor"],
            &[],
        ),
        (
            "auth0",
            "issuer = \"https://tenant.eu.auth0.com/\"\nclaims.roles = ['https://app\\.example\\.com/roles']",
            LocalJwt,
            json!({"sub": "auth0|5f7c8ec7", "https://app.example.com/roles": ["admin"], "permissions": ["read:docs"]}),
            "auth0|5f7c8ec7",
            &["admin"],
            &[],
        ),
        (
            "okta",
            ISSUER,
            LocalJwt,
            json!({"sub": "alice@example.com", "uid": "00u1", "scp": ["openid", "profile"], "groups": ["Everyone"]}),
            "alice@example.com",
            &[],
            &["Everyone"],
        ),
        (
            "cognito",
            ISSUER,
            LocalJwt,
            json!({"sub": "aaaa-bbbb", "token_use": "access", "client_id": "my-client", "username": "alice",
                "cognito:groups": ["staff"]}),
            "aaaa-bbbb",
            &[],
            &["staff"],
        ),
        (
            "google",
            "",
            OauthUserinfo,
            json!({"sub": "110169484474386276334", "email": "alice@example.com", "email_verified": true, "hd": "example.com"}),
            "110169484474386276334",
            &[],
            &["example.com"],
        ),
        (
            "github",
            "",
            OauthUserinfo,
            json!({"login": "octocat", "id": 583_231, "name": null, "avatar_url": "https://avatars.example/1", "email": null}),
            "583231",
            &[],
            &[],
        ),
    ]
}

/// Products that people run themselves.
fn self_hosted_rows() -> Vec<Row> {
    use VerificationSource::{Introspection, LocalJwt, OauthUserinfo};
    vec![
        (
            "gitlab",
            ISSUER,
            OauthUserinfo,
            json!({"sub": "12", "nickname": "alice", "groups": ["group/sub"]}),
            "12",
            &[],
            &["group/sub"],
        ),
        (
            "authentik",
            ISSUER,
            OauthUserinfo,
            json!({"sub": "hash-1", "preferred_username": "alice", "groups": ["authentik Admins"]}),
            "hash-1",
            &[],
            &["authentik Admins"],
        ),
        (
            "authelia",
            ISSUER,
            OauthUserinfo,
            json!({"sub": "c1-uuid", "groups": ["admins", "dev"]}),
            "c1-uuid",
            &[],
            &["admins", "dev"],
        ),
        (
            "rauthy",
            ISSUER,
            LocalJwt,
            json!({"sub": "u-1", "typ": "Bearer", "roles": ["user"], "groups": ["team"]}),
            "u-1",
            &["user"],
            &["team"],
        ),
        (
            "dex",
            ISSUER,
            LocalJwt,
            json!({"sub": "CgVhbGljZRIEbGRhcA", "groups": ["admins"]}),
            "CgVhbGljZRIEbGRhcA",
            &[],
            &["admins"],
        ),
        (
            "hydra",
            ISSUER,
            Introspection,
            json!({"active": true, "sub": "alice", "client_id": "my-app", "ext": {"roles": ["editor"], "groups": ["research"]}}),
            "alice",
            &["editor"],
            &["research"],
        ),
    ]
}

#[test]
fn each_product_names_its_people_as_it_sends_them() {
    for (preset, more, source, claims, user, roles, groups) in
        hosted_rows().into_iter().chain(self_hosted_rows())
    {
        let found = identity(&provider(preset, more), source, &claims);
        assert_eq!(found.user_id, user, "{preset}");
        assert_eq!(found.roles, roles, "{preset}");
        assert_eq!(found.groups, groups, "{preset}");
    }
}

#[test]
fn zitadel_names_roles_as_members_of_an_object() {
    let claims = json!({"sub": "1", "urn:zitadel:iam:org:project:roles": {"editor": {"2": "example.com"}}});
    let found = identity(
        &provider("zitadel", ISSUER),
        VerificationSource::OauthUserinfo,
        &claims,
    );
    assert_eq!(found.roles, ["editor"]);
}

#[test]
fn github_has_its_own_endpoints_and_cognito_its_own_audience() {
    let github = provider("github", "");
    assert_eq!(github.issuer, "https://github.com");
    assert_eq!(
        github.endpoints.userinfo.unwrap().as_str(),
        "https://api.github.com/user"
    );
    assert_eq!(
        provider("cognito", ISSUER).preset.audience_claim.as_deref(),
        Some("client_id")
    );
    assert_eq!(provider("google", "").layers, [VerificationSource::OauthUserinfo]);
}

#[test]
fn a_client_id_in_a_claim_path_is_one_name_whatever_it_contains() {
    let text = "issuer = \"https://op.example\"\nclient_id = 'a\\b.c'\nclient_secret = \"s\"";
    let claims = json!({"sub": "u", "resource_access": {"a\\b.c": {"roles": ["editor"]}}});
    let found = identity(&provider("keycloak", text), VerificationSource::LocalJwt, &claims);
    assert_eq!(found.roles, ["editor"]);
    // Without a client the path of the realm alone is left.
    let provider = provider("keycloak", ISSUER);
    assert_eq!(provider.claims.roles, ["realm_access.roles"]);
}
