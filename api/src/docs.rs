//! The page that describes every route to people: from the same table and types as openapi.json, and without anything
//! that a browser would have to fetch.

mod shapes;

use std::{fmt::Write, sync::LazyLock};

use axum::http::{HeaderValue, header};
use schemars::{Schema, json_schema};
use serde_json::Value;

use crate::{
    call::Call,
    errors::ApiError,
    openapi,
    reply::{Document, File},
    routes::{self, Access, Query, Route, Subject},
};

const HEAD: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Argus API</title><style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left; vertical-align: top }
code { font-size: .9em; overflow-wrap: anywhere }
small { display: block; opacity: .8 }
</style></head><body><h1>Argus API</h1>
<p>A key goes into the header <code>X-Api-Key</code>, or as <code>Authorization: Bearer</code>. Bodies are JSON, whatever
their Content-Type says; fields that no route knows are ignored, and of a field that occurs twice the last one counts. Every error is
<code>{"error": "a sentence", "code": "A_WORD", "details": ...}</code>: 401 without a good key, 403 where the key's role or
its owner may not, 404 for what is absent and for what is somebody else's alike, 422 with every fault of a body at once,
429 with <code>Retry-After</code>. For programs: <a href="/openapi.json">openapi.json</a>.</p>
"#;

/// A page for people.
pub struct Page;

impl Document for Page {
    const MEDIA_TYPE: &'static str = "text/html; charset=utf-8";
    fn schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

/// `GET /docs`
pub async fn page(_call: Call) -> Result<File<Page>, ApiError> {
    let nothing_else = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    static PAGE: LazyLock<String> = LazyLock::new(html);
    Ok(File::of(PAGE.as_str()).with(header::CONTENT_SECURITY_POLICY, nothing_else))
}

fn html() -> String {
    let (mut page, document) = (HEAD.to_owned(), openapi::document());
    for (family, routes) in routes::FAMILIES {
        let rows: String = routes.iter().map(|route| row(route, &document)).collect();
        // Writing to a text does not fail.
        let _written = write!(
            page,
            "<h2>{family}</h2><table><tr><th>Route<th>What it does<th>Who may</tr>\n{rows}</table>\n"
        );
    }
    page + &shapes::section(&document) + "</body></html>\n"
}

fn row(route: &Route, document: &Value) -> String {
    let Route { method, path, summary, .. } = route;
    let queries: String = route.query.iter().map(query).collect();
    let (summary, who) = (escaped(summary), escaped(&who(route)));
    let operation = &document["paths"][path][method.as_str().to_lowercase()];
    let (takes, answers) = (shapes::taken(operation), shapes::answered(operation));
    format!("<tr><td><code>{method} {path}</code><td>{summary}{queries}{takes}{answers}<td>{who}</tr>\n")
}

fn query(query: &Query) -> String {
    let needed = if query.is_required { ", needed" } else { "" };
    format!("<small><code>?{}=</code>{needed}: {}</small>", query.name, escaped(query.summary))
}

fn who(route: &Route) -> String {
    let roles = match route.access {
        Access::Open => return "anyone".to_owned(),
        Access::Limited => return "anyone, so many times a minute".to_owned(),
        Access::Keyed(roles) => roles.iter().map(|role| format!("{role:?}").to_lowercase()),
    };
    let roles = roles.collect::<Vec<_>>().join(", ");
    let whose = match route.subject {
        Subject::Nobody(why) => why,
        Subject::Job(_) => "the job's owner",
        Subject::Task(_) => "the owner of the task's job",
        Subject::Address(_) => "the address's own key",
        Subject::AddressAndJob(..) => "the job's owner, under their address",
        Subject::Safe(_) => "who has jobs with the Safe",
        Subject::Keeper(_) => "the keeper's own key",
        Subject::Webhook(_) => "the webhook's owner",
    };
    format!("{roles}; {whose}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
