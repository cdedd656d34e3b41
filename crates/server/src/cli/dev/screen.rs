//! What `dev` prints: addresses, people, and commands that can be pasted into a shell as they stand.

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::random;
use maxlab_auth_dev_idp::{DevIdpConfig, PUBLIC_CLIENT_ID, Person};

use super::super::output::{Fit, Table};
use crate::config::Settings;

/// The person who logs in with the printed command.
const WHO: &str = "member";
const SCOPE: &str = "openid profile email offline_access";

/// After the body of an answer, its status.
const STATUS: &str = r"-w '\nHTTP %{http_code}\n'";

/// Everything that the screen shows.
#[derive(Debug)]
pub(super) struct Screen {
    gateway: String,
    idp: String,
    people: Vec<Person>,
    folder: String,
    /// A PKCE verifier (RFC 7636 §4.1), the same for every login with the printed command.
    verifier: String,
}

impl Screen {
    /// # Errors
    /// The operating system gave no random bytes.
    pub(super) fn new(gateway: SocketAddr, idp: &DevIdpConfig, settings: &Settings) -> anyhow::Result<Self> {
        let host = match gateway.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => format!("localhost:{}", gateway.port()),
            _ => gateway.to_string(),
        };
        Ok(Self {
            gateway: format!("http://{host}"),
            idp: idp.issuer.clone(),
            people: idp.people.clone(),
            folder: settings.app.data_dir.display().to_string(),
            verifier: URL_SAFE_NO_PAD.encode(random::bytes::<32>()?),
        })
    }

    /// The whole screen.
    pub(super) fn text(&self) -> String {
        let Self {
            gateway, idp, folder, ..
        } = self;
        let mut text = format!(
            "\nmaxlab-auth for development, on this machine only. Ctrl-C stops it; {folder} keeps everything.\n\n\
             Gateway               {gateway}    its pages: {gateway}/docs\n\
             Authorization server  {idp}    for development only: its passwords are public\n\n"
        );
        text.push_str(&self.people());
        text.push_str("\nTry it: paste these into one shell (bash with curl), one after the other.\n\n");
        for (number, (title, command)) in self.commands().iter().enumerate() {
            let _ = writeln!(text, "# {}. {title}\n{command}\n", number + 1);
        }
        text.push_str(
            "The session began with the login, and one revoked token does not end it. With its cookie:\n\n",
        );
        for (title, command) in self.more() {
            let _ = writeln!(text, "# {title}\n{command}\n");
        }
        text
    }

    fn people(&self) -> String {
        let mut table = Table::new(&[
            ("LOGIN", Fit::Whole),
            ("PASSWORD", Fit::Whole),
            ("USER ID", Fit::Whole),
            ("WHO", Fit::Whole),
        ]);
        for person in &self.people {
            let claims = &person.claims;
            let lists = [
                ("roles", &claims.roles),
                ("groups", &claims.groups),
                ("workspaces", &claims.workspaces),
            ];
            let who: Vec<String> = lists
                .iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(name, list)| format!("{name} {}", list.join(" ")))
                .collect();
            table.row([&person.login, &person.password, &person.sub, &who.join(", ")]);
        }
        table.render(None)
    }

    /// The main job in four steps.
    fn commands(&self) -> [(&'static str, String); 4] {
        let gateway = &self.gateway;
        let call = format!("curl -sS {STATUS} -H \"Authorization: Bearer $TOKEN\" {gateway}/api/v1/auth/me");
        let revoke = format!("curl -sS {STATUS} -d token=\"$TOKEN\" {gateway}/oauth/revoke");
        [
            (
                "Log in: a code from the authorization server, exchanged at the gateway",
                self.log_in(),
            ),
            ("Call: who am I?", call.clone()),
            ("Revoke the token", revoke),
            ("Be refused: the same call again", call),
        ]
    }

    fn log_in(&self) -> String {
        let Self {
            gateway,
            idp,
            verifier,
            ..
        } = self;
        let password = self
            .people
            .iter()
            .find(|person| person.login == WHO)
            .map_or("", |person| person.password.as_str());
        let redirect_uri = format!("{gateway}/callback");
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", PUBLIC_CLIENT_ID)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", SCOPE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", &challenge)
            .finish();
        format!(
            "JAR=$(mktemp)\n\
             CODE=$(curl -sS -o /dev/null -w '%{{redirect_url}}' -d login={WHO} -d password={password} \\\n  \
             '{idp}/oauth/authorize?{query}' \\\n  | sed 's/.*[?&]code=//; s/&.*//')\n\
             TOKEN=$(curl -sS -c \"$JAR\" -w '%{{stderr}}HTTP %{{http_code}}\\n' {gateway}/oauth/token \\\n  \
             -d grant_type=authorization_code -d client_id={PUBLIC_CLIENT_ID} -d code=\"$CODE\" \\\n  \
             -d redirect_uri={redirect_uri} \\\n  -d code_verifier={verifier} \\\n  \
             | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
        )
    }

    /// What else there is to see.
    fn more(&self) -> [(&'static str, String); 2] {
        let gateway = &self.gateway;
        let sessions = format!("curl -sS {STATUS} -b \"$JAR\" {gateway}/api/v1/auth/sessions");
        let out = format!(
            "curl -sS {STATUS} -b \"$JAR\" -H 'Origin: {gateway}' -X POST {gateway}/api/v1/auth/logout/all"
        );
        [("Your sessions", sessions), ("Log out everywhere", out)]
    }
}
