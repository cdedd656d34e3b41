//! Rules in their order, and the one that decides.

use std::fmt;

use super::asked::Asked;
use super::pattern::{HostPattern, PathPattern};
use crate::guard::Requirements;

/// What a request needs to pass.
#[derive(Clone, Debug)]
pub enum Access {
    /// Nothing: anybody may.
    Public,
    /// A credential that is good and not revoked.
    Authenticated,
    /// Such a credential, of somebody who meets these.
    Require(Requirements),
    /// Nobody may.
    Deny,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Authenticated => f.write_str("authenticated"),
            Self::Require(requirements) => write!(f, "require {requirements}"),
            Self::Deny => f.write_str("deny"),
        }
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its place in the file, from 1.
    pub number: usize,
    /// The line that it begins on, from 1.
    pub line: usize,
    /// Hosts; `None` for any.
    pub(super) hosts: Option<Vec<HostPattern>>,
    /// Paths, at least one.
    pub(super) paths: Vec<PathPattern>,
    /// Methods; `None` for any. Where `GET` is, `HEAD` is too.
    pub(super) methods: Option<Vec<String>>,
    /// What it asks for.
    pub access: Access,
}

impl Rule {
    /// Whether it is about this request, of which everything that it looks at must be known.
    fn matches(&self, asked: &Asked<'_>) -> bool {
        let method = self.methods.as_ref().is_none_or(|methods| {
            asked
                .method
                .is_some_and(|method| methods.iter().any(|own| own == method))
        });
        let host = |host| {
            let of = |hosts: &Vec<HostPattern>| hosts.iter().any(|own| own.matches(host));
            self.hosts.as_ref().is_some_and(of)
        };
        method
            && (self.hosts.is_none() || asked.host.as_ref().is_some_and(host))
            && asked
                .path
                .as_ref()
                .is_some_and(|path| self.paths.iter().any(|own| own.matches(path)))
    }

    /// Whether it leaves nothing for the other rule.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let hosts = match (&self.hosts, &other.hosts) {
            (None, _) => true,
            (Some(own), Some(its)) => its.iter().all(|its| own.iter().any(|own| own.covers(its))),
            (Some(_), None) => false,
        };
        let methods = match (&self.methods, &other.methods) {
            (None, _) => true,
            (Some(own), Some(its)) => its.iter().all(|its| own.contains(its)),
            (Some(_), None) => false,
        };
        let paths = || {
            other
                .paths
                .iter()
                .all(|its| self.paths.iter().any(|own| own.covers(its)))
        };
        hosts && methods && paths()
    }
}

/// Something that the policy looks at and that is not known of the request. Nothing follows from a policy then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untold {
    /// A rule names methods.
    #[error("the policy needs the request's method")]
    Method,
    /// A rule names hosts.
    #[error("the policy needs the request's host")]
    Host,
    /// There is a rule at all.
    #[error("the policy needs the request's path")]
    Path,
}

/// What a policy says of a request, and by which rule; without one it is the default.
#[derive(Clone, Copy, Debug)]
pub struct Ruling<'p> {
    /// What the request needs.
    pub access: &'p Access,
    /// The rule.
    pub rule: Option<&'p Rule>,
}

/// An ordered list of rules: the first that matches decides, and where none does, the default.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) rules: Vec<Rule>,
    pub(super) default: Access,
}

impl Policy {
    /// What a request needs.
    ///
    /// # Errors
    /// The policy looks at something that is not known of it.
    pub fn rule_for(&self, asked: &Asked<'_>) -> Result<Ruling<'_>, Untold> {
        if !self.rules.is_empty() && asked.path.is_none() {
            return Err(Untold::Path);
        }
        for rule in &self.rules {
            // What is not known of a request may be what this rule would have matched: no later rule may decide then.
            if rule.hosts.is_some() && asked.host.is_none() {
                return Err(Untold::Host);
            }
            if rule.methods.is_some() && asked.method.is_none() {
                return Err(Untold::Method);
            }
            if rule.matches(asked) {
                return Ok(Ruling {
                    access: &rule.access,
                    rule: Some(rule),
                });
            }
        }
        Ok(Ruling {
            access: &self.default,
            rule: None,
        })
    }

    /// The rules, in their order.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What a request needs that no rule matches: `authenticated` or `deny`.
    pub fn default_access(&self) -> &Access {
        &self.default
    }
}
