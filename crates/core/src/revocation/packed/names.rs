//! How the names of a credential are written: a word for what it is, and then no more than cannot be had elsewhere.

use super::bytes::{Reader, Writer};
use super::shared::Said;
use crate::identity::Identity;
use crate::revocation::{Facts, Party, RevocationKey, TokenKey};

const TOKEN: u64 = 0;
/// A hash of a token: its bytes, and not their digits.
const SIGNED: u64 = 1;
const OPAQUE: u64 = 2;
const SESSION: u64 = 3;
const THIS_SESSION: u64 = 4;
const USER: u64 = 5;
const THIS_USER: u64 = 6;
const CLIENT: u64 = 7;
const THIS_CLIENT: u64 = 8;
const ISSUER: u64 = 9;
const THIS_ISSUER: u64 = 10;

/// Writes the names, and whose cut-offs cover the credential.
pub(super) fn write(writer: &mut Writer, facts: &Facts, said: &Said) {
    writer.number(facts.names.len() as u64);
    writer.number(facts.own_names as u64);
    for name in &facts.names {
        match name {
            RevocationKey::Token(key) => token(writer, key),
            RevocationKey::Session(id) => {
                let this = facts.identity.session_id.as_deref();
                either(writer, id, this, [SESSION, THIS_SESSION]);
            }
            RevocationKey::Before(party) => before(writer, party, &facts.identity, said),
        }
    }
    writer.number(facts.parties.len() as u64);
    for party in &facts.parties {
        before(writer, party, &facts.identity, said);
    }
}

fn token(writer: &mut Writer, key: &TokenKey) {
    match (key.signing_input(), key.token_bytes()) {
        (Some(digest), _) => {
            writer.number(SIGNED);
            writer.bytes(&digest);
        }
        (_, Some(digest)) => {
            writer.number(OPAQUE);
            writer.bytes(&digest);
        }
        (None, None) => {
            writer.number(TOKEN);
            writer.text(key.as_str());
        }
    }
}

fn before(writer: &mut Writer, party: &Party, identity: &Identity, said: &Said) {
    match party {
        Party::User(id) => either(writer, id, Some(&identity.user_id), [USER, THIS_USER]),
        Party::Client(id) => either(writer, id, said.client_id.as_deref(), [CLIENT, THIS_CLIENT]),
        Party::Issuer(id) => either(writer, id, said.issuer.as_deref(), [ISSUER, THIS_ISSUER]),
    }
}

fn either(writer: &mut Writer, id: &str, this: Option<&str>, [other, same]: [u64; 2]) {
    if this == Some(id) {
        return writer.number(same);
    }
    writer.number(other);
    writer.text(id);
}

/// Reads the names, how many of them a revocation must write, and the parties.
pub(super) fn read(
    reader: &mut Reader<'_>,
    identity: &Identity,
    said: &Said,
) -> (Vec<RevocationKey>, usize, Vec<Party>) {
    let (count, own) = (reader.number(), reader.number());
    let names = (0..count).map(|_| name(reader, identity, said)).collect();
    let count = reader.number();
    let parties = (0..count).filter_map(|_| match name(reader, identity, said) {
        RevocationKey::Before(party) => Some(party),
        RevocationKey::Token(_) | RevocationKey::Session(_) => None,
    });
    (
        names,
        usize::try_from(own).unwrap_or(usize::MAX),
        parties.collect(),
    )
}

fn name(reader: &mut Reader<'_>, identity: &Identity, said: &Said) -> RevocationKey {
    let this = |text: Option<&str>| text.unwrap_or_default().to_owned();
    match reader.number() {
        SIGNED => RevocationKey::Token(TokenKey::from_signing_input(&reader.array())),
        OPAQUE => RevocationKey::Token(TokenKey::from_token_bytes(&reader.array())),
        SESSION => RevocationKey::Session(reader.text().to_owned()),
        THIS_SESSION => RevocationKey::Session(this(identity.session_id.as_deref())),
        USER => RevocationKey::user(reader.text()),
        THIS_USER => RevocationKey::user(&identity.user_id),
        CLIENT => RevocationKey::Before(Party::Client(reader.text().to_owned())),
        THIS_CLIENT => RevocationKey::Before(Party::Client(this(said.client_id.as_deref()))),
        ISSUER => RevocationKey::Before(Party::Issuer(reader.text().to_owned())),
        THIS_ISSUER => RevocationKey::Before(Party::Issuer(this(said.issuer.as_deref()))),
        _ => RevocationKey::Token(TokenKey::from_stored(reader.text())),
    }
}
