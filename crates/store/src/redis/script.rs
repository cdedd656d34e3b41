//! The Lua scripts. Each is one atomic step on keys of one slot.

use redis::{Cmd, ToRedisArgs};

pub(super) const REVOKE_TOKEN: &str = include_str!("scripts/revoke_token.lua");
pub(super) const RECORD_LATEST: &str = include_str!("scripts/record_latest.lua");
pub(super) const NOTE_USER_TOKEN: &str = include_str!("scripts/note_user_token.lua");
// GET after SET NX: the caller gets the stored value, whether it is its own or not.
pub(super) const SET_IF_ABSENT: &str =
    "redis.call('SET', KEYS[1], ARGV[1], 'NX') return redis.call('GET', KEYS[1])";
pub(super) const DELETE_WITHOUT_TTL: &str =
    "if redis.call('PTTL', KEYS[1]) == -1 then return redis.call('DEL', KEYS[1]) end return 0";

pub(super) const LOG_PUBLISH: &str = include_str!("scripts/log_publish.lua");
pub(super) const LOG_RENEW: &str = include_str!("scripts/log_renew.lua");
pub(super) const LOG_RECORD_APPLIED: &str = include_str!("scripts/log_applied.lua");
pub(super) const LOG_EVICT: &str = include_str!("scripts/log_evict.lua");
pub(super) const LOG_BEGIN_FILLING: &str = include_str!("scripts/log_begin_filling.lua");
pub(super) const LOG_MARK: &str = include_str!("scripts/log_mark.lua");

pub(super) const SESSION_PUT: &str = include_str!("scripts/session_put.lua");
pub(super) const SESSION_ACTIVATE: &str = include_str!("scripts/session_go_live.lua");
// Both conditional writes begin with the same comparison, which returns from the script if it fails.
pub(super) const SESSION_REPLACE: &str = concat!(
    include_str!("scripts/session_compare.lua"),
    include_str!("scripts/session_replace.lua")
);
pub(super) const SESSION_MOVE_AWAY: &str = concat!(
    include_str!("scripts/session_compare.lua"),
    include_str!("scripts/session_leave.lua")
);
pub(super) const SESSION_END: &str = include_str!("scripts/session_end.lua");
pub(super) const INDEX_PUT: &str = include_str!("scripts/index_put.lua");
pub(super) const INDEX_DROP: &str = include_str!("scripts/index_drop.lua");

/// Builds the command that runs a script.
///
/// It is EVAL with the whole text and not EVALSHA: a Redis that was restarted knows no scripts, and a part of
/// a pipeline cannot be sent again.
pub(super) fn eval_command(script: &'static str, keys: &[&str]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(keys.len());
    keys.write_redis_args(&mut command);
    command
}
