//! Detection of writes to an SQLite file without a query.
//!
//! In WAL mode SQLite appends every write to a second file, `{database}-wal`. Reading that file's size and
//! modification time takes about a microsecond; a query takes about two hundred.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Age from which a modification time identifies one write. File times advance in steps of at most 10 ms on
/// Linux, so a younger time may be that of a later write too.
const MTIME_STEP: Duration = Duration::from_millis(40);
/// Longest time without a query. Clocks can be set back, and some file systems do not keep exact times.
const MAX_READ_INTERVAL: Duration = Duration::from_secs(1);

/// Compares the WAL file with its state before the last query.
#[derive(Debug)]
pub(super) struct WalChangeProbe {
    wal: PathBuf,
    last_stamp: Option<(u64, SystemTime)>,
    read_at: Instant,
}

/// Size and modification time of the WAL file, taken before a query, so that any later write changes them.
#[derive(Debug)]
pub(super) struct WalStamp(Option<(u64, SystemTime)>);

impl WalChangeProbe {
    /// Creates a probe for the database at `path`. The first check reports changes.
    pub(super) fn for_database(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self {
            wal: wal.into(),
            last_stamp: None,
            read_at: Instant::now(),
        }
    }

    /// Returns the file's stamp if it may contain writes that the last query did not see. Pass the stamp to
    /// [`record_read`](Self::record_read) when everything has been read.
    pub(super) fn check_for_changes(&self) -> Option<WalStamp> {
        let stamp = self.current_stamp();
        // A missing file equals nothing, so that the caller queries.
        let same = stamp.is_some() && stamp == self.last_stamp;
        // A recent time is not kept: a second write in the same step would not change it.
        let stamp_to_keep =
            stamp.filter(|(_, modified)| modified.elapsed().is_ok_and(|age| age > MTIME_STEP));
        (!same || self.read_at.elapsed() >= MAX_READ_INTERVAL).then_some(WalStamp(stamp_to_keep))
    }

    /// Records that everything in the file was read after this stamp was taken.
    pub(super) fn record_read(&mut self, WalStamp(stamp): WalStamp) {
        self.last_stamp = stamp;
        self.read_at = Instant::now();
    }

    fn current_stamp(&self) -> Option<(u64, SystemTime)> {
        let stamp = std::fs::metadata(&self.wal).ok()?;
        Some((stamp.len(), stamp.modified().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    impl WalChangeProbe {
        fn reads_again(&mut self) -> bool {
            let changes = self.check_for_changes();
            let has_changes = changes.is_some();
            changes.into_iter().for_each(|stamp| self.record_read(stamp));
            has_changes
        }
    }

    /// Returns a folder, the path of the WAL file, which does not exist, and a probe for it.
    fn at_no_file() -> (tempfile::TempDir, PathBuf, WalChangeProbe) {
        let folder = tempfile::tempdir().unwrap();
        let (path, wal) = (folder.path().join("x.db"), folder.path().join("x.db-wal"));
        (folder, wal, WalChangeProbe::for_database(&path))
    }

    fn settle(probe: &mut WalChangeProbe) {
        sleep(MTIME_STEP * 2);
        assert!(probe.reads_again());
        assert!(!probe.reads_again());
    }

    #[test]
    fn a_write_is_seen_however_soon_it_follows_another() {
        let (_folder, wal, mut probe) = at_no_file();
        assert!(probe.reads_again(), "there is no file");
        for _ in 0..20 {
            // Both texts have the same length, so only the time differs.
            std::fs::write(&wal, "one").unwrap();
            assert!(probe.reads_again());
            std::fs::write(&wal, "two").unwrap();
            assert!(probe.reads_again());
        }
        settle(&mut probe);
        std::fs::write(&wal, "three").unwrap();
        assert!(probe.reads_again());
        settle(&mut probe);
        std::fs::remove_file(&wal).unwrap();
        assert!(probe.reads_again());
        assert!(probe.reads_again());
    }

    #[test]
    fn a_reading_that_was_not_finished_is_made_again() {
        let (_folder, wal, mut probe) = at_no_file();
        std::fs::write(&wal, "one").unwrap();
        settle(&mut probe);
        std::fs::write(&wal, "more").unwrap();
        assert!(probe.check_for_changes().is_some());
        sleep(MTIME_STEP * 2);
        assert!(probe.check_for_changes().is_some());
    }

    #[test]
    fn it_is_read_now_and_then_whatever_its_time_says() {
        let (_folder, wal, mut probe) = at_no_file();
        std::fs::write(&wal, "one").unwrap();
        settle(&mut probe);
        sleep(MAX_READ_INTERVAL);
        assert!(probe.reads_again());
    }
}
