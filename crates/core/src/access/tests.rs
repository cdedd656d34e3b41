use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::engine::{AuthFault, CredentialRefusal};
use crate::guard::Admin;
use crate::guard::tests::user;
use crate::identity::Identity;
use crate::unavailable::Unavailable;
use crate::verdict::{CredentialInfo, CredentialRepr, IssueTime, ReadAssurance};

const POLICY: &str = r#"
[[rule]]
path = "/public/**"
access = "public"

[[rule]]
path = "/admin/**"
require = "role=admin"

[[rule]]
path = "/w/**"
require = "workspace=w1"

[[rule]]
path = "/internal/**"
access = "deny"
"#;

fn admin() -> Admin {
    Admin {
        roles: vec!["owner".into()],
    }
}

fn active(role: &str) -> ActiveCredential {
    let identity = Identity {
        roles: vec![role.into()],
        ..user()
    };
    let info = CredentialInfo {
        identity,
        revocation_keys: vec![],
        own_key_count: 0,
        cutoff_scopes: vec![],
        issue_time: IssueTime::Unknown,
        expires_at: None,
        session: None,
        key_id: None,
    };
    let assurance = ReadAssurance {
        term: None,
        from_replica: false,
        lease_left: Duration::ZERO,
    };
    ActiveCredential::new(CredentialRepr::Full(Arc::new(info)), assurance)
}

fn requirements(pairs: &[(&str, &str)]) -> RequirementSet {
    RequirementSet::parse(pairs.iter().copied(), admin()).unwrap()
}

/// Request of a test.
struct Case<'c> {
    policy: Option<&'c str>,
    path: Option<&'c str>,
    query: &'c [(&'c str, &'c str)],
    credential: CredentialState,
}

impl Case<'_> {
    fn outcome<T>(&self, then: impl FnOnce(AccessOutcome<'_>) -> T) -> T {
        let policy = self
            .policy
            .map(|text| AccessPolicy::parse(text, &admin()).unwrap());
        let original = PolicyRequest::parse(Some("GET"), Some("app.example"), self.path.map(str::as_bytes));
        let requirements = requirements(self.query);
        let request = AccessRequest {
            policy: policy.as_ref(),
            original: original.as_ref().map(Some).map_err(|fault| *fault),
            requirements: Some(&requirements),
            credential: self.credential.clone(),
            has_workspace_store: true,
            names_workspaces: false,
            login_prompt: LoginPrompt::Redirect,
        };
        then(request.decide())
    }

    fn word(&self) -> &'static str {
        self.outcome(|outcome| word(&outcome))
    }
}

fn word(outcome: &AccessOutcome<'_>) -> &'static str {
    match outcome {
        AccessOutcome::NeedsIo(IoStep::Authenticate(_)) => "authenticate",
        AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(..)) => "workspaces",
        AccessOutcome::Decided(AccessDecision::Allow(_)) => "allow",
        AccessOutcome::Decided(AccessDecision::AllowPublic(_)) => "public",
        AccessOutcome::Decided(AccessDecision::Refuse(refusal)) => match refusal {
            AccessRefusal::Unauthenticated {
                prompt: LoginPrompt::Redirect,
                ..
            } => "login",
            AccessRefusal::Unauthenticated { .. } => "challenge",
            AccessRefusal::AmbiguousCredential(_) => "ambiguous credential",
            AccessRefusal::CrossSite => "cross-site",
            AccessRefusal::Requirement(_) => "requirement",
            AccessRefusal::Policy => "policy",
            AccessRefusal::Ambiguous(_) => "ambiguous",
            AccessRefusal::MissingAttribute(_) => "attribute",
            AccessRefusal::Unavailable(_) => "unavailable",
        },
    }
}

fn case(path: &str, credential: CredentialState) -> Case<'_> {
    Case {
        policy: Some(POLICY),
        path: Some(path),
        query: &[],
        credential,
    }
}

#[test]
fn a_closed_or_unreadable_path_is_refused_before_the_credential_is_looked_at() {
    for credential in [
        CredentialState::Absent,
        CredentialState::Presented,
        CredentialState::Unusable(CredentialFault::CrossSite),
        CredentialState::Active(active("owner")),
    ] {
        assert_eq!(case("/internal/x", credential.clone()).word(), "policy");
        assert_eq!(case("/a/%2e%2e/internal", credential.clone()).word(), "ambiguous");
        let unknown = Case {
            path: None,
            ..case("", credential)
        };
        assert_eq!(unknown.word(), "attribute");
    }
}

#[test]
fn a_policy_without_a_request_opens_nothing() {
    let policy = AccessPolicy::parse(POLICY, &admin()).unwrap();
    let request = AccessRequest {
        policy: Some(&policy),
        original: Ok(None),
        requirements: None,
        credential: CredentialState::Active(active("admin")),
        has_workspace_store: false,
        names_workspaces: false,
        login_prompt: LoginPrompt::Challenge,
    };
    assert_eq!(word(&request.decide()), "attribute");
}

#[test]
fn n10_workspaces_are_loaded_where_the_answer_names_them() {
    let policy = AccessPolicy::parse(POLICY, &admin()).unwrap();
    for (has_workspace_store, names_workspaces, path, expected) in [
        (true, true, "/x", "workspaces"),
        (true, false, "/x", "allow"),
        (false, true, "/x", "allow"),
        (true, true, "/public/a", "workspaces"),
    ] {
        let original = PolicyRequest::parse(Some("GET"), Some("app.example"), Some(path.as_bytes())).unwrap();
        let request = AccessRequest {
            policy: Some(&policy),
            original: Ok(Some(&original)),
            requirements: None,
            credential: CredentialState::Active(active("admin")),
            has_workspace_store,
            names_workspaces,
            login_prompt: LoginPrompt::Challenge,
        };
        let outcome = request.decide();
        assert_eq!(
            word(&outcome),
            expected,
            "{path} {has_workspace_store} {names_workspaces}"
        );
        if let AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(_, pending)) = outcome {
            // An outage of the store closes no public path.
            let word = word(&pending.resume(Err(Unavailable::store("down"))));
            assert_eq!(word, if path == "/x" { "unavailable" } else { "public" });
        }
    }
}

#[test]
fn a_credential_is_asked_for_only_where_it_counts() {
    use CredentialState::{Absent, Presented, Unusable};
    let doubled = || Unusable(CredentialFault::Ambiguous("two".into()));
    assert_eq!(case("/public/a", Absent).word(), "public");
    assert_eq!(case("/public/a", doubled()).word(), "public");
    assert_eq!(case("/public/a", Presented).word(), "authenticate");
    assert_eq!(case("/x", Absent).word(), "login");
    assert_eq!(case("/x", doubled()).word(), "ambiguous credential");
    assert_eq!(
        case("/x", Unusable(CredentialFault::CrossSite)).word(),
        "cross-site"
    );
    assert_eq!(case("/x", Presented).word(), "authenticate");
    // The entry point's own requirements apply on public paths too.
    let own = Case {
        query: &[("role", "admin")],
        ..case("/public/a", Absent)
    };
    assert_eq!(own.word(), "login");
}

#[test]
fn all_requirements_count_and_workspaces_are_loaded_only_for_them() {
    let as_role = |path, role| case(path, CredentialState::Active(active(role)));
    assert_eq!(as_role("/x", "any").word(), "allow");
    assert_eq!(as_role("/admin/x", "admin").word(), "allow");
    assert_eq!(as_role("/admin/x", "not-admin").word(), "requirement");
    let both = Case {
        query: &[("role", "editor")],
        ..as_role("/admin/x", "admin")
    };
    assert_eq!(both.word(), "requirement");

    as_role("/w/x", "any").outcome(|outcome| {
        let AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(credential, pending)) = outcome else {
            panic!("{outcome:?}")
        };
        let member = credential.with_workspaces(vec!["w1".into()]);
        assert_eq!(word(&pending.resume(Ok(member))), "allow");
    });
    for (loaded, expected) in [
        (Ok(active("any")), "requirement"),
        (Err(Unavailable::database("down")), "unavailable"),
    ] {
        as_role("/w/x", "any").outcome(|outcome| match outcome {
            AccessOutcome::NeedsIo(IoStep::LoadWorkspaces(_, pending)) => {
                assert_eq!(word(&pending.resume(loaded)), expected);
            }
            other => panic!("{other:?}"),
        });
    }
}

#[test]
fn what_cannot_be_checked_is_never_a_401_and_never_closes_a_public_path() {
    let after = |path, fault: CredentialFault| {
        case(path, CredentialState::Presented).outcome(|outcome| match outcome {
            AccessOutcome::NeedsIo(IoStep::Authenticate(pending)) => {
                assert_eq!(pending.time_limit().is_some(), path.starts_with("/public/"));
                word(&pending.resume(Err(fault)))
            }
            other => panic!("{other:?}"),
        })
    };
    let down = || CredentialFault::from(AuthFault::from(Unavailable::store("down")));
    let ended = || CredentialFault::from(CredentialRefusal::NoSession);
    assert_eq!(after("/x", down()), "unavailable");
    assert_eq!(after("/x", CredentialFault::timed_out()), "unavailable");
    assert_eq!(after("/x", ended()), "login");
    assert_eq!(after("/public/a", down()), "public");
    assert_eq!(after("/public/a", ended()), "public");
}
