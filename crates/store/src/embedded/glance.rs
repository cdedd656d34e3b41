//! Whether something may have been written to the file since it was last read, without asking SQLite.
//!
//! Every write to a database in WAL mode is appended to the file beside it, whose size and time of modification tell of it
//! for a microsecond instead of some two hundred.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// The times of files advance in steps, of ten milliseconds at most on Linux. A time that is younger than this may be that of
/// one more write to come.
const STEP: Duration = Duration::from_millis(40);
/// The file is read so often whatever its time says: clocks are set back, and not every file system keeps times well.
const AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// What was seen of the file before it was last read.
#[derive(Debug)]
pub(super) struct Glance {
    wal: PathBuf,
    seen: Option<(u64, SystemTime)>,
    read_at: Instant,
}

/// What was seen of the file before it is read: whatever is written later shows something else.
#[derive(Debug)]
pub(super) struct Seen(Option<(u64, SystemTime)>);

impl Glance {
    /// At the file of the database at `path`; nothing of it has been read.
    pub(super) fn at(path: &Path) -> Self {
        let mut wal = path.as_os_str().to_owned();
        wal.push("-wal");
        Self {
            wal: wal.into(),
            seen: None,
            read_at: Instant::now(),
        }
    }

    /// What is seen of the file, if it is worth reading: there may be something that was not in the last reading.
    pub(super) fn at_news(&self) -> Option<Seen> {
        let shown = self.shown();
        let same = shown.is_some() && shown == self.seen;
        // A time that may be that of another write as well is not remembered.
        let told = shown.filter(|(_, modified)| modified.elapsed().is_ok_and(|age| age > STEP));
        (!same || self.read_at.elapsed() >= AT_LEAST_EVERY).then_some(Seen(told))
    }

    /// All that is in the file has been read, after this was seen of it.
    pub(super) fn was_read(&mut self, Seen(told): Seen) {
        self.seen = told;
        self.read_at = Instant::now();
    }

    fn shown(&self) -> Option<(u64, SystemTime)> {
        let shown = std::fs::metadata(&self.wal).ok()?;
        Some((shown.len(), shown.modified().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    impl Glance {
        fn is_worth_reading(&mut self) -> bool {
            let news = self.at_news();
            let is_worth_it = news.is_some();
            news.into_iter().for_each(|seen| self.was_read(seen));
            is_worth_it
        }
    }

    /// A glance, and where its file would be.
    fn at_no_file() -> (tempfile::TempDir, PathBuf, Glance) {
        let folder = tempfile::tempdir().unwrap();
        let (path, wal) = (folder.path().join("x.db"), folder.path().join("x.db-wal"));
        (folder, wal, Glance::at(&path))
    }

    fn settle(glance: &mut Glance) {
        sleep(STEP * 2);
        assert!(glance.is_worth_reading());
        assert!(!glance.is_worth_reading());
    }

    #[test]
    fn a_write_is_seen_however_soon_it_follows_another() {
        let (_folder, wal, mut glance) = at_no_file();
        assert!(glance.is_worth_reading(), "there is no file");
        for _ in 0..20 {
            // Of the same length: only its time tells.
            std::fs::write(&wal, "one").unwrap();
            assert!(glance.is_worth_reading());
            std::fs::write(&wal, "two").unwrap();
            assert!(glance.is_worth_reading());
        }
        settle(&mut glance);
        std::fs::write(&wal, "three").unwrap();
        assert!(glance.is_worth_reading());
        settle(&mut glance);
        std::fs::remove_file(&wal).unwrap();
        assert!(glance.is_worth_reading());
        assert!(glance.is_worth_reading());
    }

    #[test]
    fn a_reading_that_was_not_finished_is_made_again() {
        let (_folder, wal, mut glance) = at_no_file();
        std::fs::write(&wal, "one").unwrap();
        settle(&mut glance);
        std::fs::write(&wal, "more").unwrap();
        assert!(glance.at_news().is_some());
        sleep(STEP * 2);
        assert!(glance.at_news().is_some());
    }

    #[test]
    fn it_is_read_now_and_then_whatever_its_time_says() {
        let (_folder, wal, mut glance) = at_no_file();
        std::fs::write(&wal, "one").unwrap();
        settle(&mut glance);
        sleep(AT_LEAST_EVERY);
        assert!(glance.is_worth_reading());
    }
}
