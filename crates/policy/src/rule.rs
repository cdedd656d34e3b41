//! Rules of a policy, and the decision: the first rule that matches.

use std::fmt;

use super::pattern::{HostPattern, PathPattern};
use super::request::PolicyRequest;

/// Requirements of a rule, read from the pairs `name=value` of its key `require`.
pub trait RuleRequirement: fmt::Display + Sized {
    /// Settings that the reading depends on.
    type Context;

    /// Reads the pairs. A repeated name adds a requirement; a comma in a value means "or".
    ///
    /// # Errors
    /// A name is unknown or a value is empty. The text says which, for the author of the file.
    fn parse_pairs<'p>(
        pairs: impl IntoIterator<Item = (&'p str, &'p str)>,
        context: &Self::Context,
    ) -> Result<Self, String>;
}

/// Requirement of a rule on requests.
#[derive(Clone, Debug)]
pub enum AccessRequirement<R> {
    /// Open to everyone, without a credential.
    Public,
    /// Valid credential that is not revoked.
    Authenticated,
    /// Valid credential whose identity meets these requirements.
    Require(R),
    /// Closed to everyone.
    Deny,
}

impl<R: fmt::Display> fmt::Display for AccessRequirement<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Require(requirements) => write!(f, "require {requirements}"),
            Self::Deny => f.write_str("deny"),
        }
    }
}

/// Rule of a policy.
#[derive(Clone, Debug)]
pub struct PolicyRule<R> {
    /// Number of the rule in the file, from 1.
    pub number: usize,
    /// First line of the rule, from 1.
    pub line: usize,
    /// Hosts; `None` for any host.
    pub(super) hosts: Option<Vec<HostPattern>>,
    /// Paths, at least one.
    pub(super) paths: Vec<PathPattern>,
    /// Methods; `None` for any method. `HEAD` is in the list if `GET` is.
    pub(super) methods: Option<Vec<String>>,
    /// Requirement on the requests that match.
    pub access: AccessRequirement<R>,
}

impl<R> PolicyRule<R> {
    /// Returns `true` if the rule applies to the request. An unknown attribute matches nothing: the caller
    /// checks first that every attribute the rule reads is known.
    fn matches(&self, request: &PolicyRequest<'_>) -> bool {
        let method_matches = self.methods.as_ref().is_none_or(|methods| {
            request
                .method
                .is_some_and(|method| methods.iter().any(|allowed| allowed == method))
        });
        // A closure, so that no pattern is compared for a request of another method.
        let host_matches = || {
            self.hosts.as_ref().is_none_or(|hosts| {
                request
                    .host
                    .as_ref()
                    .is_some_and(|host| hosts.iter().any(|pattern| pattern.matches(host)))
            })
        };
        method_matches
            && host_matches()
            && request
                .path
                .as_ref()
                .is_some_and(|path| self.paths.iter().any(|pattern| pattern.matches(path)))
    }

    /// Returns `true` if this rule certainly matches every request that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        // A list covers another if each element has one that covers it. Elements that cover only together are
        // missed, which leaves an unreachable rule unreported and never reports a reachable one.
        let hosts = match (&self.hosts, &other.hosts) {
            (None, _) => true,
            (Some(own), Some(others)) => others
                .iter()
                .all(|host| own.iter().any(|pattern| pattern.covers(host))),
            (Some(_), None) => false,
        };
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(own), Some(others)) => others.iter().all(|method| own.contains(method)),
            (Some(_), None) => false,
        };
        let paths = || {
            other
                .paths
                .iter()
                .all(|path| self.paths.iter().any(|pattern| pattern.covers(path)))
        };
        hosts && methods && paths()
    }
}

/// Attribute that the policy reads and that is unknown for a request. The policy decides nothing then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MissingAttribute {
    /// Method, because a rule has `methods`.
    #[error("the policy needs the request's method")]
    Method,
    /// Host, because a rule has `host`.
    #[error("the policy needs the request's host")]
    Host,
    /// Path, because every rule has `path`.
    #[error("the policy needs the request's path")]
    Path,
}

/// Decision of a policy about a request.
#[derive(Debug)]
pub struct PolicyDecision<'p, R> {
    /// Requirement on the request.
    pub access: &'p AccessRequirement<R>,
    /// Rule that decided; `None` for the default.
    pub rule: Option<&'p PolicyRule<R>>,
}

// A derive would ask for `R: Copy`, although only a reference to it is copied.
impl<R> Clone for PolicyDecision<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for PolicyDecision<'_, R> {}

/// Policy (`POLICY_FILE`): an ordered list of rules, and a default. The first rule that matches decides.
#[derive(Clone, Debug)]
pub struct AccessPolicy<R> {
    pub(super) rules: Vec<PolicyRule<R>>,
    pub(super) default: AccessRequirement<R>,
}

impl<R> AccessPolicy<R> {
    /// Decides about a request.
    ///
    /// # Errors
    /// [`MissingAttribute`] when the policy reads an attribute that is unknown for the request.
    pub fn decide(&self, request: &PolicyRequest<'_>) -> Result<PolicyDecision<'_, R>, MissingAttribute> {
        // Every rule has a path, so without the request's path no rule can be judged. A default
        // alone needs nothing.
        if !self.rules.is_empty() && request.path.is_none() {
            return Err(MissingAttribute::Path);
        }
        for rule in &self.rules {
            // With the missing attribute this rule might have matched, so no later rule may decide.
            if rule.hosts.is_some() && request.host.is_none() {
                return Err(MissingAttribute::Host);
            }
            if rule.methods.is_some() && request.method.is_none() {
                return Err(MissingAttribute::Method);
            }
            if rule.matches(request) {
                return Ok(PolicyDecision {
                    access: &rule.access,
                    rule: Some(rule),
                });
            }
        }
        Ok(PolicyDecision {
            access: &self.default,
            rule: None,
        })
    }

    /// Returns the rules in their order.
    pub fn rules(&self) -> &[PolicyRule<R>] {
        &self.rules
    }

    /// Returns the requirement on a request that no rule matches: `authenticated` or `deny`.
    pub fn default_access(&self) -> &AccessRequirement<R> {
        &self.default
    }
}
