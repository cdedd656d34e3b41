//! The sample people who can log in. Their passwords are public.

use serde::{Deserialize, Serialize};

/// A person who can log in. The password is printed on the login page, so it is no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Login name, as typed on the login page.
    pub login: String,
    /// The password, shown on the login page.
    pub password: String,
    /// The stable subject identifier, claim `sub`.
    pub sub: String,
    /// Claims about the person in tokens and userinfo.
    pub claims: PersonClaims,
}

/// The claims about a person, as access tokens and userinfo carry them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PersonClaims {
    /// Mail address (in the reserved domain `example.test`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Name for display.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The login name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_username: Option<String>,
    /// Address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
    /// Roles, for example `admin`.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Permissions, for example `documents:read`.
    #[serde(default)]
    pub permissions: Vec<String>,
    /// Groups, for example `engineering`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Workspaces, for example `ws-1`.
    #[serde(default)]
    pub workspaces: Vec<String>,
}

impl Person {
    /// A person without roles; the password is the login name and `-password`, the subject `dev-` and the login name.
    #[must_use]
    pub fn plain(login: &str, name: &str) -> Self {
        Self {
            login: login.to_owned(),
            password: format!("{login}-password"),
            sub: format!("dev-{login}"),
            claims: PersonClaims {
                email: Some(format!("{login}@example.test")),
                name: Some(name.to_owned()),
                preferred_username: Some(login.to_owned()),
                picture: Some(format!("https://example.test/people/{login}.png")),
                ..PersonClaims::default()
            },
        }
    }
}

/// An administrator, a member of a group and a workspace, and a plain user.
pub(crate) fn default_people() -> Vec<Person> {
    let mut admin = Person::plain("admin", "Admin");
    admin.claims.roles = names(&["admin"]);
    admin.claims.permissions = names(&["users:read", "users:write", "documents:read", "documents:write"]);

    let mut member = Person::plain("member", "Member");
    member.claims.roles = names(&["user"]);
    member.claims.permissions = names(&["documents:read", "documents:write"]);
    member.claims.groups = names(&["engineering"]);
    member.claims.workspaces = names(&["ws-1"]);

    let mut user = Person::plain("user", "User");
    user.claims.roles = names(&["user"]);
    user.claims.permissions = names(&["documents:read"]);

    vec![admin, member, user]
}

fn names(list: &[&str]) -> Vec<String> {
    list.iter().map(|&name| name.to_owned()).collect()
}
