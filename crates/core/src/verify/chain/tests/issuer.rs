//! Issuer of a chain: whose people, tokens and sessions its credentials name (I12).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::identity::{Subject, UpstreamSession};
use crate::verdict::{CutoffScope, RevocationKey, TokenKey};

/// Names of a credential: its revocation keys, then its cut-off scopes.
fn names_of(info: &CredentialInfo) -> Vec<RevocationKey> {
    let scopes = info.cutoff_scopes.iter().cloned().map(RevocationKey::Cutoff);
    info.revocation_keys.iter().cloned().chain(scopes).collect()
}

/// Credential of a token with these claims, which a layer accepts, by a chain of this issuer.
async fn info_of(issuer: &Issuer, token: &PresentedToken, claims: &serde_json::Value) -> Arc<CredentialInfo> {
    let Verdict::Verified(mut accepted) = yes(None) else {
        unreachable!()
    };
    accepted.claims = Arc::new(claims.as_object().unwrap().clone());
    let layer = Layer::new(VerificationSource::Introspection, Verdict::Verified(accepted));
    let limits = ChainLimits {
        verdict_ttl: KEEP,
        cache_bytes: 64 << 20,
        layer_timeout: Duration::from_secs(5),
    };
    let chain =
        VerifyChain::new(vec![layer], None, ClaimPaths::default(), limits).with_issuer(issuer.clone());
    let first = chain.verify(token, at(0)).await.unwrap().into_info();
    // The second time from the cache: the compact form loses nothing.
    let cached = chain.lookup_cached(token.expose(), at(1)).unwrap().unwrap();
    assert_eq!(first, cached.into_info());
    first
}

#[tokio::test]
async fn i12_a_sub_a_jti_and_a_sid_name_somebody_at_their_issuer_only() {
    let claims = json!({"sub": "user-1", "jti": "j1", "sid": "s1"});
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"alg": "ES256", "kid": "k"}));
    let signed = token(&format!(
        "{header}.{}.{}",
        part(claims.clone()),
        URL_SAFE_NO_PAD.encode([7; 64])
    ));
    let issuers = ["", "https://one.example", "https://two.example"].map(|url| Issuer::of(None, url));
    for token in [&signed, &token("opaque-1")] {
        let is_signed = std::ptr::eq(token, &signed);
        let mut all = Vec::new();
        for issuer in &issuers {
            let info = info_of(issuer, token, &claims).await;
            assert_eq!(info.identity.subject(), Subject::new(issuer.clone(), "user-1"));
            assert_eq!(info.identity.sid.as_deref(), Some("s1"));
            let names = names_of(&info);
            let session = UpstreamSession::new(issuer.clone(), "s1");
            let mut own = vec![
                RevocationKey::user(&info.identity.subject()),
                RevocationKey::Cutoff(CutoffScope::UpstreamSession(session)),
            ];
            own.extend(is_signed.then(|| RevocationKey::Token(TokenKey::from_issuer_and_jti(issuer, "j1"))));
            assert!(
                own.iter().all(|name| names.contains(name)),
                "{own:?} in {names:?}"
            );
            all.push((names, own));
        }
        for (index, (names, _)) in all.iter().enumerate() {
            for (other, (_, own)) in all.iter().enumerate().filter(|(other, _)| *other != index) {
                assert!(
                    own.iter().all(|name| !names.contains(name)),
                    "{index} has a name of {other}"
                );
            }
        }
    }
}

#[test]
fn i12_what_an_unverified_token_says_is_looked_up_at_its_issuer() {
    let payload = URL_SAFE_NO_PAD.encode(r#"{"jti":"j1"}"#);
    let text = format!("{}.{payload}.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256"}"#));
    let text = token(&text);
    let parsed = ParsedToken::parse(&text);
    let other = Issuer::of(None, "https://one.example");
    let key = |issuer| RevocationKey::Token(TokenKey::from_issuer_and_jti(issuer, "j1"));
    for (issuer, foreign) in [(&Issuer::DEFAULT, &other), (&other, &Issuer::DEFAULT)] {
        let names = parsed.unverified_names(issuer);
        assert!(
            names.contains(&key(issuer)) && !names.contains(&key(foreign)),
            "{names:?}"
        );
    }
}
