//! What the command line says: subcommands, their flags, and a `--help` that teaches.

mod audit;
mod check;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use maxlab_auth_core::revocation::{Reason, RevocationKey, TokenKey};
use secrecy::SecretString;

pub use audit::{AuditArgs, Since};
pub use check::CheckArgs;

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    name = "maxlab-auth",
    version,
    about = "Authentication gateway: verifies access tokens, refuses revoked ones, keeps sessions",
    long_about = "An authentication gateway between applications and an authorization server that already exists.\n\
                  It verifies access tokens in layers, refuses revoked ones at once, keeps encrypted sessions,\n\
                  relays the OAuth flows and logs people out everywhere.\n\n\
                  Settings come from the environment and from .env in the working directory; `check` shows them all.",
    after_help = "Try it on this machine:\n  maxlab-auth dev\n\n\
                  Set it up for production:\n  maxlab-auth keygen >> .env      make the keys\n  \
                  maxlab-auth check               see what is missing or unreachable\n  \
                  maxlab-auth serve               run it",
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway
    #[command(
        after_help = "Example:\n  EXTERNAL_AUTH_URL=https://auth.example.com ENVIRONMENT=production maxlab-auth serve\n\n\
                            It stops on SIGTERM or Ctrl-C, after the requests under way."
    )]
    Serve,
    /// Run the gateway with a development authorization server and embedded storage
    #[command(
        after_help = "Examples:\n  maxlab-auth dev\n  maxlab-auth dev --port 9090 --idp-port 9000 --data-dir /tmp/maxlab\n\n\
                            For this machine and for development only. What it keeps survives a restart.\n\
                            Whatever .env says, everything is kept in the data folder and people log in at the\n\
                            development authorization server."
    )]
    Dev(DevArgs),
    /// Check the settings and every component, and show them as a table
    #[command(
        after_help = "Examples:\n  maxlab-auth check\n  maxlab-auth check --json | jq '.settings[] | select(.source != \"default\")'\n\n\
                            maxlab-auth check --policy-for GET https://app.example.com/admin/\n\n\
                            Secrets are never shown. It ends with status 1 when something is wrong."
    )]
    Check(CheckArgs),
    /// Make new keys, ready for .env
    #[command(
        after_help = "Examples:\n  maxlab-auth keygen >> .env\n  maxlab-auth keygen --json | jq -r .SECRET_KEY\n\n\
                            To rotate SESSION_ENCRYPTION_KEY put the new key first and keep the old one after a comma."
    )]
    Keygen(Json),
    /// Print the OpenAPI 3.1 document
    #[command(after_help = "Example:\n  maxlab-auth openapi > openapi.json")]
    Openapi,
    /// Revoke a token, a session, or all that a user, a client or an issuer was given before now
    #[command(
        after_help = "Examples:\n  maxlab-auth revoke --token - < token.txt        a token, read from standard input\n  \
                            maxlab-auth revoke --jti 6f1c0d1e                 a token by its jti\n  \
                            maxlab-auth revoke --user u-1001 --reason admin    everything of a user\n\n\
                            When it ends with status 0 the revocation is recorded for good."
    )]
    Revoke(RevokeArgs),
    /// List or end people's sessions
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example:\n  maxlab-auth sessions list --user u-1001\n\nIt works beside a running gateway, with the same settings."
    )]
    Sessions(SessionsCommand),
    /// Look at the denylist
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example:\n  maxlab-auth denylist list --user u-1001\n\nIt works beside a running gateway, with the same settings."
    )]
    Denylist(DenylistCommand),
    /// Show what happened: who did what, when and from where
    #[command(
        after_help = "Examples:\n  maxlab-auth audit --since 24h\n  maxlab-auth audit --user u-1001 --kind logout_all --json\n  \
                            maxlab-auth audit --since 2026-01-31T00:00:00Z --limit 1000"
    )]
    Audit(AuditArgs),
}

/// Whether a program reads the output.
#[derive(Debug, Clone, Copy, Args)]
pub struct Json {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The gateway's port [default: the setting PORT, 8080]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The development authorization server's port
    #[arg(long, value_name = "PORT", default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..))]
    pub idp_port: u16,
    /// Where to keep everything [default: the setting DATA_DIR, ./.maxlab-auth]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
}

/// `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Why, as the audit log will say
    #[arg(long, default_value = "admin", value_parser = reason, value_name = "WORD")]
    pub reason: Reason,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: Json,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// A token; - reads it from standard input, where no process list and no shell history shows it
    #[arg(long, value_name = "TOKEN", value_parser = token, allow_hyphen_values = true)]
    token: Option<TokenArgument>,
    /// A token by its jti
    #[arg(long, value_name = "JTI")]
    jti: Option<String>,
    /// Everything that was issued to this user until now
    #[arg(long, value_name = "USER_ID")]
    user: Option<String>,
    /// A session by its handle, and its tokens
    #[arg(long, value_name = "HANDLE")]
    session: Option<String>,
    /// Everything that was issued to this client until now
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Everything that this issuer issued until now
    #[arg(long, value_name = "ISSUER")]
    issuer: Option<String>,
}

/// A token on the command line. `Debug` does not show it.
#[derive(Debug, Clone)]
pub enum TokenArgument {
    /// To be read from standard input.
    StandardInput,
    /// Given as it is.
    Given(SecretString),
}

/// What `revoke` revokes.
#[derive(Debug, Clone)]
pub enum RevokeTarget {
    /// A token as it was issued; its key is computed from it.
    Token(TokenArgument),
    /// Something that has a name.
    Key(RevocationKey),
}

impl RevokeArgs {
    /// What is to be revoked; `None` never happens for arguments that clap accepted.
    #[must_use]
    pub fn target(&self) -> Option<RevokeTarget> {
        use maxlab_auth_core::revocation::Party;
        let target = &self.target;
        let before = |party: fn(String) -> Party, name: &Option<String>| {
            name.clone()
                .map(|name| RevokeTarget::Key(RevocationKey::Before(party(name))))
        };
        let token = target.token.clone().map(RevokeTarget::Token);
        let by_jti = || {
            target
                .jti
                .as_deref()
                .map(|jti| RevokeTarget::Key(RevocationKey::Token(TokenKey::from_jti(jti))))
        };
        let by_session = || {
            target
                .session
                .clone()
                .map(|id| RevokeTarget::Key(RevocationKey::Session(id)))
        };
        token
            .or_else(by_jti)
            .or_else(by_session)
            .or_else(|| before(Party::User, &target.user))
            .or_else(|| before(Party::Client, &target.client))
            .or_else(|| before(Party::Issuer, &target.issuer))
    }
}

/// `sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List a user's sessions
    #[command(after_help = "Example:\n  maxlab-auth sessions list --user u-1001")]
    List {
        /// The user's id
        #[arg(long, value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        output: Json,
    },
    /// End one session and its tokens
    #[command(after_help = "Example:\n  maxlab-auth sessions end --user u-1001 --session 3f0b5c...")]
    End {
        /// The user's id
        #[arg(long, value_name = "USER_ID")]
        user: String,
        /// The session's handle, as `sessions list` shows it
        #[arg(long, value_name = "HANDLE")]
        session: String,
        #[command(flatten)]
        output: Json,
    },
    /// End all sessions of a user, and every token issued until now
    #[command(after_help = "Example:\n  maxlab-auth sessions end-all --user u-1001")]
    EndAll {
        /// The user's id
        #[arg(long, value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        output: Json,
    },
}

/// `denylist`.
#[derive(Debug, Subcommand)]
pub enum DenylistCommand {
    /// List what is denied now
    #[command(after_help = "Example:\n  maxlab-auth denylist list --user u-1001 --limit 20")]
    List {
        /// Of this user only
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        output: Json,
    },
    /// Count what is denied now
    #[command(after_help = "Example:\n  maxlab-auth denylist stats --json | jq .by_reason")]
    Stats(Json),
    /// Remove entries that have outlived what they deny
    #[command(
        after_help = "Example:\n  maxlab-auth denylist clean\n\nA running gateway does it by itself, every few minutes."
    )]
    Clean(Json),
}

#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn token(text: &str) -> Result<TokenArgument, String> {
    Ok(if text == "-" {
        TokenArgument::StandardInput
    } else {
        TokenArgument::Given(SecretString::from(text))
    })
}

fn reason(word: &str) -> Result<Reason, String> {
    match Reason::parse(word) {
        Reason::Other if word != Reason::Other.as_str() => Err(
            "no reason known here; choose from revoked, logout, logout_all, session_terminated, refresh_reuse, admin, other"
                .to_owned(),
        ),
        reason => Ok(reason),
    }
}
