//! The policy file (`POLICY_FILE`): read at the start, polled for changes, and replaced as a whole or not at
//! all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::policy::{AccessPolicy, PolicyFaults};

use crate::change_detector::{ChangeDetector, FileChange};
use crate::files::read_regular_text;
use crate::record;

/// Maximum length of a policy file, in bytes.
const MAX_POLICY_BYTES: u64 = 1024 * 1024;

/// Error of a policy file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFileFault {
    /// The file cannot be read.
    #[error("the policy file {path} {why}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Reason. It continues a sentence that begins with the file's name.
        why: String,
    },
    /// The file is not a valid policy. Every fault is listed.
    #[error("the policy file {path} has errors:\n{faults}", path = .path.display())]
    Faulty {
        /// The file.
        path: PathBuf,
        /// All faults in the file.
        faults: PolicyFaults,
    },
}

/// Access policy that follows its file.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    admin: Admin,
    current: ArcSwap<AccessPolicy>,
    change_detector: Mutex<ChangeDetector<String>>,
}

impl PolicyFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// The file cannot be read, or has faults.
    pub fn open(path: &Path, admin: Admin) -> Result<Self, PolicyFileFault> {
        let text = read_policy_text(path).map_err(|why| PolicyFileFault::Unreadable {
            path: path.to_owned(),
            why,
        })?;
        let policy = AccessPolicy::parse(&text, &admin).map_err(|faults| PolicyFileFault::Faulty {
            path: path.to_owned(),
            faults,
        })?;
        record::policy_is_stale(false);
        Ok(Self {
            path: path.to_owned(),
            admin,
            current: ArcSwap::from_pointee(policy),
            change_detector: Mutex::new(ChangeDetector::new(text)),
        })
    }

    /// Returns the policy in force. A request keeps the policy that it began with, even if the file changes.
    pub fn current(&self) -> Arc<AccessPolicy> {
        self.current.load_full()
    }

    /// Polls the file, and uses a new policy once two polls in a row have found it. Blocks on the file
    /// system.
    ///
    /// A file that cannot be used is logged once and changes nothing.
    #[tracing::instrument(level = "debug", skip_all)]
    pub fn reload_if_changed(&self) {
        let found = read_policy_text(&self.path);
        // A poisoned lock is used: the detector has no state that a panic could leave half changed.
        let mut change = self
            .change_detector
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = match change.observe(found) {
            FileChange::Unchanged => return,
            FileChange::Restored => {
                tracing::info!(path = %self.path.display(), "policy file restored, it matches the policy in force");
                record::policy_is_stale(false);
                return;
            }
            FileChange::Changed(found) => found,
        };
        match self.parse_and_apply(&found) {
            Ok(rules) => {
                tracing::info!(path = %self.path.display(), rules, "policy file reloaded");
                // `found` is a text here, since an unreadable file has no rules.
                change.accept(found.unwrap_or_default());
                record::policy_reloaded("applied");
                record::policy_is_stale(false);
            }
            Err(why) => {
                tracing::error!(path = %self.path.display(), fault = %why, "policy file refused, previous policy kept");
                change.reject(found);
                record::policy_reloaded("refused");
                record::policy_is_stale(true);
            }
        }
    }

    fn parse_and_apply(&self, found: &Result<String, String>) -> Result<usize, PolicyFileFault> {
        let path = || self.path.clone();
        let text = found.as_ref().map_err(|why| PolicyFileFault::Unreadable {
            path: path(),
            why: why.clone(),
        })?;
        let policy = AccessPolicy::parse(text, &self.admin)
            .map_err(|faults| PolicyFileFault::Faulty { path: path(), faults })?;
        // Counted before the policy is moved into place.
        let rules = policy.rules().len();
        self.current.store(Arc::new(policy));
        Ok(rules)
    }
}

fn read_policy_text(path: &Path) -> Result<String, String> {
    read_regular_text(path, MAX_POLICY_BYTES).map_err(|fault| fault.to_string())
}

#[cfg(test)]
mod tests {
    use maxlab_auth_core::policy::AccessRequirement;

    use super::*;

    const OPEN: &str = "[[rule]]\npath = \"/x\"\naccess = \"public\"\n";
    const CLOSED: &str = "default = \"deny\"\n";

    fn file(text: &str) -> (tempfile::TempDir, PolicyFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        std::fs::write(&path, text).unwrap();
        let admin = Admin { roles: vec![] };
        let file = PolicyFile::open(&path, admin).unwrap();
        (folder, file)
    }

    fn closed(file: &PolicyFile) -> bool {
        matches!(file.current().default_access(), AccessRequirement::Deny)
    }

    #[test]
    fn a_new_text_counts_when_two_looks_found_it() {
        let (_folder, file) = file(OPEN);
        file.reload_if_changed();
        std::fs::write(&file.path, CLOSED).unwrap();
        file.reload_if_changed();
        assert!(!closed(&file), "the file may be half written");
        file.reload_if_changed();
        assert!(closed(&file));
    }

    #[test]
    fn a_file_that_is_being_written_never_counts() {
        let (_folder, file) = file(CLOSED);
        for written in 1..OPEN.len() {
            std::fs::write(&file.path, &OPEN[..written]).unwrap();
            file.reload_if_changed();
            assert!(closed(&file), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_used_changes_nothing_until_it_is_mended() {
        let (_folder, file) = file(CLOSED);
        let twice = || {
            file.reload_if_changed();
            file.reload_if_changed();
        };
        for junk in ["", "[[rule]]\n", "\u{0}", &"# ".repeat(600_000)] {
            std::fs::write(&file.path, junk).unwrap();
            twice();
            assert!(closed(&file));
        }
        std::fs::write(&file.path, b"\xff").unwrap();
        twice();
        std::fs::remove_file(&file.path).unwrap();
        twice();
        assert!(closed(&file));
        std::fs::write(&file.path, OPEN).unwrap();
        twice();
        assert!(!closed(&file));
    }

    #[test]
    fn a_faulty_file_is_no_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("policy.toml");
        let open = || {
            PolicyFile::open(&path, Admin { roles: vec![] })
                .unwrap_err()
                .to_string()
        };
        assert!(open().contains("policy.toml cannot be opened"));
        std::fs::write(&path, "[[rule]]\nfoo = 1\n").unwrap();
        let message = open();
        assert!(
            message.contains("line 2 (rule 1)") && message.lines().count() == 4,
            "{message}"
        );
    }
}
