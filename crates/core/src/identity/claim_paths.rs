//! Reading an identity from the claims of a layer, at paths that may be configured.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Identity;
use super::claim_path::{claim_at, strings_at};
use super::email::{self, UnverifiedEmailPolicy};
use super::source::VerificationSource;
use super::subject::Issuer;

/// Reason why claims have no usable subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectFault {
    /// Absent or empty subject: the credential is refused.
    #[error("the claims contain no subject")]
    Missing,
    /// Subject that is not a string, nor an integer where one is accepted: the answer is malformed.
    #[error("the subject in the claims is not a string")]
    NotAString,
}

/// Settings for reading an identity from claims: dotted paths for each part, in the form that
/// [`check_claim_path`](super::check_claim_path) accepts. The first existing one counts. An empty list means the layer's default (`docs/GUIDE.md`, Where each layer reads the identity).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimPaths {
    /// Paths of `CLAIM_USER_ID`.
    pub user_id: Vec<String>,
    /// Paths of `CLAIM_EMAIL`.
    pub email: Vec<String>,
    /// Paths of `CLAIM_NAME`.
    pub name: Vec<String>,
    /// Paths of `CLAIM_AVATAR`.
    pub avatar: Vec<String>,
    /// Paths of `CLAIM_ROLES`.
    pub roles: Vec<String>,
    /// Paths of `CLAIM_PERMISSIONS`.
    pub permissions: Vec<String>,
    /// Paths of `CLAIM_GROUPS`.
    pub groups: Vec<String>,
    /// Paths of `CLAIM_WORKSPACES`.
    pub workspaces: Vec<String>,
    /// Paths of `CLAIM_SCOPE`.
    pub scope: Vec<String>,
    /// Ignores workspaces in claims: only the database counts (`WORKSPACE_SOURCE=database`).
    pub ignore_workspaces: bool,
    /// Treatment of an unverified e-mail address (`UNVERIFIED_EMAIL`).
    pub unverified_email: UnverifiedEmailPolicy,
}

impl ClaimPaths {
    /// Reads an identity from the claims of a layer. The person is one of the default issuer: only the caller
    /// knows whose claims these are.
    ///
    /// # Errors
    /// [`SubjectFault`] when the claims have no usable subject.
    pub fn read_identity(
        &self,
        claims: &Map<String, Value>,
        source: VerificationSource,
        verified_at: Timestamp,
    ) -> Result<Identity, SubjectFault> {
        // Servers that number their users send integers. In a signed token and in an introspection answer,
        // `sub` is a string (RFC 7519 §4.1.2, RFC 7662 §2.2).
        let has_string = matches!(
            source,
            VerificationSource::Introspection | VerificationSource::LocalJwt
        );
        let accepts_integers = !has_string || !self.user_id.is_empty();
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
        let address = first_claim_with_path(claims, &self.email, &["email"]);
        let unverified = address.filter(|(path, _)| email::is_unverified(claims, path));
        // `unverified` stays set when the address is sent: it is never a user id, whatever the policy.
        let omitted = unverified.is_some() && self.unverified_email == UnverifiedEmailPolicy::Omit;
        let groups = list_claim(claims, &self.groups, &["groups"]);
        if groups.is_empty() && are_groups_elsewhere(claims) {
            tracing::warn!(
                "groups left out, the token has too many of them and only names a place to read them: assign roles instead"
            );
        }
        Ok(Identity {
            user_id: read_subject(claims, &self.user_id, subject, unverified, accepts_integers)?,
            issuer: Issuer::DEFAULT,
            email: text_claim(claims, &self.email, &["email"]).filter(|_| !omitted),
            name: text_claim(claims, &self.name, name),
            avatar: text_claim(claims, &self.avatar, avatar),
            roles: list_claim(claims, &self.roles, &["roles"]),
            permissions: list_claim(claims, &self.permissions, &["permissions"]),
            groups,
            workspaces: if self.ignore_workspaces {
                Vec::new()
            } else {
                list_claim(claims, &self.workspaces, &["workspaces"])
            },
            scope: scope_claim(claims, &self.scope),
            // RFC 9068 names it `client_id`, OpenID Connect `azp`.
            client_id: text_claim(claims, &[], &["client_id", "azp"]),
            session_id: None,
            sid: text_claim(claims, &[], &["sid"]),
            verification_source: source,
            verified_at,
        })
    }
}

fn first_claim<'c>(
    claims: &'c Map<String, Value>,
    configured: &[String],
    defaults: &[&str],
) -> Option<&'c Value> {
    first_claim_with_path(claims, configured, defaults).map(|(_, value)| value)
}

/// Returns the first existing value and its path: of the configured paths, or of the defaults if
/// none is configured.
fn first_claim_with_path<'c, 'p>(
    claims: &'c Map<String, Value>,
    configured: &'p [String],
    defaults: &[&'p str],
) -> Option<(&'p str, &'c Value)> {
    let found = |path: &'p str| claim_at(claims, path).map(|value| (path, value));
    if configured.is_empty() {
        defaults.iter().find_map(|path| found(path))
    } else {
        configured.iter().find_map(|path| found(path))
    }
}

fn read_subject(
    claims: &Map<String, Value>,
    configured: &[String],
    defaults: &[&str],
    unverified: Option<(&str, &Value)>,
    accepts_integers: bool,
) -> Result<String, SubjectFault> {
    let found = match unverified {
        // A configured path may lead to the address. Anyone can enter another person's address, so an
        // unverified one is skipped as a user id, and the next path counts. The default paths are ids
        // that the authorization server itself assigns.
        Some(address) if !configured.is_empty() => configured.iter().find_map(|path| {
            let value = claim_at(claims, path)?;
            (!email::is_unverified_address(path, value, address)).then_some(value)
        }),
        _ => first_claim(claims, configured, defaults),
    };
    match found {
        None => Err(SubjectFault::Missing),
        Some(Value::String(text)) if text.trim().is_empty() => Err(SubjectFault::Missing),
        Some(value) => subject_text(value)
            .filter(|_| accepts_integers || value.is_string())
            .ok_or(SubjectFault::NotAString),
    }
}

/// Returns a user id as text: a string, or an integer in decimal form (GitHub, servers of docs/GUIDE.md).
pub(crate) fn subject_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        // Integers only: 1.0 and 1e0 are one number with two texts.
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        _ => None,
    }
}

fn text_claim(claims: &Map<String, Value>, configured: &[String], defaults: &[&str]) -> Option<String> {
    first_claim(claims, configured, defaults)?
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

fn list_claim(claims: &Map<String, Value>, configured: &[String], defaults: &[&str]) -> Vec<String> {
    let found = if configured.is_empty() {
        defaults.iter().find_map(|path| strings_at(claims, path))
    } else {
        configured.iter().find_map(|path| strings_at(claims, path))
    };
    found.unwrap_or_default()
}

fn scope_claim(claims: &Map<String, Value>, configured: &[String]) -> Vec<String> {
    // Some servers send `scp`. Either may be one string with spaces (RFC 8693 §4.2) or a list.
    let values = list_claim(claims, configured, &["scope", "scp"]);
    values
        .iter()
        .flat_map(|text| text.split(' '))
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns `true` if the groups are a distributed claim (OpenID Connect Core §5.6.2), which is not fetched.
/// Microsoft Entra ID sends it from 200 groups on, or `hasgroups` where the answer must be short.
fn are_groups_elsewhere(claims: &Map<String, Value>) -> bool {
    let names = claims.get("_claim_names").and_then(Value::as_object);
    let is_flagged = claims.get("hasgroups").and_then(Value::as_bool);
    names.is_some_and(|names| names.contains_key("groups")) || is_flagged == Some(true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(paths: &ClaimPaths, claims: Value, source: VerificationSource) -> Result<Identity, SubjectFault> {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        paths.read_identity(&claims, source, Timestamp::UNIX_EPOCH)
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
                Err(SubjectFault::Missing)
            );
        }
        for claims in [json!({"sub": 7.0}), json!({"sub": ["a"]}), json!({"sub": true})] {
            assert_eq!(
                read(&paths, claims, VerificationSource::OauthUserinfo),
                Err(SubjectFault::NotAString)
            );
        }
    }

    #[test]
    fn f16_an_integer_is_a_user_id_in_decimal_form() {
        let by_id = ClaimPaths {
            user_id: vec!["id".into()],
            ..ClaimPaths::default()
        };
        for source in [VerificationSource::OauthUserinfo, VerificationSource::LocalJwt] {
            assert_eq!(read(&by_id, json!({"id": 58}), source).unwrap().user_id, "58");
        }
        let by_sub = |source| read(&ClaimPaths::default(), json!({"sub": 5}), source).map(|me| me.user_id);
        assert_eq!(by_sub(VerificationSource::OauthUserinfo), Ok("5".into()));
        assert!(by_sub(VerificationSource::Introspection).is_err());
        assert!(by_sub(VerificationSource::LocalJwt).is_err());
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

    #[test]
    fn groups_that_are_too_many_for_a_token_are_noticed() {
        for (claims, elsewhere) in [
            (
                json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g.example"}}}),
                true,
            ),
            (json!({"hasgroups": true}), true),
            (
                json!({"_claim_names": {"address": "src1"}, "hasgroups": false}),
                false,
            ),
            (json!({"groups": ["a"]}), false),
        ] {
            assert_eq!(
                are_groups_elsewhere(claims.as_object().unwrap()),
                elsewhere,
                "{claims}"
            );
        }
    }
}
