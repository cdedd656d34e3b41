//! The disk is full: a revoke is not acknowledged, and whatever was acknowledged before holds.

use std::path::PathBuf;
use std::process::Command;

use maxlab_auth_testkit::{Actor, Anonymous, Bearer, GatewayOptions, GatewayProcess};

use crate::support::{Answer, BINARY, Stack, assert_lives, eventually, log_in, unavailable};

/// The gateway through a shell that first does `before`.
fn through_a_shell(options: &GatewayOptions, shell: &[&str], before: &str) -> GatewayOptions {
    let script = format!("{before} && exec {BINARY} serve");
    let mut words = shell[1..].to_vec();
    words.extend(["sh", "-c", &script]);
    options.clone().program(shell[0]).args(words)
}

/// Revokes until one is not acknowledged; the tokens of those that were.
async fn revoke_until_it_fails(stack: &Stack) -> Vec<String> {
    let anybody = Anonymous::new(&stack.url());
    let mut acknowledged = Vec::new();
    for _ in 0..2_000 {
        let token = stack.token("ann");
        let reply = anybody.post_form("/oauth/revoke", &[("token", &token)]).await;
        if reply.code() == 200 {
            acknowledged.push(token);
            continue;
        }
        unavailable(&reply, "a revoke on a full disk");
        return acknowledged;
    }
    panic!("2,000 revocations fit on a full disk");
}

async fn all_refused(stack: &Stack, tokens: &[String]) {
    for token in tokens.iter().rev().take(50).chain(tokens.iter().take(10)) {
        let reply = Bearer::new(&stack.url(), token).get("/api/v1/auth/me").await;
        assert_eq!((reply.code(), reply.error_code().as_str()), (401, "token_revoked"));
    }
}
