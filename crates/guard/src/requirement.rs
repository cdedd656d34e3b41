//! What a route asks for, as types: so that a permit says in its type what it permits.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;

use maxlab_auth_core::guard::{Admin, Guard, InWorkspace, Quality};
use maxlab_auth_core::identity::Identity;

/// A requirement that a route can name by its type alone. Applications may have their own.
pub trait Requirement: Guard + Send + Sync + Sized {
    /// The requirement, where these are the administrators.
    fn new(admin: &Admin) -> Self;

    /// What a gateway has to be asked: what the headers of its answer do not say. They name roles and groups.
    fn question(&self) -> Option<Question<'_>> {
        None
    }
}

/// One requirement of `/auth/verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'q> {
    /// What is looked at.
    pub quality: Quality,
    /// What must be there.
    pub name: &'q str,
}

impl Question<'_> {
    /// Whether a gateway can be asked this: a comma means "or" there, and nothing is no name.
    pub(crate) fn can_be_asked(&self) -> bool {
        !self.name.contains(',') && !self.name.trim().is_empty()
    }
}

/// The name of a group, role, permission or scope, as a type; [`names!`](crate::names) makes them.
pub trait Named {
    /// The name, compared as a whole.
    const NAME: &'static str;
}

/// Makes types that stand for names.
///
/// ```
/// maxlab_auth_guard::names! {
///     Engineering = "engineering";
///     pub WriteDocuments = "documents:write";
/// }
/// # use maxlab_auth_guard::Named;
/// assert_eq!(WriteDocuments::NAME, "documents:write");
/// ```
#[macro_export]
macro_rules! names {
    ($($visibility:vis $type:ident = $name:literal;)+) => { $(
        #[doc = concat!("`", $name, "`")]
        #[derive(Clone, Copy, Debug)]
        $visibility struct $type;

        impl $crate::Named for $type {
            const NAME: &'static str = $name;
        }
    )+ };
}

/// Whoever was let in.
#[derive(Clone, Copy, Debug)]
pub struct Anybody;

impl Guard for Anybody {
    fn admits(&self, _: &Identity) -> bool {
        true
    }

    fn wanting(&self) -> String {
        "Authentication required".into()
    }
}

impl Requirement for Anybody {
    fn new(_: &Admin) -> Self {
        Self
    }
}

impl Requirement for Admin {
    fn new(admin: &Admin) -> Self {
        admin.clone()
    }
}

/// A guard for one name in one list of the identity.
macro_rules! holds {
    ($(#[$doc:meta])+ $type:ident, $list:ident, $quality:expr, $asked:expr, $wanting:literal) => {
        $(#[$doc])+
        pub struct $type<N>(PhantomData<fn() -> N>);

        impl<N> fmt::Debug for $type<N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}<{}>", stringify!($type), type_name::<N>())
            }
        }

        impl<N: Named> Guard for $type<N> {
            fn admits(&self, identity: &Identity) -> bool {
                identity.$list.iter().any(|mine| mine == N::NAME)
            }

            fn wanting(&self) -> String {
                format!($wanting, N::NAME)
            }
        }

        impl<N: Named> Requirement for $type<N> {
            fn new(_: &Admin) -> Self {
                Self(PhantomData)
            }

            fn question(&self) -> Option<Question<'_>> {
                $asked.then_some(Question { quality: $quality, name: N::NAME })
            }
        }
    };
}

holds!(
    /// Has the role `N`.
    Role, roles, Quality::Role, false, "Role '{}' required"
);
holds!(
    /// Belongs to the group `N`.
    Group, groups, Quality::Group, false, "Group '{}' permission required"
);
holds!(
    /// Has the permission `N`.
    Permission, permissions, Quality::Permission, true, "Permission '{}' required"
);
holds!(
    /// The token's scope has `N`.
    Scope, scope, Quality::Scope, true, "Scope '{}' required"
);

/// What a gateway is asked of a workspace.
pub(crate) fn of_workspace(guard: &InWorkspace) -> Question<'_> {
    Question {
        quality: Quality::Workspace,
        name: &guard.workspace_id,
    }
}
