//! Parser of policy files (TOML), which reports all errors at once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::{PolicyFault, PolicyFaults};
use super::pattern::{HostPattern, PathPattern};
use super::request::is_canonical_method;
use super::rule::{AccessPolicy, AccessRequirement, PolicyRule, RuleRequirement};

/// Keys of a rule.
const RULE_KEYS: [&str; 5] = ["host", "path", "methods", "access", "require"];

impl<R: RuleRequirement> AccessPolicy<R> {
    /// Reads a policy file. `context` holds the settings that its requirements depend on.
    ///
    /// # Errors
    /// [`PolicyFaults`] with every error of the file.
    #[tracing::instrument(level = "debug", skip_all, fields(bytes = text.len()))]
    pub fn parse(text: &str, context: &R::Context) -> Result<Self, PolicyFaults> {
        let mut parser = PolicyParser {
            text,
            context,
            rule: None,
            faults: Vec::new(),
        };
        let policy = parser.parse_policy();
        // Parts with an error are missing from `policy`, which must not be used then.
        match PolicyFaults::from_unsorted(parser.faults) {
            None => Ok(policy),
            Some(faults) => Err(faults),
        }
    }
}

/// State of the parser.
struct PolicyParser<'t, R: RuleRequirement> {
    text: &'t str,
    context: &'t R::Context,
    /// Number of the rule that is read at the moment.
    rule: Option<usize>,
    faults: Vec<PolicyFault>,
}

type SpannedValue<'v> = Spanned<DeValue<'v>>;

impl<R: RuleRequirement> PolicyParser<'_, R> {
    fn parse_policy(&mut self) -> AccessPolicy<R> {
        let mut policy = AccessPolicy {
            rules: Vec::new(),
            default: AccessRequirement::Authenticated,
        };
        let (table, syntax_errors) = DeTable::parse_recoverable(self.text);
        for error in &syntax_errors {
            // One line for each error, in the log and on the terminal.
            let problem = format!("this is not TOML: {}", error.message().replace('\n', " "));
            self.report_fault(
                error.span(),
                &problem,
                "fix the syntax first; the rules were not checked",
            );
        }
        // A table that was recovered from broken syntax may lack anything, so its rules are not judged.
        if !syntax_errors.is_empty() {
            return policy;
        }
        if table.get_ref().is_empty() {
            // Most likely its writer was stopped after truncating the file. Accepting it would
            // drop every rule.
            let remedy = "write default = \"authenticated\" if that is the whole policy";
            self.report_fault(Some(0..0), "the file is empty", remedy);
        }
        for (key, value) in table.get_ref() {
            match key.get_ref().as_ref() {
                "default" => {
                    if let Some(access) = self.parse_default(value) {
                        policy.default = access;
                    }
                }
                "rule" => policy.rules = self.parse_rules(value),
                other => {
                    let problem = format!("unknown key {other:?}");
                    self.report_fault(
                        Some(key.span()),
                        &problem,
                        "use default = \"…\" and [[rule]] tables",
                    );
                }
            }
        }
        self.report_unreachable(&policy.rules);
        policy
    }

    fn parse_default(&mut self, value: &SpannedValue<'_>) -> Option<AccessRequirement<R>> {
        match value.get_ref().as_str() {
            Some("authenticated") => Some(AccessRequirement::Authenticated),
            Some("deny") => Some(AccessRequirement::Deny),
            // Never "public": a default that opens everything would make a forgotten rule an open one.
            _ => {
                let problem = "the default is neither \"authenticated\" nor \"deny\"";
                let remedy = "use one of these; to make the rest public, add a last rule with path = \"/**\"";
                self.report_fault(Some(value.span()), problem, remedy);
                None
            }
        }
    }

    fn parse_rules(&mut self, value: &SpannedValue<'_>) -> Vec<PolicyRule<R>> {
        let tables = value
            .get_ref()
            .as_array()
            .filter(|items| items.iter().all(|item| item.get_ref().is_table()));
        let Some(tables) = tables else {
            self.report_fault(
                Some(value.span()),
                "rule is not a list of tables",
                "begin each rule with [[rule]]",
            );
            return Vec::new();
        };
        let mut rules = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            self.rule = Some(index + 1);
            if let Some(keys) = table.get_ref().as_table() {
                rules.extend(self.parse_rule(index + 1, table.span(), keys));
            }
        }
        self.rule = None;
        rules
    }

    fn parse_rule(
        &mut self,
        number: usize,
        span: Range<usize>,
        table: &DeTable<'_>,
    ) -> Option<PolicyRule<R>> {
        for key in table
            .keys()
            .filter(|key| !RULE_KEYS.contains(&key.get_ref().as_ref()))
        {
            let problem = format!("unknown key {:?} in a rule", key.get_ref());
            self.report_fault(
                Some(key.span()),
                &problem,
                "use host, path, methods, and access or require",
            );
        }
        let access = self.parse_access(table, &span);
        let hosts = match table.get("host") {
            Some(value) => self.parse_list(value, "host", "app.example.com or *.example.com", |text| {
                HostPattern::parse(text).map_err(|fault| fault.to_string())
            }),
            None => None,
        };
        let methods = table.get("methods").and_then(|value| self.parse_methods(value));
        let paths = match table.get("path") {
            Some(value) => self.parse_list(value, "path", "/admin/** or /files/*.css", |text| {
                PathPattern::parse(text).map_err(|fault| fault.to_string())
            }),
            None => {
                self.report_fault(
                    Some(span.clone()),
                    "the rule has no path",
                    "add path = \"…\"; \"/**\" is every path",
                );
                None
            }
        };
        // Only now, so that one run reports the errors of every key.
        let access = access?;
        let mut paths = paths?;
        // Many servers treat `/admin/` like `/admin`. A restriction must cover both, and a public rule
        // only what it says.
        if !matches!(access, AccessRequirement::Public) {
            paths = paths
                .into_iter()
                .map(PathPattern::ignoring_trailing_slash)
                .collect();
        }
        Some(PolicyRule {
            number,
            line: self.line_number(span.start),
            hosts,
            paths,
            methods,
            access,
        })
    }

    fn parse_access(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<AccessRequirement<R>> {
        const REMEDY: &str = "use access = \"public\", \"authenticated\" or \"deny\", or require = […]";
        match (table.get("access"), table.get("require")) {
            (Some(access), None) => match access.get_ref().as_str() {
                Some("public") => Some(AccessRequirement::Public),
                Some("authenticated") => Some(AccessRequirement::Authenticated),
                Some("deny") => Some(AccessRequirement::Deny),
                _ => {
                    self.report_fault(Some(access.span()), "unknown access", REMEDY);
                    None
                }
            },
            (None, Some(require)) => self.parse_requirements(require),
            (Some(_), Some(require)) => {
                let problem = "the rule has both access and require";
                self.report_fault(Some(require.span()), problem, "remove one of them");
                None
            }
            (None, None) => {
                self.report_fault(
                    Some(span.clone()),
                    "the rule has neither access nor require",
                    REMEDY,
                );
                None
            }
        }
    }

    fn parse_requirements(&mut self, value: &SpannedValue<'_>) -> Option<AccessRequirement<R>> {
        let context = self.context;
        let pairs = self.parse_list(value, "require", "role=editor,owner", |text| {
            let (name, values) = text.split_once('=').ok_or("it is not name=value")?;
            // Values are compared for equality, so a space here would never match.
            if values.split(',').any(|value| value != value.trim()) {
                return Err("there is a space around a value".to_owned());
            }
            // Each one by itself, so that each error has its line. The whole set is built below.
            R::parse_pairs([(name, values)], context)?;
            Ok((name.to_owned(), values.to_owned()))
        })?;
        let pairs = pairs
            .iter()
            .map(|(name, values)| (name.as_str(), values.as_str()));
        R::parse_pairs(pairs, context)
            .ok()
            .map(AccessRequirement::Require)
    }

    /// Reads methods. `GET` includes `HEAD` (RFC 9110 §9.3.2).
    fn parse_methods(&mut self, value: &SpannedValue<'_>) -> Option<Vec<String>> {
        let mut methods = self.parse_list(value, "methods", "GET or POST", |text| {
            if is_canonical_method(text) {
                Ok(text.to_owned())
            } else {
                Err("a method must be in capital letters".to_owned())
            }
        })?;
        if methods.iter().any(|method| method == "GET") && !methods.iter().any(|method| method == "HEAD") {
            methods.push("HEAD".to_owned());
        }
        Some(methods)
    }

    /// Reads one text, or a list of at least one. Each invalid element is an error of its own.
    fn parse_list<T>(
        &mut self,
        value: &SpannedValue<'_>,
        key: &str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let remedy = format!("write it like {example}");
        let single = std::slice::from_ref(value);
        let items = value.get_ref().as_array().map_or(single, |items| items.as_ref());
        // An empty list would match nothing, and a rule without effect is a mistake.
        if items.is_empty() {
            self.report_fault(Some(value.span()), &format!("{key} is an empty list"), &remedy);
            return None;
        }
        let mut values = Vec::new();
        for item in items {
            let parsed = match item.get_ref().as_str() {
                Some(text) => parse(text).map_err(|problem| format!("{key} {text:?}: {problem}")),
                None => Err(format!("{key} is neither a string nor a list of strings")),
            };
            match parsed {
                Ok(value) => values.push(value),
                Err(problem) => self.report_fault(Some(item.span()), &problem, &remedy),
            }
        }
        (values.len() == items.len()).then_some(values)
    }

    /// Reports rules that can never match, because an earlier rule covers them. Most often
    /// their order is wrong.
    fn report_unreachable(&mut self, rules: &[PolicyRule<R>]) {
        for (index, rule) in rules.iter().enumerate() {
            let earlier = rules.iter().take(index).find(|earlier| earlier.covers(rule));
            if let Some(earlier) = earlier {
                self.faults.push(PolicyFault {
                    line: Some(rule.line),
                    rule: Some(rule.number),
                    problem: format!(
                        "this rule never applies: rule {} (line {}) already matches all its requests",
                        earlier.number, earlier.line
                    ),
                    remedy: "move it before that rule, or remove it".to_owned(),
                });
            }
        }
    }

    fn report_fault(&mut self, span: Option<Range<usize>>, problem: &str, remedy: &str) {
        self.faults.push(PolicyFault {
            line: span.map(|span| self.line_number(span.start)),
            rule: self.rule,
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }

    fn line_number(&self, offset: usize) -> usize {
        // Bytes, because a span counts bytes and may end within a character.
        let before = self.text.as_bytes().get(..offset).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}
