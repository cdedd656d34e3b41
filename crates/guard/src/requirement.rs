//! Requirements of routes, as types: the type of a permit says what it permits.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use maxlab_auth_core::guard::{Admin, IdentityAttribute, InWorkspace, Requirement};
use maxlab_auth_core::identity::Identity;

/// Requirement that a route names by its type alone. Applications may implement their own.
pub trait RouteRequirement: Requirement + Send + Sync + Sized {
    /// Makes the requirement. `admin` has the guard's administrator roles.
    fn new(admin: &Admin) -> Self;

    /// Returns the query that a gateway must grant, if the headers of its answer do not show whether the
    /// requirement is met. They list roles and groups, so by default there is none.
    fn gateway_query(&self) -> Option<GatewayQuery<'_>> {
        None
    }
}

/// One requirement in the query of `/auth/verify` (`docs/FORWARD_AUTH.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayQuery<'q> {
    /// The part of the identity that is examined.
    pub attribute: IdentityAttribute,
    /// The value that it must contain.
    pub name: &'q str,
}

impl GatewayQuery<'_> {
    /// Returns `true` if the name can be sent in a query: a comma means "or" there, and an empty name is
    /// invalid.
    pub(crate) fn is_expressible(&self) -> bool {
        !self.name.contains(',') && !self.name.trim().is_empty()
    }
}

/// Name of a group, role, permission or scope, as a type. [`claim_names!`](crate::claim_names) makes such
/// types.
pub trait ClaimName {
    /// The name, compared exactly.
    const NAME: &'static str;
}

/// Makes types that stand for names.
///
/// ```
/// maxlab_auth_guard::claim_names! {
///     Engineering = "engineering";
///     pub WriteDocuments = "documents:write";
/// }
/// # use maxlab_auth_guard::ClaimName;
/// assert_eq!(WriteDocuments::NAME, "documents:write");
/// ```
#[macro_export]
macro_rules! claim_names {
    ($($visibility:vis $type:ident = $name:literal;)+) => { $(
        #[doc = concat!("`", $name, "`")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $type;

        impl $crate::ClaimName for $type {
            const NAME: &'static str = $name;
        }
    )+ };
}

/// Requirement that every authenticated caller meets.
#[derive(Clone, Copy, Debug)]
pub struct Authenticated;

impl Requirement for Authenticated {
    fn is_met_by(&self, _: &Identity) -> bool {
        true
    }

    fn denial_message(&self) -> String {
        "Authentication required".into()
    }
}

impl RouteRequirement for Authenticated {
    fn new(_: &Admin) -> Self {
        Self
    }
}

impl RouteRequirement for Admin {
    fn new(admin: &Admin) -> Self {
        admin.clone()
    }
}

/// Makes a requirement of one name in one list of the identity. `$needs_query` is `true` if the headers of a
/// gateway's answer do not contain that list.
macro_rules! attribute_requirement {
    ($(#[$doc:meta])+ $type:ident, $list:ident, $attribute:expr, $needs_query:expr, $denial:literal) => {
        $(#[$doc])+
        pub struct $type<N>(PhantomData<fn() -> N>);

        // By hand: a derive would demand `N: Debug` of the application's name types.
        impl<N> fmt::Debug for $type<N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}<{}>", stringify!($type), type_name::<N>())
            }
        }

        impl<N: ClaimName> Requirement for $type<N> {
            fn is_met_by(&self, identity: &Identity) -> bool {
                identity.$list.iter().any(|mine| mine == N::NAME)
            }

            fn denial_message(&self) -> String {
                format!($denial, N::NAME)
            }
        }

        impl<N: ClaimName> RouteRequirement for $type<N> {
            fn new(_: &Admin) -> Self {
                Self(PhantomData)
            }

            fn gateway_query(&self) -> Option<GatewayQuery<'_>> {
                $needs_query.then_some(GatewayQuery { attribute: $attribute, name: N::NAME })
            }
        }
    };
}

// The denial messages are the gateway's own, word for word: a client gets one text from both.
attribute_requirement!(
    /// Has the role `N`.
    Role, roles, IdentityAttribute::Role, false, "Role '{}' required"
);
attribute_requirement!(
    /// Belongs to the group `N`.
    Group, groups, IdentityAttribute::Group, false, "Group '{}' permission required"
);
attribute_requirement!(
    /// Has the permission `N`.
    Permission, permissions, IdentityAttribute::Permission, true, "Permission '{}' required"
);
attribute_requirement!(
    /// Has a token whose scope contains `N`.
    Scope, scope, IdentityAttribute::Scope, true, "Scope '{}' required"
);

/// Returns the query for a workspace: only the gateway knows memberships that are in its database.
pub(crate) fn workspace_query(requirement: &InWorkspace) -> GatewayQuery<'_> {
    GatewayQuery {
        attribute: IdentityAttribute::Workspace,
        name: &requirement.workspace_id,
    }
}
