//! The document is a valid one, its examples are what its schemas say, and the page shows all of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{document, operations};

/// Every value of the document with its place, the root first.
fn walk<'d>(value: &'d Value, place: &str, visit: &mut dyn FnMut(&str, &'d Value)) {
    visit(place, value);
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                walk(
                    value,
                    &format!("{place}/{}", name.replace('~', "~0").replace('/', "~1")),
                    visit,
                );
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                walk(item, &format!("{place}/{at}"), visit);
            }
        }
        _ => {}
    }
}

/// A schema of the document, with everything that it refers to.
fn validator(document: &Value, schema: &Value) -> jsonschema::Validator {
    let mut whole = schema.clone();
    whole["components"] = document["components"].clone();
    jsonschema::options()
        .should_validate_formats(true)
        .build(&whole)
        .unwrap()
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_led_to() {
    let document = document();
    let mut used = BTreeSet::new();
    walk(&document, "", &mut |place, value| {
        if let Some(target) = value.get("$ref").and_then(Value::as_str) {
            let pointer = target.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{place} refers to {target}");
            used.insert(pointer.to_owned());
        }
    });
    for kind in ["schemas", "responses", "headers"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            assert!(
                used.contains(&format!("/components/{kind}/{name}")),
                "nothing uses the {kind} {name}"
            );
        }
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_words_and_a_known_tag() {
    let document = document();
    let tags: BTreeSet<_> = document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for operation in operations() {
        let (path, method, fields) = operation.into_parts();
        assert!(
            places.insert((path, method)),
            "{method} {path} is described twice"
        );
        let text = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
        assert!(
            !text("operationId").is_empty() && ids.insert(text("operationId")),
            "{method} {path}"
        );
        assert!(
            !text("summary").is_empty() && !text("description").is_empty(),
            "{method} {path}"
        );
        assert!(
            tags.contains(fields["tags"][0].as_str().unwrap()),
            "{method} {path}"
        );
        let statuses = fields["responses"].as_object().unwrap();
        assert!(
            statuses.keys().any(|status| status.starts_with(['2', '3'])),
            "{method} {path} never succeeds"
        );
        for name in path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        {
            let described = fields["parameters"].as_array().unwrap();
            assert!(
                described
                    .iter()
                    .any(|p| p["name"] == name && p["in"] == "path" && p["required"] == true)
            );
        }
    }
}

#[test]
fn every_body_has_examples_and_each_fits_its_schema() {
    let document = document();
    let mut checked = 0;
    walk(&document, "", &mut |place, value| {
        let Some(content) = value.get("content").filter(|_| !place.contains("/example")) else {
            return;
        };
        for (kind, media) in content.as_object().unwrap() {
            let examples = media["examples"].as_object().unwrap();
            assert!(!examples.is_empty(), "{place} {kind} has no example");
            let validator = validator(&document, &media["schema"]);
            for (name, example) in examples {
                let fault = validator.validate(&example["value"]).err();
                assert!(fault.is_none(), "{place} {kind} {name}: {}", fault.unwrap());
                checked += 1;
            }
        }
    });
    assert!(checked > 50, "only {checked} examples were found");
}

#[test]
fn every_parameter_and_header_has_an_example_that_fits() {
    let document = document();
    let mut checked = 0;
    walk(&document, "", &mut |place, value| {
        let parameter = value.get("in").is_some() && value.get("schema").is_some();
        let header = place.starts_with("/components/headers/") && place.matches('/').count() == 3;
        if parameter || header {
            let fault = validator(&document, &value["schema"])
                .validate(&value["example"])
                .err();
            assert!(fault.is_none(), "{place}: {}", fault.unwrap());
            checked += 1;
        }
    });
    assert!(checked > 20, "only {checked} were found");
}

#[test]
fn what_the_layers_answer_is_said_of_every_operation() {
    for operation in operations() {
        let (path, method, fields) = operation.into_parts();
        for status in ["400", "408", "413", "414", "431", "500", "503"] {
            assert_ne!(
                fields["responses"][status],
                Value::Null,
                "{method} {path} may answer {status}"
            );
        }
        if fields["security"]
            .as_array()
            .unwrap()
            .iter()
            .any(|way| way.get("session").is_some())
        {
            assert_ne!(fields["responses"]["401"], Value::Null, "{method} {path}");
            let unsafe_method = !matches!(method, "get" | "options");
            let cross_site = fields["responses"]["403"].to_string().contains("CrossSite");
            assert_eq!(
                unsafe_method, cross_site,
                "{method} {path} and a cookie from another site"
            );
        }
    }
}

#[test]
fn the_words_of_the_code_are_the_words_of_the_document() {
    use maxlab_auth_core::identity::VerificationSource as Source;
    use maxlab_auth_core::revocation::Reason;

    let document = document();
    let of = |pointer: &str| {
        document
            .pointer(&format!("/components/schemas/{pointer}/enum"))
            .unwrap()
            .clone()
    };
    let sources = [
        Source::OauthUserinfo,
        Source::TraditionalAuth,
        Source::Introspection,
        Source::LocalJwt,
    ];
    assert_eq!(
        of("Identity/properties/verification_source"),
        json!(sources.map(Source::as_str))
    );
    for word in of("Revocation/properties/reason").as_array().unwrap() {
        assert_eq!(
            Reason::parse(word.as_str().unwrap()).as_str(),
            word.as_str().unwrap()
        );
    }
}

mod page {
    use super::*;
    use crate::http::docs::page::Page;

    fn page() -> Page {
        let order: Vec<_> = operations().map(|operation| operation.place()).collect();
        Page::of(&document(), &order)
    }

    #[test]
    fn it_shows_every_operation_and_schema() {
        let page = page();
        for operation in operations() {
            let (path, _, fields) = operation.into_parts();
            let id = fields["operationId"].as_str().unwrap();
            assert!(
                page.html
                    .contains(&format!("<article class=\"operation\" id=\"{id}\"")),
                "{id}"
            );
            assert!(page.html.contains(path), "{path}");
        }
        for name in document()["components"]["schemas"].as_object().unwrap().keys() {
            assert!(page.html.contains(&format!("id=\"schema-{name}\"")), "{name}");
        }
    }

    #[test]
    fn every_link_on_it_leads_to_a_place_on_it() {
        let html = page().html;
        let ids: Vec<_> = html
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap())
            .collect();
        assert_eq!(
            ids.len(),
            ids.iter().collect::<BTreeSet<_>>().len(),
            "an id is there twice"
        );
        let links = html
            .split("href=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap());
        for link in links.filter(|link| !["openapi.json", "data:,"].contains(link) && !link.contains('$')) {
            let id = link
                .strip_prefix('#')
                .unwrap_or_else(|| panic!("{link} leads elsewhere"));
            assert!(ids.contains(&id), "{link} leads nowhere");
        }
    }

    #[test]
    fn it_loads_nothing_and_runs_only_what_its_policy_names() {
        let Page { html, policy } = page();
        let policy = policy.to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none';") && !policy.contains("unsafe"),
            "{policy}"
        );
        for (tag, directive) in [("style", "style-src"), ("script", "script-src")] {
            let (begin, end) = (format!("<{tag}>"), format!("</{tag}>"));
            let mut inline = html.split(&begin).skip(1);
            let text = inline.next().unwrap().split(&end).next().unwrap();
            assert!(inline.next().is_none(), "there is more than one {tag}");
            let hash = crate::http::docs::page::hash(text);
            assert!(
                policy.contains(&format!("{directive} '{hash}'")),
                "{directive} is not {hash}"
            );
        }
        for junk in [" src=", " style=", " onclick=", "@import", "url(", "javascript:"] {
            assert!(!html.contains(junk), "{junk}");
        }
    }

    #[test]
    fn its_command_lines_are_whole() {
        let html = page()
            .html
            .replace("<span class=\"origin\">", "")
            .replace("</span>", "")
            .replace("&#39;", "'");
        for line in [
            "curl -i 'http://127.0.0.1:8080/oauth/authorize?response_type=code&amp;client_id=maxlab%2Ddev",
            "--data-urlencode 'grant_type=authorization_code'",
            "-H 'Content-Type: application/json'",
            "-H &quot;Authorization: Bearer $ACCESS_TOKEN&quot;",
            "-u &quot;$CLIENT_ID:$CLIENT_SECRET&quot;",
            "curl -i 'http://127.0.0.1:8080/api/v1/auth/access/groups/engineering'",
        ] {
            assert!(html.contains(line), "{line}");
        }
    }
}
