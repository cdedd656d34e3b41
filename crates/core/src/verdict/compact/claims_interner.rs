//! Interner of the claims that many cached verdicts have in common: equal claims are stored once (decision
//! 15).

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::size_class::allocated_size;
use crate::identity::{Identity, Issuer, VerificationSource};
use crate::verdict::{CredentialInfo, CutoffScope, Entitlements};

/// Bound of all shared claims together, in bytes.
const MAX_SHARED_BYTES: usize = 1024 * 1024;
/// While the bound is reached, unused claims are removed once in this many requests, because a removal visits
/// all of them.
const CLEANUP_INTERVAL: usize = 1_024;

/// Claims that are equal for all users with the same client and the same entitlements.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct SharedClaims {
    pub(super) source: VerificationSource,
    /// Issuer of the user. [`issuer`](Self::issuer) is the name that the token gives it.
    pub(super) subject_issuer: Issuer,
    pub(super) client_id: Option<Box<str>>,
    pub(super) issuer: Option<Box<str>>,
    pub(super) key_id: Option<Box<str>>,
    roles: Box<[String]>,
    permissions: Box<[String]>,
    groups: Box<[String]>,
    workspaces: Box<[String]>,
    scope: Box<[String]>,
}

impl SharedClaims {
    pub(super) fn of(info: &CredentialInfo) -> Self {
        let identity = &info.identity;
        let text = |text: &Option<String>| text.as_deref().map(Box::from);
        // The name in the token: that of the default issuer is in no identity.
        let issuer = info.cutoff_scopes.iter().find_map(|scope| match scope {
            CutoffScope::Issuer(issuer) => Some(issuer.as_str().into()),
            CutoffScope::User(_)
            | CutoffScope::Client(_)
            | CutoffScope::UpstreamSession(_)
            | CutoffScope::Everything => None,
        });
        Self {
            source: identity.verification_source,
            subject_issuer: identity.issuer.clone(),
            client_id: text(&identity.client_id),
            issuer,
            key_id: text(&info.key_id),
            roles: identity.roles.as_slice().into(),
            permissions: identity.permissions.as_slice().into(),
            groups: identity.groups.as_slice().into(),
            workspaces: identity.workspaces.as_slice().into(),
            scope: identity.scope.as_slice().into(),
        }
    }

    pub(super) fn entitlements(&self) -> Entitlements<'_> {
        Entitlements {
            roles: &self.roles,
            permissions: &self.permissions,
            groups: &self.groups,
            workspaces: &self.workspaces,
            scope: &self.scope,
        }
    }

    /// Copies the claims into an identity.
    pub(super) fn copy_into(&self, identity: &mut Identity) {
        identity.roles = self.roles.to_vec();
        identity.permissions = self.permissions.to_vec();
        identity.groups = self.groups.to_vec();
        identity.workspaces = self.workspaces.to_vec();
        identity.scope = self.scope.to_vec();
        identity.issuer = self.subject_issuer.clone();
        identity.client_id = self.client_id.as_deref().map(str::to_owned);
    }

    /// Approximate memory of the claims, in bytes, with the value that is derived from them.
    fn memory_bytes(&self) -> usize {
        let texts = [&self.client_id, &self.issuer, &self.key_id].map(Option::as_deref);
        // The name of the user's issuer is shared with the settings, and is counted as if it were not.
        let texts = texts.into_iter().chain([self.subject_issuer.name()]).flatten();
        let texts = texts.map(|text| allocated_size(text.len()));
        let lists = [
            &self.roles,
            &self.permissions,
            &self.groups,
            &self.workspaces,
            &self.scope,
        ];
        let elements = lists.iter().flat_map(|list| list.iter());
        // The second `text.len()` is for the derived identity headers, which contain each text once more.
        let elements = elements.map(|text| size_of::<String>() + allocated_size(text.len()) + text.len());
        // 128 bytes for the derived value itself, whose type is not known here.
        allocated_size(size_of::<InternedClaims>()) + texts.sum::<usize>() + elements.sum::<usize>() + 128
    }
}

/// Claims with a value derived from them.
pub(super) struct InternedClaims {
    pub(super) claims: Arc<SharedClaims>,
    // `Any`: the type belongs to the server crate, which renders identity headers.
    derived: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl InternedClaims {
    fn new(claims: Arc<SharedClaims>) -> Arc<Self> {
        let derived = OnceLock::new();
        Arc::new(Self { claims, derived })
    }

    /// Returns the derived value, which the first call computes; `None` if it has another type.
    pub(super) fn get_or_derive<T: Any + Send + Sync>(
        &self,
        make: impl FnOnce(&SharedClaims) -> T,
    ) -> Option<&T> {
        let derived = self.derived.get_or_init(|| Box::new(make(&self.claims)));
        derived.downcast_ref()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.claims.memory_bytes()
    }
}

impl fmt::Debug for InternedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternedClaims")
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

/// Set of the shared claims, up to one mebibyte. Beyond it, a verdict gets claims of its own and counts them.
#[derive(Debug, Default)]
pub(crate) struct ClaimsInterner(Mutex<InternerState>);

#[derive(Debug, Default)]
struct InternerState {
    interned: HashMap<Arc<SharedClaims>, Arc<InternedClaims>>,
    /// Approximate memory of all interned claims.
    bytes: usize,
    /// Number of requests in a row that did not fit.
    rejected: usize,
}

impl ClaimsInterner {
    /// Returns the interned claims that equal `claims`, and true if they are shared.
    pub(super) fn intern(&self, claims: SharedClaims) -> (Arc<InternedClaims>, bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interned) = state.interned.get(&claims) {
            return (Arc::clone(interned), true);
        }
        let bytes = claims.memory_bytes();
        let claims = Arc::new(claims);
        let interned = InternedClaims::new(Arc::clone(&claims));
        let is_shared = state.has_room_for(bytes);
        if is_shared {
            state.bytes += bytes;
            state.interned.insert(claims, Arc::clone(&interned));
        }
        (interned, is_shared)
    }
}

impl InternerState {
    fn has_room_for(&mut self, bytes: usize) -> bool {
        if self.bytes + bytes > MAX_SHARED_BYTES && self.rejected.is_multiple_of(CLEANUP_INTERVAL) {
            // A count of one is the map's own: no verdict uses the claims. The lock is held, so no verdict
            // can begin to.
            self.interned
                .retain(|_, interned| Arc::strong_count(interned) > 1);
            self.bytes = self.interned.keys().map(|claims| claims.memory_bytes()).sum();
        }
        let fits = self.bytes + bytes <= MAX_SHARED_BYTES;
        self.rejected = if fits { 0 } else { self.rejected + 1 };
        fits
    }
}
