//! Arguments of the command line: subcommands, flags, and their help texts.

mod audit;
mod check;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use maxlab_auth_core::revocation::RevocationReason;
use maxlab_auth_core::verdict::{RevocationKey, TokenKey};
use secrecy::SecretString;

pub use audit::{AuditArgs, AuditCommand, PastTime, PurgeArgs};
pub use check::CheckArgs;

/// The command line as a whole.
#[derive(Debug, Parser)]
#[command(
    name = "maxlab-auth",
    version,
    about = "Authentication gateway: verifies access tokens, refuses revoked ones, keeps sessions",
    long_about = "An authentication gateway between applications and an authorization server that already exists.\n\
                  It verifies access tokens in layers, refuses revoked ones at once, keeps encrypted sessions,\n\
                  relays the OAuth flows and logs users out everywhere.\n\n\
                  Settings come from the environment and from .env in the working directory; `check` shows them all.",
    after_help = "Try it on this machine:\n  maxlab-auth dev\n\n\
                  Set it up for production:\n  maxlab-auth keygen --write .env make the keys\n  \
                  maxlab-auth check               find what is missing or unreachable\n  \
                  maxlab-auth serve               run it",
    arg_required_else_help = true,
    subcommand_required = true
)]
pub struct CommandLine {
    /// The subcommand.
    #[command(subcommand)]
    pub command: GatewayCommand,
}

/// Subcommands of the program.
// The doc comments of variants and fields below are the help texts: clap prints them.
#[derive(Debug, Subcommand)]
pub enum GatewayCommand {
    /// Run the gateway
    #[command(
        after_help = "Example:\n  EXTERNAL_AUTH_URL=https://auth.example.com ENVIRONMENT=production maxlab-auth serve\n\n\
                            It stops on SIGTERM or Ctrl-C, after the requests in progress."
    )]
    Serve,
    /// Run the gateway with a development authorization server and embedded storage
    #[command(
        after_help = "Examples:\n  maxlab-auth dev\n  maxlab-auth dev --port 9090 --idp-port 9000 --data-dir /tmp/maxlab\n\n\
                            For this machine and for development only. Its data survives a restart.\n\
                            It ignores the stores and the authorization server of .env: all data is in the data folder,\n\
                            and users log in at the development authorization server."
    )]
    Dev(DevArgs),
    /// Check the settings and every component, and show them as a table
    #[command(
        after_help = "Examples:\n  maxlab-auth check\n  maxlab-auth check --json | jq '.settings[] | select(.source != \"default\")'\n  \
                            maxlab-auth check --policy-for GET https://app.example.com/admin/\n  \
                            maxlab-auth check --token - < token.txt   why a token is refused, layer by layer\n\n\
                            Secrets are never shown, and a token is never printed. The exit status is 1 if a component does not work, 2 if settings are faulty."
    )]
    Check(CheckArgs),
    /// Make new keys, ready for .env
    #[command(
        after_help = "Examples:\n  maxlab-auth keygen --write .env\n  maxlab-auth keygen --json | jq -r .SECRET_KEY\n\n\
                            --write adds missing keys and changes no existing line.\n\
                            To rotate SESSION_ENCRYPTION_KEY, put the new key first and keep the old one after a comma."
    )]
    Keygen(KeygenArgs),
    /// Print the OpenAPI 3.1 document
    #[command(after_help = "Example:\n  maxlab-auth openapi > openapi.json")]
    Openapi,
    /// Print the settings that the guard library needs to verify tokens in an application
    #[command(after_help = "Example:\n  maxlab-auth guard-config > guard.json\n\n\
                            Run it with the settings of a gateway. The document has no secret and no address of a store.\n\
                            An application reads it with LocalVerifierSettings::from_gateway.")]
    GuardConfig,
    /// Revoke a token, a session, or everything of a user, a client or an issuer that was issued until now
    #[command(
        after_help = "Examples:\n  maxlab-auth revoke --token - < token.txt        a token, read from standard input\n  \
                            maxlab-auth revoke --jti 6f1c0d1e                 a token by its jti\n  \
                            maxlab-auth revoke --user u-1001 --reason admin    everything of a user\n\n\
                            If the exit status is 0, the revocation is recorded for good and in force."
    )]
    Revoke(RevokeArgs),
    /// List or end the sessions of a user
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example:\n  maxlab-auth sessions list --user u-1001\n\nIt works next to a running gateway, with the same settings."
    )]
    Sessions(SessionsCommand),
    /// Show or clean the denylist
    #[command(
        subcommand,
        arg_required_else_help = true,
        after_help = "Example:\n  maxlab-auth denylist list --user u-1001\n\nIt works next to a running gateway, with the same settings."
    )]
    Denylist(DenylistCommand),
    /// Show the audit log: who did what, when and from where
    #[command(
        after_help = "Examples:\n  maxlab-auth audit --since 24h\n  maxlab-auth audit --user u-1001 --kind logout_all --json\n  \
                            maxlab-auth audit --since 2026-01-31T00:00:00Z --limit 1000\n  maxlab-auth audit purge --before 90d"
    )]
    Audit(AuditArgs),
}

/// Output format.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Print JSON, for scripts
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// Write the missing keys into this file, readable by its owner only, and print none
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: OutputArgs,
}

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// The gateway's port [default: the setting PORT, 8080]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
    /// The development authorization server's port
    // From 1: the port is a part of the server's name, so it cannot be chosen by the system.
    #[arg(long, value_name = "PORT", default_value_t = 8000, value_parser = clap::value_parser!(u16).range(1..))]
    pub idp_port: u16,
    /// Folder for all data [default: the setting DATA_DIR, ./.maxlab-auth]
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    #[command(flatten)]
    target: TargetArgs,
    /// Also assign a Redis whose journal is lost to the journal of these settings; stop every other gateway
    /// first
    // Only with --everything: the new journal knows none of the old revocations, so every login must end.
    #[arg(long, requires = "everything", conflicts_with_all = ["token", "jti", "user", "session", "client", "issuer"])]
    pub new_journal: bool,
    /// Reason, as recorded in the audit log
    #[arg(long, default_value = "admin", value_parser = parse_reason, value_name = "WORD")]
    pub reason: RevocationReason,
    #[command(flatten)]
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the help of the flag"
    )]
    pub output: OutputArgs,
}

// Exactly one of these. (No doc comment: clap might take it for the help of the command that contains the
// group.)
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// A token; - reads it from standard input, so that no process list and no shell history shows it
    #[arg(long, value_name = "TOKEN", value_parser = parse_token, allow_hyphen_values = true)]
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
    /// Everything that was issued to anyone until now: all sessions and tokens end
    #[arg(long)]
    everything: bool,
}

/// Token on the command line. `Debug` does not show it.
#[derive(Debug, Clone)]
pub enum TokenArgument {
    /// Read from standard input.
    StandardInput,
    /// Given as the argument itself.
    Literal(SecretString),
}

/// Target of `revoke`.
#[derive(Debug, Clone)]
pub enum RevokeTarget {
    /// A token; its revocation key is computed from it.
    Token(TokenArgument),
    /// A revocation key.
    Key(RevocationKey),
}

impl RevokeArgs {
    /// Returns the target. `None` is impossible for arguments that clap accepted.
    #[must_use]
    pub fn target(&self) -> Option<RevokeTarget> {
        use maxlab_auth_core::identity::Subject;
        use maxlab_auth_core::verdict::CutoffScope;
        let target = &self.target;
        let cutoff = |scope: fn(String) -> CutoffScope, name: &Option<String>| {
            name.clone()
                .map(|name| RevokeTarget::Key(RevocationKey::Cutoff(scope(name))))
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
        // clap's group guarantees that exactly one is set, so the order does not matter.
        token
            .or_else(by_jti)
            .or_else(by_session)
            .or_else(|| {
                cutoff(
                    |user| CutoffScope::User(Subject::from_storage_name(&user)),
                    &target.user,
                )
            })
            .or_else(|| cutoff(CutoffScope::Client, &target.client))
            .or_else(|| cutoff(CutoffScope::Issuer, &target.issuer))
            .or_else(|| {
                let everything = RevokeTarget::Key(RevocationKey::Cutoff(CutoffScope::Everything));
                target.everything.then_some(everything)
            })
    }
}

/// Subcommands of `sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsCommand {
    /// List a user's sessions
    #[command(after_help = "Example:\n  maxlab-auth sessions list --user u-1001")]
    List {
        /// The user's id
        #[arg(long, value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        output: OutputArgs,
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
        output: OutputArgs,
    },
    /// End all sessions of a user, and every token issued until now
    #[command(after_help = "Example:\n  maxlab-auth sessions end-all --user u-1001")]
    EndAll {
        /// The user's id
        #[arg(long, value_name = "USER_ID")]
        user: String,
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Subcommands of `denylist`.
#[derive(Debug, Subcommand)]
pub enum DenylistCommand {
    /// List the current entries
    #[command(after_help = "Example:\n  maxlab-auth denylist list --user u-1001 --limit 20")]
    List {
        /// Only entries of this user
        #[arg(long, value_name = "USER_ID")]
        user: Option<String>,
        /// Maximum number of entries
        // Bounded, because all of them are in memory for the table.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: u32,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Count the current entries
    #[command(after_help = "Example:\n  maxlab-auth denylist stats --json | jq .by_reason")]
    Stats(OutputArgs),
    /// Remove expired entries
    #[command(
        after_help = "Example:\n  maxlab-auth denylist clean\n\nA running gateway does this every few minutes."
    )]
    Clean(OutputArgs),
}

#[expect(clippy::unnecessary_wraps, reason = "clap asks for a Result")]
fn parse_token(text: &str) -> Result<TokenArgument, String> {
    Ok(if text == "-" {
        TokenArgument::StandardInput
    } else {
        TokenArgument::Literal(SecretString::from(text))
    })
}

fn parse_reason(word: &str) -> Result<RevocationReason, String> {
    match RevocationReason::parse(word) {
        // `parse` maps unknown words of stored entries to `Other`. On the command line such a word is a
        // typing error.
        RevocationReason::Other if word != RevocationReason::Other.as_str() => Err(
            "unknown reason; choose from revoked, logout, logout_all, session_terminated, session_rotated, refresh_reuse, admin, provider_logout, other"
                .to_owned(),
        ),
        reason => Ok(reason),
    }
}
