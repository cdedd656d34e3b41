//! A remembered verdict in few bytes: the token, and what is known of it, without a string of its own for each thing.
//!
//! The token is the key of the cache as well, and stands here once. Its beginning fills a piece of memory of just that size; its
//! end begins the second piece, in which all that concerns this token alone follows in one string of bytes. What many tokens
//! have in common (issuer, client, roles, groups …) is kept once for them all. What a hit needs is read in place; facts and
//! identity as the handlers know them are made of it when they are asked for.

mod bytes;
mod names;
mod room;
mod shared;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use bytes::{Reader, Writer};
use jiff::Timestamp;
pub(crate) use room::taken;
pub(crate) use shared::Commons;
use shared::{Common, Said};

use super::facts::{Facts, Issued};
use super::marks::Watch;
use crate::credential::SessionHandle;
use crate::guard::Rights;
use crate::identity::{Identity, VerificationSource};

/// A token and the facts of it.
pub(crate) struct Packed {
    watch: Watch,
    common: Arc<Common>,
    /// Where the token begins.
    front: Box<[u8]>,
    /// How long its end is and whether `common` is shared (the lowest bit), its end, and the rest.
    back: Box<[u8]>,
}

/// A token in the two parts in which it is kept. Equal tokens have equal parts.
pub(crate) fn parts(token: &str) -> (&[u8], &[u8]) {
    let bytes = token.as_bytes();
    bytes.split_at(room::filled(bytes.len()))
}

/// What of an identity is its own: whom a door names with each answer.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    /// The subject.
    pub user_id: &'a str,
    /// A name to show.
    pub name: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
}

impl<'a> Who<'a> {
    /// The one whom this identity is of.
    pub fn of(identity: &'a Identity) -> Self {
        Self {
            user_id: &identity.user_id,
            name: identity.name.as_deref(),
            email: identity.email.as_deref(),
        }
    }
}

impl Packed {
    pub(crate) fn new(token: &str, facts: &Facts, commons: &Commons) -> Self {
        let (common, is_shared) = commons.of(Said::of(facts));
        let (front, end) = parts(token);
        let mut writer = Writer::default();
        writer.number((end.len() as u64) << 1 | u64::from(is_shared));
        writer.bytes(end);
        write_identity(&mut writer, &facts.identity);
        write_times(&mut writer, facts);
        writer.optional(facts.session.as_ref().map(SessionHandle::as_str));
        names::write(&mut writer, facts, &common.said);
        Self {
            watch: Watch::default(),
            common,
            front: front.into(),
            back: writer.finish(),
        }
    }

    /// The token, in its two parts.
    pub(crate) fn token(&self) -> (&[u8], &[u8]) {
        (&self.front, self.opened().0)
    }

    /// About how many bytes of memory it takes, with what is made ready of it.
    pub(crate) fn bytes(&self) -> usize {
        let is_shared = Reader::new(&self.back).number() & 1 == 1;
        let common = if is_shared { 0 } else { self.common.bytes() };
        // The counts in an `Arc` are two words.
        let this = taken(size_of::<Self>() + 2 * size_of::<usize>());
        this + taken(self.front.len()) + taken(self.back.len()) + common
    }

    pub(crate) fn source(&self) -> VerificationSource {
        self.common.said.source
    }

    pub(super) fn rights(&self) -> Rights<'_> {
        self.common.said.rights()
    }

    pub(super) fn who(&self) -> Who<'_> {
        let (_, mut reader) = self.opened();
        Who {
            user_id: reader.text(),
            name: reader.optional(),
            email: reader.optional(),
        }
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity_from(&mut self.opened().1)
    }

    pub(crate) fn facts(&self) -> Facts {
        let (_, mut reader) = self.opened();
        let identity = self.identity_from(&mut reader);
        let (issued, expires_at) = read_times(&mut reader);
        let session = reader.optional().and_then(SessionHandle::parse);
        let (names, own_names, parties) = names::read(&mut reader, &identity, &self.common.said);
        Facts {
            identity,
            names,
            own_names,
            parties,
            issued,
            expires_at,
            session,
            key_id: self.common.said.key_id.as_deref().map(str::to_owned),
        }
    }

    /// When it expires by itself.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let (_, mut reader) = self.opened();
        skip_identity(&mut reader);
        read_times(&mut reader).1
    }

    /// Since when nothing stood against it in the one replica of this process.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What a door made ready of what it has in common with others; `None` if another door made something else.
    pub(super) fn answer<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce(VerificationSource, Rights<'_>) -> T,
    ) -> Option<&T> {
        self.common.answer(|said| make(said.source, said.rights()))
    }

    /// The end of the token, and what follows it.
    fn opened(&self) -> (&[u8], Reader<'_>) {
        let mut reader = Reader::new(&self.back);
        let length = reader.number() >> 1;
        let end = reader.bytes(usize::try_from(length).unwrap_or(usize::MAX));
        (end, reader)
    }

    fn identity_from(&self, reader: &mut Reader<'_>) -> Identity {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut identity = Identity {
            user_id: reader.text().to_owned(),
            name: owned(reader.optional()),
            email: owned(reader.optional()),
            avatar: owned(reader.optional()),
            session_id: owned(reader.optional()),
            verified_at: reader.moment(),
            verification_source: self.source(),
            client_id: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            groups: Vec::new(),
            workspaces: Vec::new(),
            scope: Vec::new(),
        };
        self.common.said.tell(&mut identity);
        identity
    }
}

fn write_identity(writer: &mut Writer, identity: &Identity) {
    writer.text(&identity.user_id);
    writer.optional(identity.name.as_deref());
    writer.optional(identity.email.as_deref());
    writer.optional(identity.avatar.as_deref());
    writer.optional(identity.session_id.as_deref());
    writer.moment(identity.verified_at);
}

fn skip_identity(reader: &mut Reader<'_>) {
    reader.text();
    for _ in 0..4 {
        reader.optional();
    }
    reader.moment();
}

fn write_times(writer: &mut Writer, facts: &Facts) {
    let issued = match facts.issued {
        Issued::Unknown => None,
        Issued::At(moment) => Some((1, moment)),
        Issued::InSecond(moment) => Some((2, moment)),
    };
    writer.number(issued.map_or(0, |(how, _)| how));
    writer.number(facts.expires_at.is_some().into());
    for moment in [issued.map(|(_, moment)| moment), facts.expires_at]
        .into_iter()
        .flatten()
    {
        writer.moment(moment);
    }
}

fn read_times(reader: &mut Reader<'_>) -> (Issued, Option<Timestamp>) {
    let (issued, expires) = (reader.number(), reader.number() == 1);
    let issued = match issued {
        1 => Issued::At(reader.moment()),
        2 => Issued::InSecond(reader.moment()),
        _ => Issued::Unknown,
    };
    (issued, expires.then(|| reader.moment()))
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").finish_non_exhaustive()
    }
}
