//! The policy file: read at the start, looked at again and again, and replaced whole or not at all.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use maxlab_auth_core::guard::Admin;
use maxlab_auth_core::policy::{Policy, PolicyFaults};

use crate::observed;
use crate::watched::{Seen, Watched};

/// The longest policy file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Why a policy file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFileFault {
    /// It cannot be read; says why.
    #[error("the policy file {path} {why}", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It is no policy; lists every fault.
    #[error("the policy file {path} is faulty:\n{faults}", path = .path.display())]
    Faulty {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        faults: PolicyFaults,
    },
}

/// A policy, as its file says it.
#[derive(Debug)]
pub struct PolicyFile {
    path: PathBuf,
    admin: Admin,
    current: ArcSwap<Policy>,
    change: Mutex<Watched<String>>,
}

impl PolicyFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// It cannot be read, or it is faulty; then every fault is listed.
    pub fn open(path: &Path, admin: Admin) -> Result<Self, PolicyFileFault> {
        let text = read(path).map_err(|why| PolicyFileFault::Unreadable {
            path: path.to_owned(),
            why,
        })?;
        let policy = Policy::parse(&text, &admin).map_err(|faults| PolicyFileFault::Faulty {
            path: path.to_owned(),
            faults,
        })?;
        observed::policy_is_stale(false);
        Ok(Self {
            path: path.to_owned(),
            admin,
            current: ArcSwap::from_pointee(policy),
            change: Mutex::new(Watched::new(text)),
        })
    }

    /// The policy in force. Who holds it goes by it to the end, whatever becomes of the file meanwhile.
    pub fn current(&self) -> Arc<Policy> {
        self.current.load_full()
    }

    /// Looks at the file, and goes by what it says when two looks found the same new text and that is a policy. It blocks
    /// on the file system. Whatever cannot be used is told of once and changes nothing.
    pub fn look_again(&self) {
        let found = read(&self.path);
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match change.look(found) {
            Seen::Nothing => return,
            Seen::Mended => {
                tracing::info!(path = %self.path.display(), "the policy file is again the one in force");
                observed::policy_is_stale(false);
                return;
            }
            Seen::New(found) => found,
        };
        match self.adopted(&found) {
            Ok(rules) => {
                tracing::info!(path = %self.path.display(), rules, "goes by the changed policy file");
                change.adopt(found.unwrap_or_default());
                observed::policy_reloaded("applied");
                observed::policy_is_stale(false);
            }
            Err(why) => {
                tracing::error!(path = %self.path.display(), "goes on with the policy that it has, since {why}");
                change.refuse(found);
                observed::policy_reloaded("refused");
                observed::policy_is_stale(true);
            }
        }
    }

    fn adopted(&self, found: &Result<String, String>) -> Result<usize, PolicyFileFault> {
        let path = || self.path.clone();
        let text = found.as_ref().map_err(|why| PolicyFileFault::Unreadable {
            path: path(),
            why: why.clone(),
        })?;
        let policy = Policy::parse(text, &self.admin)
            .map_err(|faults| PolicyFileFault::Faulty { path: path(), faults })?;
        let rules = policy.rules().len();
        self.current.store(Arc::new(policy));
        Ok(rules)
    }
}

fn read(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|fault| format!("cannot be opened: {fault}"))?;
    let mut text = String::new();
    file.take(LONGEST + 1)
        .read_to_string(&mut text)
        .map_err(|fault| format!("cannot be read: {fault}"))?;
    if text.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use maxlab_auth_core::policy::Access;

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
        matches!(file.current().default_access(), Access::Deny)
    }

    #[test]
    fn a_new_text_counts_when_two_looks_found_it() {
        let (_folder, file) = file(OPEN);
        file.look_again();
        std::fs::write(&file.path, CLOSED).unwrap();
        file.look_again();
        assert!(!closed(&file), "it may be half written");
        file.look_again();
        assert!(closed(&file));
    }

    #[test]
    fn a_file_that_is_being_written_never_counts() {
        let (_folder, file) = file(CLOSED);
        for written in 1..OPEN.len() {
            std::fs::write(&file.path, &OPEN[..written]).unwrap();
            file.look_again();
            assert!(closed(&file), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_used_changes_nothing_until_it_is_mended() {
        let (_folder, file) = file(CLOSED);
        let twice = || {
            file.look_again();
            file.look_again();
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
        let said = open();
        assert!(
            said.contains("line 2 (rule 1)") && said.lines().count() == 4,
            "{said}"
        );
    }
}
