//! Patterns of hosts and paths. `*` is one label, or one segment or a part of it; `**` is any number of them.
//! Matching takes one pass without backtracking.

use std::fmt;

use super::host::{CanonicalHost, HostFault, check_name};
use super::path::{CanonicalPath, PathFault, UnencodedCharset, check_segment, percent_decode};

/// Reason why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// Path pattern that no canonical path can match.
    #[error("no request can match it: {0}")]
    Path(#[from] PathFault),
    /// Host pattern that no canonical host can match.
    #[error("no request can match it: {0}")]
    Host(#[from] HostFault),
    /// More than one `**`.
    #[error("it contains ** more than once")]
    MultipleGlobstars,
    /// `**` within a segment, or more than one `*` in a segment.
    #[error("a segment contains more than one *")]
    MultipleStars,
    /// `*` anywhere other than as the first label of a host.
    #[error("in a host, * may only be the whole first label")]
    StarInHost,
    /// Host with a port.
    #[error("it has a port; hosts are compared without ports")]
    Port,
}

/// Pattern of hosts: one name, or the names below a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// Exactly this host.
    Exact(CanonicalHost),
    /// `*.example.com`: one label below the name. Contains `.example.com`.
    DirectSubdomain(String),
    /// `**.example.com`: one or more labels below the name. Contains `.example.com`.
    AnySubdomain(String),
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternFault`] when the text is not a pattern, or nothing could match it.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let suffix_of = |name: &str| -> Result<String, PatternFault> {
            if name.contains('*') {
                return Err(PatternFault::StarInHost);
            }
            if name.contains(':') {
                return Err(PatternFault::Port);
            }
            check_name(name)?;
            // With its dot, so that `*.example` does not match `aexample`.
            Ok(format!(".{}", name.to_ascii_lowercase()))
        };
        if let Some(name) = text.strip_prefix("**.") {
            return suffix_of(name).map(Self::AnySubdomain);
        }
        if let Some(name) = text.strip_prefix("*.") {
            return suffix_of(name).map(Self::DirectSubdomain);
        }
        if text.contains('*') {
            return Err(PatternFault::StarInHost);
        }
        // An IPv6 address contains colons within its brackets. Any other colon begins a port.
        let is_bracketed = text.starts_with('[');
        if (is_bracketed && !text.ends_with(']')) || (!is_bracketed && text.contains(':')) {
            return Err(PatternFault::Port);
        }
        Ok(Self::Exact(CanonicalHost::parse(text)?))
    }

    /// Returns `true` if the host matches.
    pub fn matches(&self, host: &CanonicalHost) -> bool {
        let host = host.as_str();
        match self {
            Self::Exact(name) => name.as_str() == host,
            Self::DirectSubdomain(suffix) => host
                .strip_suffix(suffix)
                .is_some_and(|head| !head.is_empty() && !head.contains('.')),
            Self::AnySubdomain(suffix) => host.strip_suffix(suffix).is_some_and(|head| !head.is_empty()),
        }
    }

    /// Returns `true` if this pattern certainly matches every host that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self == other
            || match (self, other) {
                (_, Self::Exact(host)) => self.matches(host),
                (Self::AnySubdomain(suffix), Self::DirectSubdomain(inner) | Self::AnySubdomain(inner)) => {
                    inner.ends_with(suffix.as_str())
                }
                _ => false,
            }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::DirectSubdomain(suffix) => write!(f, "*{suffix}"),
            Self::AnySubdomain(suffix) => write!(f, "**{suffix}"),
        }
    }
}

/// Segment of a path pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum SegmentPattern {
    /// Exactly this text. The empty text is the segment after a `/` at the end.
    Literal(String),
    /// `*` with optional text before and after it: any segment that begins and ends so, but
    /// never an empty one.
    Wildcard(String, String),
}

impl SegmentPattern {
    fn parse(raw: &str, is_last: bool) -> Result<Self, PatternFault> {
        let decode = |raw: &str| {
            percent_decode(raw.as_bytes(), UnencodedCharset::Utf8).map(std::borrow::Cow::into_owned)
        };
        // The star is found before decoding, so that `%2A` is a literal star.
        match raw.split_once('*') {
            None => {
                let text = decode(raw)?;
                check_segment(&text, is_last)?;
                Ok(Self::Literal(text))
            }
            Some((_, after)) if after.contains('*') => Err(PatternFault::MultipleStars),
            Some((before, after)) => Ok(Self::Wildcard(decode(before)?, decode(after)?)),
        }
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(text) => text == segment,
            Self::Wildcard(before, after) => {
                // The length keeps the two texts from overlapping: `/ab*ba` does not match `/aba`.
                !segment.is_empty()
                    && segment.len() >= before.len() + after.len()
                    && segment.starts_with(before.as_str())
                    && segment.ends_with(after.as_str())
            }
        }
    }

    // Two wildcards with text count as covered only if they are equal.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Wildcard(before, after), Self::Wildcard(..)) if before.is_empty() && after.is_empty() => {
                true
            }
            (Self::Wildcard(..), Self::Literal(text)) => self.matches(text),
            _ => self == other,
        }
    }
}

/// Pattern of paths, by segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathPattern {
    /// Segments before `**`, or all segments.
    head: Vec<SegmentPattern>,
    /// Segments after `**`; `None` for a pattern without `**`.
    tail: Option<Vec<SegmentPattern>>,
    /// Ignores a `/` at the end of a path.
    ignores_trailing_slash: bool,
    text: String,
}

impl PathPattern {
    /// Reads a pattern. It is written like a path, percent-encoded or in plain UTF-8. A
    /// literal star is `%2A`.
    ///
    /// # Errors
    /// [`PatternFault`] when the text is not a pattern, or nothing could match it.
    pub fn parse(text: &str) -> Result<Self, PatternFault> {
        let segments = text.strip_prefix('/').ok_or(PathFault::NotAbsolute)?;
        let (mut head, mut tail) = (Vec::new(), None::<Vec<SegmentPattern>>);
        let mut segments = segments.split('/').peekable();
        while let Some(raw) = segments.next() {
            if raw == "**" {
                // One `**` only: matching compares the ends and never searches in between.
                if tail.replace(Vec::new()).is_some() {
                    return Err(PatternFault::MultipleGlobstars);
                }
                continue;
            }
            let segment = SegmentPattern::parse(raw, segments.peek().is_none())?;
            tail.as_mut().unwrap_or(&mut head).push(segment);
        }
        Ok(Self {
            head,
            tail,
            ignores_trailing_slash: false,
            text: text.to_owned(),
        })
    }

    /// Changes the pattern so that a `/` at the end of a path is ignored. Many servers treat
    /// both paths alike.
    #[must_use]
    pub fn ignoring_trailing_slash(mut self) -> Self {
        // `/` is one empty segment. Without it the pattern would have no segment, and match nothing.
        let is_root = self.tail.is_none() && self.head.len() == 1;
        let last = self.tail.as_mut().unwrap_or(&mut self.head);
        if !is_root {
            last.pop_if(|segment| *segment == SegmentPattern::Literal(String::new()));
        }
        self.ignores_trailing_slash = true;
        self
    }

    /// Returns `true` if the path matches.
    pub fn matches(&self, path: &CanonicalPath<'_>) -> bool {
        let text = path.as_str();
        let text = text.strip_prefix('/').unwrap_or(text);
        let text = if self.ignores_trailing_slash {
            text.strip_suffix('/').unwrap_or(text)
        } else {
            text
        };
        let mut segments = text.split('/');
        let mut matches_next =
            |pattern: &SegmentPattern| segments.next().is_some_and(|segment| pattern.matches(segment));
        if !self.head.iter().all(&mut matches_next) {
            return false;
        }
        match &self.tail {
            None => segments.next().is_none(),
            // From the back, of what the head has left: no segment is used twice, and `**` is the rest.
            Some(tail) => tail.iter().rev().all(|pattern| {
                segments
                    .next_back()
                    .is_some_and(|segment| pattern.matches(segment))
            }),
        }
    }

    /// Returns `true` if this pattern certainly matches every path that `other` matches.
    /// `false` proves nothing.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let head_covers = self.head.len() <= other.head.len()
            && self
                .head
                .iter()
                .zip(&other.head)
                .all(|(own, its)| own.covers(its));
        match &self.tail {
            // Nothing after `**`: it matches every rest, whatever the other pattern has there.
            Some(tail) if tail.is_empty() => head_covers,
            // Otherwise only the same tail counts as covered. That misses some cases and claims none wrongly.
            _ => {
                (self.ignores_trailing_slash || !other.ignores_trailing_slash)
                    && head_covers
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
