//! A cached verdict in compact form: the token and its description in two allocations (decision 15).
//!
//! The token is stored once and is also the key of the cache. Its beginning fills the first allocation
//! exactly. Its end begins the second one, followed by everything that concerns this token alone, as one
//! string of bytes. Claims that many tokens have in common (issuer, client, roles, groups …) are stored once
//! and shared. The fast path reads in place; the full [`CredentialInfo`] and [`Identity`] are decoded for the
//! handlers that ask for them.

mod claims_interner;
mod codec;
mod key_codec;
mod not_revoked_memo;
mod size_class;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub(crate) use claims_interner::ClaimsInterner;
use claims_interner::{InternedClaims, SharedClaims};
use codec::{VerdictDecoder, VerdictEncoder};
use jiff::Timestamp;
pub(crate) use not_revoked_memo::{ChangeSlots, MAX_NAMES, NotRevokedMemo};
pub(crate) use size_class::allocated_size;

use super::credential_info::{CredentialInfo, IssueTime};
use crate::credential::SessionHandle;
use crate::identity::{Identity, Issuer, VerificationSource};
use crate::verdict::Entitlements;

/// A token and its description.
pub(crate) struct CompactVerdict {
    not_revoked_memo: NotRevokedMemo,
    claims: Arc<InternedClaims>,
    /// Beginning of the token.
    front: Box<[u8]>,
    /// Length of the token's end, with a lowest bit that is set if `claims` is shared; then that end; then
    /// the description.
    back: Box<[u8]>,
}

/// Splits a token into the two parts in which it is stored. Equal tokens have equal parts.
pub(crate) fn split_token(token: &str) -> (&[u8], &[u8]) {
    let bytes = token.as_bytes();
    bytes.split_at(size_class::largest_exact_fit(bytes.len()))
}

/// The part of an identity that belongs to one user alone, as the identity headers name it.
#[derive(Clone, Copy, Debug)]
pub struct SubjectClaims<'a> {
    /// Issuer of the user.
    pub issuer: &'a Issuer,
    /// Id of the user at the issuer (`sub`).
    pub user_id: &'a str,
    /// Display name.
    pub name: Option<&'a str>,
    /// E-mail address.
    pub email: Option<&'a str>,
}

impl<'a> SubjectClaims<'a> {
    /// Borrows these claims of an identity.
    pub fn of(identity: &'a Identity) -> Self {
        Self {
            issuer: &identity.issuer,
            user_id: &identity.user_id,
            name: identity.name.as_deref(),
            email: identity.email.as_deref(),
        }
    }

    /// Returns the user's text form ([`Subject::storage_name`](crate::identity::Subject::storage_name)). For nearly
    /// every user of the default issuer it is the id, and nothing is allocated.
    pub fn storage_name(&self) -> Cow<'a, str> {
        self.issuer.qualify(self.user_id)
    }
}

impl CompactVerdict {
    pub(crate) fn new(token: &str, info: &CredentialInfo, interner: &ClaimsInterner) -> Self {
        let (claims, is_shared) = interner.intern(SharedClaims::of(info));
        let (front, end) = split_token(token);
        let mut encoder = VerdictEncoder::default();
        encoder.varint((end.len() as u64) << 1 | u64::from(is_shared));
        encoder.bytes(end);
        // The identity first: the fast path reads `subject` and has nothing to skip.
        write_identity(&mut encoder, &info.identity);
        write_times(&mut encoder, info);
        encoder.optional_text(info.session.as_ref().map(SessionHandle::as_str));
        key_codec::write_keys(&mut encoder, info, &claims.claims);
        Self {
            not_revoked_memo: NotRevokedMemo::default(),
            claims,
            front: front.into(),
            back: encoder.finish(),
        }
    }

    /// Returns the two parts of the token.
    pub(crate) fn token_parts(&self) -> (&[u8], &[u8]) {
        (&self.front, self.decode_token_end().0)
    }

    /// Approximate memory that the verdict takes, in bytes, with the derived value of its claims.
    pub(crate) fn memory_bytes(&self) -> usize {
        let is_shared = VerdictDecoder::new(&self.back).varint() & 1 == 1;
        // Shared claims count against the interner's own bound and not against the cache's.
        let claims = if is_shared { 0 } else { self.claims.memory_bytes() };
        // The counts in an `Arc` are two words.
        let this = allocated_size(size_of::<Self>() + 2 * size_of::<usize>());
        this + allocated_size(self.front.len()) + allocated_size(self.back.len()) + claims
    }

    pub(crate) fn source(&self) -> VerificationSource {
        self.claims.claims.source
    }

    pub(super) fn entitlements(&self) -> Entitlements<'_> {
        self.claims.claims.entitlements()
    }

    pub(super) fn subject(&self) -> SubjectClaims<'_> {
        let (_, mut decoder) = self.decode_token_end();
        // Field initializers run in the order in which they are written, which is the order of
        // `write_identity`.
        SubjectClaims {
            issuer: &self.claims.claims.subject_issuer,
            user_id: decoder.text(),
            name: decoder.optional_text(),
            email: decoder.optional_text(),
        }
    }

    pub(super) fn to_identity(&self) -> Identity {
        self.decode_identity(&mut self.decode_token_end().1)
    }

    pub(crate) fn to_info(&self) -> CredentialInfo {
        let (_, mut decoder) = self.decode_token_end();
        let identity = self.decode_identity(&mut decoder);
        let (issue_time, expires_at) = read_times(&mut decoder);
        let session = decoder.optional_text().and_then(SessionHandle::parse);
        let (revocation_keys, own_key_count, cutoff_scopes) =
            key_codec::read_keys(&mut decoder, &identity, &self.claims.claims);
        CredentialInfo {
            identity,
            revocation_keys,
            own_key_count,
            cutoff_scopes,
            issue_time,
            expires_at,
            session,
            key_id: self.claims.claims.key_id.as_deref().map(str::to_owned),
        }
    }

    /// Expiry; `None` if it is unknown.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        let (_, mut decoder) = self.decode_token_end();
        skip_identity(&mut decoder);
        read_times(&mut decoder).1
    }

    /// Memo of the last lookup in the one replica of this process.
    pub(crate) fn not_revoked_memo(&self) -> &NotRevokedMemo {
        &self.not_revoked_memo
    }

    /// Returns the value derived from the shared claims; `None` if a value of another type is cached.
    pub(super) fn get_or_derive<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce(VerificationSource, Entitlements<'_>) -> T,
    ) -> Option<&T> {
        self.claims
            .get_or_derive(|claims| make(claims.source, claims.entitlements()))
    }

    /// Returns the end of the token, and a decoder at the description.
    fn decode_token_end(&self) -> (&[u8], VerdictDecoder<'_>) {
        let mut decoder = VerdictDecoder::new(&self.back);
        // The lowest bit is the flag for shared claims.
        let length = decoder.varint() >> 1;
        let end = decoder.bytes(usize::try_from(length).unwrap_or(usize::MAX));
        (end, decoder)
    }

    fn decode_identity(&self, decoder: &mut VerdictDecoder<'_>) -> Identity {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let mut identity = Identity {
            user_id: decoder.text().to_owned(),
            name: owned(decoder.optional_text()),
            email: owned(decoder.optional_text()),
            avatar: owned(decoder.optional_text()),
            session_id: owned(decoder.optional_text()),
            sid: owned(decoder.optional_text()),
            verified_at: decoder.timestamp(),
            verification_source: self.source(),
            // `copy_into` fills the rest from the shared claims.
            issuer: Issuer::DEFAULT,
            client_id: None,
            roles: Vec::new(),
            permissions: Vec::new(),
            groups: Vec::new(),
            workspaces: Vec::new(),
            scope: Vec::new(),
        };
        self.claims.claims.copy_into(&mut identity);
        identity
    }
}

fn write_identity(encoder: &mut VerdictEncoder, identity: &Identity) {
    encoder.text(&identity.user_id);
    encoder.optional_text(identity.name.as_deref());
    encoder.optional_text(identity.email.as_deref());
    encoder.optional_text(identity.avatar.as_deref());
    encoder.optional_text(identity.session_id.as_deref());
    encoder.optional_text(identity.sid.as_deref());
    encoder.timestamp(identity.verified_at);
}

fn skip_identity(decoder: &mut VerdictDecoder<'_>) {
    decoder.text();
    // Name, e-mail, avatar, session id and `sid`.
    for _ in 0..5 {
        decoder.optional_text();
    }
    decoder.timestamp();
}

fn write_times(encoder: &mut VerdictEncoder, info: &CredentialInfo) {
    let issued = match info.issue_time {
        IssueTime::Unknown => None,
        IssueTime::At(time) => Some((1, time)),
        IssueTime::WithinSecond(time) => Some((2, time)),
    };
    // Both tags before both times: an absent time takes no byte.
    encoder.varint(issued.map_or(0, |(tag, _)| tag));
    encoder.varint(info.expires_at.is_some().into());
    for time in [issued.map(|(_, time)| time), info.expires_at]
        .into_iter()
        .flatten()
    {
        encoder.timestamp(time);
    }
}

fn read_times(decoder: &mut VerdictDecoder<'_>) -> (IssueTime, Option<Timestamp>) {
    let (issue_tag, has_expiry) = (decoder.varint(), decoder.varint() == 1);
    let issue_time = match issue_tag {
        1 => IssueTime::At(decoder.timestamp()),
        2 => IssueTime::WithinSecond(decoder.timestamp()),
        _ => IssueTime::Unknown,
    };
    (issue_time, has_expiry.then(|| decoder.timestamp()))
}

impl fmt::Debug for CompactVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No fields: the verdict contains the token.
        f.debug_struct("CompactVerdict").finish_non_exhaustive()
    }
}
