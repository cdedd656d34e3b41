//! Tests of the command line's arguments.

use clap::CommandFactory;
use jiff::Timestamp;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::verdict::CutoffScope;

use super::audit::parse_past_time;
use super::*;

fn parse(line: &str) -> Result<GatewayCommand, clap::Error> {
    CommandLine::try_parse_from(line.split(' ')).map(|parsed| parsed.command)
}

fn target(line: &str) -> RevokeTarget {
    let GatewayCommand::Revoke(args) = parse(line).unwrap() else {
        panic!("no revoke")
    };
    args.target().unwrap()
}

#[test]
fn the_definition_is_sound_and_every_command_explains_itself() {
    CommandLine::command().debug_assert();
    for command in CommandLine::command().get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
    }
    let alone = parse("maxlab-auth").unwrap_err();
    assert!(
        alone.to_string().contains("Usage:") && alone.to_string().contains("keygen"),
        "{alone}"
    );
}

#[test]
fn revoke_takes_exactly_one_target() {
    assert!(matches!(
        target("maxlab-auth revoke --token -"),
        RevokeTarget::Token(TokenArgument::StandardInput)
    ));
    assert!(matches!(
        target("maxlab-auth revoke --token abc"),
        RevokeTarget::Token(TokenArgument::Literal(_))
    ));
    for (line, key) in [
        (
            "maxlab-auth revoke --jti j",
            RevocationKey::Token(TokenKey::from_jti("j")),
        ),
        (
            "maxlab-auth revoke --session h",
            RevocationKey::Session("h".to_owned()),
        ),
        (
            "maxlab-auth revoke --user u",
            RevocationKey::Cutoff(CutoffScope::User(Subject::of_default("u"))),
        ),
        (
            "maxlab-auth revoke --client c",
            RevocationKey::Cutoff(CutoffScope::Client("c".to_owned())),
        ),
        (
            "maxlab-auth revoke --issuer i",
            RevocationKey::Cutoff(CutoffScope::Issuer("i".to_owned())),
        ),
    ] {
        assert!(
            matches!(target(line), RevokeTarget::Key(found) if found == key),
            "{line}"
        );
    }
    for line in [
        "maxlab-auth revoke",
        "maxlab-auth revoke --user u --client c",
        "maxlab-auth revoke --user u --reason because",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_token_on_the_command_line_is_not_shown() {
    let debug = format!(
        "{:?}",
        parse("maxlab-auth revoke --token canary --reason logout").unwrap()
    );
    assert!(!debug.contains("canary") && debug.contains("Logout"), "{debug}");
}

#[test]
fn since_is_a_moment_or_a_distance() {
    let now: Timestamp = "2026-02-08T00:00:00Z".parse().unwrap();
    for (text, moment) in [
        ("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
        ("24h", "2026-02-07T00:00:00Z"),
        ("7d", "2026-02-01T00:00:00Z"),
        ("90m", "2026-02-07T22:30:00Z"),
    ] {
        assert_eq!(
            parse_past_time(text).unwrap().resolve(now),
            moment.parse().unwrap(),
            "{text}"
        );
    }
    for bad in ["yesterday", "-1h", "0s", ""] {
        assert!(parse_past_time(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_command_of_the_manual_parses() {
    for line in [
        "serve",
        "dev --port 9090 --idp-port 9000 --data-dir /tmp/x",
        "check --json",
        "keygen",
        "openapi",
        "sessions list --user u --json",
        "sessions end --user u --session h",
        "sessions end-all --user u",
        "denylist list --user u --limit 5 --json",
        "denylist stats",
        "denylist clean --json",
        "audit --user u --kind logout_all --since 24h --limit 10 --json",
    ] {
        assert!(parse(&format!("maxlab-auth {line}")).is_ok(), "{line}");
    }
    for line in [
        "sessions list",
        "denylist list --limit 0",
        "audit --kind nonsense",
        "dev --port 70000",
        "nonsense",
    ] {
        assert!(parse(&format!("maxlab-auth {line}")).is_err(), "{line}");
    }
}
