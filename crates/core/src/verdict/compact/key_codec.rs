//! Encoding of a credential's revocation keys: a tag, then only the data that is not stored elsewhere in the
//! verdict.

use super::claims_interner::SharedClaims;
use super::codec::{VerdictDecoder, VerdictEncoder};
use crate::identity::{Identity, Issuer, Subject, UpstreamSession};
use crate::verdict::{CredentialInfo, CutoffScope, RevocationKey, TokenKey};

const TOKEN: u64 = 0;
// A hash is written as its 32 bytes and not as 64 digits.
const SIGNED: u64 = 1;
const OPAQUE: u64 = 2;
// `THIS_…` means: equal to the id in the identity or in the shared claims. Nothing follows the tag then.
const SESSION: u64 = 3;
const THIS_SESSION: u64 = 4;
const USER: u64 = 5;
const THIS_USER: u64 = 6;
const CLIENT: u64 = 7;
const THIS_CLIENT: u64 = 8;
const ISSUER: u64 = 9;
const THIS_ISSUER: u64 = 10;
const EVERYTHING: u64 = 11;
const UPSTREAM_SESSION: u64 = 12;
const THIS_UPSTREAM_SESSION: u64 = 13;

/// Writes the revocation keys and the cut-off scopes.
pub(super) fn write_keys(encoder: &mut VerdictEncoder, info: &CredentialInfo, claims: &SharedClaims) {
    encoder.varint(info.revocation_keys.len() as u64);
    encoder.varint(info.own_key_count as u64);
    for key in &info.revocation_keys {
        match key {
            RevocationKey::Token(key) => write_token_key(encoder, key),
            RevocationKey::Session(id) => {
                let this = info.identity.sid.as_deref();
                write_id_or_tag(encoder, id, this, [SESSION, THIS_SESSION]);
            }
            RevocationKey::Cutoff(scope) => write_scope(encoder, scope, &info.identity, claims),
        }
    }
    encoder.varint(info.cutoff_scopes.len() as u64);
    for scope in &info.cutoff_scopes {
        write_scope(encoder, scope, &info.identity, claims);
    }
}

fn write_token_key(encoder: &mut VerdictEncoder, key: &TokenKey) {
    match (key.signing_input_digest(), key.token_digest()) {
        (Some(digest), _) => {
            encoder.varint(SIGNED);
            encoder.bytes(&digest);
        }
        (_, Some(digest)) => {
            encoder.varint(OPAQUE);
            encoder.bytes(&digest);
        }
        (None, None) => {
            encoder.varint(TOKEN);
            encoder.text(key.as_str());
        }
    }
}

fn write_scope(
    encoder: &mut VerdictEncoder,
    scope: &CutoffScope,
    identity: &Identity,
    claims: &SharedClaims,
) {
    match scope {
        CutoffScope::User(user) if identity.belongs_to(user) => encoder.varint(THIS_USER),
        CutoffScope::User(user) => write_qualified_id(encoder, USER, &user.issuer, &user.id),
        CutoffScope::Client(id) => {
            write_id_or_tag(encoder, id, claims.client_id.as_deref(), [CLIENT, THIS_CLIENT]);
        }
        CutoffScope::Issuer(id) => {
            write_id_or_tag(encoder, id, claims.issuer.as_deref(), [ISSUER, THIS_ISSUER]);
        }
        CutoffScope::UpstreamSession(UpstreamSession { issuer, sid }) => {
            if *issuer == identity.issuer && identity.sid.as_ref() == Some(sid) {
                return encoder.varint(THIS_UPSTREAM_SESSION);
            }
            write_qualified_id(encoder, UPSTREAM_SESSION, issuer, sid);
        }
        CutoffScope::Everything => encoder.varint(EVERYTHING),
    }
}

/// Writes an id of another person or upstream session than the identity's, with its issuer.
fn write_qualified_id(encoder: &mut VerdictEncoder, tag: u64, issuer: &Issuer, id: &str) {
    encoder.varint(tag);
    encoder.text(&issuer.qualify(id));
}

fn write_id_or_tag(encoder: &mut VerdictEncoder, id: &str, this: Option<&str>, [other, same]: [u64; 2]) {
    if this == Some(id) {
        return encoder.varint(same);
    }
    encoder.varint(other);
    encoder.text(id);
}

/// Reads the revocation keys, the number of them that a revocation must write, and the cut-off scopes.
pub(super) fn read_keys(
    decoder: &mut VerdictDecoder<'_>,
    identity: &Identity,
    claims: &SharedClaims,
) -> (Vec<RevocationKey>, usize, Vec<CutoffScope>) {
    let (count, own) = (decoder.varint(), decoder.varint());
    let keys = (0..count).map(|_| read_key(decoder, identity, claims)).collect();
    let count = decoder.varint();
    let scopes = (0..count).filter_map(|_| match read_key(decoder, identity, claims) {
        RevocationKey::Cutoff(scope) => Some(scope),
        RevocationKey::Token(_) | RevocationKey::Session(_) => None,
    });
    (keys, usize::try_from(own).unwrap_or(usize::MAX), scopes.collect())
}

fn read_key(decoder: &mut VerdictDecoder<'_>, identity: &Identity, claims: &SharedClaims) -> RevocationKey {
    let this = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let upstream = |session| RevocationKey::Cutoff(CutoffScope::UpstreamSession(session));
    match decoder.varint() {
        SIGNED => RevocationKey::Token(TokenKey::from_signing_input_digest(&decoder.array())),
        OPAQUE => RevocationKey::Token(TokenKey::from_token_digest(&decoder.array())),
        SESSION => RevocationKey::Session(decoder.text().to_owned()),
        THIS_SESSION => RevocationKey::Session(this(identity.sid.as_deref())),
        USER => RevocationKey::user(&Subject::from_storage_name(decoder.text())),
        THIS_USER => RevocationKey::user(&identity.subject()),
        CLIENT => RevocationKey::Cutoff(CutoffScope::Client(decoder.text().to_owned())),
        THIS_CLIENT => RevocationKey::Cutoff(CutoffScope::Client(this(claims.client_id.as_deref()))),
        ISSUER => RevocationKey::Cutoff(CutoffScope::Issuer(decoder.text().to_owned())),
        THIS_ISSUER => RevocationKey::Cutoff(CutoffScope::Issuer(this(claims.issuer.as_deref()))),
        UPSTREAM_SESSION => upstream(UpstreamSession::from_storage_name(decoder.text())),
        THIS_UPSTREAM_SESSION => {
            let sid = this(identity.sid.as_deref());
            upstream(UpstreamSession::new(identity.issuer.clone(), sid))
        }
        EVERYTHING => RevocationKey::Cutoff(CutoffScope::Everything),
        // `TOKEN`. Anything else was never written.
        _ => RevocationKey::Token(TokenKey::from_stored(decoder.text())),
    }
}
