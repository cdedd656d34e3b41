//! Parser of claim paths.

use maxlab_auth_core::identity::{ClaimPaths, UnverifiedEmailPolicy, check_claim_path};

use crate::preset::ProviderPreset;
use crate::table::{FaultList, TableReader};

/// Parts of an identity that have claim paths. The paths of the second list are united.
const SINGLE_CLAIMS: [&str; 4] = ["user_id", "email", "name", "avatar"];
const LIST_CLAIMS: [&str; 5] = ["roles", "permissions", "groups", "workspaces", "scope"];

const CLIENT_PLACEHOLDER: &str = "{client_id}";

/// Reads claim paths by part of the identity.
pub(crate) fn parse_claims(
    reader: &TableReader<'_>,
    faults: &mut FaultList<'_>,
) -> Vec<(String, Vec<String>)> {
    let Some(claims) = reader.table("claims", "claims.", faults) else {
        return Vec::new();
    };
    let parts: Vec<_> = SINGLE_CLAIMS.into_iter().chain(LIST_CLAIMS).collect();
    claims.refuse_unknown(&parts, faults);
    parts
        .into_iter()
        .filter(|part| claims.get(part).is_some())
        .map(|part| {
            let paths = claims.texts(part, faults);
            for path in &paths {
                report_bad_path(part, path, &claims, faults);
            }
            (part.to_owned(), paths)
        })
        .collect()
}

/// Reports a text that is no claim path.
fn report_bad_path(part: &str, path: &str, claims: &TableReader<'_>, faults: &mut FaultList<'_>) {
    const REMEDY: &str = "write paths like realm_access.roles, with \\. for a dot within a name";
    // The placeholder becomes a name without a special character, so it is checked like one.
    let path_to_check = path.replace(CLIENT_PLACEHOLDER, "client");
    if let Err(fault) = check_claim_path(&path_to_check, LIST_CLAIMS.contains(&part)) {
        faults.report(&claims.span_of(part), format!("{path:?} {fault}"), REMEDY);
    }
}

/// Returns the claim paths: those of the file, for each part, or else those of the preset.
pub(crate) fn claim_paths(
    reader: &TableReader<'_>,
    preset: &ProviderPreset,
    client_id: Option<&str>,
    faults: &mut FaultList<'_>,
) -> ClaimPaths {
    let own = parse_claims(reader, faults);
    // A dot in a client's id is a part of the name, not a step, and a backslash is no mark of one.
    let client_id = client_id.map(|id| id.replace('\\', "\\\\").replace('.', "\\."));
    let paths = |part: &str| -> Vec<String> {
        let lists = [&own, &preset.claims];
        let found = lists.into_iter().find_map(|list| {
            let (_, paths) = list.iter().find(|(name, _)| name == part)?;
            Some(
                paths
                    .iter()
                    // Without a client, a path through its name leads nowhere.
                    .filter(|path| client_id.is_some() || !path.contains(CLIENT_PLACEHOLDER))
                    .map(|path| path.replace(CLIENT_PLACEHOLDER, client_id.as_deref().unwrap_or_default()))
                    .collect::<Vec<_>>(),
            )
        });
        let found = found.unwrap_or_default();
        // United, so that roles of a realm and of a client count together.
        if LIST_CLAIMS.contains(&part) && found.len() > 1 {
            return vec![found.join(" + ")];
        }
        found
    };
    ClaimPaths {
        unverified_email: parse_unverified_email(reader, faults),
        user_id: paths("user_id"),
        email: paths("email"),
        name: paths("name"),
        avatar: paths("avatar"),
        roles: paths("roles"),
        permissions: paths("permissions"),
        groups: paths("groups"),
        workspaces: paths("workspaces"),
        scope: paths("scope"),
        ..ClaimPaths::default()
    }
}

fn parse_unverified_email(reader: &TableReader<'_>, faults: &mut FaultList<'_>) -> UnverifiedEmailPolicy {
    let policy = reader.parsed("unverified_email", "use omit or send", faults, |text| {
        Some(match text {
            "omit" => UnverifiedEmailPolicy::Omit,
            "send" => UnverifiedEmailPolicy::Send,
            _ => return None,
        })
    });
    policy.unwrap_or_default()
}
