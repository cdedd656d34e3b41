//! Completes the derived document with what the layers around the handlers do: failures that every route has, and
//! headers that every answer has.

use serde_json::{Map, Value, json};

use super::failures::{SHARED_RESPONSES, shared_response};
use super::headers::header_component;

/// Failures of any request, from the layers (`http/layers`).
const LAYER_FAILURES: [(&str, &str); 8] = [
    ("400", "BadRequest"),
    ("408", "RequestTimeout"),
    ("413", "PayloadTooLarge"),
    ("414", "UriTooLong"),
    ("431", "HeadersTooLarge"),
    ("500", "InternalError"),
    ("501", "UnsupportedTransferCoding"),
    ("503", "Unavailable"),
];
/// Failures of a route that takes the credential of a user.
const CREDENTIAL_FAILURES: [(&str, &str); 2] = [("401", "Unauthorized"), ("429", "RateLimited")];

pub(super) fn complete(mut document: Value) -> Value {
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["info"]["summary"] =
        "An authentication gateway in front of an OAuth 2.0 authorization server.".into();
    let shared = SHARED_RESPONSES
        .iter()
        .map(|response| (response.name.to_owned(), shared_response(response)));
    document["components"]["responses"] = Value::Object(shared.collect());
    refine_requests(&mut document["components"]["schemas"]);
    let mut components = Map::new();
    for path in members_mut(&mut document["paths"]) {
        complete_path(path, &mut components);
    }
    for response in members_mut(&mut document["components"]["responses"]) {
        // The answer 431 comes from below HTTP, without headers.
        if response.get("content").is_some() {
            refer_to_headers(response, &mut components);
        }
    }
    document["components"]["headers"] = Value::Object(components);
    document
}

/// Adds the rules about members of requests that no Rust type can express.
fn refine_requests(schemas: &mut Value) {
    let one_of_these = ["refresh_token", "access_token", "token"].map(|name| json!({ "required": [name] }));
    schemas["ValidateRequest"]["anyOf"] = json!(one_of_these);
    schemas["CutoffRequest"]["minProperties"] = 1.into();
    schemas["CutoffRequest"]["maxProperties"] = 1.into();
    for name in ["TokenRequest", "ValidateRequest", "TokenReference"] {
        // Unknown parameters are passed on or ignored, but each must be a plain value.
        schemas[name]["additionalProperties"] = json!({ "type": ["string", "number", "boolean", "null"] });
    }
}

fn complete_path(path: &mut Value, components: &mut Map<String, Value>) {
    let Some(methods) = path.as_object_mut() else {
        return;
    };
    let is_one_of_many = methods.len() > 1;
    for (method, operation) in methods {
        let is_safe = matches!(method.as_str(), "get" | "options");
        if is_one_of_many {
            let id = operation["operationId"].as_str().unwrap_or_default();
            let suffix = method[..1].to_uppercase() + &method[1..];
            operation["operationId"] = format!("{id}{suffix}").into();
        }
        if operation.get("security").is_none() {
            operation["security"] = json!([]);
        }
        let takes_session = operation["security"]
            .as_array()
            .is_some_and(|ways| ways.iter().any(|way| way.get("session").is_some()));
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten() {
            // The derived type of an optional parameter has `null`, which no query can express.
            let kind = &mut parameter["schema"]["type"];
            if let Some(first) = kind.as_array().and_then(|kinds| kinds.first()) {
                *kind = first.clone();
            }
        }
        let Some(responses) = operation["responses"].as_object_mut() else {
            continue;
        };
        for (_, response) in responses.iter_mut() {
            refer_to_headers(response, components);
        }
        // Only a browser that opens a page is redirected to the login.
        if method != "get" {
            responses.remove("302");
        }
        let credential: &[_] = if takes_session { &CREDENTIAL_FAILURES } else { &[] };
        for (status, name) in LAYER_FAILURES.iter().chain(credential) {
            let entry = responses.entry(*status);
            entry.or_insert_with(|| reference("responses", name));
        }
        if takes_session && !is_safe {
            require_same_origin(responses);
        }
    }
}

/// Adds the refusal of an unsafe request with the cookie that does not prove its origin.
fn require_same_origin(responses: &mut Map<String, Value>) {
    let denied = responses.get("403").and_then(|it| it["$ref"].as_str());
    let name = match denied.and_then(|it| it.rsplit('/').next()) {
        Some(denied) => format!("{denied}OrCrossSite"),
        None => "CrossSite".to_owned(),
    };
    responses.insert("403".to_owned(), reference("responses", &name));
}

/// Replaces the headers of a response by references to their one description. A header that may be absent has the
/// type `Option`, which derives as a type with `null`.
fn refer_to_headers(response: &mut Value, components: &mut Map<String, Value>) {
    if response.get("$ref").is_some() {
        return;
    }
    let mut references = Map::new();
    let described = response["headers"].as_object().cloned().unwrap_or_default();
    for (name, header) in described.iter().chain([(&"X-Request-ID".to_owned(), &json!({}))]) {
        let is_optional = header["schema"]["type"].is_array();
        let component = if is_optional {
            format!("{name}-Optional")
        } else {
            name.clone()
        };
        references.insert(name.clone(), reference("headers", &component));
        components
            .entry(component)
            .or_insert_with(|| header_component(name, !is_optional));
    }
    response["headers"] = Value::Object(references);
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn members_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(Map::values_mut)
}
