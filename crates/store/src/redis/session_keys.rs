//! Keys of a session.

use maxlab_auth_core::credential::SessionKey;
use redis::Cmd;

use super::script::eval_command;

/// The Redis keys of a session and of its tombstone, in one slot.
pub(super) struct SessionRedisKeys {
    pub(super) session: String,
    pub(super) ended: String,
}

impl SessionRedisKeys {
    pub(super) fn for_session(key: &SessionKey) -> Self {
        let session = format!("session:{}", key.as_str());
        Self {
            // The session's key is the hash tag of its tombstone, which puts both in one slot.
            ended: format!("session_ended:{{{session}}}"),
            session,
        }
    }

    pub(super) fn eval_on_keys(&self, script: &'static str) -> Cmd {
        eval_command(script, &[&self.session, &self.ended])
    }
}
