//! Paths to claims: names with a dot between two levels, and several paths united by ` + `.
//!
//! ```text
//! realm_access.roles                                  one level down
//! https://app.example.com/roles                       a claim with exactly this name comes first
//! resource_access.com\.example\.app.roles             `\.` is a dot within a name
//! realm_access.roles + resource_access.my-app.roles   the elements of both lists
//! urn:zitadel:iam:org:project:roles.*                 the names of the members of an object, as a list
//! ```

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Separator of paths whose lists are united.
const UNION: &str = " + ";
/// Escape of a dot, a plus sign or itself within a name.
const ESCAPE: char = '\\';
/// Last step of a path to a list that is an object, whose members have the names of the elements.
const MEMBERS: &str = ".*";

/// Reason why a text is no claim path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimPathFault {
    /// Two separators without a name between them, or one at an end.
    #[error("has an empty step")]
    EmptyStep,
    /// Backslash before something else than `.`, `+` or `\`.
    #[error("has a backslash that escapes nothing")]
    Escape,
    /// Union where one text is read.
    #[error("unites several paths, which only lists can")]
    Union,
}

/// Checks a claim path. `is_list` allows a union.
///
/// # Errors
/// [`ClaimPathFault`] when the text has no meaning as a path.
pub fn check_claim_path(text: &str, is_list: bool) -> Result<(), ClaimPathFault> {
    let mut paths = 0;
    for mut path in text.split(UNION) {
        paths += 1;
        check_escapes(path)?;
        loop {
            let (step, rest) = split_first(path).map_or((path, None), |(step, rest)| (step, Some(rest)));
            if step.trim().is_empty() {
                return Err(ClaimPathFault::EmptyStep);
            }
            let Some(rest) = rest else { break };
            path = rest;
        }
    }
    if paths > 1 && !is_list {
        return Err(ClaimPathFault::Union);
    }
    Ok(())
}

fn check_escapes(path: &str) -> Result<(), ClaimPathFault> {
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        if c == ESCAPE && !matches!(chars.next(), Some('.' | '+' | ESCAPE)) {
            return Err(ClaimPathFault::Escape);
        }
    }
    Ok(())
}

/// Returns the value at a path: the claim with exactly this name, otherwise one level down for each dot.
/// `null` counts as absent, so that the next path is tried.
pub(super) fn claim_at<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    // The whole name comes first: claim names may be URLs, which contain dots (RFC 7519 §4.2).
    let found = claims.get(path).or_else(|| match split_first(path) {
        Some((head, rest)) => claim_at(claims.get(&*unescape(head))?.as_object()?, rest),
        None => claims.get(&*unescape(path)),
    });
    found.filter(|value| !value.is_null())
}

/// Returns the strings at the paths that are united here, each once. `None` if none of the paths exists.
pub(super) fn strings_at(claims: &Map<String, Value>, united: &str) -> Option<Vec<String>> {
    let mut strings: Option<Vec<String>> = None;
    for path in united.split(UNION) {
        let (path, names_members) = split_members(path.trim());
        let Some(value) = claim_at(claims, path) else {
            continue;
        };
        let known = strings.get_or_insert_default();
        let found = if names_members {
            member_names(value)
        } else {
            strings_of(value)
        };
        for text in found {
            if !known.contains(&text) {
                known.push(text);
            }
        }
    }
    strings
}

/// Splits the step for the members of an object from a path.
fn split_members(path: &str) -> (&str, bool) {
    match path.strip_suffix(MEMBERS) {
        Some(object) if !object.ends_with(ESCAPE) => (object, true),
        _ => (path, false),
    }
}

/// Returns the names of the members of an object. Empty for anything else.
fn member_names(value: &Value) -> Vec<String> {
    let names = value.as_object().into_iter().flat_map(Map::keys);
    names.filter(|name| !name.is_empty()).cloned().collect()
}

/// Returns the strings of a claim that is one string or a list.
fn strings_of(value: &Value) -> Vec<String> {
    let keep = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    match value {
        // One string is one element. A search in its text would find "admin" in "not-admin".
        Value::String(text) => keep(text).into_iter().collect(),
        Value::Array(items) => items.iter().filter_map(Value::as_str).filter_map(keep).collect(),
        _ => Vec::new(),
    }
}

/// Splits a path at its last level. `None` if it has only one.
pub(super) fn split_last(path: &str) -> Option<(&str, &str)> {
    let at = separators(path).last()?;
    Some((&path[..at], &path[at + 1..]))
}

fn split_first(path: &str) -> Option<(&str, &str)> {
    let at = separators(path).next()?;
    Some((&path[..at], &path[at + 1..]))
}

/// Returns the positions of the dots that separate levels.
fn separators(path: &str) -> impl Iterator<Item = usize> {
    let mut is_escaped = false;
    path.char_indices().filter_map(move |(at, c)| {
        let separates = c == '.' && !is_escaped;
        is_escaped = c == ESCAPE && !is_escaped;
        separates.then_some(at)
    })
}

fn unescape(name: &str) -> Cow<'_, str> {
    if !name.contains(ESCAPE) {
        return Cow::Borrowed(name);
    }
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        plain.push(if c == ESCAPE { chars.next().unwrap_or(c) } else { c });
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn keycloak() -> Map<String, Value> {
        let claims = json!({
            "realm_access": {"roles": ["user", "admin"]},
            "resource_access": {"com.example.app": {"roles": ["editor", "user"]}},
            "https://app.example.com/roles": ["named"],
            "https://app.example.com/meta": {"groups": ["g"]},
            "a+b": "plus",
            "back\\slash": "b",
        });
        match claims {
            Value::Object(claims) => claims,
            _ => Map::new(),
        }
    }

    #[test]
    fn f12_a_dot_within_a_name_is_escaped() {
        for (path, expected) in [
            (
                r"resource_access.com\.example\.app.roles",
                Some(vec!["editor", "user"]),
            ),
            (r"https://app\.example\.com/meta.groups", Some(vec!["g"])),
            ("https://app.example.com/roles", Some(vec!["named"])),
            (r"https://app\.example\.com/roles", Some(vec!["named"])),
            (r"a\+b", Some(vec!["plus"])),
            (r"back\\slash", Some(vec!["b"])),
            ("resource_access.com.example.app.roles", None),
            (r"realm_access\.roles", None),
        ] {
            let found = strings_at(&keycloak(), path);
            let found = found.as_ref().map(|all| all.iter().map(String::as_str).collect());
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn f12_several_lists_are_united_and_each_element_counts_once() {
        let both = r"realm_access.roles + resource_access.com\.example\.app.roles";
        assert_eq!(
            strings_at(&keycloak(), both).unwrap(),
            ["user", "admin", "editor"]
        );
        let one = "nowhere + realm_access.roles + also.nowhere";
        assert_eq!(strings_at(&keycloak(), one).unwrap(), ["user", "admin"]);
        assert_eq!(strings_at(&keycloak(), "nowhere + no.where"), None);
    }

    #[test]
    fn f12_what_has_no_meaning_is_a_fault() {
        for (path, fault) in [
            ("", ClaimPathFault::EmptyStep),
            ("a..b", ClaimPathFault::EmptyStep),
            ("a. .b", ClaimPathFault::EmptyStep),
            ("a + ", ClaimPathFault::EmptyStep),
            ("a +  + b", ClaimPathFault::EmptyStep),
            (r"a\b", ClaimPathFault::Escape),
            (r"a\", ClaimPathFault::Escape),
        ] {
            assert_eq!(check_claim_path(path, true), Err(fault), "{path}");
        }
        assert_eq!(check_claim_path("a + b", false), Err(ClaimPathFault::Union));
        for path in ["a.b", r"a\.b.c", "a+b", r"a\\.b", "a.b + c"] {
            assert_eq!(check_claim_path(path, true), Ok(()), "{path}");
        }
    }

    #[test]
    fn f12_the_last_level_is_found_next_to_escapes() {
        assert_eq!(split_last(r"a.b\.c.d"), Some((r"a.b\.c", "d")));
        assert_eq!(split_last(r"a\.b"), None);
        assert_eq!(split_last(r"a\\.b"), Some((r"a\\", "b")));
    }

    #[test]
    fn members_of_an_object_are_a_list_only_where_the_path_says_so() {
        let claims =
            json!({"roles": {"editor": {"1": "a.example"}, "viewer": {}}, "list": ["a"], "a.*": ["b"]});
        let claims = claims.as_object().unwrap();
        let strings = |path: &str| strings_at(claims, path).unwrap_or_default();
        assert_eq!(strings("roles.*"), ["editor", "viewer"]);
        assert_eq!(strings("list + roles.*"), ["a", "editor", "viewer"]);
        assert_eq!(strings("roles"), Vec::<String>::new());
        assert_eq!(strings("list.*"), Vec::<String>::new());
        assert_eq!(strings(r"a\.*"), ["b"]);
        assert_eq!(check_claim_path("roles.*", true), Ok(()));
    }
}
