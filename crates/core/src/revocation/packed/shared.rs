//! What many verdicts have in common: kept once, and shared by all that say the same.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::room::taken;
use crate::guard::Rights;
use crate::identity::{Identity, VerificationSource};
use crate::revocation::{Facts, Party};

/// All that are shared take so many bytes at the most.
const MOST: usize = 1024 * 1024;
/// While there is no room, those that nobody holds any more are looked for once in so many times.
const SELDOM: usize = 1_024;

/// What says the same for everybody who has the same part in things.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    pub(super) source: VerificationSource,
    pub(super) client_id: Option<Box<str>>,
    pub(super) issuer: Option<Box<str>>,
    pub(super) key_id: Option<Box<str>>,
    roles: Box<[String]>,
    permissions: Box<[String]>,
    groups: Box<[String]>,
    workspaces: Box<[String]>,
    scope: Box<[String]>,
}

impl Said {
    pub(super) fn of(facts: &Facts) -> Self {
        let identity = &facts.identity;
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        let issuer = facts.parties.iter().find_map(|party| match party {
            Party::Issuer(issuer) => Some(issuer.as_str().into()),
            Party::User(_) | Party::Client(_) => None,
        });
        Self {
            source: identity.verification_source,
            client_id: text(&identity.client_id),
            issuer,
            key_id: text(&facts.key_id),
            roles: identity.roles.as_slice().into(),
            permissions: identity.permissions.as_slice().into(),
            groups: identity.groups.as_slice().into(),
            workspaces: identity.workspaces.as_slice().into(),
            scope: identity.scope.as_slice().into(),
        }
    }

    pub(super) fn rights(&self) -> Rights<'_> {
        Rights {
            roles: &self.roles,
            permissions: &self.permissions,
            groups: &self.groups,
            workspaces: &self.workspaces,
            scope: &self.scope,
        }
    }

    /// Puts it into an identity.
    pub(super) fn tell(&self, identity: &mut Identity) {
        identity.roles = self.roles.to_vec();
        identity.permissions = self.permissions.to_vec();
        identity.groups = self.groups.to_vec();
        identity.workspaces = self.workspaces.to_vec();
        identity.scope = self.scope.to_vec();
        identity.client_id = self.client_id.as_deref().map(str::to_owned);
    }

    /// About how many bytes of memory it takes, with what a door makes ready of it.
    fn bytes(&self) -> usize {
        let texts = [&self.client_id, &self.issuer, &self.key_id];
        let texts = texts.into_iter().flatten().map(|text| taken(text.len()));
        let lists = [
            &self.roles,
            &self.permissions,
            &self.groups,
            &self.workspaces,
            &self.scope,
        ];
        let elements = lists.iter().flat_map(|list| list.iter());
        // Once as it is, and once in a door's answer.
        let elements = elements.map(|text| size_of::<String>() + taken(text.len()) + text.len());
        taken(size_of::<Common>()) + texts.sum::<usize>() + elements.sum::<usize>() + 128
    }
}

/// The same, and what a door makes ready of it.
pub(super) struct Common {
    pub(super) said: Arc<Said>,
    answer: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Common {
    fn new(said: Arc<Said>) -> Arc<Self> {
        let answer = OnceLock::new();
        Arc::new(Self { said, answer })
    }

    /// What a door made ready; `None` if another door made something else.
    pub(super) fn answer<T: Any + Send + Sync>(&self, make: impl FnOnce(&Said) -> T) -> Option<&T> {
        let answer = self.answer.get_or_init(|| Box::new(make(&self.said)));
        answer.downcast_ref()
    }

    pub(super) fn bytes(&self) -> usize {
        self.said.bytes()
    }
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common")
            .field("said", &self.said)
            .finish_non_exhaustive()
    }
}

/// Those that are shared. There is room for a mebibyte of them; whatever says something else then has its own, and counts it.
#[derive(Debug, Default)]
pub(crate) struct Commons(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: HashMap<Arc<Said>, Arc<Common>>,
    bytes: usize,
    turned_away: usize,
}

impl Commons {
    /// The one that says this, and whether it is shared.
    pub(super) fn of(&self, said: Said) -> (Arc<Common>, bool) {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = shared.known.get(&said) {
            return (Arc::clone(known), true);
        }
        let bytes = said.bytes();
        let said = Arc::new(said);
        let common = Common::new(Arc::clone(&said));
        let is_shared = shared.has_room_for(bytes);
        if is_shared {
            shared.bytes += bytes;
            shared.known.insert(said, Arc::clone(&common));
        }
        (common, is_shared)
    }
}

impl Shared {
    fn has_room_for(&mut self, bytes: usize) -> bool {
        if self.bytes + bytes > MOST && self.turned_away.is_multiple_of(SELDOM) {
            self.known.retain(|_, common| Arc::strong_count(common) > 1);
            self.bytes = self.known.keys().map(|said| said.bytes()).sum();
        }
        let fits = self.bytes + bytes <= MOST;
        self.turned_away = if fits { 0 } else { self.turned_away + 1 };
        fits
    }
}
