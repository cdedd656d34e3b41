//! Writer of keys into a `.env` file. Existing lines are kept, and only the owner can read the file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::dotenv;

/// Names that were written, and names that were kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct KeysWritten {
    /// Names that the file did not contain, or contained without a value.
    pub written: Vec<String>,
    /// Names with a value, which was not changed.
    pub kept: Vec<String>,
}

/// Writes those names that have no value yet into the file at `path`.
///
/// A new file gets the text `new_file`, which contains all names. In an existing file no line is lost and no
/// value is changed. The file is replaced as a whole.
///
/// # Errors
/// The file cannot be read or written, or has a line that is not `NAME=value`.
pub fn write_missing_keys(path: &Path, keys: &[(&str, &str)], new_file: &str) -> io::Result<KeysWritten> {
    // A symbolic link is kept: the file that it points to is replaced.
    let path = match fs::canonicalize(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => path.to_owned(),
        resolved => resolved?,
    };
    // Before reading, since the draft is the lock against another writer.
    let draft = DraftFile::create(&path)?;
    let (text, done) = match fs::read_to_string(&path) {
        Ok(text) => fill_missing(text, keys)?,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            let written = keys.iter().map(|(name, _)| (*name).to_owned()).collect();
            (
                new_file.to_owned(),
                KeysWritten {
                    written,
                    kept: Vec::new(),
                },
            )
        }
        Err(fault) => return Err(fault),
    };
    draft.replace(&path, &text)?;
    Ok(done)
}

/// Returns the text with a value for every name.
fn fill_missing(mut text: String, keys: &[(&str, &str)]) -> io::Result<(String, KeysWritten)> {
    let file = dotenv::parse(&text);
    // A value that is appended after an open quote would become part of the quoted value.
    if let Some(line) = file.bad_lines.first() {
        let problem = format!("line {line} is not NAME=value; correct it first");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let mut done = KeysWritten::default();
    for (name, key) in keys {
        // The last of several entries counts, as when the file is read.
        let value = file.entries.iter().rev().find(|(known, _)| known == name);
        if value.is_some_and(|(_, value)| !value.trim().is_empty()) {
            done.kept.push((*name).to_owned());
            continue;
        }
        done.written.push((*name).to_owned());
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text = match find_empty_assignment(&text, name) {
            Some(end) => format!("{}{key}{}", &text[..end], &text[end..]),
            None => format!("{text}{name}={key}\n"),
        };
    }
    Ok((text, done))
}

/// Returns the end of the last line `NAME=`.
fn find_empty_assignment(text: &str, name: &str) -> Option<usize> {
    let mut end = 0;
    let mut found = None;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare
            .strip_suffix('=')
            .is_some_and(|before| before.trim_start() == name)
        {
            found = Some(end + bare.len());
        }
        end += line.len();
    }
    found
}

/// New file next to the old one. Its fixed name keeps two writers apart.
struct DraftFile {
    file: File,
    path: PathBuf,
    is_renamed: bool,
}

impl DraftFile {
    /// Creates the file, which must not exist yet.
    fn create(target: &Path) -> io::Result<Self> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let path = target.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        // Private from the first byte: `set_permissions` later would leave a moment in between.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => Ok(Self {
                file,
                path,
                is_renamed: false,
            }),
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::new(
                fault.kind(),
                format!(
                    "{} exists: another keygen is running, or one was interrupted; in that case remove it",
                    path.display()
                ),
            )),
            Err(fault) => Err(fault),
        }
    }

    /// Writes the text and renames the file to its final name.
    fn replace(mut self, target: &Path, text: &str) -> io::Result<()> {
        copy_owner(&self.file, target)?;
        self.file.write_all(text.as_bytes())?;
        // Synced before the rename, or a crash could leave an empty file under the final name.
        self.file.sync_all()?;
        fs::rename(&self.path, target)?;
        self.is_renamed = true;
        // The parent of a bare file name is empty, and means the working directory.
        let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for DraftFile {
    fn drop(&mut self) {
        // After the rename, this name may belong to another writer.
        if !self.is_renamed {
            // Nothing to do about a failure: the next writer reports the file that is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Gives the new file the owner of the old one. Keeps the rights of its group if others have none, since that
/// was a choice.
#[cfg(unix)]
fn copy_owner(file: &File, target: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};

    let old = match fs::metadata(target) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        old => old?,
    };
    let new = file.metadata()?;
    // Root may run keygen for the user of the service, who must be able to read the result.
    if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    // Otherwise the file stays 0600, although the old one was readable for everyone.
    if old.mode() & 0o007 == 0 {
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o660))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn copy_owner(_: &File, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [(&str, &str); 2] = [
        ("SECRET_KEY", "new-secret"),
        ("SESSION_ENCRYPTION_KEY", "new-sealing"),
    ];

    #[test]
    fn n7_what_has_a_value_stays_and_what_has_none_gets_one() {
        let both = "SECRET_KEY=new-secret\nSESSION_ENCRYPTION_KEY=new-sealing\n";
        for (text, after) in [
            ("", both.to_owned()),
            ("PORT=1", format!("PORT=1\n{both}")),
            ("# SECRET_KEY=old\n", format!("# SECRET_KEY=old\n{both}")),
            (
                "SECRET_KEY=old # mine\nPORT=1\nSESSION_ENCRYPTION_KEY=\"a,b\"\n",
                "SECRET_KEY=old # mine\nPORT=1\nSESSION_ENCRYPTION_KEY=\"a,b\"\n".to_owned(),
            ),
            (
                "export SECRET_KEY = old\r\nX=\n",
                "export SECRET_KEY = old\r\nX=\nSESSION_ENCRYPTION_KEY=new-sealing\n".to_owned(),
            ),
            (
                "SECRET_KEY=\nPORT=1\nSESSION_ENCRYPTION_KEY=\n# end\n",
                "SECRET_KEY=new-secret\nPORT=1\nSESSION_ENCRYPTION_KEY=new-sealing\n# end\n".to_owned(),
            ),
            ("SECRET_KEY=''\n", format!("SECRET_KEY=''\n{both}")),
        ] {
            let (found, _) = fill_missing(text.to_owned(), &KEYS).unwrap();
            assert_eq!(found, after, "{text:?}");
            let (again, done) = fill_missing(found.clone(), &KEYS).unwrap();
            assert_eq!(
                (again, done.kept.len()),
                (found, 2),
                "a second time changes nothing"
            );
        }
        assert!(fill_missing("A=\"open\n".to_owned(), &KEYS).is_err());
    }
}
