//! Reads a policy out of TOML, and reports everything that is wrong with it at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::asked::is_plain_method;
use super::fault::{PolicyFault, PolicyFaults};
use super::pattern::{HostPattern, PathPattern};
use super::rule::{Access, Policy, Rule};
use crate::guard::{Admin, Requirements};

/// The keys of a rule.
const RULE_KEYS: [&str; 5] = ["host", "path", "methods", "access", "require"];

impl Policy {
    /// Reads a policy file. `admin` says who enters every workspace.
    ///
    /// # Errors
    /// Every fault there is, all at once.
    pub fn parse(text: &str, admin: &Admin) -> Result<Self, PolicyFaults> {
        let mut reading = Reading {
            text,
            admin,
            rule: None,
            faults: Vec::new(),
        };
        let policy = reading.policy();
        match PolicyFaults::of(reading.faults) {
            None => Ok(policy),
            Some(faults) => Err(faults),
        }
    }
}

/// A reading under way.
struct Reading<'t> {
    text: &'t str,
    admin: &'t Admin,
    /// The rule that is being read.
    rule: Option<usize>,
    faults: Vec<PolicyFault>,
}

type Value<'v> = Spanned<DeValue<'v>>;

impl Reading<'_> {
    fn policy(&mut self) -> Policy {
        let mut policy = Policy {
            rules: Vec::new(),
            default: Access::Authenticated,
        };
        let (table, syntax) = DeTable::parse_recoverable(self.text);
        for fault in &syntax {
            let problem = format!("this is not TOML: {}", fault.message().replace('\n', " "));
            self.fault(fault.span(), &problem, "mend it; what follows was not looked at");
        }
        if !syntax.is_empty() {
            return policy;
        }
        if table.get_ref().is_empty() {
            // A file whose writer was stopped after it had emptied it.
            let remedy = "write default = \"authenticated\" if that is all it is to say";
            self.fault(Some(0..0), "the file says nothing", remedy);
        }
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "default" => {
                    if let Some(access) = self.default(value) {
                        policy.default = access;
                    }
                }
                "rule" => policy.rules = self.rules(value),
                other => {
                    let problem = format!("there is no key {other:?} here");
                    self.fault(
                        Some(key.span()),
                        &problem,
                        "write default = \"…\" and [[rule]] tables",
                    );
                }
            }
        }
        self.refuse_unreachable(&policy.rules);
        policy
    }

    fn default(&mut self, value: &Value<'_>) -> Option<Access> {
        match value.get_ref().as_str() {
            Some("authenticated") => Some(Access::Authenticated),
            Some("deny") => Some(Access::Deny),
            _ => {
                let problem = "the default is neither \"authenticated\" nor \"deny\"";
                let remedy =
                    "write one of these; to open the rest, end with a rule that says so, path = \"/**\"";
                self.fault(Some(value.span()), problem, remedy);
                None
            }
        }
    }

    fn rules(&mut self, value: &Value<'_>) -> Vec<Rule> {
        let tables = value
            .get_ref()
            .as_array()
            .filter(|all| all.iter().all(|one| one.get_ref().is_table()));
        let Some(tables) = tables else {
            self.fault(
                Some(value.span()),
                "rule is no list of tables",
                "begin each rule with [[rule]]",
            );
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (at, table) in tables.iter().enumerate() {
            self.rule = Some(at + 1);
            if let Some(keys) = table.get_ref().as_table() {
                rules.extend(self.one_rule(at + 1, table.span(), keys));
            }
        }
        self.rule = None;
        rules
    }

    fn one_rule(&mut self, number: usize, span: Range<usize>, table: &DeTable<'_>) -> Option<Rule> {
        for key in table
            .keys()
            .filter(|key| !RULE_KEYS.contains(&key.get_ref().as_ref()))
        {
            let problem = format!("a rule has no key {:?}", key.get_ref());
            self.fault(
                Some(key.span()),
                &problem,
                "it has host, path, methods, and access or require",
            );
        }
        let access = self.access(table, &span);
        let hosts = match table.get("host") {
            Some(value) => self.list(value, "host", "app.example.com or *.example.com", |text| {
                HostPattern::parse(text).map_err(|fault| fault.to_string())
            }),
            None => None,
        };
        let methods = table.get("methods").and_then(|value| self.methods(value));
        let paths = match table.get("path") {
            Some(value) => self.list(value, "path", "/admin/** or /files/*.css", |text| {
                PathPattern::parse(text).map_err(|fault| fault.to_string())
            }),
            None => {
                self.fault(
                    Some(span.clone()),
                    "the rule names no path",
                    "add path = \"…\"; \"/**\" is every path",
                );
                None
            }
        };
        let access = access?;
        let mut paths = paths?;
        if !matches!(access, Access::Public) {
            paths = paths.into_iter().map(PathPattern::with_either_end).collect();
        }
        Some(Rule {
            number,
            line: self.line(span.start),
            hosts,
            paths,
            methods,
            access,
        })
    }

    fn access(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<Access> {
        const REMEDY: &str = "write access = \"public\", \"authenticated\" or \"deny\", or require = […]";
        match (table.get("access"), table.get("require")) {
            (Some(access), None) => match access.get_ref().as_str() {
                Some("public") => Some(Access::Public),
                Some("authenticated") => Some(Access::Authenticated),
                Some("deny") => Some(Access::Deny),
                _ => {
                    self.fault(Some(access.span()), "this is no access that there is", REMEDY);
                    None
                }
            },
            (None, Some(require)) => self.requirements(require),
            (Some(_), Some(require)) => {
                let problem = "the rule has both access and require";
                self.fault(Some(require.span()), problem, "take one of them out");
                None
            }
            (None, None) => {
                self.fault(Some(span.clone()), "the rule does not say who may", REMEDY);
                None
            }
        }
    }

    fn requirements(&mut self, value: &Value<'_>) -> Option<Access> {
        let admin = self.admin.clone();
        let pairs = self.list(value, "require", "role=editor,owner", |text| {
            let (name, wanted) = text.split_once('=').ok_or("it is not name=value")?;
            if wanted.split(',').any(|one| one != one.trim()) {
                return Err("there is a space around what it names".to_owned());
            }
            Requirements::parse([(name, wanted)], admin.clone()).map_err(|fault| fault.to_string())?;
            Ok((name.to_owned(), wanted.to_owned()))
        })?;
        let pairs = pairs
            .iter()
            .map(|(name, wanted)| (name.as_str(), wanted.as_str()));
        Requirements::parse(pairs, admin).ok().map(Access::Require)
    }

    /// Methods; whoever may GET may HEAD (RFC 9110 §9.3.2).
    fn methods(&mut self, value: &Value<'_>) -> Option<Vec<String>> {
        let mut methods = self.list(value, "methods", "GET or POST", |text| {
            if is_plain_method(text) {
                Ok(text.to_owned())
            } else {
                Err("a method is written in capital letters".to_owned())
            }
        })?;
        if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
            methods.push("HEAD".to_owned());
        }
        Some(methods)
    }

    /// One text, or a list of at least one. Each that is wrong is a fault of its own.
    fn list<T>(
        &mut self,
        value: &Value<'_>,
        key: &str,
        like: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let remedy = format!("write it like {like}");
        let single = std::slice::from_ref(value);
        let items = value.get_ref().as_array().map_or(single, |items| items.as_ref());
        if items.is_empty() {
            self.fault(Some(value.span()), &format!("{key} is an empty list"), &remedy);
            return None;
        }
        let mut good = Vec::new();
        for item in items {
            let parsed = match item.get_ref().as_str() {
                Some(text) => parse(text).map_err(|problem| format!("{key} {text:?}: {problem}")),
                None => Err(format!("{key} is neither a text nor a list of texts")),
            };
            match parsed {
                Ok(value) => good.push(value),
                Err(problem) => self.fault(Some(item.span()), &problem, &remedy),
            }
        }
        (good.len() == items.len()).then_some(good)
    }

    /// A rule that an earlier one leaves nothing to is a slip: as a rule the two stand in the wrong order.
    fn refuse_unreachable(&mut self, rules: &[Rule]) {
        for (at, rule) in rules.iter().enumerate() {
            let before = rules.iter().take(at).find(|before| before.covers(rule));
            if let Some(before) = before {
                self.faults.push(PolicyFault {
                    line: Some(rule.line),
                    rule: Some(rule.number),
                    problem: format!(
                        "no request reaches this rule, since rule {} (line {}) matches all that it does",
                        before.number, before.line
                    ),
                    remedy: "put it before that one, or take it out".to_owned(),
                });
            }
        }
    }

    fn fault(&mut self, span: Option<Range<usize>>, problem: &str, remedy: &str) {
        self.faults.push(PolicyFault {
            line: span.map(|span| self.line(span.start)),
            rule: self.rule,
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}
