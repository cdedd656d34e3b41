//! The one client: it asks, and writes down what it was answered and when.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client as Http;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::answer::{Door, Read, of_check, of_ending, of_exchange};
use super::ending::{Ending, session_of, with_cookie};
use super::issuer::code_of;
use super::register::Presented;
use crate::history::{Answer, Check, Covers, CredentialKind, Outcome, Recorder, Revocation, Span, Way};
use crate::world::{Beside, World};

/// A question is given up after so long; longer than any fault, so that what was held up is answered and judged.
const CHECK_PATIENCE: Duration = Duration::from_secs(12);
/// The command line is given up after so long.
const COMMAND_PATIENCE: Duration = Duration::from_secs(60);

/// What a login or the exchange of a refresh token brought.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    pub(crate) access: Arc<str>,
    pub(crate) refresh: Arc<str>,
    /// The session's id and its public name, of a login.
    pub(crate) cookie: Option<Arc<str>>,
    pub(crate) handle: Arc<str>,
}

/// What came of an order, and the session's new id if it was a rotation.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) instance: usize,
    pub(crate) cookie: Option<Arc<str>>,
}

/// How one request of an order is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) instance: usize,
    /// The client gives up after this time.
    pub(crate) patience: Duration,
    /// Whether the same was asked for before, without an acknowledgement.
    pub(crate) repeat: bool,
}

/// Speaks to every instance.
#[derive(Debug)]
pub(crate) struct Client {
    http: Http,
    bases: Vec<String>,
    beside: Vec<Beside>,
    /// Whether all instances share a register of tokens.
    shared: bool,
    administrator: Presented,
    recorder: Arc<Recorder>,
}

impl Client {
    pub(crate) fn new(
        world: &World,
        shared: bool,
        administrator: Presented,
        recorder: Arc<Recorder>,
    ) -> Self {
        Self {
            http: Http::builder().no_proxy().build().unwrap(),
            bases: world.gateways.iter().map(|gateway| gateway.url()).collect(),
            beside: (0..world.gateways.len()).map(|n| world.beside(n)).collect(),
            shared,
            administrator,
            recorder,
        }
    }

    pub(crate) fn instances(&self) -> usize {
        self.bases.len()
    }

    /// Logs a user in by exchanging a code. `None` if it brought no session.
    pub(crate) async fn log_in(&self, user: &str, instance: usize) -> Option<Granted> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code_of(user)),
            ("redirect_uri", "https://app.example/callback"),
            ("client_id", "test-app"),
        ];
        let request = self.http.post(format!("{}/oauth/token", self.bases[instance]));
        let read = Read::of(request.form(&form).timeout(CHECK_PATIENCE)).await?;
        let granted = granted(&read).filter(|_| read.status == 200)?;
        granted.cookie.is_some().then_some(granted)
    }

    /// Asks whether a credential is good.
    pub(crate) async fn check(&self, shown: &Presented, instance: usize, door: Door, last: bool) -> Answer {
        if shown.kind == CredentialKind::RefreshToken {
            return self.exchange(shown, instance, last).await.0;
        }
        let path = match door {
            Door::Me => "/api/v1/auth/me",
            Door::ForwardAuth => "/auth/verify",
        };
        let request = self.http.get(format!("{}{path}", self.bases[instance]));
        let request = match shown.kind {
            CredentialKind::SessionCookie => with_cookie(request, shown),
            _ => request.bearer_auth(&shown.text),
        };
        let begun = self.recorder.now();
        let read = Read::of(request.timeout(CHECK_PATIENCE)).await;
        let answer = read.map_or(Answer::Nothing, |read| of_check(&read, shown, door));
        self.note_check(shown, instance, begun, answer, last);
        answer
    }

    /// Asks for new tokens. An instance that cannot know the refresh token is not asked.
    pub(crate) async fn exchange(
        &self,
        shown: &Presented,
        instance: usize,
        last: bool,
    ) -> (Answer, Option<Granted>) {
        let instance = shown.home.unwrap_or(instance);
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", shown.text.as_ref()),
            ("client_id", "test-app"),
        ];
        let request = self.http.post(format!("{}/oauth/token", self.bases[instance]));
        let begun = self.recorder.now();
        let read = Read::of(request.form(&form).timeout(CHECK_PATIENCE)).await;
        let answer = read.as_ref().map_or(Answer::Nothing, of_exchange);
        self.note_check(shown, instance, begun, answer, last);
        let fresh = read.filter(|_| answer == Answer::Accepted);
        (answer, fresh.as_ref().and_then(granted))
    }

    fn note_check(&self, shown: &Presented, instance: usize, begun: Duration, answer: Answer, last: bool) {
        let ended = self.recorder.now();
        self.recorder.note(|history| {
            history.checks.push(Check {
                credential: shown.id,
                instance,
                span: Span { begun, ended },
                answer,
                last,
            });
        });
    }

    /// Asks for the end of something.
    pub(crate) async fn end(&self, ending: &Ending, attempt: Attempt) -> Ended {
        let begun = self.recorder.now();
        let (outcome, cookie) = if ending.way == Way::CommandLine {
            (self.end_by_command(ending, attempt.instance).await, None)
        } else {
            let base = &self.bases[attempt.instance];
            let request = ending.request(&self.http, base, &self.administrator);
            // The acknowledgement is the whole answer.
            match Read::of(request.timeout(attempt.patience)).await {
                Some(read) => {
                    let cookie = read.headers("set-cookie").find_map(session_of);
                    (of_ending(&read, ending), cookie)
                }
                None => (Outcome::Nothing, None),
            }
        };
        self.note_ending(ending, attempt, begun, outcome);
        Ended {
            outcome,
            instance: attempt.instance,
            cookie,
        }
    }

    async fn end_by_command(&self, ending: &Ending, instance: usize) -> Outcome {
        let token = ending.token.as_ref().map_or("", |token| token.text.as_ref());
        let run = run_command(&self.beside[instance], token);
        match tokio::time::timeout(COMMAND_PATIENCE, run).await {
            Ok(Some(0)) => Outcome::Acknowledged,
            Ok(Some(code)) => Outcome::Unacknowledged(u16::try_from(code).unwrap_or(u16::MAX)),
            Ok(None) | Err(_) => Outcome::Nothing,
        }
    }

    fn note_ending(&self, ending: &Ending, attempt: Attempt, begun: Duration, answer: Outcome) {
        let ended = self.recorder.now();
        let promises = match answer {
            // It says that the credential which was shown is over, and nothing of the rest.
            Outcome::Over(401) => {
                let shown = ending.deciding().into_iter();
                shown.map(|shown| Covers::Credential(shown.id)).collect()
            }
            _ => ending.promises(attempt.instance, self.shared, attempt.repeat),
        };
        self.recorder.note(|history| {
            history.revocations.push(Revocation {
                may_end: ending.may_end(),
                promises,
                way: ending.way,
                instance: attempt.instance,
                span: Span { begun, ended },
                answer,
                repeat: attempt.repeat,
            });
        });
    }
}

fn granted(read: &Read) -> Option<Granted> {
    Some(Granted {
        access: read.text("access_token")?.into(),
        refresh: read.text("refresh_token")?.into(),
        cookie: read.headers("set-cookie").find_map(session_of),
        handle: read.header("x-session-id").unwrap_or_default().into(),
    })
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
