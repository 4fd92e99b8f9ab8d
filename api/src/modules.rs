//! Scripts: published, shown, and run outside any task.

use std::sync::Arc;

use argus_domain::{
    Value,
    answer::usable,
    limits::Limits,
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape},
    run::{HostCall, RunEnd, RunReport},
    secret::Grants,
    task::TriggerFact,
    time::Timestamp,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    call::Call,
    create::{CallShape, Faults, Fields, allow_hosts, find_function, limits},
    errors::ApiError,
    json,
    reply::Reply,
    script::{self, ScriptRefused, ShownBuild, Source, Trial, Wants, fetch, judge, language_of},
    shape::formats::{Hash, Instant},
};

/// `POST /api/modules {"source" or "wasm_base64", "language", "limits"?}`
pub async fn publish(call: Call) -> Result<Reply<Published>, ApiError> {
    let Value::Object(body) = call.json()? else {
        return Err(ApiError::bad_request("send a JSON object"));
    };
    let mut faults = Faults::default();
    let fields = Fields::new(&body, "");
    let sent = (fields.verbatim("source", &mut faults), fields.verbatim("wasm_base64", &mut faults));
    let told = fields.text("language", &mut faults);
    let limits = limits(&call.edge, &fields, None, &mut faults);
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let (bytes, language) = match sent {
        (Some(source), None) => (Bytes::from(source.to_owned()), language_of(&told, source.as_bytes())),
        (None, Some(encoded)) => {
            let bytes = STANDARD.decode(encoded.trim()).map_err(|e| {
                ApiError::unprocessable("INVALID_BASE64", format!("wasm_base64 is no base64: {e}"))
            })?;
            (Bytes::from(bytes), Ok(Language::Wasm))
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "send either source (a text) or wasm_base64, and language";
            return Err(ApiError::unprocessable("INVALID_MODULE", message));
        }
    };
    let language = language.map_err(|(code, message)| ApiError::unprocessable(code, message))?;
    if bytes.is_empty() {
        return Err(ApiError::unprocessable("INVALID_MODULE", "the script is empty"));
    }
    let (ports, owner) = (&call.edge.ports, call.key()?.owner);
    // Built before it is named: what does not compile is not published.
    let unnamed = ModuleRef { source: Cid(String::new()), language };
    let source = Source { module: unnamed, bytes: bytes.clone() };
    let built = script::build(&call.edge, &source).await?.map_err(refused)?;
    let admitted = match &built {
        None => ports.runner.admit(bytes.clone(), language, limits).await?,
        Some(built) => ports.runner.admit(built.wasm.clone(), Language::Wasm, limits).await?,
    };
    let record = ModuleRecord {
        module: ModuleRef { source: ports.content.put(bytes.clone()).await?, language },
        wasm_hash: admitted.wasm_hash,
        source_bytes: bytes.len() as u64,
        module_bytes: admitted.module_bytes,
        shape: admitted.shape,
        published_at: call.now,
    };
    ports.modules.put(record.clone(), owner).await?;
    let mut answer = Published { module: shown(&record), build: None };
    if let Some(built) = built {
        let source = ports.content.put(built.wasm).await?;
        answer.build = Some(script::build_shown(&source, &built.record));
        let module = ModuleRef { source, language: Language::Wasm };
        ports
            .modules
            .put(ModuleRecord { module, source_bytes: record.module_bytes, ..record }, owner)
            .await?;
    }
    Ok(Reply::of(answer))
}

fn refused(why: ScriptRefused) -> ApiError {
    ApiError::unprocessable("SCRIPT_REFUSED", why.message)
}

/// What is known of a script.
#[derive(Serialize, JsonSchema)]
struct Module {
    cid: String,
    url: String,
    language: String,
    wasm_hash: Hash,
    source_bytes: u64,
    module_bytes: u64,
    shape: ShownShape,
    published_at: Instant,
}

/// What kind of program it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Shape")]
enum ShownShape {
    Script,
    Reactor,
    Command,
    Component,
}

/// A script that was published, and what it was built to.
#[derive(Serialize, JsonSchema)]
pub struct Published {
    #[serde(flatten)]
    module: Module,
    #[serde(skip_serializing_if = "Option::is_none")]
    build: Option<ShownBuild>,
}

/// A published script.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PublishedModule")]
pub struct ShownModule {
    #[serde(flatten)]
    module: Module,
    /// All under which it was published.
    languages: Vec<String>,
    engine: Hash,
    #[serde(flatten)]
    source: Option<AsPublished>,
}

/// The script itself, under the name by which publishing takes it: texts as they are, WebAssembly and whatever is no text
/// in base64.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum AsPublished {
    Source(String),
    WasmBase64(String),
}

fn shown(record: &ModuleRecord) -> Module {
    Module {
        cid: record.module.source.0.clone(),
        url: format!("ipfs://{}", record.module.source),
        language: record.module.language.to_string(),
        wasm_hash: Hash(record.wasm_hash.0),
        source_bytes: record.source_bytes,
        module_bytes: record.module_bytes,
        shape: match record.shape {
            Shape::Script => ShownShape::Script,
            Shape::Reactor => ShownShape::Reactor,
            Shape::Command => ShownShape::Command,
            Shape::Component => ShownShape::Component,
        },
        published_at: Instant(record.published_at),
    }
}

/// `GET /api/modules/{cid}?source=true`: scripts are public under their CID; who published them is not shown.
pub async fn show(call: Call) -> Result<Reply<ShownModule>, ApiError> {
    let with_source = asks_source(&call)?;
    let cid = call.edge.ports.content.parse(call.param("cid")).map_err(|_| ApiError::absent())?;
    let mut records: Vec<ModuleRecord> =
        call.edge.ports.modules.by_cid(&cid).await?.into_iter().map(|(record, _)| record).collect();
    records.sort_by_key(|record| (record.published_at, record.module.language));
    records.dedup_by_key(|record| record.module.language);
    let first = records.first().ok_or_else(ApiError::absent)?;
    let source = if with_source {
        let bytes = fetch(&call.edge, call.param("cid")).await?;
        let (_, bytes) =
            bytes.map_err(|(_, message)| ApiError::unavailable("CONTENT_UNAVAILABLE", message))?;
        Some(as_published(&bytes))
    } else {
        None
    };
    Ok(Reply::of(ShownModule {
        module: shown(first),
        languages: records.iter().map(|r| r.module.language.to_string()).collect(),
        engine: Hash(call.edge.ports.runner.engine().0),
        source,
    }))
}

fn asks_source(call: &Call) -> Result<bool, ApiError> {
    let Some(text) = call.query().remove("source") else { return Ok(false) };
    json::flag(&Value::String(text)).ok_or_else(|| {
        let mut faults = Faults::default();
        faults.add("source", "TYPE", "source is true or false");
        faults.into_error()
    })
}

fn as_published(bytes: &[u8]) -> AsPublished {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.starts_with(b"\0asm") => AsPublished::Source(text.to_owned()),
        Ok(_) | Err(_) => AsPublished::WasmBase64(STANDARD.encode(bytes)),
    }
}

/// How a run of a script went.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Run")]
pub struct ShownRun {
    ok: bool,
    /// Whether it said "not now".
    skipped: bool,
    /// What it gave.
    arguments: Value,
    error: Option<String>,
    /// The kind of its failure.
    failure: Option<String>,
    log: String,
    fuel: u64,
    memory_bytes: u64,
    host_calls: u32,
    wasm_hash: Hash,
    engine: Hash,
    transcript_root: Hash,
    transcript: ShownTranscript,
}

/// What it asked, and was answered, in order.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Transcript")]
struct ShownTranscript {
    calls: Vec<ShownHostCall>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HostCall")]
struct ShownHostCall {
    /// From 0, without gaps.
    sequence: u32,
    import: String,
    request_hash: Hash,
    /// JSON text.
    request: String,
    /// JSON text.
    reply: String,
    /// Used when the call was made.
    fuel: u64,
    /// How far the call moved the script's clock.
    elapsed_ms: u64,
}

/// `POST /api/modules/{cid}/run {"arguments"?, "language"?, "due"?, "allow_hosts"?, "limits"?}`
pub async fn run(call: Call) -> Result<Reply<ShownRun>, ApiError> {
    let body = match call.json()? {
        Value::Object(map) => map,
        _ => return Err(ApiError::bad_request("send a JSON object, or nothing")),
    };
    let mut faults = Faults::default();
    let fields = Fields::new(&body, "");
    let given = fields.array("arguments", call.edge.config.arguments_max, &mut faults);
    let told = fields.text("language", &mut faults);
    let hosts = allow_hosts(&call.edge, &fields, &mut faults);
    let limits = Limits::effective(&limits(&call.edge, &fields, None, &mut faults));
    let due = fields.text("due", &mut faults);
    let due = if due.is_empty() { None } else { Some(Timestamp::parse_rfc3339(&due)) };
    if due == Some(None) {
        faults.add("due", "INSTANT", "due is an RFC 3339 instant");
    }
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let (cid, bytes) = match fetch(&call.edge, call.param("cid")).await? {
        Ok(found) => found,
        Err(_) => return Err(ApiError::absent()),
    };
    let published = call.edge.ports.modules.by_cid(&cid).await?;
    let language = match (told.as_str(), published.first()) {
        ("", Some((record, _))) => record.module.language,
        (text, _) => {
            language_of(text, &bytes).map_err(|(code, message)| ApiError::unprocessable(code, message))?
        }
    };
    let mut input = script::run_input(&call.edge, TriggerFact::Manual, given, hosts, Grants::new()).await;
    if let Some(due) = due.flatten() {
        input.due = due;
    }
    let source = Source { module: ModuleRef { source: cid, language }, bytes };
    let Source { module, bytes } = script::tried(&call.edge, source).await?.map_err(refused)?;
    let runner = &call.edge.ports.runner;
    runner.admit(bytes.clone(), module.language, limits).await?;
    let report = runner.run(bytes, module.language, Arc::new(input), limits, Arc::default()).await?;
    Ok(Reply::of(report_shown(report)))
}

fn report_shown(report: RunReport) -> ShownRun {
    let transcript_root = Hash(report.transcript.root());
    let call = |call: HostCall| ShownHostCall {
        sequence: call.sequence,
        import: call.import,
        request_hash: Hash(call.request_hash),
        request: call.request,
        reply: call.reply,
        fuel: call.fuel,
        elapsed_ms: call.elapsed_ms,
    };
    let run = ShownRun {
        ok: false,
        skipped: false,
        arguments: Value::Null,
        error: None,
        failure: None,
        log: report.log,
        fuel: report.fuel,
        memory_bytes: report.memory_bytes,
        host_calls: report.host_calls,
        wasm_hash: Hash(report.wasm_hash.0),
        engine: Hash(report.engine.0),
        transcript_root,
        transcript: ShownTranscript { calls: report.transcript.calls.into_iter().map(call).collect() },
    };
    match usable(report.end) {
        RunEnd::Value(arguments) => ShownRun { ok: true, arguments, ..run },
        RunEnd::Skipped(reason) => ShownRun { skipped: true, error: Some(reason), ..run },
        RunEnd::Failed(failure) => {
            let kind = format!("{:?}", failure.kind).to_lowercase();
            ShownRun { error: Some(failure.message), failure: Some(kind), ..run }
        }
    }
}

/// What a script's source is worth.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Validation")]
pub struct Validated {
    executable: bool,
    /// What it gave, as text.
    output: String,
    /// Why it does not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    safe_match: bool,
    log: String,
    #[serde(flatten)]
    place: Option<Place>,
}

/// Where a script is wrong.
#[derive(Serialize, JsonSchema)]
struct Place {
    /// The line that its fault names.
    line: Option<u64>,
}

/// `POST /api/code/validate {"code", "language", "task_definition_id", "is_safe", "selected_safe",
/// "target_function"}`: 200 also for code that does not work.
pub async fn validate(call: Call) -> Result<Reply<Validated>, ApiError> {
    let body = match call.json()? {
        Value::Object(map) => map,
        _ => return Err(ApiError::bad_request("send a JSON object")),
    };
    let mut faults = Faults::default();
    let fields = Fields::new(&body, "");
    let code = body.get("code").and_then(Value::as_str).unwrap_or_default();
    if code.trim().is_empty() {
        faults.add("code", "REQUIRED", "code is the script's source");
    }
    let kind = fields.whole("task_definition_id", (1, 7), &mut faults).unwrap_or(2);
    let told = fields.text("language", &mut faults);
    let language = language_of(&told, code.as_bytes());
    if let Err((word, message)) = &language {
        faults.add("language", word, message.clone());
    }
    let is_safe = fields.flag("is_safe", false, &mut faults);
    let safe = if is_safe { fields.address("selected_safe", &mut faults) } else { None };
    let hosts = allow_hosts(&call.edge, &fields, &mut faults);
    let limits = limits(&call.edge, &fields, None, &mut faults);
    let signature = fields.text("target_function", &mut faults);
    let abi = fields.text("abi", &mut faults);
    let Ok(language) = language else { return Err(faults.into_error()) };
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let bytes = Bytes::from(code.to_owned());
    let source = Source { module: ModuleRef { source: script::unpublished(&bytes), language }, bytes };
    let ran = match script::tried(&call.edge, source).await? {
        Ok(runs) => script::dry_run(&call.edge, &runs, limits, Trial::by_hand(hosts)).await?,
        Err(refused) => Err(refused),
    };
    let owner = call.key()?.owner;
    let function = find_function(&abi, &signature, None).ok();
    let shape = function.map(|function| CallShape { function, safe, owner });
    let wants = match (kind, &shape) {
        (7, _) => Wants::Choice,
        (_, Some(shape)) => Wants::Arguments(shape, owner),
        // Without a readable function only the form of the answer can be checked.
        (_, None) => Wants::AnyArguments(safe),
    };
    let judged = ran.and_then(|ran| Ok((judge(&ran.report, wants)?.output, ran.report.log.clone())));
    Ok(Reply::of(match judged {
        Ok((output, log)) => {
            Validated { executable: true, output, error: None, safe_match: true, log, place: None }
        }
        Err(refused) => Validated {
            executable: refused.is_executable,
            place: Some(Place { line: refused.line() }),
            output: refused.output,
            error: Some(refused.message),
            safe_match: refused.is_safe_match,
            log: refused.log,
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_given_as_publishing_takes_them() {
        for (bytes, expect) in [
            (&b"print [1]"[..], AsPublished::Source("print [1]".to_owned())),
            (b"(module)", AsPublished::Source("(module)".to_owned())),
            // An empty module is valid UTF-8, and no text.
            (b"\0asm\x01\0\0\0", AsPublished::WasmBase64("AGFzbQEAAAA=".to_owned())),
            (b"\xff", AsPublished::WasmBase64("/w==".to_owned())),
        ] {
            assert_eq!(as_published(bytes), expect, "{bytes:?}");
        }
    }
}
