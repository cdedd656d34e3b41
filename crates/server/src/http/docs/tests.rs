//! The document is valid, its examples fit its schemas, and the page loads only files of the gateway.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::document;

/// Operations of the document: path, method, description.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, fields) in methods.as_object().unwrap() {
            all.push((path.clone(), method.clone(), fields.clone()));
        }
    }
    all
}

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
    for (path, method, fields) in operations(&document) {
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

/// Examples of a body: its own, or that of its schema.
fn examples_of(document: &Value, media: &Value) -> Vec<Value> {
    let named = media["examples"].as_object().into_iter().flatten();
    let mut all: Vec<_> = named.map(|(_, example)| example["value"].clone()).collect();
    all.extend(media.get("example").cloned());
    if let Some(target) = media["schema"]["$ref"].as_str().filter(|_| all.is_empty()) {
        all.extend(document.pointer(&target[1..]).unwrap().get("example").cloned());
    }
    all
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
            let examples = examples_of(&document, media);
            assert!(!examples.is_empty(), "{place} {kind} has no example");
            let validator = validator(&document, &media["schema"]);
            for example in examples {
                let fault = validator.validate(&example).err();
                assert!(fault.is_none(), "{place} {kind}: {}", fault.unwrap());
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
    for (path, method, fields) in operations(&document()) {
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
            let unsafe_method = !matches!(method.as_str(), "get" | "options");
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
    use maxlab_auth_core::revocation::RevocationReason;

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
    assert_eq!(
        of("Revocation/properties/reason"),
        json!(RevocationReason::ALL.map(RevocationReason::as_str))
    );
}

/// A failed derive would leave a description out silently.
#[test]
fn every_header_and_property_of_an_answer_is_described() {
    let document = document();
    for (name, header) in document["components"]["headers"].as_object().unwrap() {
        assert!(header["description"].is_string(), "{name}");
    }
    for name in [
        "Problem",
        "OAuthError",
        "Identity",
        "AuditEvent",
        "Readiness",
        "Introspection",
    ] {
        assert_eq!(
            document["components"]["schemas"][name]["additionalProperties"],
            json!(false),
            "{name}"
        );
    }
}

mod page {
    use axum::extract::Path;
    use axum::http::header;
    use axum::response::IntoResponse as _;

    use crate::http::docs::{file, page};

    const PAGE: &str = include_str!("../../../assets/swagger-ui/index.html");

    #[tokio::test]
    async fn it_loads_only_files_that_the_gateway_has() {
        let mut loaded = 0;
        for attribute in [" src=\"", " href=\""] {
            for rest in PAGE.split(attribute).skip(1) {
                let target = rest.split('"').next().unwrap();
                if let Some(name) = target.strip_prefix("docs/") {
                    let response = file(Path(name.to_owned())).await;
                    assert!(response.is_ok(), "{name}");
                    loaded += 1;
                } else {
                    assert!(["openapi.json", "data:,"].contains(&target), "{target}");
                }
            }
        }
        assert_eq!(loaded, 4);
        let unknown = file(Path("../Cargo.toml".to_owned())).await;
        assert_eq!(unknown.into_response().status(), 404);
    }

    #[tokio::test]
    async fn its_policy_allows_no_inline_script_and_no_other_origin() {
        let response = page().await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        for forbidden in ["unsafe", "http", "*"] {
            assert!(!policy.contains(forbidden), "{policy}");
        }
        for inline in ["<style", " style=", " onload=", " onclick=", "javascript:"] {
            assert!(!PAGE.contains(inline), "{inline}");
        }
        assert!(
            PAGE.split("<script")
                .skip(1)
                .all(|script| script.starts_with(" src="))
        );
    }
}
