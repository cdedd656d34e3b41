//! Names of the headers that say what is asked for and who asks: the one table of them. Names are in lower
//! case, as HTTP/2 sends them.

/// Identity headers whose values belong to one user: id, name, e-mail address.
pub const PERSONAL_HEADERS: [&str; 3] = ["remote-user", "remote-name", "remote-email"];
/// Identity headers whose values many users share: groups, roles, verification source.
pub const SHARED_HEADERS: [&str; 3] = ["remote-groups", "remote-roles", "x-auth-source"];
/// Header with the workspaces, which many users share too (`IDENTITY_WORKSPACES`).
pub const WORKSPACES_HEADER: &str = "remote-workspaces";
/// Header with the signed identity (`IDENTITY_TOKEN`).
pub const SIGNED_IDENTITY_HEADER: &str = "x-auth-identity";

/// All headers that name an identity, also those that a setting turns on. A program that passes a request on
/// removes the client's copies of each.
pub const IDENTITY_HEADERS: [&str; 8] = [
    PERSONAL_HEADERS[0],
    PERSONAL_HEADERS[1],
    PERSONAL_HEADERS[2],
    SHARED_HEADERS[0],
    SHARED_HEADERS[1],
    SHARED_HEADERS[2],
    WORKSPACES_HEADER,
    SIGNED_IDENTITY_HEADER,
];

/// Header with the addresses of the client and of the proxies between.
pub const FORWARDED_FOR: &str = "x-forwarded-for";

const METHOD_NAMES: [&str; 2] = ["x-forwarded-method", "x-original-method"];
const SCHEME_NAMES: [&str; 1] = ["x-forwarded-proto"];
const HOST_NAMES: [&str; 2] = ["x-forwarded-host", "x-original-host"];
const URI_NAMES: [&str; 3] = ["x-forwarded-uri", "x-original-uri", "x-original-url"];

/// All headers in which a trusted proxy describes the original request. From anyone else they are ignored.
pub const FORWARDED_HEADERS: [&str; 9] = [
    FORWARDED_FOR,
    METHOD_NAMES[0],
    METHOD_NAMES[1],
    SCHEME_NAMES[0],
    HOST_NAMES[0],
    HOST_NAMES[1],
    URI_NAMES[0],
    URI_NAMES[1],
    URI_NAMES[2],
];

/// Attribute of the original request that a proxy forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedAttribute {
    /// Method of the original request.
    Method,
    /// Scheme of the original request: `http` or `https`.
    Scheme,
    /// Host, with its port if it has one.
    Host,
    /// Path and query of the original request.
    Uri,
}

impl ForwardedAttribute {
    /// All attributes, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Method, Self::Scheme, Self::Host, Self::Uri];

    /// Returns the names of the headers that may contain it. The first one is the usual one.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Method => &METHOD_NAMES,
            Self::Scheme => &SCHEME_NAMES,
            Self::Host => &HOST_NAMES,
            Self::Uri => &URI_NAMES,
        }
    }

    /// Returns the usual name.
    pub const fn name(self) -> &'static str {
        self.names()[0]
    }

    /// Returns the usual name in the case of documents and messages.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Method => "X-Forwarded-Method",
            Self::Scheme => "X-Forwarded-Proto",
            Self::Host => "X-Forwarded-Host",
            Self::Uri => "X-Forwarded-Uri",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flat_list_has_each_name_of_each_attribute_once() {
        let by_attribute = ForwardedAttribute::ALL
            .into_iter()
            .flat_map(ForwardedAttribute::names);
        let all: Vec<_> = std::iter::once(&FORWARDED_FOR).chain(by_attribute).collect();
        assert_eq!(all, FORWARDED_HEADERS.iter().collect::<Vec<_>>());
        for (index, attribute) in ForwardedAttribute::ALL.into_iter().enumerate() {
            assert_eq!(attribute as usize, index);
            assert!(attribute.title().eq_ignore_ascii_case(attribute.names()[0]));
        }
        for name in FORWARDED_HEADERS.iter().chain(&IDENTITY_HEADERS) {
            let twice = FORWARDED_HEADERS
                .iter()
                .chain(&IDENTITY_HEADERS)
                .filter(|other| *other == name);
            assert_eq!(twice.count(), 1, "{name}");
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{name}"
            );
        }
    }
}
