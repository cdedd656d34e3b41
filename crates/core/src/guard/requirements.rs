//! What a front proxy asks for in a query: `role=a,b&group=c` means (a or b) and c.

use super::{Admin, Guard, Rights};
use crate::identity::Identity;
use crate::revocation::Live;

/// What a requirement looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quality {
    /// `role=`
    Role,
    /// `group=`
    Group,
    /// `permission=`
    Permission,
    /// `workspace=`; administrators are in every workspace
    Workspace,
    /// `scope=`
    Scope,
}

impl Quality {
    const ALL: [Self; 5] = [
        Self::Role,
        Self::Group,
        Self::Permission,
        Self::Workspace,
        Self::Scope,
    ];

    /// Its name in the query.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Group => "group",
            Self::Permission => "permission",
            Self::Workspace => "workspace",
            Self::Scope => "scope",
        }
    }

    fn of(self, rights: Rights<'_>) -> &[String] {
        match self {
            Self::Role => rights.roles,
            Self::Group => rights.groups,
            Self::Permission => rights.permissions,
            Self::Workspace => rights.workspaces,
            Self::Scope => rights.scope,
        }
    }
}

/// Why a query is no list of requirements. A requirement that is misread must not become none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequirementFault {
    /// There is no requirement of that name.
    #[error("there is no requirement `{0}`; there are role, group, permission, workspace and scope")]
    Unknown(String),
    /// It names nothing, or an element of it does.
    #[error("the requirement `{0}` names nothing")]
    Empty(&'static str),
}

/// One requirement: any one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    quality: Quality,
    any_of: Vec<String>,
}

/// Requirements, all of which must be met. None at all is met by whoever is authenticated.
#[derive(Clone, Debug)]
pub struct Requirements {
    all_of: Vec<Requirement>,
    admin: Admin,
}

impl Requirements {
    /// Reads them from decoded pairs: a name again is one more that must be met, a comma is "or".
    ///
    /// # Errors
    /// A name is not one of the five, or names nothing.
    pub fn parse<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        admin: Admin,
    ) -> Result<Self, RequirementFault> {
        let mut all_of = Vec::new();
        for (name, value) in pairs {
            let quality = Quality::ALL.into_iter().find(|quality| quality.as_str() == name);
            let quality = quality.ok_or_else(|| {
                RequirementFault::Unknown(name.chars().filter(|c| !c.is_control()).take(40).collect())
            })?;
            let any_of: Vec<_> = value.split(',').map(str::to_owned).collect();
            if any_of.iter().any(|element| element.trim().is_empty()) {
                return Err(RequirementFault::Empty(quality.as_str()));
            }
            all_of.push(Requirement { quality, any_of });
        }
        Ok(Self { all_of, admin })
    }

    /// Whether there is none, so that whoever is authenticated meets them.
    pub fn is_empty(&self) -> bool {
        self.all_of.is_empty()
    }

    /// Whether the workspaces of the identity matter.
    pub fn ask_for_workspaces(&self) -> bool {
        self.all_of
            .iter()
            .any(|requirement| requirement.quality == Quality::Workspace)
    }

    fn unmet(&self, rights: Rights<'_>) -> Option<&Requirement> {
        self.all_of.iter().find(|requirement| {
            let has = requirement
                .quality
                .of(rights)
                .iter()
                .any(|mine| requirement.any_of.contains(mine));
            let enters_all = requirement.quality == Quality::Workspace && self.admin.is_among(rights);
            !has && !enters_all
        })
    }
}

impl std::fmt::Display for Requirements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self
            .all_of
            .iter()
            .map(|r| format!("{}={}", r.quality.as_str(), r.any_of.join(",")))
            .collect();
        f.write_str(&words.join(" and "))
    }
}

impl Guard for Requirements {
    fn admits(&self, identity: &Identity) -> bool {
        self.unmet(Rights::of(identity)).is_none()
    }

    fn admits_live(&self, live: &Live) -> bool {
        self.unmet(live.rights()).is_none()
    }

    fn wanting(&self) -> String {
        format!("Permission required: {self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tests::{admin, somebody};

    fn read(pairs: &[(&str, &str)]) -> Result<Requirements, RequirementFault> {
        Requirements::parse(pairs.iter().copied(), admin())
    }

    #[test]
    fn repeated_is_and_and_a_comma_is_or() {
        let mut who = somebody();
        who.roles = vec!["a".into()];
        who.groups = vec!["g".into(), "h".into()];
        who.scope = vec!["read".into()];
        for met in [
            &[][..],
            &[("role", "a")],
            &[("role", "b,a")],
            &[("role", "a"), ("group", "g")],
            &[("group", "g"), ("group", "h")],
            &[("scope", "read")],
        ] {
            assert!(read(met).unwrap().admits(&who), "{met:?}");
        }
        for unmet in [
            &[("role", "b")][..],
            &[("role", "a"), ("role", "b")],
            &[("role", "A")],
            &[("permission", "a")],
            &[("workspace", "a")],
        ] {
            assert!(!read(unmet).unwrap().admits(&who), "{unmet:?}");
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
        let mut who = somebody();
        who.roles = vec!["admin".into()];
        assert!(read(&[("workspace", "w")]).unwrap().admits(&who));
        assert!(!read(&[("group", "g")]).unwrap().admits(&who));
    }
}
