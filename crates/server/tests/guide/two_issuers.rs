//! A person is an issuer and an id there: the same id at two issuers is two people, and the same `sid` is two sessions
//! (I12). Only one issuer can be configured yet, so people of another one get their session from the engine.

use maxlab_auth_core::audit::{AuditEvent, AuditFilter, AuditKind, AuditOrigin};
use maxlab_auth_core::credential::SessionHandle;
use maxlab_auth_core::identity::{Identity, Issuer, Subject, UpstreamSession};
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::session::NewSession;
use maxlab_auth_core::verdict::{CutoffScope, RevocationKey};
use maxlab_auth_testkit::{Actor, Browser};
use serde_json::json;

use crate::gateway::{COOKIE, Login, Stores, World, on_every_store, verdict};
use crate::issuer::Code;

const ME: &str = "/api/v1/auth/me";
const OTHER: &str = "https://other.example/realms/a";

fn at_other(id: &str) -> Subject {
    Subject::new(Issuer::of(None, OTHER), id)
}

/// Begins a session of the same id at the other issuer. The browser has its cookie.
async fn session_at_other(world: &World, login: &Login) -> Browser {
    let sessions = &world.engine().deps().sessions;
    let id = maxlab_auth_core::credential::SessionId::parse(&login.cookie()).unwrap();
    let now = world.engine().now();
    let record = sessions.load(&id, now).await.unwrap().record;
    let new = NewSession {
        identity: Identity {
            issuer: Issuer::of(None, OTHER),
            ..record.identity
        },
        ip_address: None,
        user_agent: None,
        handle: SessionHandle::generate().unwrap(),
        login_at: now,
        tokens: Vec::new(),
        login: None,
        cutoff_scopes: Vec::new(),
    };
    let created = sessions.create(new, now).await.unwrap();
    assert!(created.evicted.is_empty());
    let browser = Browser::new(&world.gateway.url);
    browser.plant_cookie(COOKIE, created.id.expose().as_str());
    browser
}

async fn i12_the_same_id_at_two_issuers_is_two_people(stores: Stores) {
    let world = World::on(stores, &[("SESSION_MAX_PER_USER", "1")]).await;
    let login = world.log_in("user-1").await;
    let other = session_at_other(&world, &login).await;
    let me = other.get(ME).await.expect_status(200).json();
    assert_eq!(
        (me["user_id"].as_str(), me["issuer"].as_str()),
        (Some("user-1"), Some(OTHER))
    );
    let me = login.browser.get(ME).await.expect_status(200).json();
    assert_eq!(
        (&me["user_id"], me["issuer"].as_str()),
        (&json!("user-1"), Some(world.auth.forge().issuer()))
    );
    // An application that reads one header does not take them for one person.
    let user = async |browser: &Browser| {
        let reply = browser.get("/auth/verify").await.expect_status(200);
        reply.header("remote-user").unwrap_or_default().to_owned()
    };
    assert_eq!(user(&login.browser).await, "user-1");
    assert_eq!(user(&other).await, format!("@{OTHER}|user-1"));
    let listed = other.get("/api/v1/auth/sessions").await.expect_status(200).json();
    assert_eq!(
        listed["active_sessions"], 1,
        "each has the own session only: {listed}"
    );
    let engine = world.engine();
    for (who, survivor) in [
        (Subject::of_default("user-1"), &other),
        (at_other("user-1"), &login.browser),
    ] {
        let event =
            AuditEvent::new(AuditKind::LogoutAll, engine.now(), &AuditOrigin::default()).with_actor(&who);
        let ended = engine
            .end_all_of_user(&who, RevocationReason::LogoutAll, vec![event])
            .await
            .unwrap();
        assert_eq!(ended.sessions, 1, "{who}");
        let filter = AuditFilter {
            subject: Some(who.clone()),
            kind: Some(AuditKind::LogoutAll),
            since: None,
        };
        let found = engine.find_audit_events(&filter, 10).await.unwrap();
        assert_eq!(found.len(), 1, "{who}: {found:?}");
        assert_eq!(found[0].subject.as_ref(), Some(&who));
        if who.issuer.is_default() {
            assert_eq!(
                survivor.get(ME).await.status,
                200,
                "{who} was logged out, and nobody else"
            );
            assert_eq!(verdict(&login.browser.get(ME).await).0, 401);
        }
    }
    assert_eq!(verdict(&other.get(ME).await).0, 401);
}

async fn i12_a_cut_off_of_an_upstream_session_ends_what_came_out_of_it(stores: Stores) {
    let world = World::on(stores, &[]).await;
    let cut_off = async |session: UpstreamSession| {
        let key = RevocationKey::Cutoff(CutoffScope::UpstreamSession(session));
        world
            .engine()
            .revoke_key(key, RevocationReason::Logout, Vec::new())
            .await
            .unwrap();
    };
    let with_sid = |sid: &str| {
        let builder = world.auth.forge().access_token("user-1").claim("sid", sid);
        let token = builder.sign();
        world.auth.accept_token(&token, builder.claims());
        token
    };
    let (stray, spared) = (with_sid("s-1"), with_sid("s-2"));
    let logins = [
        world.log_in_with(&Code::of("user-1").claim("sid", "s-1")).await,
        world
            .log_in_with(&Code::of("user-1").claim("sid", "s-1").opaque())
            .await,
    ];
    let bystander = world.log_in_with(&Code::of("user-1").claim("sid", "s-2")).await;
    cut_off(UpstreamSession::new(Issuer::of(None, OTHER), "s-1")).await;
    for token in [&stray, &logins[0].access, &logins[1].access] {
        assert_eq!(
            world.me(token).await.status,
            200,
            "the same `sid` at another issuer is another session"
        );
    }
    cut_off(UpstreamSession::new(Issuer::DEFAULT, "s-1")).await;
    let revoked = (401, "session_revoked".to_owned());
    assert_eq!(world.verdict(&stray).await, revoked);
    for (n, login) in logins.iter().enumerate() {
        assert_eq!(world.verdict(&login.access).await, revoked, "access token {n}");
        assert_eq!(verdict(&login.browser.get(ME).await), revoked, "cookie {n}");
        let refused = world.refresh(&login.refresh).await.expect_status(400).json();
        assert_eq!(refused["error"], "invalid_grant", "refresh token {n}");
    }
    assert_eq!(world.me(&spared).await.status, 200);
    assert_eq!(bystander.browser.get(ME).await.status, 200);
    world.refresh(&bystander.refresh).await.expect_status(200);
}

on_every_store!(
    i12_the_same_id_at_two_issuers_is_two_people,
    i12_a_cut_off_of_an_upstream_session_ends_what_came_out_of_it,
);
