//! Tokens that no key here proves: when they are refuted, and when they are undecided.

use super::*;

#[test]
fn s7_a_key_that_the_newest_set_does_not_have_refutes_a_token_of_its_issuer() {
    let (ours, other) = (Pair::new(), Pair::new());
    let source = |is_newest, issuer, fetched| {
        Arc::new(Source {
            known: Some(ours.set()),
            fetched,
            issuer: Mutex::new(issuer),
            is_newest,
        })
    };
    let published = || Ok(Some(ours.set()));
    let token = other.token(Some("k2"));
    for (source, verdict, why) in [
        (
            source(true, Some(ISSUER), published()),
            "Refuted(Signature)",
            "the keys were fetched a moment ago",
        ),
        (
            source(false, Some(ISSUER), published()),
            "Unavailable",
            "no fetch is possible now",
        ),
        (
            source(true, Some("https://other.example"), published()),
            "NotApplicable",
            "of another issuer",
        ),
        (
            source(true, None, published()),
            "Unavailable",
            "the issuer is unknown",
        ),
        (
            source(true, Some(ISSUER), Err(Unavailable::upstream("it is down"))),
            "Unavailable",
            "the key source is down",
        ),
    ] {
        let check = check(&source, false, None);
        assert!(
            matches!(check.precheck(&jws(&token), now()), PrecheckResult::Undecided),
            "{why}"
        );
        let (actual, _) = verdict_and_checks(&check, &token, None);
        assert!(actual.starts_with(verdict), "{why}: {actual}");
    }
}

#[test]
fn s7_a_shared_secret_under_the_name_of_a_published_key_is_refuted() {
    let pair = Pair::new();
    let cold = Arc::new(Source {
        known: None,
        fetched: Ok(Some(pair.set())),
        issuer: Mutex::new(Some(ISSUER)),
        is_newest: true,
    });
    let (warm, cold) = (
        check(&steady(&pair.set()), false, None),
        check(&cold, false, None),
    );
    let named = hs256_by(SECRET, Some("k1"));
    assert!(matches!(
        warm.precheck(&jws(&named), now()),
        PrecheckResult::Rejected(TokenRejection::Signature)
    ));
    assert_eq!(verdict_and_checks(&warm, &named, None).0, "Refuted(Signature)");
    assert!(
        matches!(cold.precheck(&jws(&named), now()), PrecheckResult::Undecided),
        "no key is cached yet"
    );
    let unnamed = hs256_by(SECRET, Some("k9"));
    assert!(matches!(
        warm.precheck(&jws(&unnamed), now()),
        PrecheckResult::Undecided
    ));
    assert_eq!(verdict_and_checks(&warm, &unnamed, None).0, "Rejected(Signature)");
}

#[test]
fn s2_keys_of_an_unknown_issuer_prove_nothing() {
    let pair = Pair::new();
    let source = steady(&pair.set());
    *source.issuer.lock().unwrap() = None;
    let check = check(&source, false, None);
    let token = pair.token(Some("k1"));
    assert!(matches!(
        check.precheck(&jws(&token), now()),
        PrecheckResult::Undecided
    ));
    let (actual, _) = verdict_and_checks(&check, &token, None);
    assert!(actual.starts_with("Unavailable"), "{actual}");
}

#[test]
fn f2_a_key_set_without_a_usable_key_decides_nothing() {
    let pair = Pair::new();
    let sets = [
        r#"{"keys": [{"kty": "EC", "crv": "P-256", "kid": "k1"}]}"#,
        r#"{"keys": []}"#,
    ];
    for set in sets {
        let keys = Arc::new(KeySet::from_jwks(set.as_bytes()).unwrap());
        let check = check(&steady(&keys), false, None);
        for token in [pair.token(Some("k1")), pair.token(None)] {
            assert!(matches!(
                check.precheck(&jws(&token), now()),
                PrecheckResult::Undecided
            ));
            let (verdict, _) = verdict_and_checks(&check, &token, None);
            assert!(verdict.starts_with("Unavailable"), "{set}: {verdict}");
        }
    }
}
