//! The access policy with the requirements of this gateway; `maxlab-auth-policy` has the canonical request and the rules.

pub use maxlab_auth_policy::{
    AmbiguousRequest, CanonicalHost, CanonicalPath, HostFault, HostPattern, MissingAttribute, PathFault,
    PathPattern, PatternFault, PolicyFault, PolicyFaults, PolicyRequest, RuleRequirement, TargetUrl,
};

use crate::guard::{Admin, RequirementSet};

/// Ordered list of rules that require roles, groups, permissions, scopes or workspaces.
pub type AccessPolicy = maxlab_auth_policy::AccessPolicy<RequirementSet>;
/// Requirement of a rule or of the default.
pub type AccessRequirement = maxlab_auth_policy::AccessRequirement<RequirementSet>;
/// Decision of a policy on one request.
pub type PolicyDecision<'p> = maxlab_auth_policy::PolicyDecision<'p, RequirementSet>;
/// One rule of a policy.
pub type PolicyRule = maxlab_auth_policy::PolicyRule<RequirementSet>;

impl RuleRequirement for RequirementSet {
    type Context = Admin;

    fn parse_pairs<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        admin: &Admin,
    ) -> Result<Self, String> {
        Self::parse(pairs, admin.clone()).map_err(|fault| fault.to_string())
    }
}
