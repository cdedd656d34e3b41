//! Instructions that `dev` prints: addresses, people, and commands to paste into a shell.

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maxlab_auth_core::credential::sha256;
use maxlab_auth_core::random;
use maxlab_auth_dev_idp::{DevIdpConfig, PUBLIC_CLIENT_ID, Person};

use super::super::output::{ColumnFit, TextTable};
use crate::config::Settings;

/// Login of the person in the printed command.
const EXAMPLE_LOGIN: &str = "member";
/// Scope of the printed command. `offline_access` adds a refresh token.
const EXAMPLE_SCOPE: &str = "openid profile email offline_access";

/// Option of curl that prints the status after the body.
const CURL_STATUS_OPTION: &str = r"-w '\nHTTP %{http_code}\n'";

/// Contents of the instructions.
#[derive(Debug)]
pub(super) struct DevInstructions {
    gateway: String,
    idp: String,
    people: Vec<Person>,
    folder: String,
    /// PKCE verifier (RFC 7636 §4.1), the same for every login with the printed command.
    // Printed, so it protects nothing; the command has to work without a helper program.
    pkce_verifier: String,
}

impl DevInstructions {
    /// Collects the contents.
    ///
    /// # Errors
    /// If the operating system gives no random bytes.
    pub(super) fn new(gateway: SocketAddr, idp: &DevIdpConfig, settings: &Settings) -> anyhow::Result<Self> {
        // `localhost` where possible: on 127.0.0.1, browsers would not send the cookies that were set for
        // localhost.
        let host = match gateway.ip() {
            ip if ip.is_loopback() || ip.is_unspecified() => format!("localhost:{}", gateway.port()),
            _ => gateway.to_string(),
        };
        Ok(Self {
            gateway: format!("http://{host}"),
            idp: idp.issuer.clone(),
            people: idp.people.clone(),
            folder: settings.app.data_dir.display().to_string(),
            pkce_verifier: URL_SAFE_NO_PAD.encode(random::bytes::<32>()?),
        })
    }

    /// Renders the instructions.
    pub(super) fn render(&self) -> String {
        let Self {
            gateway, idp, folder, ..
        } = self;
        let mut text = format!(
            "\nmaxlab-auth for development, on this machine only. Ctrl-C stops it. Its data is in {folder}.\n\n\
             Demonstration         {gateway}/    open it in a browser, and log in\n\
             Gateway               {gateway}    API pages: {gateway}/docs\n\
             Authorization server  {idp}    for development only: its passwords are public\n\n"
        );
        text.push_str(&self.people_table());
        text.push_str("\nTry it: paste these into one shell (bash with curl), one after the other.\n\n");
        for (number, (title, command)) in self.commands().iter().enumerate() {
            // Writing to a `String` cannot fail.
            let _ = writeln!(text, "# {}. {title}\n{command}\n", number + 1);
        }
        text.push_str(
            "The login also began a session, which a revoked access token does not end. With its cookie:\n\n",
        );
        for (title, command) in self.session_commands() {
            let _ = writeln!(text, "# {title}\n{command}\n");
        }
        text
    }

    fn people_table(&self) -> String {
        let mut table = TextTable::new(&[
            ("LOGIN", ColumnFit::Whole),
            ("PASSWORD", ColumnFit::Whole),
            ("USER ID", ColumnFit::Whole),
            ("ATTRIBUTES", ColumnFit::Whole),
        ]);
        for person in &self.people {
            let claims = &person.claims;
            let lists = [
                ("roles", &claims.roles),
                ("groups", &claims.groups),
                ("workspaces", &claims.workspaces),
            ];
            let attributes: Vec<String> = lists
                .iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(name, list)| format!("{name} {}", list.join(" ")))
                .collect();
            table.push_row([
                &person.login,
                &person.password,
                &person.sub,
                &attributes.join(", "),
            ]);
        }
        // At full width, because its values are there to be copied.
        table.render(None)
    }

    /// Returns the main use in four steps: log in, call, revoke, call again.
    fn commands(&self) -> [(&'static str, String); 4] {
        let gateway = &self.gateway;
        let call = format!(
            "curl -sS {CURL_STATUS_OPTION} -H \"Authorization: Bearer $TOKEN\" {gateway}/api/v1/auth/me"
        );
        let revoke = format!("curl -sS {CURL_STATUS_OPTION} -d token=\"$TOKEN\" {gateway}/oauth/revoke");
        [
            (
                "Log in: a code from the authorization server, exchanged at the gateway",
                self.login_command(),
            ),
            ("Call: who am I?", call.clone()),
            ("Revoke the token", revoke),
            ("Be refused: the same call again", call),
        ]
    }

    fn login_command(&self) -> String {
        let Self {
            gateway,
            idp,
            pkce_verifier: verifier,
            ..
        } = self;
        let password = self
            .people
            .iter()
            .find(|person| person.login == EXAMPLE_LOGIN)
            .map_or("", |person| person.password.as_str());
        let redirect_uri = format!("{gateway}/callback");
        let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("response_type", "code")
            .append_pair("client_id", PUBLIC_CLIENT_ID)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", EXAMPLE_SCOPE)
            .append_pair("code_challenge_method", "S256")
            .append_pair("code_challenge", &challenge)
            .finish();
        // `sed` and not `jq`, which is not installed everywhere. The status goes to standard error, past the
        // pipe.
        format!(
            "JAR=$(mktemp)\n\
             CODE=$(curl -sS -o /dev/null -w '%{{redirect_url}}' -d login={EXAMPLE_LOGIN} -d password={password} \\\n  \
             '{idp}/oauth/authorize?{query}' \\\n  | sed 's/.*[?&]code=//; s/&.*//')\n\
             TOKEN=$(curl -sS -c \"$JAR\" -w '%{{stderr}}HTTP %{{http_code}}\\n' {gateway}/oauth/token \\\n  \
             -d grant_type=authorization_code -d client_id={PUBLIC_CLIENT_ID} -d code=\"$CODE\" \\\n  \
             -d redirect_uri={redirect_uri} \\\n  -d code_verifier={verifier} \\\n  \
             | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
        )
    }

    /// Returns commands that use the session's cookie.
    fn session_commands(&self) -> [(&'static str, String); 2] {
        let gateway = &self.gateway;
        let sessions = format!("curl -sS {CURL_STATUS_OPTION} -b \"$JAR\" {gateway}/api/v1/auth/sessions");
        // With `Origin`: a request that acts with the cookie must prove where it comes from
        // (docs/decisions/0007).
        let logout = format!(
            "curl -sS {CURL_STATUS_OPTION} -b \"$JAR\" -H 'Origin: {gateway}' -X POST {gateway}/api/v1/auth/logout/all"
        );
        [("Your sessions", sessions), ("Log out everywhere", logout)]
    }
}
