//! Requirements that a front proxy writes into a query: `role=a,b&group=c` means (a or b) and c.

use super::{Admin, Entitlements, Requirement};
use crate::identity::Identity;
use crate::verdict::ActiveCredential;

/// Attribute of an identity that a requirement reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityAttribute {
    /// `role=`.
    Role,
    /// `group=`.
    Group,
    /// `permission=`.
    Permission,
    /// `workspace=`. Administrators may enter every workspace.
    Workspace,
    /// `scope=`.
    Scope,
}

impl IdentityAttribute {
    const ALL: [Self; 5] = [
        Self::Role,
        Self::Group,
        Self::Permission,
        Self::Workspace,
        Self::Scope,
    ];

    /// Returns the name of the attribute in a query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Group => "group",
            Self::Permission => "permission",
            Self::Workspace => "workspace",
            Self::Scope => "scope",
        }
    }

    fn values_in(self, entitlements: Entitlements<'_>) -> &[String] {
        match self {
            Self::Role => entitlements.roles,
            Self::Group => entitlements.groups,
            Self::Permission => entitlements.permissions,
            Self::Workspace => entitlements.workspaces,
            Self::Scope => entitlements.scope,
        }
    }
}

/// Reason why a query is not a list of requirements. An unreadable requirement is always an
/// error, never ignored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementFault {
    /// Unknown name.
    #[error("unknown requirement `{0}`; use role, group, permission, workspace or scope")]
    Unknown(String),
    /// Empty value, or an empty element in the list of values.
    #[error("the requirement `{0}` has an empty value")]
    Empty(&'static str),
}

/// One requirement: the attribute contains any of the values.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AttributeRequirement {
    attribute: IdentityAttribute,
    any_of: Vec<String>,
}

/// Set of requirements that must all be met. Every authenticated principal meets an empty set.
#[derive(Clone, Debug)]
pub struct RequirementSet {
    all_of: Vec<AttributeRequirement>,
    admin: Admin,
}

impl RequirementSet {
    /// Reads requirements from decoded pairs. A repeated name is an additional requirement, and a
    /// comma means "or".
    ///
    /// # Errors
    /// [`RequirementFault`] when a name is not one of the five, or a value is empty.
    pub fn parse<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        admin: Admin,
    ) -> Result<Self, RequirementFault> {
        let mut all_of = Vec::new();
        for (name, value) in pairs {
            let attribute = IdentityAttribute::ALL
                .into_iter()
                .find(|attribute| attribute.as_str() == name);
            let attribute = attribute.ok_or_else(|| {
                // The name comes from the request: it is shown without control characters, and shortened.
                RequirementFault::Unknown(name.chars().filter(|c| !c.is_control()).take(40).collect())
            })?;
            let any_of: Vec<_> = value.split(',').map(str::to_owned).collect();
            if any_of.iter().any(|element| element.trim().is_empty()) {
                return Err(RequirementFault::Empty(attribute.as_str()));
            }
            all_of.push(AttributeRequirement { attribute, any_of });
        }
        Ok(Self { all_of, admin })
    }

    /// Returns `true` if there is no requirement, so that authentication is enough.
    pub fn is_empty(&self) -> bool {
        self.all_of.is_empty()
    }

    /// Returns `true` if a requirement reads the workspaces of the identity.
    pub fn need_workspaces(&self) -> bool {
        self.all_of
            .iter()
            .any(|requirement| requirement.attribute == IdentityAttribute::Workspace)
    }

    fn first_unmet(&self, entitlements: Entitlements<'_>) -> Option<&AttributeRequirement> {
        self.all_of.iter().find(|requirement| {
            let has = requirement
                .attribute
                .values_in(entitlements)
                .iter()
                .any(|value| requirement.any_of.contains(value));
            // Administrators have this exception only: their role grants no group, permission or scope.
            let enters_all =
                requirement.attribute == IdentityAttribute::Workspace && self.admin.is_held_by(entitlements);
            !has && !enters_all
        })
    }
}

impl std::fmt::Display for RequirementSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self
            .all_of
            .iter()
            .map(|r| format!("{}={}", r.attribute.as_str(), r.any_of.join(",")))
            .collect();
        f.write_str(&words.join(" and "))
    }
}

impl Requirement for RequirementSet {
    fn is_met_by(&self, identity: &Identity) -> bool {
        self.first_unmet(Entitlements::of(identity)).is_none()
    }

    fn is_met_by_credential(&self, credential: &ActiveCredential) -> bool {
        self.first_unmet(credential.entitlements()).is_none()
    }

    fn denial_message(&self) -> String {
        // All requirements, not the first unmet one: the text must not reveal which of them
        // the identity meets.
        format!("Permission required: {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{admin, user};

    fn read(pairs: &[(&str, &str)]) -> Result<RequirementSet, RequirementFault> {
        RequirementSet::parse(pairs.iter().copied(), admin())
    }

    #[test]
    fn repeated_is_and_and_a_comma_is_or() {
        let mut user = user();
        user.roles = vec!["a".into()];
        user.groups = vec!["g".into(), "h".into()];
        user.scope = vec!["read".into()];
        for met in [
            &[][..],
            &[("role", "a")],
            &[("role", "b,a")],
            &[("role", "a"), ("group", "g")],
            &[("group", "g"), ("group", "h")],
            &[("scope", "read")],
        ] {
            assert!(read(met).unwrap().is_met_by(&user), "{met:?}");
        }
        for unmet in [
            &[("role", "b")][..],
            &[("role", "a"), ("role", "b")],
            &[("role", "A")],
            &[("permission", "a")],
            &[("workspace", "a")],
        ] {
            assert!(!read(unmet).unwrap().is_met_by(&user), "{unmet:?}");
        }
    }

    #[test]
    fn a_requirement_that_is_misread_is_an_error() {
        for junk in [
            ("rol", "a"),
            ("Role", "a"),
            ("role", ""),
            ("role", ","),
            ("role", "a,"),
            ("role", " "),
            ("", ""),
        ] {
            assert!(read(&[junk]).is_err(), "{junk:?}");
        }
    }

    #[test]
    fn administrators_enter_every_workspace_and_have_no_other_right_by_that() {
        let mut user = user();
        user.roles = vec!["admin".into()];
        assert!(read(&[("workspace", "w")]).unwrap().is_met_by(&user));
        assert!(!read(&[("group", "g")]).unwrap().is_met_by(&user));
    }
}
