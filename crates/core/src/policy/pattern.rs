//! Patterns of hosts and paths. `*` is one label or (a part of) one segment, `**` any number of them; matching takes one
//! pass and never goes back.

use std::fmt;

use super::host::{CanonicalHost, HostFault, check_name};
use super::path::{CanonicalPath, PathFault, Plain, decoded, refuse_segment};

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// No canonical path ever matches it.
    #[error("no request can match it: {0}")]
    Path(#[from] PathFault),
    /// No canonical host ever matches it.
    #[error("no request can match it: {0}")]
    Host(#[from] HostFault),
    /// More than one `**`.
    #[error("it holds ** more than once")]
    TwoDeep,
    /// `**` within a segment, or more than one `*` in one.
    #[error("a segment holds more than one *")]
    TwoStars,
    /// A `*` elsewhere than as the first label of a host.
    #[error("a * in a host stands for its first label alone")]
    StarInHost,
    /// A host with a port.
    #[error("it names a port, and hosts are compared without theirs")]
    Port,
}

/// Hosts: one by name, or those below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Just this one.
    Exactly(CanonicalHost),
    /// `*.example.com`: one label below it. Holds `.example.com`.
    Below(String),
    /// `**.example.com`: any number of labels below it, at least one. Holds `.example.com`.
    FarBelow(String),
}

impl HostPattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is no pattern, or nothing could match it.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let below = |name: &str| -> Result<String, PatternFault> {
            if name.contains('*') {
                return Err(PatternFault::StarInHost);
            }
            if name.contains(':') {
                return Err(PatternFault::Port);
            }
            check_name(name)?;
            Ok(format!(".{}", name.to_ascii_lowercase()))
        };
        if let Some(name) = text.strip_prefix("**.") {
            return below(name).map(Self::FarBelow);
        }
        if let Some(name) = text.strip_prefix("*.") {
            return below(name).map(Self::Below);
        }
        if text.contains('*') {
            return Err(PatternFault::StarInHost);
        }
        let bracketed = text.starts_with('[');
        if (bracketed && !text.ends_with(']')) || (!bracketed && text.contains(':')) {
            return Err(PatternFault::Port);
        }
        Ok(Self::Exactly(CanonicalHost::parse(text)?))
    }

    /// Whether this host is one of them.
    pub fn matches(&self, host: &CanonicalHost) -> bool {
        let host = host.as_str();
        match self {
            Self::Exactly(own) => own.as_str() == host,
            Self::Below(tail) => host
                .strip_suffix(tail)
                .is_some_and(|head| !head.is_empty() && !head.contains('.')),
            Self::FarBelow(tail) => host.strip_suffix(tail).is_some_and(|head| !head.is_empty()),
        }
    }

    /// Whether it surely matches whatever the other does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self == other
            || match (self, other) {
                (_, Self::Exactly(host)) => self.matches(host),
                (Self::FarBelow(mine), Self::Below(theirs) | Self::FarBelow(theirs)) => {
                    theirs.ends_with(mine.as_str())
                }
                _ => false,
            }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(host) => host.fmt(f),
            Self::Below(tail) => write!(f, "*{tail}"),
            Self::FarBelow(tail) => write!(f, "**{tail}"),
        }
    }
}

/// One segment of a path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    /// This text; the empty one stands for the `/` at the end.
    Text(String),
    /// `*` with text before or after it, or none: any segment that has these around it, and never an empty one.
    Around(String, String),
}

impl Segment {
    fn parse(raw: &str, is_last: bool) -> Result<Self, PatternFault> {
        let piece = |raw: &str| decoded(raw.as_bytes(), Plain::Utf8).map(std::borrow::Cow::into_owned);
        match raw.split_once('*') {
            None => {
                let text = piece(raw)?;
                refuse_segment(&text, is_last)?;
                Ok(Self::Text(text))
            }
            Some((_, after)) if after.contains('*') => Err(PatternFault::TwoStars),
            Some((before, after)) => Ok(Self::Around(piece(before)?, piece(after)?)),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Text(text) => text == segment,
            Self::Around(before, after) => {
                !segment.is_empty()
                    && segment.len() >= before.len() + after.len()
                    && segment.starts_with(before.as_str())
                    && segment.ends_with(after.as_str())
            }
        }
    }

    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Around(before, after), Self::Around(..)) if before.is_empty() && after.is_empty() => true,
            (Self::Around(..), Self::Text(text)) => self.matches(text),
            _ => self == other,
        }
    }
}

/// Paths, by their segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// The segments up to `**`, or all of them.
    head: Vec<Segment>,
    /// The segments after `**`; `None` where there is none.
    tail: Option<Vec<Segment>>,
    /// Whether a `/` at the end counts for nothing.
    either_end: bool,
    text: String,
}

impl PathPattern {
    /// Reads one. It is written as a path is, percent-encoded or in plain UTF-8; a star that is none is `%2A`.
    ///
    /// # Errors
    /// It is no pattern, or nothing could match it.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let segments = text.strip_prefix('/').ok_or(PathFault::NotAbsolute)?;
        let (mut head, mut tail) = (Vec::new(), None::<Vec<Segment>>);
        let mut segments = segments.split('/').peekable();
        while let Some(raw) = segments.next() {
            if raw == "**" {
                if tail.replace(Vec::new()).is_some() {
                    return Err(PatternFault::TwoDeep);
                }
                continue;
            }
            let segment = Segment::parse(raw, segments.peek().is_none())?;
            tail.as_mut().unwrap_or(&mut head).push(segment);
        }
        Ok(Self {
            head,
            tail,
            either_end: false,
            text: text.to_owned(),
        })
    }

    /// The same pattern for paths with and without a `/` at their end, which many servers take for one.
    #[must_use]
    pub fn with_either_end(mut self) -> Self {
        let is_root = self.tail.is_none() && self.head.len() == 1;
        let last = self.tail.as_mut().unwrap_or(&mut self.head);
        if !is_root {
            last.pop_if(|segment| *segment == Segment::Text(String::new()));
        }
        self.either_end = true;
        self
    }

    /// Whether this path is one of them.
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        let text = path.as_str();
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = if self.either_end {
            text.strip_suffix('/').unwrap_or(text)
        } else {
            text
        };
        let mut segments = text.split('/');
        let mut ahead = |own: &Segment| segments.next().is_some_and(|segment| own.matches(segment));
        if !self.head.iter().all(&mut ahead) {
            return false;
        }
        match &self.tail {
            None => segments.next().is_none(),
            Some(tail) => tail
                .iter()
                .rev()
                .all(|own| segments.next_back().is_some_and(|segment| own.matches(segment))),
        }
    }

    /// Whether it surely matches whatever the other does.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let begins = self.head.len() <= other.head.len()
            && self
                .head
                .iter()
                .zip(&other.head)
                .all(|(own, its)| own.covers(its));
        match &self.tail {
            Some(tail) if tail.is_empty() => begins,
            _ => {
                (self.either_end || !other.either_end)
                    && begins
                    && self.head.len() == other.head.len()
                    && self.tail == other.tail
            }
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
