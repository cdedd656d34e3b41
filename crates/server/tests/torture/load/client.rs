//! The one client: it asks, and writes down what it was answered and when.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client as Http;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::tokens::{Presented, Target};
use crate::history::{Answer, Check, Covers, Outcome, Recorder, Revocation, Span, Way};
use crate::world::{Beside, World};

/// A question is given up after so long; longer than any fault, so that what was held up is answered and judged.
const CHECK_PATIENCE: Duration = Duration::from_secs(12);
/// An order is given up after so long.
const REVOKE_PATIENCE: Duration = Duration::from_secs(20);
/// The command line is given up after so long.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// The route that a question goes to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Me,
    ForwardAuth,
}

/// Speaks to every instance.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    bases: Vec<String>,
    beside: Vec<Beside>,
    recorder: Arc<Recorder>,
}

impl Client {
    pub(crate) fn new(world: &World, recorder: Arc<Recorder>) -> Self {
        Self {
            http: Http::builder().no_proxy().build().unwrap(),
            bases: world.gateways.iter().map(|gateway| gateway.url()).collect(),
            beside: (0..world.gateways.len()).map(|n| world.beside(n)).collect(),
            recorder,
        }
    }

    pub(crate) fn instances(&self) -> usize {
        self.bases.len()
    }

    /// Asks whether a token is good.
    pub(crate) async fn check(&self, shown: &Presented, instance: usize, door: Door, last: bool) -> Answer {
        let path = match door {
            Door::Me => "/api/v1/auth/me",
            Door::ForwardAuth => "/auth/verify",
        };
        let request = self
            .http
            .get(format!("{}{path}", self.bases[instance]))
            .bearer_auth(&shown.text)
            .timeout(CHECK_PATIENCE);
        let begun = self.recorder.now();
        let answer = read_check(request, shown, door).await;
        let ended = self.recorder.now();
        self.recorder.note(|history| {
            history.checks.push(Check {
                token: shown.token,
                instance,
                span: Span { begun, ended },
                answer,
                last,
            });
        });
        answer
    }

    /// Asks for a revocation: of one token, or by logging its user out everywhere.
    pub(crate) async fn revoke(&self, target: &Target, instance: usize) -> Outcome {
        let text = &target.tokens[0].text;
        let base = &self.bases[instance];
        let (way, request) = match target.covers {
            Covers::Token(_) => {
                let request = self.http.post(format!("{base}/oauth/revoke"));
                (Way::Revoke, request.form(&[("token", text.as_ref())]))
            }
            Covers::User(_) => {
                let request = self.http.post(format!("{base}/api/v1/auth/logout/all"));
                (Way::LogoutAll, request.bearer_auth(text))
            }
        };
        let begun = self.recorder.now();
        let answer = match request.timeout(REVOKE_PATIENCE).send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                // The acknowledgement is the whole answer.
                match (response.bytes().await, status) {
                    (Err(_), _) => Outcome::Nothing,
                    (_, 200) => Outcome::Acknowledged,
                    (_, 408 | 503 | 504) => Outcome::Unacknowledged(status),
                    _ => Outcome::Odd(status),
                }
            }
            Err(_) => Outcome::Nothing,
        };
        self.note_revocation(target, way, instance, begun, answer);
        answer
    }

    /// Asks the command line beside an instance for it.
    pub(crate) async fn revoke_by_command(&self, target: &Target, instance: usize) -> Outcome {
        let begun = self.recorder.now();
        let run = tokio::time::timeout(
            COMMAND_PATIENCE,
            run_command(&self.beside[instance], &target.tokens[0].text),
        );
        let answer = match run.await {
            Ok(Some(0)) => Outcome::Acknowledged,
            Ok(Some(code)) => Outcome::Unacknowledged(u16::try_from(code).unwrap_or(u16::MAX)),
            Ok(None) | Err(_) => Outcome::Nothing,
        };
        self.note_revocation(target, Way::CommandLine, instance, begun, answer);
        answer
    }

    fn note_revocation(&self, target: &Target, way: Way, instance: usize, begun: Duration, answer: Outcome) {
        let ended = self.recorder.now();
        self.recorder.note(|history| {
            history.revocations.push(Revocation {
                covers: target.covers,
                way,
                instance,
                span: Span { begun, ended },
                answer,
            });
        });
    }
}

async fn read_check(request: reqwest::RequestBuilder, shown: &Presented, door: Door) -> Answer {
    let Ok(response) = request.send().await else {
        return Answer::Nothing;
    };
    let status = response.status().as_u16();
    let header = response.headers().get("remote-user").cloned();
    let Ok(body) = response.bytes().await else {
        return Answer::Nothing;
    };
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    match status {
        200 => {
            let user = match door {
                Door::Me => json["user_id"].as_str(),
                Door::ForwardAuth => header.as_ref().and_then(|value| value.to_str().ok()),
            };
            if user == Some(&shown.user) {
                Answer::Accepted
            } else {
                Answer::Stranger
            }
        }
        401 => match json["code"].as_str() {
            Some("token_revoked") => Answer::Revoked,
            other => Answer::Refused(known_code(other)),
        },
        // 408 is the gateway's word for a client that was too slow: on a busy machine it may be this one.
        408 | 503 | 504 => Answer::Unavailable(status),
        other => Answer::Odd(other),
    }
}

/// The codes that a 401 may carry, without keeping a copy for every answer.
fn known_code(code: Option<&str>) -> &'static str {
    let known = [
        "missing_credential",
        "invalid_token",
        "token_expired",
        "session_revoked",
        "invalid_session",
        "invalid_client",
    ];
    known
        .into_iter()
        .find(|name| Some(*name) == code)
        .unwrap_or("unknown")
}

/// Its exit status.
async fn run_command(beside: &Beside, token: &str) -> Option<i32> {
    let inherited = ["PATH", "HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    let mut child = Command::new(&beside.binary)
        .args(["revoke", "--token", "-"])
        .env_clear()
        .envs(inherited)
        .envs(beside.settings.iter().map(|(name, value)| (name, value)))
        .current_dir(&beside.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take()?;
    stdin.write_all(format!("{token}\n").as_bytes()).await.ok()?;
    drop(stdin);
    child.wait().await.ok()?.code()
}
