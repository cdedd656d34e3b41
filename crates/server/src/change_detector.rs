//! Detection of changes in a polled file. A change counts once two polls in a row found the same new content.

/// The content in force, and the content that the last polls found.
#[derive(Debug)]
pub(crate) struct ChangeDetector<T> {
    current: T,
    /// Result of the last poll if it was new. A file may be read while it is half written.
    pending: Option<Result<T, String>>,
    /// Content that was refused and reported, so that it is not reported at every poll.
    rejected: Option<Result<T, String>>,
}

/// Result of one poll.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileChange<T> {
    /// No new content, or new content that was found only once so far.
    Unchanged,
    /// The content in force is back after other content was refused.
    Restored,
    /// New content, found twice. The caller accepts or rejects it.
    Changed(Result<T, String>),
}

impl<T: PartialEq> ChangeDetector<T> {
    pub(crate) fn new(content: T) -> Self {
        Self {
            current: content,
            pending: None,
            rejected: None,
        }
    }

    /// Compares the result of a poll with what is known: the content, or why it could not be read.
    pub(crate) fn observe(&mut self, found: Result<T, String>) -> FileChange<T> {
        if found.as_ref() == Ok(&self.current) {
            // The next new content must be found twice again.
            self.pending = None;
            return match self.rejected.take() {
                Some(_) => FileChange::Restored,
                None => FileChange::Unchanged,
            };
        }
        // Refused before: neither parsed nor logged again.
        if self.rejected.as_ref() == Some(&found) {
            self.pending = None;
            return FileChange::Unchanged;
        }
        // The first sight of new content proves nothing: the writer may still be writing.
        if self.pending.as_ref() != Some(&found) {
            self.pending = Some(found);
            return FileChange::Unchanged;
        }
        self.pending = None;
        FileChange::Changed(found)
    }

    /// Makes this content the one in force.
    pub(crate) fn accept(&mut self, content: T) {
        self.current = content;
        self.rejected = None;
    }

    /// Remembers content that cannot be used.
    pub(crate) fn reject(&mut self, found: Result<T, String>) {
        self.rejected = Some(found);
    }
}
