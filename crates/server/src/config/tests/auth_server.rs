//! Settings of the connection to the authorization server: endpoints, client authentication, proxies.

use maxlab_auth_upstream::ClientAuthMethod;

use super::*;

#[test]
fn f8_the_method_of_a_client_goes_with_its_secret() {
    let client = ("OAUTH_CLIENT_ID", "gateway");
    let secret = ("OAUTH_CLIENT_SECRET", LONG_KEY);
    let method = |name: &'static str| ("OAUTH_CLIENT_AUTHENTICATION", name);
    let read = settings(&[client, secret, method("client_secret_post")]);
    assert_eq!(
        read.upstream.auth_method,
        Some(ClientAuthMethod::ClientSecretPost)
    );
    assert_eq!(settings(&[client, secret]).upstream.auth_method, None);
    let read = settings(&[client, method("none")]);
    assert_eq!(read.upstream.auth_method, Some(ClientAuthMethod::None));
    for (wrong, words) in [
        (
            &[client, method("client_secret_basic")][..],
            "OAUTH_CLIENT_SECRET is not set",
        ),
        (
            &[client, secret, method("none")][..],
            "OAUTH_CLIENT_SECRET is set",
        ),
        (
            &[client, secret, method("basic")][..],
            "is none of client_secret_basic",
        ),
    ] {
        let found = faults(&development(wrong));
        assert_eq!(names(&found), ["OAUTH_CLIENT_AUTHENTICATION"]);
        assert!(found.to_string().contains(words), "{found}");
    }
}

#[test]
fn f20_each_address_reports_its_own_fault() {
    let addresses = [
        "AUTHORIZATION_URL",
        "TOKEN_URL",
        "USERINFO_URL",
        "REVOCATION_URL",
        "INTROSPECTION_URL",
    ];
    let wrong = addresses.map(|name| (name, "auth.example.com/oauth"));
    assert_eq!(names(&faults(&development(&wrong))), addresses);
    let plain = addresses.map(|name| (name, "http://auth.example.com/oauth"));
    assert_eq!(names(&faults(&production(&plain))), addresses);
    settings(&plain);
}

#[test]
fn f29_proxies_are_read_in_both_spellings_and_shown_without_a_password() {
    let vars = [
        ("HTTPS_PROXY", "http://user:canary@upper.example:3128"),
        ("https_proxy", "http://lower.example:3128"),
        ("http_proxy", "lower.example"),
        ("no_proxy", "localhost,.internal"),
        ("SECRET_KEY", LONG_KEY),
        ("SESSION_ENCRYPTION_KEY", FERNET_KEY),
    ];
    for vars in [vars.to_vec(), vars.into_iter().rev().collect()] {
        let vars = vars.iter().map(|&(name, value)| (name.into(), value.into()));
        let source = SettingsSource::from_vars_and_dotenv(vars, std::path::Path::new("/nowhere/.env"));
        let (settings, _) = load(&source);
        let proxies = &settings.upstream.transport.proxies;
        let host = |url: &Option<url::Url>| url.as_ref().and_then(|url| url.host_str().map(str::to_owned));
        assert_eq!(
            host(&proxies.https).as_deref(),
            Some("upper.example"),
            "upper case wins"
        );
        assert_eq!(host(&proxies.http).as_deref(), Some("lower.example"));
        assert_eq!(proxies.bypass.as_deref(), Some("localhost,.internal"));
        let shown = format!("{:?} {settings:?}", settings.rows());
        assert!(!shown.contains("canary"), "{shown}");
    }
    let found = faults(&development(&[(
        "HTTPS_PROXY",
        "socks5://user:canary@proxy.example",
    )]));
    assert_eq!(names(&found), ["HTTPS_PROXY"]);
    let said = found.to_string();
    assert!(
        said.contains("SOCKS is not supported") && !said.contains("canary"),
        "{said}"
    );
}
