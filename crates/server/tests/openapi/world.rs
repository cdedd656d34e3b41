//! A gateway in the test's own process, whose every answer is held against the document.

use std::collections::{BTreeMap, BTreeSet};

use maxlab_auth::app::App;
use maxlab_auth::config::{Settings, SettingsSource};
use maxlab_auth::http::docs;
use maxlab_auth::http::serve::serve;
use maxlab_auth::metrics::PrometheusMetrics;
use maxlab_auth_testkit::LyingAuthServer;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A gateway and its authorization server, and every answer held against the document.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) auth: LyingAuthServer,
    pub(crate) document: Value,
    client: reqwest::Client,
    /// Operation ids with the statuses that were really answered.
    pub(crate) seen: BTreeSet<(String, u16)>,
    _data: tempfile::TempDir,
}

pub(crate) const CLIENT: (&str, &str) = ("observer", "a-secret-for-the-introspection-client");

impl World {
    pub(crate) async fn start() -> Self {
        let auth = LyingAuthServer::start().await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let settings = BTreeMap::from([
            ("EXTERNAL_AUTH_URL".to_owned(), auth.url()),
            ("DATA_DIR".to_owned(), data.path().display().to_string()),
            ("UPSTREAM_TIMEOUT_SECONDS".to_owned(), "1".to_owned()),
            (
                "INTROSPECTION_CLIENTS".to_owned(),
                format!("{}:{}", CLIENT.0, CLIENT.1),
            ),
            ("LOGIN_URL".to_owned(), "https://login.example/".to_owned()),
            ("PUBLIC_URL".to_owned(), "http://localhost:8080".to_owned()),
            ("OAUTH_CLIENT_ID".to_owned(), "c".to_owned()),
            ("FRONTCHANNEL_LOGOUT".to_owned(), "true".to_owned()),
            ("IDENTITY_TOKEN".to_owned(), "on".to_owned()),
            ("TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned()),
        ]);
        let (settings, _) = Settings::load(&SettingsSource::from_map(settings)).unwrap();
        PrometheusMetrics::install().unwrap();
        let app = App::open(settings).await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(
            listener,
            app.router(),
            app.serve_limits(),
            std::future::pending(),
        ));
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            url,
            auth,
            document: docs::document(),
            client,
            seen: BTreeSet::new(),
            _data: data,
        }
    }

    /// A good access token of this user with these roles.
    pub(crate) fn token(&self, user: &str, roles: &[&str]) -> String {
        let builder = self
            .auth
            .forge()
            .access_token(user)
            .claim("roles", json!(roles))
            .claim("groups", json!(["g"]));
        let token = builder.sign();
        self.auth.accept_token(&token, builder.claims());
        token
    }

    /// Asks for an operation (`GET /path/{template}`) at an address, and holds the answer against the document.
    pub(crate) async fn ask(
        &mut self,
        operation: &str,
        at: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Answer {
        self.ask_meanwhile(operation, at, with, async {}).await
    }

    /// The same for an answer that ends only after something else was done.
    pub(crate) async fn ask_meanwhile(
        &mut self,
        operation: &str,
        at: &str,
        with: impl FnOnce(RequestBuilder) -> RequestBuilder,
        meanwhile: impl Future<Output = ()>,
    ) -> Answer {
        let (method, path) = operation.split_once(' ').unwrap();
        let described = self.document["paths"][path][method.to_lowercase()].clone();
        assert!(described.is_object(), "{operation} is not described");
        let request = self.client.request(
            Method::from_bytes(method.as_bytes()).unwrap(),
            format!("{}{at}", self.url),
        );
        let response = with(request).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        meanwhile.await;
        let answer = Answer {
            status,
            headers,
            body: response.text().await.unwrap(),
        };
        self.hold(operation, &described, &answer);
        self.seen
            .insert((described["operationId"].as_str().unwrap().to_owned(), status));
        answer
    }

    fn hold(&self, operation: &str, described: &Value, answer: &Answer) {
        let Answer {
            status,
            headers,
            body,
        } = answer;
        let context = format!("{operation} answered {status}: {body}");
        let responses = &described["responses"];
        let said = responses
            .get(status.to_string())
            .or_else(|| responses.get(format!("{}XX", status / 100)));
        let said = self.resolved(said.unwrap_or_else(|| panic!("{context}: that status is not described")));
        for (name, header) in said["headers"].as_object().unwrap() {
            let header = self.resolved(header);
            match headers.get(name) {
                Some(value) => self.fits(&header["schema"], &json!(value.to_str().unwrap()), &context),
                None => assert_ne!(header["required"], true, "{context}: {name} is missing"),
            }
        }
        let kind = headers
            .get("content-type")
            .map(|kind| kind.to_str().unwrap().split(';').next().unwrap().to_owned());
        match (kind, said.get("content")) {
            (None, None) => assert!(body.is_empty(), "{context}"),
            (Some(kind), Some(content)) => {
                let media = content
                    .get(&kind)
                    .unwrap_or_else(|| panic!("{context}: {kind} is not described"));
                let value = if kind.ends_with("json") {
                    serde_json::from_str(body).unwrap()
                } else {
                    json!(body)
                };
                self.fits(&media["schema"], &value, &context);
            }
            (kind, content) => panic!("{context}: it is {kind:?}, and described as {content:?}"),
        }
    }

    fn resolved<'d>(&'d self, value: &'d Value) -> &'d Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(target) => self.document.pointer(&target[1..]).unwrap(),
            None => value,
        }
    }

    fn fits(&self, schema: &Value, value: &Value, context: &str) {
        let mut whole = schema.clone();
        whole["components"] = self.document["components"].clone();
        let validator = jsonschema::options()
            .should_validate_formats(true)
            .build(&whole)
            .unwrap();
        if let Err(fault) = validator.validate(value) {
            panic!("{context}: {fault}");
        }
    }

    /// Every operation with an address of its own, in the order of the document.
    pub(crate) fn operations(&self) -> Vec<(String, String)> {
        let named = |path: &str| {
            path.replace("{session_id}", &"0".repeat(32))
                .replace("/auth/assets/{file}", "/auth/assets/pages-0123456789abcdef.css")
                .replace("{file}", "setup.js")
                .replace("{provider_id}", "default")
                .replace("{id}", "default")
                .replace(['{', '}'], "")
        };
        let mut all = Vec::new();
        for (path, methods) in self.document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                all.push((format!("{} {path}", method.to_uppercase()), named(path)));
            }
        }
        all
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.body);
        self
    }
}
