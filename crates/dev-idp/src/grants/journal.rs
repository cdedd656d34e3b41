//! The file that makes grants and revocations outlive the process: one JSON record a line, synced before any answer.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::GrantRecord;
use crate::error::DevIdpError;
use crate::files;

/// An append-only file. It is rewritten without what has expired at each start.
#[derive(Debug)]
pub(super) struct GrantJournal {
    path: PathBuf,
    file: File,
    /// Bytes that are known to be whole lines.
    length: u64,
}

impl GrantJournal {
    /// Reads what was recorded. A last line without its end was never acknowledged, and is left out.
    pub(super) fn read(path: &Path) -> Result<Vec<GrantRecord>, DevIdpError> {
        let bytes = files::read(path)?.unwrap_or_default();
        let whole = bytes
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |end| end + 1);
        let lines = bytes
            .get(..whole)
            .unwrap_or_default()
            .split(|&byte| byte == b'\n');
        lines
            .enumerate()
            .filter(|(_, line)| !line.is_empty())
            .map(|(number, line)| {
                serde_json::from_slice(line).map_err(|_| DevIdpError::Damaged {
                    path: path.to_owned(),
                    reason: format!("line {} cannot be read", number + 1),
                })
            })
            .collect()
    }

    /// Replaces the file by `records` and opens it for more.
    pub(super) fn start(path: &Path, records: &[GrantRecord]) -> Result<Self, DevIdpError> {
        let bytes = lines(records)?;
        files::replace(path, &bytes)?;
        let mut file = files::private()
            .write(true)
            .open(path)
            .map_err(|source| files::fault(path, source))?;
        let length = file
            .seek(SeekFrom::End(0))
            .map_err(|source| files::fault(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            length,
        })
    }

    /// Adds records; when this returns they are on disk. After a fault the file is as it was before.
    pub(super) fn append(&mut self, records: &[GrantRecord]) -> Result<(), DevIdpError> {
        if records.is_empty() {
            return Ok(());
        }
        let bytes = lines(records)?;
        match self.write(&bytes) {
            Ok(length) => {
                self.length = length;
                Ok(())
            }
            Err(source) => {
                // Half a line must not stay in front of the next one.
                let _ = self.file.set_len(self.length);
                Err(files::fault(&self.path, source))
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(bytes)?;
        self.file.sync_data()?;
        self.file.stream_position()
    }
}

fn lines(records: &[GrantRecord]) -> Result<Vec<u8>, DevIdpError> {
    let mut bytes = Vec::new();
    for record in records {
        serde_json::to_writer(&mut bytes, record)
            .map_err(|_| DevIdpError::Crypto("a record could not be written"))?;
        bytes.push(b'\n');
    }
    Ok(bytes)
}

#[cfg(test)]
impl GrantJournal {
    /// Makes every later write fail, as a full disk does.
    pub(super) fn break_for_test(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}
