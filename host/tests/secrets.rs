//! Secrets: the server gets the value, and nobody else ever sees it.

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argus_domain::{
    bundle::{Bundle, Run},
    limits::Limits,
    module::Language,
    run::{RunInput, RunReport},
    secret::{RunSecrets, SecretName, SecretValue},
};
use argus_host::{Host, HostConfig};
use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, ModuleRunner, Reach};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use common::{cache_dir, value};
use serde_json::json;

const CANARY: &str = r#"Canary-7f "3\a&b+c/d=e"#;

/// A server that gives back all that it gets, in several forms, wherever it can. Paths: `/to/HOST` redirects there
/// with the query, `/fail` fails with the URL in its words.
#[derive(Default)]
struct Echo(Mutex<Vec<EgressRequest>>);

fn percent(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02x}")).collect()
}

#[async_trait]
impl Egress for Echo {
    async fn fetch(&self, request: EgressRequest) -> Result<EgressResponse, EgressError> {
        self.0.lock().expect("lock").push(request.clone());
        let url = url::Url::parse(&request.url).expect("a URL");
        let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
        let all = format!("{}\n{:?}\n{body}\n{CANARY}", request.url, request.headers);
        if let Some(host) = url.path().strip_prefix("/to/") {
            let to = format!("https://{host}/landed?{}", url.query().unwrap_or_default());
            return Ok(EgressResponse {
                status: 307,
                headers: vec![("location".into(), to)],
                body: Default::default(),
            });
        }
        if url.path() == "/fail" {
            return Err(EgressError::Transport(format!("cannot reach {} with {CANARY}", request.url)));
        }
        let forms = [
            all.clone(),
            percent(CANARY),
            STANDARD.encode(&all),
            STANDARD.encode(format!("x{all}")),
            all.bytes().map(|b| format!("{b:02x}")).collect(),
            serde_json::to_string(&all).expect("JSON"),
            CANARY.to_uppercase(),
        ];
        let headers =
            vec![("etag".into(), CANARY.into()), (format!("x-ratelimit-{}", percent(CANARY)), "1".into())];
        Ok(EgressResponse { status: 200, headers, body: forms.join("\n").into() })
    }

    fn check(&self, _: &str, _: &Reach) -> Result<(), EgressError> {
        Ok(())
    }
}

struct World {
    host: Host,
    echo: Arc<Echo>,
}

fn name(text: &str) -> SecretName {
    text.parse().expect("a name")
}

fn input() -> RunInput {
    RunInput {
        secrets: [name("API_KEY"), name("SHORT"), name("UNSET")].into(),
        allow_hosts: vec!["a.example".into(), "b.example:443".into(), "127.0.0.1".into(), "[::1]:9".into()],
        ..common::input()
    }
}

impl World {
    fn new() -> Self {
        let config = HostConfig { slots: 2, cache_dir: Some(cache_dir()), ..HostConfig::default() };
        let echo = Arc::new(Echo::default());
        Self { host: Host::new(config, echo.clone(), BTreeMap::new()).expect("a host"), echo }
    }

    async fn run(&self, script: &str) -> RunReport {
        self.run_on(script, Language::JavaScript, input()).await
    }

    /// Runs it with the secrets, and again from its transcript without; nothing of both holds them.
    async fn run_on(&self, script: &str, language: Language, input: RunInput) -> RunReport {
        let value = |text: &str| SecretValue::new(text.to_owned()).expect("a value");
        let secrets: RunSecrets =
            [(name("API_KEY"), value(CANARY)), (name("SHORT"), value("Canary-7"))].into();
        let source = bytes::Bytes::copy_from_slice(script.as_bytes());
        let limits = Limits::DEFAULT;
        let input = Arc::new(input);
        let run = self.host.run(source.clone(), language, input.clone(), limits, Arc::new(secrets)).await;
        let report = run.expect("a report");
        let transcript = Arc::new(report.transcript.clone());
        let replayed = self.host.replay(source, language, input.clone(), limits, transcript).await;
        let replayed = replayed.expect("a replay");
        assert_eq!(replayed, report, "a replay needs no secret");
        let run = Run::by_hand(input.as_ref().clone(), limits, &report);
        let bundle = Bundle::new(None, vec![run], None, Vec::new()).encode().expect("small");
        let kept = serde_json::to_string(&report).expect("JSON") + &String::from_utf8_lossy(&bundle);
        // What stands in JSON texts within JSON, and what was decoded from hexadecimal bodies.
        let bodies: Vec<u8> = report.transcript.calls.iter().flat_map(|c| body_of(&c.reply)).collect();
        for part in ["Canary-7", "CANARY-7", "Q2FuYXJ5LT", "NhbmFyeS03", "43616e617279", "%43%61%6e"] {
            assert!(!kept.contains(part), "{part} in {kept}");
            assert!(!String::from_utf8_lossy(&bodies).contains(part), "{part} in a body");
        }
        report
    }

    fn sent(&self) -> Vec<EgressRequest> {
        std::mem::take(&mut *self.echo.0.lock().expect("lock"))
    }
}

fn body_of(reply: &str) -> Vec<u8> {
    let reply: serde_json::Value = serde_json::from_str(reply).expect("JSON");
    let hex = reply["ok"]["body"].as_str().and_then(|text| text.strip_prefix("0x")).unwrap_or_default();
    (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

#[tokio::test]
async fn the_server_gets_the_value_and_the_script_gets_its_placeholder_back() {
    let world = World::new();
    let report = world
        .run(
            "const key = argus.secret('API_KEY');
             if (key !== process.env.API_KEY) throw new Error('two placeholders');
             const r = await fetch('https://a.example/v1?key=' + key, {
                method: 'POST',
                headers: { 'X-Key': 'k ' + key, authorization: 'Basic ' + btoa('user:' + key) },
                body: JSON.stringify({ key }),
             });
             const text = await r.text();
             console.error(text, [...r.headers], r.url);
             console.log(JSON.stringify([text.split(key).length > 8, r.headers.get('etag') === key, r.url.endsWith(key)]))",
        )
        .await;
    assert_eq!(value(&report), "[true,true,true]", "{}", report.log);
    let sent = world.sent();
    let [one] = sent.as_slice() else { panic!("one request") };
    let key = url::Url::parse(&one.url).expect("a URL").query_pairs().next().expect("a pair").1.into_owned();
    assert_eq!(key, CANARY);
    let header = |name: &str| one.headers.iter().find(|(n, _)| n == name).expect("the header").1.clone();
    assert_eq!(header("x-key"), format!("k {CANARY}"));
    assert_eq!(header("authorization"), format!("Basic {}", STANDARD.encode(format!("user:{CANARY}"))));
    let body: serde_json::Value = serde_json::from_slice(one.body.as_ref().expect("a body")).expect("JSON");
    assert_eq!(body["key"], CANARY);
}

#[tokio::test]
async fn bodies_hold_it_as_their_kind_asks_for() {
    let world = World::new();
    for (kind, expect) in [
        ("application/x-www-form-urlencoded", format!("k={}", percent_of_form(CANARY))),
        ("text/plain", format!("k={CANARY}")),
    ] {
        let script = format!(
            "await fetch('https://a.example/', {{method: 'POST', headers: {{'content-type': '{kind}'}}, \
             body: 'k=' + argus.secret('API_KEY')}}); console.log('[1]')"
        );
        world.run(&script).await;
        let body = world.sent()[0].body.clone().expect("a body");
        assert_eq!(String::from_utf8_lossy(&body), expect, "{kind}");
    }
}

fn percent_of_form(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// What each of these says, and whether the value left.
#[tokio::test]
async fn it_goes_only_where_the_job_says() {
    let world = World::new();
    for (what, call, expect, leaves) in [
        (
            "another host",
            "fetch('https://c.example/?k=' + K)",
            "allow_hosts, and c.example is not there",
            false,
        ),
        ("another port", "fetch('https://b.example:8443/?k=' + K)", "b.example is not there", false),
        ("in the clear", "fetch('http://a.example/?k=' + K)", "over https alone", false),
        ("loopback", "fetch('http://127.0.0.1:5/?k=' + K)", "sent", true),
        ("loopback, v6", "fetch('http://[::1]:9/?k=' + K)", "sent", true),
        ("name and port", "fetch('https://b.example/?k=' + K)", "sent", true),
        ("in the host", "fetch('https://' + K + '.example/')", "sent", false),
        (
            "without a value",
            "fetch('https://a.example/?k=' + argus.secret('UNSET'))",
            "UNSET has no value",
            false,
        ),
        ("not granted", "argus.secret('OTHER')", "no secret \"OTHER\" is granted", false),
        ("a redirect's URL", "fetch('https://a.example/to/b.example?k=' + K)", "to another host", true),
        (
            "a redirect's body",
            "fetch('https://a.example/to/b.example', {method: 'POST', body: K})",
            "to another host",
            true,
        ),
        (
            "a redirect's header",
            "fetch('https://a.example/to/b.example', {headers: {'x-k': K}})",
            "sent",
            true,
        ),
        ("a redirect within", "fetch('https://a.example/to/a.example?k=' + K)", "sent", true),
        ("a failure", "fetch('https://a.example/fail?k=' + K)", "cannot reach", true),
    ] {
        let script = format!(
            "async function run(K) {{ await ({call}); }} let said = 'sent'; \
             try {{ await run(argus.secret('API_KEY')) }} catch (e) {{ said = e.message }} \
             console.log(JSON.stringify([said]))"
        );
        let report = world.run(&script).await;
        assert!(value(&report).replace('\\', "").contains(expect), "{what}: {}", value(&report));
        let holds = |r: &EgressRequest| {
            let text = format!(
                "{}{:?}{}",
                r.url,
                r.headers,
                String::from_utf8_lossy(r.body.as_deref().unwrap_or_default())
            );
            text.contains("Canary-7f")
        };
        let sent = world.sent();
        assert_eq!(sent.iter().any(holds), leaves, "{what}");
        let elsewhere = sent.iter().filter(|r| r.url.contains("//b.example") && !what.starts_with("name"));
        assert!(!elsewhere.clone().any(holds), "{what}: it went to another host");
        if what == "a redirect within" {
            assert_eq!(sent.iter().filter(|r| holds(r)).count(), 2, "it is put in again");
        }
    }
}

/// A module that makes one host call and answers with what came back.
fn asking(request: &str) -> String {
    let data: String = request.bytes().map(|b| format!("\\{b:02x}")).collect();
    format!(
        r#"(module (import "host" "env_hmac" (func $f (param i32 i32) (result i64)))
            (memory (export "memory") 1) (data (i32.const 0) "{data}")
            (func (export "abi_alloc") (param i32) (result i32) i32.const 4096)
            (func (export "run") (param i32 i32) (result i64) i32.const 0 i32.const {} call $f))"#,
        request.len()
    )
}

/// RFC 2104 as another implementation has it: Python's `hmac`, of these bytes under [`CANARY`].
#[tokio::test]
async fn a_script_has_what_a_secret_signs_and_not_the_secret() {
    let world = World::new();
    let hex = |bytes: &[u8]| format!("0x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
    let key = |data: &[u8]| json!({ "name": "API_KEY", "data": hex(data) });
    let with = |mut request: serde_json::Value, field: &str, value: &str| {
        request[field] = json!(value);
        request
    };
    let naming = |secret: &str| format!("key={}", name(secret).placeholder(input().job)).into_bytes();
    let plain = key(b"t=1&q=2");
    let digest = "4dc9117ba931d589b62b4802412c049bb475d870328b42037a9338863248991a";
    for (what, request, expect) in [
        ("hexadecimal", plain.clone(), digest),
        ("said so", with(plain.clone(), "encoding", "hex"), digest),
        ("Base64", with(plain.clone(), "encoding", "base64"), "TckRe6kx1Ym2K0gCQSwEm7R12HAyi0IDepM4hjJImRo="),
        ("no text", key(b"\xff\x00"), "99c1540c28dcae7de28760b42a10e177f002adad993f006cfdf585c3997dd3da"),
        (
            "a secret in the data",
            key(&naming("API_KEY")),
            "49e02bfb3860575213160a2cf57dc26071067ce89796fe0bf1eb171fa89d6b76",
        ),
        ("one without a value in the data", key(&naming("UNSET")), "UNSET has no value"),
        ("a short key", with(plain.clone(), "name", "SHORT"), "the secret SHORT has 8 bytes"),
        ("a key without a value", with(plain.clone(), "name", "UNSET"), "UNSET has no value"),
        ("a key that is not granted", with(plain.clone(), "name", "OTHER"), "no secret"),
        ("another writing", with(plain.clone(), "encoding", "base32"), "the request is malformed"),
        ("another field", with(plain.clone(), "hash", "sha1"), "the request is malformed"),
    ] {
        let input = RunInput { may_compute: true, ..input() };
        let report = world.run_on(&asking(&request.to_string()), Language::Wasm, input).await;
        assert!(value(&report).contains(expect), "{what}: {}", value(&report));
        let [call] = report.transcript.calls.as_slice() else { panic!("one call") };
        assert!(call.import == "env_hmac" && call.reply.contains(expect), "{what}: it is recorded");
    }
    // Under another rule nobody is told anything of it.
    let report = world.run_on(&asking(&plain.to_string()), Language::Wasm, input()).await;
    let said = value(&report);
    assert!(said.contains(r#""kind":"denied""#) && said.contains("agreement is trust-performer"), "{said}");
    assert!(world.sent().is_empty());
}
