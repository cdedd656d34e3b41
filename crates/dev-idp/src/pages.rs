//! The pages a person sees: plain HTML without scripts, everything from outside escaped, nothing loaded from elsewhere.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::DevIdpConfig;
use crate::people::Person;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;\
color:#1c2733;background:#f6f7f9}h1{font-size:1.5rem}.warning{background:#fff4d6;border:1px solid #e0b84c;\
padding:.5rem 1rem;border-radius:.4rem}.refused{background:#fde3e3;border:1px solid #d66;padding:.5rem 1rem;\
border-radius:.4rem}.person{background:#fff;border:1px solid #d5dae0;border-radius:.4rem;padding:.75rem 1rem;\
margin:.75rem 0}.person p{margin:.25rem 0}code{background:#eceff3;padding:.1rem .3rem;border-radius:.2rem;\
overflow-wrap:anywhere}label{display:block;margin:.5rem 0}input{font:inherit;padding:.3rem .5rem;width:16rem}\
button{font:inherit;padding:.35rem 1rem;border:0;border-radius:.3rem;background:#1f5fbf;color:#fff;cursor:pointer}";

/// Contents of the login page. Every text is untrusted until it is escaped here.
pub(crate) struct LoginPage<'a> {
    pub(crate) people: &'a [Person],
    pub(crate) client_id: &'a str,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
    /// Where the form goes.
    pub(crate) action: &'a str,
    /// Initial value of the login field.
    pub(crate) login: &'a str,
    /// `true` if this login was just refused.
    pub(crate) refused: bool,
}

/// The login page: one button for each person, and a form.
pub(crate) fn login(status: StatusCode, page: &LoginPage<'_>) -> Response {
    let action = escaped(page.action);
    let mut body = format!(
        "<p><code>{}</code> wants to sign you in (scope <code>{}</code>). You return to <code>{}</code>.</p>",
        escaped(page.client_id),
        escaped(page.scope),
        escaped(page.redirect_uri),
    );
    if page.refused {
        let login = escaped(page.login);
        let _ = write!(
            body,
            r#"<p class="refused" role="alert">Wrong login or password for “{login}”.</p>"#
        );
    }
    for person in page.people {
        let _ = write!(
            body,
            r#"<form class="person" method="post" action="{action}">{}<input type="hidden" name="login" value="{}"><input type="hidden" name="password" value="{}"><button>Log in as {}</button></form>"#,
            description(person),
            escaped(&person.login),
            escaped(&person.password),
            escaped(&person.login),
        );
    }
    let _ = write!(
        body,
        r#"<h2>Or by hand</h2><form method="post" action="{action}"><label>Login <input name="login" value="{}" autocomplete="off"></label><label>Password <input name="password" type="password" autocomplete="off"></label><button>Log in</button></form>"#,
        escaped(page.login),
    );
    page_of(status, "Log in", &body)
}

/// The welcome page: what this is, who can log in, which clients there are.
pub(crate) fn welcome(config: &DevIdpConfig) -> Response {
    let mut body = format!(
        "<p>Issuer <code>{}</code>. Start at a client; it sends you to <code>/oauth/authorize</code>. \
         What the server can do is at <a href=\"/.well-known/openid-configuration\">its metadata</a>.</p>\
         <h2>People</h2>",
        escaped(&config.issuer)
    );
    for person in &config.people {
        let _ = write!(body, r#"<div class="person">{}</div>"#, description(person));
    }
    body.push_str("<h2>Clients</h2><ul>");
    for client in &config.clients {
        let kind = if client.is_confidential() {
            "confidential"
        } else {
            "public"
        };
        let _ = write!(body, "<li><code>{}</code> ({kind})</li>", escaped(&client.id));
    }
    body.push_str("</ul>");
    page_of(
        StatusCode::OK,
        "maxlab-auth development authorization server",
        &body,
    )
}

/// An error page. The text is a constant of this crate and never comes from the request.
pub(crate) fn fault(status: StatusCode, text: &'static str) -> Response {
    page_of(
        status,
        "This request cannot be answered",
        &format!(r#"<p class="refused">{}</p>"#, escaped(text)),
    )
}

fn description(person: &Person) -> String {
    let mut text = format!(
        "<p><strong>{}</strong> · login <code>{}</code> · password <code>{}</code></p>",
        escaped(person.claims.name.as_deref().unwrap_or(&person.login)),
        escaped(&person.login),
        escaped(&person.password),
    );
    let lists = [
        ("roles", &person.claims.roles),
        ("groups", &person.claims.groups),
        ("workspaces", &person.claims.workspaces),
    ];
    for (name, list) in lists {
        if !list.is_empty() {
            let _ = write!(text, "<p>{name}: {}</p>", escaped(&list.join(", ")));
        }
    }
    text
}

fn page_of(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escaped(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\
         <body><h1>{title}</h1><p class=\"warning\">For development only: anyone can read these passwords.</p>\
         {body}</body></html>"
    );
    let style = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
    // No form-action: browsers apply it to the redirect after the form too, and that one leads to the client.
    let policy =
        format!("default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; frame-ancestors 'none'");
    let mut response = (status, Html(html)).into_response();
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Text that can stand in an element or a quoted attribute and stays text.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
