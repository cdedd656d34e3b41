//! What a history says of each credential.

use std::collections::HashMap;

use crate::history::{At, Check, Covers, CredentialId, CredentialRecord, History, LoginId, User, Way};

/// One credential, with everything that was asked for and about it.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    pub(crate) record: CredentialRecord,
    /// The first attempt to end it: when it began.
    pub(super) tried: Option<(At, Way)>,
    /// The first acknowledgement that promises its end: when it was read.
    pub(super) acknowledged: Option<(At, Way)>,
    /// Whether an instance was asked to revoke it that does not know it and says so in the documents: it refuses the
    /// credential for `REVOKE_UNPROVEN_SECONDS` and no longer.
    pub(super) refused_for_a_time: bool,
    pub(crate) checks: Vec<&'a Check>,
}

impl Standing<'_> {
    /// Whether there was an attempt to end it.
    pub(crate) fn is_tried(&self) -> bool {
        self.tried.is_some()
    }

    /// Whether its end is promised.
    pub(crate) fn is_promised(&self) -> bool {
        self.acknowledged.is_some()
    }

    /// How it was ended: by the first acknowledgement, or else the first attempt.
    pub(super) fn ended_by(&self) -> Option<Way> {
        self.acknowledged.or(self.tried).map(|(_, way)| way)
    }
}

/// The standing of every credential, in the order of their numbers.
pub(crate) fn standings(history: &History) -> Vec<Standing<'_>> {
    let families = Families::of(history);
    let mut standings: Vec<_> = history
        .credentials
        .iter()
        .map(|record| Standing {
            record: *record,
            tried: None,
            acknowledged: None,
            refused_for_a_time: false,
            checks: Vec::new(),
        })
        .collect();
    for one in &history.revocations {
        for id in one.may_end.iter().flat_map(|covers| families.members(*covers)) {
            earliest(&mut standings[id].tried, (one.span.begun, one.way));
        }
        if one.answer.is_acknowledgement() && one.way == Way::RevokeRefresh && one.promises.is_empty() {
            for id in one.may_end.iter().flat_map(|covers| families.members(*covers)) {
                standings[id].refused_for_a_time = true;
            }
        }
        if one.answer.is_acknowledgement() {
            for id in one.promises.iter().flat_map(|covers| families.members(*covers)) {
                earliest(&mut standings[id].acknowledged, (one.span.ended, one.way));
            }
        }
    }
    for check in &history.checks {
        standings[check.credential].checks.push(check);
    }
    standings
}

fn earliest(known: &mut Option<(At, Way)>, new: (At, Way)) {
    if known.is_none_or(|(at, _)| new.0 < at) {
        *known = Some(new);
    }
}

/// The credentials of each login and of each user.
struct Families<'a> {
    records: &'a [CredentialRecord],
    of_login: HashMap<LoginId, Vec<CredentialId>>,
    of_user: HashMap<User, Vec<CredentialId>>,
}

impl<'a> Families<'a> {
    fn of(history: &'a History) -> Self {
        let mut families = Self {
            records: &history.credentials,
            of_login: HashMap::new(),
            of_user: HashMap::new(),
        };
        for (id, record) in history.credentials.iter().enumerate() {
            families.of_user.entry(record.user).or_default().push(id);
            if let Some(login) = record.login {
                families.of_login.entry(login).or_default().push(id);
            }
        }
        families
    }

    fn members(&self, covers: Covers) -> Vec<CredentialId> {
        let family = match covers {
            Covers::Credential(id) => return vec![id],
            Covers::Cookies(login) | Covers::Login(login) => self.of_login.get(&login),
            Covers::User(user) => self.of_user.get(&user),
        };
        let members = family.into_iter().flatten().copied();
        members
            .filter(|id| covers.includes(*id, &self.records[*id]))
            .collect()
    }
}
