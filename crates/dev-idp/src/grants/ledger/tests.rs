//! What no client can bring about from outside: a full disk, and the passing of weeks.

use super::*;
use crate::pkce::PkceChallenge;
use crate::scope::ScopeSet;

const SID: Uuid = Uuid::from_u128(1);

fn grant() -> CodeGrant {
    CodeGrant {
        sid: SID,
        client_id: "client".to_owned(),
        redirect_uri: "http://localhost/".to_owned(),
        challenge: PkceChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap(),
        sub: "sub".to_owned(),
        scope: ScopeSet::parse("openid"),
        nonce: None,
        auth_time: 0,
        expires_at: 60,
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_neither_acknowledged_nor_done() {
    let folder = tempfile::tempdir().unwrap();
    let grants = Arc::new(GrantLedger::open(folder.path(), 0, 900).unwrap());
    grants.issue_code("first", grant(), 0);
    grants
        .redeem_code("first", "client", 0, 1000, |_| true)
        .await
        .unwrap()
        .unwrap();
    grants.issue_code(
        "second",
        CodeGrant {
            sid: Uuid::from_u128(2),
            ..grant()
        },
        0,
    );
    grants.journal.lock().unwrap().break_for_test();

    assert!(
        grants
            .redeem_code("second", "client", 0, 1000, |_| true)
            .await
            .is_err()
    );
    assert!(grants.family(Uuid::from_u128(2)).is_none());
    assert!(!grants.state.read().unwrap().codes[&code_hash("second")].used);
    let token = RefreshToken {
        sid: SID,
        generation: 0,
    };
    assert!(grants.rotate(token, "client", 0).await.is_err());
    assert_eq!(grants.family(SID).unwrap().generation, 0);
    let jti = Uuid::from_u128(3);
    assert!(grants.revoke_access_token(jti, 900).await.is_err());
    assert!(grants.revoke_family(SID).await.is_err());
    assert!(!grants.is_revoked(jti, Some(SID)));
}

#[tokio::test]
async fn a_start_forgets_what_has_expired_and_nothing_sooner() {
    let folder = tempfile::tempdir().unwrap();
    let grants = Arc::new(GrantLedger::open(folder.path(), 0, 900).unwrap());
    grants.issue_code("code", grant(), 0);
    grants
        .redeem_code("code", "client", 0, 1000, |_| true)
        .await
        .unwrap()
        .unwrap();
    let jti = Uuid::from_u128(3);
    grants.revoke_access_token(jti, 500).await.unwrap();
    drop(grants);

    let before = |now| GrantLedger::open(folder.path(), now, 900).unwrap();
    assert!(before(499).is_revoked(jti, None));
    assert!(!before(500).is_revoked(jti, None));
    assert!(before(1899).family(SID).is_some());
    assert!(before(1900).family(SID).is_none());
    assert!(
        before(1900).is_revoked(jti, Some(SID)),
        "the tokens of a forgotten login are refused"
    );
}
