//! How one operation is put into words: a method on a path, what it takes, and everything that may come of it.

use serde_json::{Map, Value, json};

use super::answers;

/// A way to be let in: a bearer token, or the session cookie.
pub(super) const USER: &[&str] = &["bearer", "session"];
/// The session cookie alone.
pub(super) const SESSION: &[&str] = &["session"];
/// A client that proves itself or, as an empty word says, does so in the body or not at all.
pub(super) const CLIENT: &[&str] = &["client", ""];

/// An example: what it shows, and the value itself.
pub(super) type Example = (&'static str, Value);

/// One operation.
pub(super) struct Operation {
    path: &'static str,
    method: &'static str,
    fields: Map<String, Value>,
    parameters: Vec<Value>,
    responses: Map<String, Value>,
}

impl Operation {
    /// An operation that anybody may ask for. `id` names it in clients that are made from the document.
    pub(super) fn new(method: &'static str, path: &'static str, id: &str, summary: &str) -> Self {
        let mut fields = Map::new();
        fields.insert("operationId".into(), id.into());
        fields.insert("summary".into(), summary.into());
        fields.insert("security".into(), json!([]));
        Self {
            path,
            method,
            fields,
            parameters: Vec::new(),
            responses: Map::new(),
        }
        .may_fail(answers::ANYWHERE)
    }

    pub(super) fn tagged(mut self, tag: &str) -> Self {
        self.fields.insert("tags".into(), json!([tag]));
        self
    }

    /// More than the summary says. A blank line begins a paragraph; backquotes mark code.
    pub(super) fn described(mut self, text: &str) -> Self {
        self.fields.insert("description".into(), text.into());
        self
    }

    /// Any one of these security schemes lets in; an empty word means that none is needed.
    pub(super) fn secured(mut self, schemes: &[&str]) -> Self {
        let ways = schemes.iter().map(|scheme| {
            if scheme.is_empty() {
                json!({})
            } else {
                json!({ *scheme: [] })
            }
        });
        self.fields.insert("security".into(), ways.collect());
        self
    }

    pub(super) fn taking(mut self, parameter: Value) -> Self {
        self.parameters.push(parameter);
        self
    }

    pub(super) fn with_body(mut self, body: Value) -> Self {
        self.fields.insert("requestBody".into(), body);
        self
    }

    pub(super) fn answers(mut self, status: &str, answer: Value) -> Self {
        self.responses.insert(status.to_owned(), answer);
        self
    }

    /// Failures that other operations have too: pairs of a status and the name of a shared answer.
    pub(super) fn may_fail(mut self, failures: &[(&str, &str)]) -> Self {
        for (status, name) in failures {
            let answer = json!({ "$ref": format!("#/components/responses/{name}") });
            self.responses.insert((*status).to_owned(), answer);
        }
        self
    }

    /// Its path and its method.
    pub(super) fn place(&self) -> (&'static str, &'static str) {
        (self.path, self.method)
    }

    /// Its path, its method and what stands there in the document.
    pub(super) fn into_parts(mut self) -> (&'static str, &'static str, Value) {
        if !self.parameters.is_empty() {
            self.fields
                .insert("parameters".into(), Value::Array(self.parameters));
        }
        self.fields
            .insert("responses".into(), Value::Object(self.responses));
        (self.path, self.method, Value::Object(self.fields))
    }
}

/// A reference to a schema.
pub(super) fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// A body of one kind, by the name of its schema.
pub(super) fn media(kind: &str, name: &str, examples: &[Example]) -> Value {
    json!({ kind: { "schema": schema(name), "examples": named(examples) } })
}

/// An answer with a body and, beside `X-Request-ID`, the headers of these names; a name with `?` may be absent.
pub(super) fn answer(description: &str, headers: &[&str], content: Value) -> Value {
    let mut answer = json!({ "description": description, "headers": answers::headers_of(headers) });
    if content.is_object() {
        answer["content"] = content;
    }
    answer
}

/// A JSON answer.
pub(super) fn json_answer(description: &str, headers: &[&str], name: &str, examples: &[Example]) -> Value {
    answer(description, headers, media("application/json", name, examples))
}

/// The body of an OAuth endpoint: the form of RFC 6749, or the guide's JSON, with the same parameters.
pub(super) fn form_or_json(name: &str, examples: &[Example]) -> Value {
    let of = json!({ "schema": schema(name), "examples": named(examples) });
    json!({ "required": true, "content": { "application/x-www-form-urlencoded": of, "application/json": of } })
}

/// A parameter of the path.
pub(super) fn path(name: &str, description: &str, schema: Value, example: &str) -> Value {
    let mut parameter = query(name, description, schema, example);
    parameter["in"] = "path".into();
    required(parameter)
}

/// A parameter of the query, which may be left out.
pub(super) fn query(name: &str, description: &str, schema: Value, example: impl Into<Value>) -> Value {
    let mut parameter = json!({ "name": name, "in": "query", "description": description });
    parameter["schema"] = schema;
    parameter["example"] = example.into();
    parameter
}

/// A header of the request, which may be left out.
pub(super) fn request_header(name: &str, description: &str, schema: Value, example: &str) -> Value {
    let mut parameter = query(name, description, schema, example);
    parameter["in"] = "header".into();
    parameter
}

/// The same parameter, to be given always.
pub(super) fn required(mut parameter: Value) -> Value {
    parameter["required"] = true.into();
    parameter
}

fn named(examples: &[Example]) -> Value {
    let name = |summary: &str| {
        let words: Vec<String> = summary
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        words.join("-")
    };
    let object: Map<String, Value> = examples
        .iter()
        .map(|(summary, value)| (name(summary), json!({ "summary": summary, "value": value })))
        .collect();
    Value::Object(object)
}
