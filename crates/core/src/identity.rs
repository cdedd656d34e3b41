//! Who it is, in one normalised shape, whatever layer told us.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The layer that verified the credential; the words are the guide's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerificationSource {
    /// The authorization server's userinfo endpoint.
    OauthUserinfo,
    /// The authorization server's `/api/v1/auth/me`.
    TraditionalAuth,
    /// Token introspection (RFC 7662).
    Introspection,
    /// A signature checked here (RFC 7519).
    LocalJwt,
}

impl VerificationSource {
    /// The word for it, as in `VERIFY_LAYERS` and `verification_source`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OauthUserinfo => "oauth_userinfo",
            Self::TraditionalAuth => "traditional_auth",
            Self::Introspection => "introspection",
            Self::LocalJwt => "local_jwt",
        }
    }
}

/// Who a credential stands for.
///
/// Lists are lists of strings: where a claim is one string it is one element, and anything that is not a string is
/// left out, so that a role is never found inside another word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The subject, never empty.
    pub user_id: String,
    /// E-mail address.
    pub email: Option<String>,
    /// A name to show.
    pub name: Option<String>,
    /// Address of a picture.
    pub avatar: Option<String>,
    /// Roles.
    pub roles: Vec<String>,
    /// Permissions.
    pub permissions: Vec<String>,
    /// Groups.
    pub groups: Vec<String>,
    /// Workspaces, which the guide loses.
    pub workspaces: Vec<String>,
    /// The scope of the token (RFC 6749 §3.3), as a list.
    pub scope: Vec<String>,
    /// The OAuth client that the token was issued to.
    pub client_id: Option<String>,
    /// The session: the gateway's public handle, or the token's own `sid`.
    pub session_id: Option<String>,
    /// Which layer said so.
    pub verification_source: VerificationSource,
    /// When it said so.
    pub verified_at: Timestamp,
}

/// Why claims name nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSubject {
    /// There is no subject, or it is empty: the credential is refused.
    #[error("the claims name no subject")]
    Missing,
    /// There is one that is not a string: the answer is malformed.
    #[error("the subject in the claims is not a string")]
    Mistyped,
}

/// Where each part of an identity is read from: dotted paths, the first that is there. An empty list means the
/// layer's own place.
#[derive(Clone, Debug, Default)]
pub struct ClaimPaths {
    /// `CLAIM_USER_ID`
    pub user_id: Vec<String>,
    /// `CLAIM_EMAIL`
    pub email: Vec<String>,
    /// `CLAIM_NAME`
    pub name: Vec<String>,
    /// `CLAIM_AVATAR`
    pub avatar: Vec<String>,
    /// `CLAIM_ROLES`
    pub roles: Vec<String>,
    /// `CLAIM_PERMISSIONS`
    pub permissions: Vec<String>,
    /// `CLAIM_GROUPS`
    pub groups: Vec<String>,
    /// `CLAIM_WORKSPACES`
    pub workspaces: Vec<String>,
    /// `CLAIM_SCOPE`
    pub scope: Vec<String>,
    /// What claims say of workspaces does not count: the database alone knows (`WORKSPACE_SOURCE=database`).
    pub ignore_workspaces: bool,
}

impl ClaimPaths {
    /// Reads an identity from what a layer said.
    ///
    /// # Errors
    /// No usable subject is in the claims.
    pub fn identity(
        &self,
        claims: &Map<String, Value>,
        source: VerificationSource,
        verified_at: Timestamp,
    ) -> Result<Identity, NoSubject> {
        let traditional = source == VerificationSource::TraditionalAuth;
        let (subject, name, avatar): (&[&str], &[&str], &[&str]) = match source {
            VerificationSource::TraditionalAuth => {
                (&["user_id", "id"], &["name", "username"], &["avatar_url"])
            }
            VerificationSource::LocalJwt => {
                (&["sub", "user_id"], &["name", "preferred_username"], &["picture"])
            }
            VerificationSource::OauthUserinfo | VerificationSource::Introspection => {
                (&["sub"], &["name", "preferred_username"], &["picture"])
            }
        };
        Ok(Identity {
            user_id: subject_in(claims, &self.user_id, subject, traditional)?,
            email: text(claims, &self.email, &["email"]),
            name: text(claims, &self.name, name),
            avatar: text(claims, &self.avatar, avatar),
            roles: list(claims, &self.roles, "roles"),
            permissions: list(claims, &self.permissions, "permissions"),
            groups: list(claims, &self.groups, "groups"),
            workspaces: if self.ignore_workspaces {
                Vec::new()
            } else {
                list(claims, &self.workspaces, "workspaces")
            },
            scope: scope(claims, &self.scope),
            client_id: text(claims, &[], &["client_id", "azp"]),
            session_id: text(claims, &[], &["sid"]),
            verification_source: source,
            verified_at,
        })
    }
}

/// The value at a path: the claim of exactly that name, or one step down for each dot.
fn at<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    let found = claims.get(path).or_else(|| {
        let (head, rest) = path.split_once('.')?;
        at(claims.get(head)?.as_object()?, rest)
    });
    found.filter(|value| !value.is_null())
}

fn first<'c>(claims: &'c Map<String, Value>, set: &[String], usual: &[&str]) -> Option<&'c Value> {
    if set.is_empty() {
        usual.iter().find_map(|path| at(claims, path))
    } else {
        set.iter().find_map(|path| at(claims, path))
    }
}

fn subject_in(
    claims: &Map<String, Value>,
    set: &[String],
    usual: &[&str],
    integers: bool,
) -> Result<String, NoSubject> {
    match first(claims, set, usual) {
        None => Err(NoSubject::Missing),
        Some(Value::String(text)) if text.trim().is_empty() => Err(NoSubject::Missing),
        Some(Value::String(text)) => Ok(text.clone()),
        // The guide's own servers number their users.
        Some(Value::Number(number)) if integers && (number.is_i64() || number.is_u64()) => {
            Ok(number.to_string())
        }
        Some(_) => Err(NoSubject::Mistyped),
    }
}

fn text(claims: &Map<String, Value>, set: &[String], usual: &[&str]) -> Option<String> {
    first(claims, set, usual)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn list(claims: &Map<String, Value>, set: &[String], usual: &str) -> Vec<String> {
    strings(first(claims, set, &[usual]))
}

fn strings(value: Option<&Value>) -> Vec<String> {
    let keep = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match value {
        Some(Value::String(text)) => keep(text).into_iter().collect(),
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).filter_map(keep).collect(),
        _ => Vec::new(),
    }
}

fn scope(claims: &Map<String, Value>, set: &[String]) -> Vec<String> {
    let words = strings(first(claims, set, &["scope", "scp"]));
    words
        .iter()
        .flat_map(|text| text.split(' '))
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(paths: &ClaimPaths, claims: Value, source: VerificationSource) -> Result<Identity, NoSubject> {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        paths.identity(&claims, source, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn each_layer_has_the_guides_places() {
        let paths = ClaimPaths::default();
        let userinfo =
            json!({"sub": "u", "preferred_username": "n", "picture": "p", "user_id": "x", "username": "y"});
        let me = read(&paths, userinfo.clone(), VerificationSource::OauthUserinfo).unwrap();
        assert_eq!(
            (me.user_id.as_str(), me.name.as_deref(), me.avatar.as_deref()),
            ("u", Some("n"), Some("p"))
        );
        let me = read(&paths, userinfo, VerificationSource::TraditionalAuth).unwrap();
        assert_eq!(
            (me.user_id.as_str(), me.name.as_deref(), me.avatar.as_deref()),
            ("x", Some("y"), None)
        );
        let me = read(
            &paths,
            json!({"id": 42, "avatar_url": "a"}),
            VerificationSource::TraditionalAuth,
        )
        .unwrap();
        assert_eq!((me.user_id.as_str(), me.avatar.as_deref()), ("42", Some("a")));
        let me = read(&paths, json!({"user_id": "j"}), VerificationSource::LocalJwt).unwrap();
        assert_eq!(me.user_id, "j");
    }

    #[test]
    fn a_missing_subject_is_nobody() {
        let paths = ClaimPaths::default();
        for claims in [
            json!({}),
            json!({"sub": ""}),
            json!({"sub": "  "}),
            json!({"sub": null}),
        ] {
            assert_eq!(
                read(&paths, claims, VerificationSource::OauthUserinfo),
                Err(NoSubject::Missing)
            );
        }
        for claims in [json!({"sub": 7}), json!({"sub": ["a"]}), json!({"sub": true})] {
            assert_eq!(
                read(&paths, claims, VerificationSource::OauthUserinfo),
                Err(NoSubject::Mistyped)
            );
        }
    }

    #[test]
    fn a_list_is_a_list_of_strings_and_one_string_is_one_element() {
        let claims = json!({"sub": "u", "roles": "not-an-admin", "groups": ["a", 1, null, {"b": 1}, ""],
            "permissions": {"admin": true}, "workspaces": ["w"], "scope": "openid  profile"});
        let me = read(&ClaimPaths::default(), claims, VerificationSource::LocalJwt).unwrap();
        assert_eq!(me.roles, ["not-an-admin"]);
        assert_eq!(me.groups, ["a"]);
        assert!(me.permissions.is_empty());
        assert_eq!(me.workspaces, ["w"]);
        assert_eq!(me.scope, ["openid", "profile"]);
    }

    #[test]
    fn claim_paths_are_settings() {
        let paths = ClaimPaths {
            roles: vec!["realm_access.roles".into()],
            groups: vec!["nowhere".into(), "https://x.example/groups".into()],
            user_id: vec!["uid".into()],
            ..ClaimPaths::default()
        };
        let claims = json!({"sub": "s", "uid": "u", "roles": ["ignored"], "realm_access": {"roles": ["r"]},
            "https://x.example/groups": ["g"]});
        let me = read(&paths, claims, VerificationSource::OauthUserinfo).unwrap();
        assert_eq!(
            (me.user_id.as_str(), me.roles, me.groups),
            ("u", vec!["r".to_owned()], vec!["g".to_owned()])
        );
    }
}
