//! Kind of a token as its issuer declares it: an access token, or a token that is not for calling an
//! application (`docs/decisions/0019-who-may-refute-a-token.md`).

use serde_json::{Map, Value};

/// Declared kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeclaredKind {
    /// Access token.
    Access,
    /// Refresh token, ID token, logout token or another token that is not for calling an application
    /// (RFC 6749 §1.5).
    Other,
    /// No declaration.
    Unknown,
}

/// Members that may declare a kind: `typ` (Keycloak), `token_type` (Django, older Hydra) and `type` (Flask).
/// RFC 7662 §2.2 gives `token_type` the values of RFC 6749 §7.1, which are open.
const KIND_MEMBERS: [&str; 3] = ["typ", "token_type", "type"];
/// Member that only declares the kind (Cognito, Hydra), so that any value other than an access token
/// is another kind.
const TOKEN_USE: &str = "token_use";

/// Claims that ID tokens have (OpenID Connect Core §2, §3.3.2.11). Some servers put them into access tokens
/// too: `nonce` (Keycloak before 25), `at_hash` (dex).
const ID_TOKEN_CLAIMS: [&str; 3] = ["nonce", "at_hash", "c_hash"];

/// Words for an access token, as [`normalize_kind`] returns them.
const ACCESS_KINDS: [&str; 5] = ["access", "accesstoken", "at", "bearer", "dpop"];
/// Words for other kinds, as [`normalize_kind`] returns them.
const OTHER_KINDS: [&str; 16] = [
    "refresh",
    "refreshtoken",
    "rt",
    "offline",
    "offlinetoken",
    "id",
    "idtoken",
    "logout",
    "logouttoken",
    "code",
    "authcode",
    "authorizationcode",
    "authorizecode",
    "devicecode",
    "initialaccesstoken",
    "registrationaccesstoken",
];

impl DeclaredKind {
    /// Returns the kind that claims or an introspection answer (RFC 7662 §2.2) declare. One member with
    /// another kind outweighs all members with an access token.
    #[must_use]
    pub fn of_claims(claims: &Map<String, Value>) -> Self {
        let token_use = match claims.get(TOKEN_USE) {
            None | Some(Value::Null) => Self::Unknown,
            Some(Value::String(text)) if ACCESS_KINDS.contains(&normalize_kind(text).as_str()) => {
                Self::Access
            }
            // Any other word, and any other type: this member has no second purpose.
            Some(_) => Self::Other,
        };
        // These members have other uses too, so a value that is no known word declares nothing.
        let declared = KIND_MEMBERS
            .into_iter()
            .filter_map(|name| claims.get(name)?.as_str())
            .map(Self::from_name);
        declared.fold(token_use, Self::combine)
    }

    /// Returns the kind that the `typ` of a JOSE header declares (RFC 9068 §2.1).
    #[must_use]
    pub fn of_header(typ: Option<&str>) -> Self {
        typ.map_or(Self::Unknown, Self::from_name)
    }

    /// Combines two declarations. Another kind outweighs an access token, and either
    /// outweighs no declaration.
    #[must_use]
    pub fn combine(self, other: Self) -> Self {
        match (self, other) {
            (Self::Other, _) | (_, Self::Other) => Self::Other,
            (Self::Access, _) | (_, Self::Access) => Self::Access,
            (Self::Unknown, Self::Unknown) => Self::Unknown,
        }
    }

    fn from_name(text: &str) -> Self {
        let word = normalize_kind(text);
        // An unknown word is neither: `typ` is `JWT` in most tokens, and `type` may be a kind of user.
        if OTHER_KINDS.contains(&word.as_str()) {
            Self::Other
        } else if ACCESS_KINDS.contains(&word.as_str()) {
            Self::Access
        } else {
            Self::Unknown
        }
    }
}

/// Returns `true` if claims have those of an ID token and no scope, which only access tokens have (RFC 9068
/// §2.2.3).
pub(super) fn resembles_id_token(claims: &Map<String, Value>) -> bool {
    // `null` and the empty text say nothing.
    let has = |name: &str| {
        let present = |value: &&Value| !value.is_null() && value.as_str() != Some("");
        claims.get(name).filter(present).is_some()
    };
    // `client_id` decides nothing: Zitadel's ID tokens have it too.
    ID_TOKEN_CLAIMS.into_iter().any(has) && !["scope", "scp"].into_iter().any(has)
}

/// Returns the bare word of a kind, without case, separators, media type and URN. `application/logout+jwt`
/// becomes `logout`, `urn:ietf:params:oauth:token-type:refresh_token` becomes `refreshtoken` (RFC 8693 §3).
fn normalize_kind(text: &str) -> String {
    // Spelling must not matter here: a refresh token in an unknown spelling would pass for an access token.
    let lower = text.trim().to_ascii_lowercase();
    let name = lower.rsplit([':', '/']).next().unwrap_or_default();
    let name = name.strip_suffix("+jwt").unwrap_or(name);
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(claims: Value) -> DeclaredKind {
        match claims {
            Value::Object(claims) => DeclaredKind::of_claims(&claims),
            _ => panic!("claims are an object"),
        }
    }

    #[test]
    fn s1_every_spelling_of_another_kind_is_another_kind() {
        for claims in [
            json!({"token_use": "refresh_token"}),
            json!({"token_use": "refresh"}),
            json!({"token_use": "ID"}),
            json!({"token_use": "email_verification"}),
            json!({"token_use": 1}),
            json!({"typ": "Refresh"}),
            json!({"typ": "REFRESH"}),
            json!({"typ": "Offline"}),
            json!({"typ": "ID"}),
            json!({"typ": "logout+jwt"}),
            json!({"typ": "application/logout+jwt"}),
            json!({"typ": "RegistrationAccessToken"}),
            json!({"token_type": "refresh_token"}),
            json!({"token_type": "Refresh-Token"}),
            json!({"token_type": "id_token"}),
            json!({"token_type": "urn:ietf:params:oauth:token-type:refresh_token"}),
            json!({"type": "refresh"}),
            json!({"typ": "Bearer", "token_use": "refresh_token"}),
            json!({"token_use": "access_token", "typ": "Refresh"}),
        ] {
            assert_eq!(kind(claims.clone()), DeclaredKind::Other, "{claims}");
        }
    }

    #[test]
    fn f1_an_id_token_has_its_claims_and_no_scope() {
        let resembles = |claims: Value| match claims {
            Value::Object(claims) => resembles_id_token(&claims),
            _ => panic!("claims are an object"),
        };
        for claims in [
            json!({"nonce": "n"}),
            json!({"at_hash": "h", "aud": "web"}),
            json!({"c_hash": "h", "azp": "web"}),
            json!({"at_hash": "h", "aud": ["web", "project"], "client_id": "web"}),
            json!({"nonce": "n", "scope": null, "scp": ""}),
        ] {
            assert!(resembles(claims.clone()), "{claims}");
        }
        for claims in [
            json!({}),
            json!({"nonce": null, "at_hash": ""}),
            json!({"nonce": "n", "scope": "openid"}),
            json!({"at_hash": "h", "scp": ["read"]}),
        ] {
            assert!(!resembles(claims.clone()), "{claims}");
        }
    }

    #[test]
    fn s1_an_access_token_is_one_and_an_unknown_type_says_nothing() {
        for claims in [
            json!({"token_use": "access"}),
            json!({"token_use": "access_token", "token_type": "Bearer"}),
            json!({"typ": "Bearer"}),
            json!({"typ": "at+jwt"}),
            json!({"token_type": "DPoP"}),
            json!({"token_type": "access"}),
            json!({"type": "access"}),
        ] {
            assert_eq!(kind(claims.clone()), DeclaredKind::Access, "{claims}");
        }
        for claims in [
            json!({}),
            json!({"token_use": null}),
            json!({"typ": "JWT"}),
            json!({"token_type": "urn:pingidentity.com:oauth2:validated_token"}),
            json!({"type": "user"}),
            json!({"type": 7}),
        ] {
            assert_eq!(kind(claims.clone()), DeclaredKind::Unknown, "{claims}");
        }
        assert_eq!(
            DeclaredKind::of_header(Some("application/AT+jwt")),
            DeclaredKind::Access
        );
        assert_eq!(DeclaredKind::of_header(Some("JWT")), DeclaredKind::Unknown);
    }
}
