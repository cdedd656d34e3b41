//! Tests of the map from causes to answers.

use axum::body::to_bytes;
use maxlab_auth_core::engine::{AuthFault, LoginFault, LogoutFault, RefreshFault, RevokeTokenFault};
use maxlab_auth_core::revocation::{GateRefusal, RevocationReason};
use maxlab_auth_core::session::SessionFault;
use maxlab_auth_core::verify::{TokenRejection, VerifyFault};

use super::*;

/// Every way in which a cause reaches the map.
fn causes(fault: &Unavailable) -> Vec<ApiError> {
    let fault = || fault.clone();
    vec![
        ApiError::from(fault()),
        AuthFault::Unavailable(fault()).into(),
        AuthFault::from(VerifyFault::Unavailable(fault())).into(),
        AuthFault::from(GateRefusal::Unavailable(fault())).into(),
        SessionFault::Unavailable(fault()).into(),
        LoginFault::Unavailable(fault()).into(),
        RefreshFault::Unavailable(fault()).into(),
        match LogoutFault::from(fault()) {
            LogoutFault::Unfinished(RevokeTokenFault::Termination(fault)) => fault.into(),
            other => panic!("an outage of a logout is {other:?}"),
        },
    ]
}

type Render = fn(ApiError) -> Response;

/// Forms of an answer: problem document and OAuth error.
const FORMS: [Render; 2] = [IntoResponse::into_response, ApiError::into_oauth_response];

async fn code_of(response: Response) -> String {
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    body["code"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn h2_an_outage_is_503_on_every_way_and_in_every_form() {
    let outages = [
        (Unavailable::store("down"), "store_unavailable"),
        (Unavailable::database("down"), "store_unavailable"),
        (Unavailable::upstream("down"), "upstream_unavailable"),
        (Unavailable::unprocessable("down"), "upstream_unavailable"),
    ];
    for (fault, code) in outages {
        for cause in causes(&fault) {
            for form in FORMS {
                let response = form(cause.clone());
                assert_eq!(response.status(), 503, "{cause:?}");
                assert_eq!(response.headers()["retry-after"], "2");
                assert!(!response.headers().contains_key("www-authenticate"));
                assert!(!response.headers().contains_key("set-cookie"));
                assert_eq!(code_of(response).await, code);
            }
        }
    }
}

#[test]
fn h2_every_refusal_is_401_with_a_challenge() {
    let refusals = [
        CredentialRefusal::Rejected(TokenRejection::Expired),
        CredentialRefusal::Rejected(TokenRejection::Refused),
        CredentialRefusal::TokenRevoked(RevocationReason::Logout),
        CredentialRefusal::SessionRevoked(None),
        CredentialRefusal::NoSession,
    ];
    for refusal in refusals {
        for form in FORMS {
            let response = form(AuthFault::Refused(refusal.clone()).into());
            assert_eq!(response.status(), 401, "{refusal:?}");
            assert!(response.headers().contains_key("www-authenticate"));
            assert!(!response.headers().contains_key("retry-after"));
        }
    }
}

#[tokio::test]
async fn h3_a_failure_of_this_process_is_500_and_no_outage() {
    let fault = Unavailable::process("the operating system gave no random bytes");
    for cause in causes(&fault) {
        for form in FORMS {
            let response = form(cause.clone());
            assert_eq!(response.status(), 500, "{cause:?}");
            assert!(!response.headers().contains_key("retry-after"));
            assert!(!response.headers().contains_key("www-authenticate"));
            assert_eq!(code_of(response).await, "internal_error");
        }
    }
}

#[test]
fn h3_a_failure_of_this_process_is_not_counted_as_an_outage_of_the_store() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        let _ = ApiError::from(Unavailable::process("no random bytes")).into_response();
    });
    assert!(!handle.render().contains(crate::metrics::STORE_ERRORS));
    ::metrics::with_local_recorder(&recorder, || {
        let _ = ApiError::from(Unavailable::store("down")).into_response();
    });
    assert!(handle.render().contains(crate::metrics::STORE_ERRORS));
}

#[test]
fn h10_every_code_has_a_valid_error_status() {
    for code in ErrorCode::ALL {
        assert_eq!(status_of(code).as_u16(), code.status(), "{code:?}");
        let response = problem_response(code, code.detail());
        let expected = code.retry_after().map(HeaderValue::from);
        assert_eq!(
            response.headers().get("retry-after"),
            expected.as_ref(),
            "{code:?}"
        );
    }
}

#[test]
fn h10_a_rate_limit_says_its_own_time_and_a_relayed_429_has_one_too() {
    let fault = Unavailable::throttled("the limit by address", Duration::from_millis(6100));
    for form in FORMS {
        let response = form(fault.clone().into());
        assert_eq!(response.status(), 429);
        let times: Vec<_> = response.headers().get_all("retry-after").iter().collect();
        assert_eq!(times, ["7"]);
    }
    let given = || Some(HeaderValue::from_static("30"));
    let (limited, malformed) = (StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_REQUEST);
    assert_eq!(relayed_retry_after(limited, given()).unwrap(), "30");
    assert_eq!(relayed_retry_after(malformed, given()).unwrap(), "30");
    assert_eq!(relayed_retry_after(limited, None).unwrap(), "2");
    assert_eq!(relayed_retry_after(malformed, None), None);
}
