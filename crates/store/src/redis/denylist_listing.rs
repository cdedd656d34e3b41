//! The listing of revoked tokens: a scan over the denylist entries, in pages.

use jiff::Timestamp;
use maxlab_auth_core::identity::Subject;
use maxlab_auth_core::revocation::Revocation;
use maxlab_auth_core::unavailable::Unavailable;
use redis::{Pipeline, Value};

use super::client::ScanCursor;
use super::reply::{convert_reply, unexpected_reply};
use super::{MAX_PIPELINE_COMMANDS, RedisStore, denylist_entry};

/// Number of scan steps for one page. A page of a user with few entries may end before it is full, so that no
/// call scans the whole keyspace.
const MAX_LIST_STEPS: usize = 50;

impl RedisStore {
    /// Lists revoked tokens, those of one user if given, from the position `after` on. Returns the position
    /// of the next page, if there is more.
    ///
    /// A position is a scan cursor. If a step found more than a page, the last returned name follows it.
    pub(super) async fn list_denylist(
        &self,
        subject: Option<&Subject>,
        after: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Revocation>, Option<String>), Unavailable> {
        let (mut cursor, mut last_name) = parse_list_position(after);
        let mut page = Vec::new();
        for _ in 0..MAX_LIST_STEPS {
            let (next_cursor, names) = self
                .scan_step(&cursor, "blacklist:*", denylist_entry::DENYLIST_PREFIX)
                .await?;
            // The step is repeated for its rest. Names are sorted, so names up to the last one are known.
            let names: Vec<_> = names
                .into_iter()
                .filter(|name| last_name.as_ref().is_none_or(|last| name > last))
                .collect();
            for revocation in self.load_denylist_entries(&names, now).await? {
                if revocation.expires_at <= now
                    || (subject.is_some() && revocation.subject.as_ref() != subject)
                {
                    continue;
                }
                if page.len() == limit {
                    let last = page.last().map(|revocation: &Revocation| revocation.key.name());
                    return Ok((page, last.map(|name| format!("{cursor}:{name}"))));
                }
                page.push(revocation);
            }
            let Some(next_cursor) = next_cursor else {
                return Ok((page, None));
            };
            (cursor, last_name) = (next_cursor, None);
            if page.len() == limit {
                break;
            }
        }
        Ok((page, Some(cursor.to_string())))
    }

    async fn load_denylist_entries(
        &self,
        names: &[String],
        now: Timestamp,
    ) -> Result<Vec<Revocation>, Unavailable> {
        let mut entries = Vec::new();
        for batch in names.chunks(MAX_PIPELINE_COMMANDS) {
            let keys: Vec<_> = batch
                .iter()
                .map(|name| format!("{}{name}", denylist_entry::DENYLIST_PREFIX))
                .collect();
            let mut pipeline = Pipeline::with_capacity(2 * keys.len());
            for key in &keys {
                // MGET reports a key of another type as missing. GET would fail the whole listing.
                pipeline.cmd("MGET").arg(key);
                pipeline.cmd("PTTL").arg(key);
            }
            let mut answers = self
                .client
                .pipeline_unordered::<Vec<Value>>(&pipeline)
                .await?
                .into_iter();
            let mut next = || answers.next().ok_or_else(unexpected_reply);
            for name in batch {
                let (value,): (Option<Vec<u8>>,) = convert_reply(next()?)?;
                let left_ms = convert_reply(next()?)?;
                // The entry may have expired since the scan.
                if let Some(value) = value {
                    entries.push(denylist_entry::decode(name, &value, left_ms, now));
                }
            }
        }
        Ok(entries)
    }
}

fn parse_list_position(text: &str) -> (ScanCursor, Option<String>) {
    // A cursor contains no colon, a name may.
    match text.split_once(':') {
        Some((cursor, name)) => (ScanCursor::parse(cursor), Some(name.to_owned())),
        None => (ScanCursor::parse(text), None),
    }
}
