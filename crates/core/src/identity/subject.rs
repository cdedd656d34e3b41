//! Who a person is: an issuer, and an id that is unique there (invariant I12, decision 31).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// First character of the text form that names an issuer.
const ISSUER_MARK: char = '@';
/// Character between the issuer and the id. No URL contains it (RFC 3986 §2), so an issuer stays readable.
const SEPARATOR: char = '|';
/// Characters that are escaped in the name of an issuer, so that [`SEPARATOR`] ends it and nothing else does.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'|');

/// Issuer of a person or of an upstream session.
///
/// The default issuer is the one authorization server of the settings, whether or not its URL is known. So what
/// is stored about its users does not change when its metadata is found. Every other issuer has a name: its URL,
/// compared exactly (RFC 8414 §3.3).
///
/// As JSON it is the name, or `null` for the default issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Issuer(Option<Arc<str>>);

impl Issuer {
    /// The default issuer.
    pub const DEFAULT: Self = Self(None);

    /// Issuer with this URL, if it is not that of the default issuer. An empty text names no issuer, so it is
    /// the default one.
    ///
    /// `configured_default` is the URL of the default issuer; `None` if the settings have no default issuer. Decide
    /// this once for each provider, when the settings are read, and not for each token: a URL that is discovered
    /// later must not turn a person into another one.
    pub fn of(configured_default: Option<&str>, url: &str) -> Self {
        if configured_default == Some(url) {
            return Self::DEFAULT;
        }
        Self::named(url)
    }

    /// Issuer with this name, as a store returned it.
    fn named(name: &str) -> Self {
        Self(Some(name).filter(|name| !name.is_empty()).map(Arc::from))
    }

    /// Returns the URL; `None` for the default issuer.
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Returns `true` for the default issuer.
    pub fn is_default(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the one text for an id at this issuer. No two pairs have the same text.
    ///
    /// At the default issuer it is the id itself, as other programs write it (`docs/GUIDE.md`). Otherwise it is
    /// `@{issuer}|{id}`. An id of the default issuer that begins with `@` becomes `@|{id}`.
    pub(crate) fn qualify<'t>(&self, id: &'t str) -> Cow<'t, str> {
        match self.name() {
            None if !id.starts_with(ISSUER_MARK) => Cow::Borrowed(id),
            None => Cow::Owned(format!("{ISSUER_MARK}{SEPARATOR}{id}")),
            Some(name) => {
                let name = utf8_percent_encode(name, ESCAPED);
                Cow::Owned(format!("{ISSUER_MARK}{name}{SEPARATOR}{id}"))
            }
        }
    }

    /// Splits a text that [`qualify`](Self::qualify) made. Any other text is an id of the default issuer.
    fn split_qualified(text: &str) -> (Self, &str) {
        let parts = text
            .strip_prefix(ISSUER_MARK)
            .and_then(|rest| rest.split_once(SEPARATOR));
        match parts {
            Some((name, id)) => (Self::named(&percent_decode_str(name).decode_utf8_lossy()), id),
            None => (Self::DEFAULT, text),
        }
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Issuer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Option::<String>::deserialize(deserializer)?;
        Ok(name.map_or(Self::DEFAULT, |name| Self::named(&name)))
    }
}

/// A person: an issuer, and the id of the person there. The same id at two issuers is two people (OpenID Connect
/// Core §5.7).
///
/// [`Display`](fmt::Display) and JSON show the [`storage_name`](Self::storage_name).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// Issuer.
    pub issuer: Issuer,
    /// Id of the person at the issuer (`sub`, RFC 7519 §4.1.2).
    pub id: Arc<str>,
}

impl Subject {
    /// Person with this id at this issuer.
    pub fn new(issuer: Issuer, id: impl Into<Arc<str>>) -> Self {
        Self {
            issuer,
            id: id.into(),
        }
    }

    /// Person with this id at the default issuer.
    pub fn of_default(id: impl Into<Arc<str>>) -> Self {
        Self::new(Issuer::DEFAULT, id)
    }

    /// Returns the one text form, for every store, list and log: the id at the default issuer, and
    /// `@{issuer}|{id}` at every other.
    pub fn storage_name(&self) -> Cow<'_, str> {
        self.issuer.qualify(&self.id)
    }

    /// Person with this text form. A text that [`storage_name`](Self::storage_name) does not write is an id at
    /// the default issuer, as other programs and operators write it.
    pub fn from_storage_name(text: &str) -> Self {
        let (issuer, id) = Issuer::split_qualified(text);
        Self::new(issuer, id)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.storage_name())
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.storage_name())
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from_storage_name(&text))
    }
}

/// Session at an authorization server (`sid`, OpenID Connect Front-Channel Logout 1.0 §3). It is no session of the
/// gateway: one upstream session may have several. The same `sid` at two issuers is two sessions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UpstreamSession {
    /// Issuer.
    pub issuer: Issuer,
    /// Id of the session at the issuer.
    pub sid: String,
}

impl UpstreamSession {
    /// Session with this id at this issuer.
    pub fn new(issuer: Issuer, sid: impl Into<String>) -> Self {
        Self {
            issuer,
            sid: sid.into(),
        }
    }

    /// Returns the one text form, made like that of a [`Subject`].
    pub fn storage_name(&self) -> Cow<'_, str> {
        self.issuer.qualify(&self.sid)
    }

    /// Session with this text form, read like that of a [`Subject`].
    pub fn from_storage_name(text: &str) -> Self {
        let (issuer, sid) = Issuer::split_qualified(text);
        Self::new(issuer, sid)
    }
}

impl Serialize for UpstreamSession {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.storage_name())
    }
}

impl<'de> Deserialize<'de> for UpstreamSession {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::from_storage_name(&text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Texts with every character that has a meaning in the text form.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[@|%: a0-9A-F/]{0,12}", any::<String>()]
    }

    fn issuer() -> impl Strategy<Value = Issuer> {
        prop_oneof![
            Just(Issuer::DEFAULT),
            text().prop_map(|url| Issuer::of(None, &url))
        ]
    }

    fn subject() -> impl Strategy<Value = Subject> {
        (issuer(), text()).prop_map(|(issuer, id)| Subject::new(issuer, id))
    }

    proptest! {
        #[test]
        fn i12_the_text_form_reads_back_and_no_two_people_share_one(one in subject(), other in subject()) {
            prop_assert_eq!(&Subject::from_storage_name(&one.storage_name()), &one);
            prop_assert_eq!(one.storage_name() == other.storage_name(), one == other);
            let json = serde_json::to_string(&one).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Subject>(&json).unwrap(), &one);
            let session = UpstreamSession::new(one.issuer.clone(), &*one.id);
            prop_assert_eq!(UpstreamSession::from_storage_name(&session.storage_name()), session);
            let json = serde_json::to_string(&one.issuer).unwrap();
            prop_assert_eq!(serde_json::from_str::<Issuer>(&json).unwrap(), one.issuer);
        }
    }

    #[test]
    fn i12_the_default_issuer_is_written_as_the_guide_writes_it() {
        for id in ["user-1", "김:1", "a|b", "u@example.com", ""] {
            assert_eq!(Subject::of_default(id).storage_name(), id);
        }
        let other = Issuer::of(Some("https://as.example"), "https://sso.example.com/realms/main");
        for (subject, text) in [
            (Subject::of_default("@x"), "@|@x"),
            (Subject::of_default("@https://as|x"), "@|@https://as|x"),
            (
                Subject::new(other.clone(), "user-1"),
                "@https://sso.example.com/realms/main|user-1",
            ),
            (Subject::new(Issuer::of(None, "a|b%"), "c"), "@a%7Cb%25|c"),
        ] {
            assert_eq!(subject.to_string(), text);
        }
        // What an operator or another program writes: no issuer is named, so it is the default one.
        let matrix = Subject::from_storage_name("@alice:example.org");
        assert_eq!(matrix, Subject::of_default("@alice:example.org"));
        assert_eq!(other.name(), Some("https://sso.example.com/realms/main"));
    }

    #[test]
    fn i12_only_the_configured_url_is_the_default_issuer() {
        let default = Some("https://as.example");
        assert!(Issuer::of(default, "https://as.example").is_default());
        assert!(!Issuer::of(default, "https://as.example/").is_default());
        assert!(!Issuer::of(None, "https://as.example").is_default());
        assert!(Issuer::of(None, "").is_default());
    }
}
