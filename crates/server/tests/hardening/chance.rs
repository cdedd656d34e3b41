//! Random requests that are nearly right: real routes, real credentials, and junk where it hurts.

use std::sync::Arc;

use maxlab_auth_testkit::SeededRandom;

const METHODS: [&str; 9] = [
    "GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE", "FUZZ",
];
const ROUTES: [&str; 22] = [
    "/oauth/authorize",
    "/oauth/token",
    "/oauth/token/validate",
    "/oauth/userinfo",
    "/oauth/revoke",
    "/oauth/introspect",
    "/api/v1/auth/me",
    "/api/v1/auth/logout",
    "/api/v1/auth/logout/all",
    "/api/v1/auth/sessions",
    "/api/v1/auth/sessions/rotate",
    "/api/v1/auth/sessions/",
    "/api/v1/auth/access/admin",
    "/api/v1/auth/access/groups/",
    "/api/v1/auth/access/workspaces/",
    "/api/v1/admin/denylist",
    "/api/v1/admin/audit",
    "/api/v1/admin/users/",
    "/health",
    "/openapi.json",
    "/docs",
    "/metrics",
];
const WORDS: [&str; 44] = [
    "grant_type",
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "code",
    "client_id",
    "client_secret",
    "redirect_uri",
    "code_verifier",
    "token",
    "token_type_hint",
    "access_token",
    "username",
    "password",
    "scope",
    "state",
    "limit",
    "after",
    "since",
    "kind",
    "user_id",
    "logout_all_devices",
    "true",
    "null",
    "-1",
    "1e999",
    "99999999999999999999",
    "%00",
    "%ff",
    "%",
    "\u{202e}",
    "../",
    "' OR '1'='1",
    "\"",
    "{}",
    "[]",
    "a",
    "",
    "2026-01-01T00:00:00Z",
    "https://app.example/cb",
    "S256",
    "response_type",
    "&",
    "=",
];

/// Makes requests, most of which mean something to some route.
pub(crate) struct Attacker {
    /// Chance.
    pub(crate) random: SeededRandom,
    /// Values of headers that let somebody in, and some that do not.
    pub(crate) credentials: Arc<Vec<String>>,
}

impl Attacker {
    /// The next request, whole.
    pub(crate) fn request(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let method = random.choose(&METHODS);
        let mut target = random.choose(&ROUTES).to_owned().into_bytes();
        if random.below(3) == 0 {
            target.extend(escaped(random));
        }
        if random.below(2) == 0 {
            target.push(b'?');
            target.extend(self.pairs());
        }
        let body = self.body();
        let mut request = [method.as_bytes(), b" ", &target, b" HTTP/1.1\r\nhost: x\r\n"].concat();
        request.extend(self.headers());
        request.extend(format!("content-length: {}\r\n\r\n", body.len()).into_bytes());
        request.extend(body);
        request
    }

    /// `name=value` pairs, mostly of words that mean something somewhere.
    fn pairs(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        let mut pairs = Vec::new();
        for _ in 0..random.below(8) {
            for end in [b'=', b'&'] {
                pairs.extend(if random.below(4) == 0 {
                    escaped(random)
                } else {
                    percent(random.choose(&WORDS))
                });
                pairs.push(end);
            }
        }
        pairs
    }

    fn headers(&mut self) -> Vec<u8> {
        let mut headers = Vec::new();
        for _ in 0..self.random.below(5) {
            let name = self.random.choose(&[
                "authorization",
                "cookie",
                "content-type",
                "origin",
                "x-session-id",
                "x-request-id",
                "x-forwarded-for",
                "accept",
                "sec-fetch-site",
                "if-none-match",
                "range",
                "expect",
                "content-encoding",
                "user-agent",
            ]);
            let value = match self.random.below(4) {
                0 => self
                    .random
                    .bytes(60)
                    .into_iter()
                    .filter(|byte| *byte >= 0x20 && *byte != 0x7f)
                    .collect(),
                1 => {
                    let which = self.random.below(self.credentials.len());
                    self.credentials[which].clone().into_bytes()
                }
                2 => b"application/json".to_vec(),
                _ => b"application/x-www-form-urlencoded".to_vec(),
            };
            // 100-continue is a conversation that this attacker does not hold.
            if name != "expect" {
                headers.extend([name.as_bytes(), b": ", &value, b"\r\n"].concat());
            }
        }
        headers
    }

    fn body(&mut self) -> Vec<u8> {
        match self.random.below(5) {
            0 => Vec::new(),
            1 => self.random.bytes(300),
            2 => self.pairs(),
            3 => json(&mut self.random, 0).into_bytes(),
            _ => {
                let mut text = json(&mut self.random, 0).into_bytes();
                let at = self.random.below(text.len().max(1)).min(text.len());
                let junk = self.random.bytes(3);
                text.splice(at..at, junk);
                text
            }
        }
    }
}

fn escaped(random: &mut SeededRandom) -> Vec<u8> {
    let bytes = random.bytes(12);
    bytes
        .iter()
        .flat_map(|byte| format!("%{byte:02x}").into_bytes())
        .collect()
}

fn percent(word: &str) -> Vec<u8> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    word.bytes()
        .flat_map(|byte| {
            if plain(byte) {
                vec![byte]
            } else {
                format!("%{byte:02X}").into_bytes()
            }
        })
        .collect()
}

fn json(random: &mut SeededRandom, depth: usize) -> String {
    match random.below(if depth > 3 { 4 } else { 7 }) {
        0 => format!("{:?}", random.choose(&WORDS)),
        1 => random
            .choose(&["1", "-1", "1e9", "1e999", "0.1", "true", "false", "null"])
            .to_owned(),
        2 => "\"\\ud800\"".to_owned(),
        3 => String::new(),
        4 => {
            let items: Vec<String> = (0..random.below(4)).map(|_| json(random, depth + 1)).collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let members: Vec<String> = (0..random.below(5))
                .map(|_| format!("{:?}:{}", random.choose(&WORDS), json(random, depth + 1)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}
