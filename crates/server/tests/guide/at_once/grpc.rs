//! The gRPC door is told at once what its routes would tell it.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
use maxlab_auth::http::ext_authz;
use maxlab_auth::http::peer::PeerAddr;
use maxlab_auth_ext_authz::{CheckDecider, FastPathRequest};
use maxlab_auth_testkit::Actor as _;

use super::{lease, someone};
use crate::forward_auth::NO_HOSTS;
use crate::gateway::World;
use crate::policy::{POLICY, world_with};

const PROXY: &str = "127.0.0.1:4711";

fn door(world: &World) -> Arc<dyn CheckDecider> {
    let app = &world.gateway.app;
    ext_authz::router_decider(app.router(), app.fast_path())
}

/// A question about a request for this method, host and target.
struct Asked<'q> {
    told: [&'q str; 3],
    query: &'q str,
    fields: Vec<(&'q str, &'q str)>,
}

impl Asked<'_> {
    fn plain(&self) -> FastPathRequest<'_> {
        let [method, host, target] = self.told;
        let fields = self.fields.iter().map(|(name, value)| (*name, value.as_bytes()));
        FastPathRequest {
            query: Cow::Borrowed(self.query),
            method,
            host,
            target,
            client: None,
            fields: fields.collect(),
        }
    }

    fn request(&self) -> Request<()> {
        let names = ["x-forwarded-method", "x-forwarded-host", "x-forwarded-uri"];
        let told = names
            .into_iter()
            .zip(self.told)
            .filter(|(_, told)| !told.is_empty());
        let mut request = Request::builder()
            .uri(format!("/auth/verify?{}", self.query))
            .header("host", "localhost");
        for (name, value) in told.chain(self.fields.iter().copied()) {
            request = request.header(name, value);
        }
        let peer = PeerAddr::Proxy(PROXY.parse::<SocketAddr>().unwrap());
        request.extension(peer).body(()).unwrap()
    }
}

/// What is told at once, and what the routes tell, where that is a yes.
async fn both(door: &Arc<dyn CheckDecider>, asked: &Asked<'_>) -> [Option<Vec<(HeaderName, String)>>; 2] {
    let answer = door.decide(asked.request()).await;
    let identity = |headers: &HeaderMap<HeaderValue>| {
        let names = ext_authz::identity_header_names();
        let text = |name| {
            let value = headers.get(&name)?.as_bytes().to_vec();
            Some((String::from_utf8(value).ok()?, name))
        };
        let mut told: Vec<_> = names.filter_map(text).map(|(text, name)| (name, text)).collect();
        told.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        told
    };
    let routes = (answer.status() == 200).then(|| identity(answer.headers()));
    let at_once = door.try_decide(&asked.plain()).map(|mut told| {
        told.sort_by(|one, other| one.0.as_str().cmp(other.0.as_str()));
        told
    });
    [at_once, routes]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_at_once_is_what_the_routes_tell() {
    for settings in [&[][..], &[("IDENTITY_TOKEN", "true")]] {
        let world = World::embedded(settings).await;
        let token = someone(&world).await;
        let bearer = format!("Bearer {token}");
        let good = || vec![("authorization", bearer.as_str())];
        let with = |more: (&'static str, &'static str)| [good(), vec![more]].concat();
        let told = ["GET", "app.example", "/reports?page=2"];
        let table = [
            (true, told, "", good()),
            (true, told, "group=c&role=100%25", good()),
            (true, ["POST", "app.example:8443", "/"], "", good()),
            (true, ["", "", ""], "", good()),
            (true, told, "", with(("cookie", "other=1"))),
            (true, told, "", with(("x-request-id", "from-envoy"))),
            (true, told, "", with(("x-request-id", "not one"))),
            (true, told, "", with(("remote-user", "root"))),
            (false, told, "group=z", good()),
            (false, told, "roles=a", good()),
            (false, told, "", vec![]),
            (false, told, "", vec![("authorization", "Bearer nobody")]),
            (false, told, "", vec![("authorization", "Basic YTpi")]),
            (false, told, "", with(("authorization", "Bearer other"))),
        ];
        let door = door(&world);
        for (yes, told, query, fields) in table {
            let asked = Asked { told, query, fields };
            let [at_once, routes] = both(&door, &asked).await;
            assert_eq!(at_once, routes, "{told:?} {query} {:?}", asked.fields);
            assert_eq!(at_once.is_some(), yes, "{told:?} {query} {:?}", asked.fields);
        }
        let login = world.log_in("user-1").await;
        login.browser.get("/auth/verify").await.expect_status(200);
        let cookie = format!("a=1; maxlab_session={}", login.cookie());
        for (yes, method) in [(true, "GET"), (true, "HEAD"), (true, ""), (false, "POST")] {
            let asked = Asked {
                told: [method, "app.example", "/"],
                query: "",
                fields: vec![("cookie", &cookie)],
            };
            let [at_once, routes] = both(&door, &asked).await;
            assert_eq!(at_once, routes, "{method}");
            assert_eq!(at_once.is_some(), yes, "{method}");
        }
        // These pass, and want a closer look.
        for (told, more) in [
            (["get", "app.example", "/"], ("x-other", "1")),
            (told, ("cookie", "maxlab_session=x")),
        ] {
            let asked = Asked {
                told,
                query: "",
                fields: with(more),
            };
            assert_eq!(door.try_decide(&asked.plain()), None, "{more:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_decides_at_once_as_it_does_by_the_routes() {
    let (world, _, _folder) = world_with(POLICY, &[]).await;
    lease(&world).await;
    let token = someone(&world).await;
    let bearer = format!("Bearer {token}");
    let door = door(&world);
    let mut passed = 0;
    for target in [
        "/",
        "/assets/x",
        "/admin/x",
        "/internal/x",
        "/w/x",
        "/assets/../admin",
        "//x",
        "/a%2fb",
        "",
    ] {
        for method in ["GET", "POST", ""] {
            for host in ["app.example", "other.example", "app.example.", ""] {
                for fields in [vec![], vec![("authorization", bearer.as_str())]] {
                    let asked = Asked {
                        told: [method, host, target],
                        query: "",
                        fields,
                    };
                    let [at_once, routes] = both(&door, &asked).await;
                    assert!(at_once.is_none() || at_once == routes, "{:?}", asked.told);
                    passed += usize::from(at_once.is_some());
                    let plain = asked.fields.is_empty() || routes.is_none();
                    assert!(plain || at_once == routes, "{:?}", asked.told);
                }
            }
        }
    }
    assert!(passed > 10, "{passed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_a_moment_ago_is_not_told_at_once() {
    let world = World::embedded(&[]).await;
    let token = someone(&world).await;
    let bearer = format!("Bearer {token}");
    let asked = Asked {
        told: ["GET", "app.example", "/"],
        query: "",
        fields: vec![("authorization", &bearer)],
    };
    let door = door(&world);
    assert!(door.try_decide(&asked.plain()).is_some());
    world
        .bearer(&token)
        .post("/api/v1/auth/logout")
        .await
        .expect_status(200);
    assert_eq!(both(&door, &asked).await, [None, None]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s6_a_host_that_is_none_is_no_yes_below_the_routes_either() {
    let world = World::embedded(&[]).await;
    let bearer = format!("Bearer {}", someone(&world).await);
    lease(&world).await;
    let door = door(&world);
    let good = [("app.example", true), ("app.example:8443", true)];
    for (host, is_good) in NO_HOSTS.map(|host| (host, false)).into_iter().chain(good) {
        let asked = Asked {
            told: ["GET", host, "/page"],
            query: "",
            fields: vec![("authorization", bearer.as_str())],
        };
        let [at_once, routes] = both(&door, &asked).await;
        assert_eq!(
            (at_once.is_some(), routes.is_some()),
            (is_good, is_good),
            "{host}"
        );
    }
}
