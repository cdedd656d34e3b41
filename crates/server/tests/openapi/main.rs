//! `/openapi.json` is true: it has the router's routes and no others, and real answers are what it says they are.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod refusals;
mod successes;
mod world;

use std::collections::BTreeSet;

use maxlab_auth::http::docs;

/// The routes of the router's source: each path with its methods.
fn routes_of_the_router() -> BTreeSet<(String, String)> {
    let source = include_str!("../../src/http/router.rs");
    let mut routes = BTreeSet::new();
    for call in source.split(".route(").skip(1) {
        let (path, methods) = call
            .trim_start()
            .strip_prefix('"')
            .unwrap()
            .split_once('"')
            .unwrap();
        let methods = methods.split([';', '}']).next().unwrap();
        for method in ["get", "post", "put", "patch", "delete", "any"] {
            let named =
                |at: usize| !methods[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
            if methods
                .match_indices(&format!("{method}("))
                .any(|(at, _)| named(at))
            {
                routes.insert((path.to_owned(), method.to_owned()));
            }
        }
    }
    routes
}

#[test]
fn the_document_has_the_routes_of_the_router_and_no_others() {
    let document = docs::document();
    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        described.extend(
            methods
                .as_object()
                .unwrap()
                .keys()
                .map(|method| (path.clone(), method.clone())),
        );
    }
    let mut routes = routes_of_the_router();
    // A path of any method is described with each that a description can have, HEAD standing with GET.
    let any: Vec<_> = routes
        .iter()
        .filter(|(_, method)| method == "any")
        .cloned()
        .collect();
    for (path, method) in any {
        routes.remove(&(path.clone(), method));
        let each = ["get", "post", "put", "patch", "delete", "options"];
        routes.extend(each.map(|method| (path.clone(), method.to_owned())));
    }
    assert!(
        routes.len() > 20,
        "the router's source is no longer read right: {routes:?}"
    );
    assert_eq!(described, routes);
}
