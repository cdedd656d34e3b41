//! What counts as a change of a file that is looked at again and again: two looks that found the same new text.

/// A text in force, and what was found in its place.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    in_force: T,
    /// What the last look found; a file that is being written is seen half.
    unsettled: Option<Result<T, String>>,
    /// What was looked at and refused, and said so.
    refused: Option<Result<T, String>>,
}

/// What a look came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<T> {
    /// Nothing that is new.
    Nothing,
    /// After something that was refused, the text in force is there again.
    Mended,
    /// Something new, which has settled: to be adopted or refused.
    New(Result<T, String>),
}

impl<T: PartialEq> Watched<T> {
    pub(crate) fn new(in_force: T) -> Self {
        Self {
            in_force,
            unsettled: None,
            refused: None,
        }
    }

    /// Takes note of what a look found: the text, or why it could not be read.
    pub(crate) fn look(&mut self, found: Result<T, String>) -> Seen<T> {
        if found.as_ref() == Ok(&self.in_force) {
            self.unsettled = None;
            return match self.refused.take() {
                Some(_) => Seen::Mended,
                None => Seen::Nothing,
            };
        }
        if self.refused.as_ref() == Some(&found) {
            self.unsettled = None;
            return Seen::Nothing;
        }
        if self.unsettled.as_ref() != Some(&found) {
            self.unsettled = Some(found);
            return Seen::Nothing;
        }
        self.unsettled = None;
        Seen::New(found)
    }

    /// This text is in force from now on.
    pub(crate) fn adopt(&mut self, text: T) {
        self.in_force = text;
        self.refused = None;
    }

    /// This is not to be told of again.
    pub(crate) fn refuse(&mut self, found: Result<T, String>) {
        self.refused = Some(found);
    }
}
