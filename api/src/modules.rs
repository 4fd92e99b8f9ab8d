//! Scripts: published, shown, and run outside any task.

use std::sync::Arc;

use argus_domain::{
    Value,
    answer::usable,
    limits::Limits,
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape},
    run::{RunEnd, RunReport},
    secret::Grants,
    task::TriggerFact,
    time::Timestamp,
};
use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::json;

use crate::{
    call::Call,
    create::{CallShape, Faults, Fields, allow_hosts, find_function, limits},
    errors::ApiError,
    json,
    script::{self, ScriptRefused, Source, Trial, Wants, fetch, judge, language_of},
};

/// `POST /api/modules {"source" or "wasm_base64", "language", "limits"?}`
pub async fn publish(call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let told = text("language").unwrap_or_default();
    let (bytes, language) = match (text("source"), text("wasm_base64")) {
        (Some(source), None) => (Bytes::from(source.to_owned()), language_of(told, source.as_bytes())),
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
    let mut faults = Faults::default();
    let limits = body
        .as_object()
        .map_or(call.edge.config.policy.limits, |map| limits(&call.edge, &Fields::new(map, ""), &mut faults));
    if !faults.is_empty() {
        return Err(faults.into_error());
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
    let mut answer = shown(&record);
    if let (Some(built), Some(map)) = (built, answer.as_object_mut()) {
        let source = ports.content.put(built.wasm).await?;
        map.insert("build".to_owned(), script::build_shown(&source, &built.record));
        let module = ModuleRef { source, language: Language::Wasm };
        ports
            .modules
            .put(ModuleRecord { module, source_bytes: record.module_bytes, ..record }, owner)
            .await?;
    }
    Ok(json::ok(&answer))
}

fn refused(why: ScriptRefused) -> ApiError {
    ApiError::unprocessable("SCRIPT_REFUSED", why.message)
}

fn shown(record: &ModuleRecord) -> Value {
    let shape = match record.shape {
        Shape::Script => "script",
        Shape::Reactor => "reactor",
        Shape::Command => "command",
        Shape::Component => "component",
    };
    json!({
        "cid": record.module.source.0,
        "url": format!("ipfs://{}", record.module.source),
        "language": record.module.language.to_string(),
        "wasm_hash": record.wasm_hash.0,
        "source_bytes": record.source_bytes,
        "module_bytes": record.module_bytes,
        "shape": shape,
        "published_at": record.published_at.to_rfc3339(),
    })
}

/// `GET /api/modules/{cid}?source=true`: scripts are public under their CID; who published them is not shown.
pub async fn show(call: Call) -> Result<Response, ApiError> {
    let with_source = asks_source(&call)?;
    let cid = call.edge.ports.content.parse(call.param("cid")).map_err(|_| ApiError::absent())?;
    let mut records: Vec<ModuleRecord> =
        call.edge.ports.modules.by_cid(&cid).await?.into_iter().map(|(record, _)| record).collect();
    records.sort_by_key(|record| (record.published_at, record.module.language));
    records.dedup_by_key(|record| record.module.language);
    let first = records.first().ok_or_else(ApiError::absent)?;
    let mut answer = shown(first);
    if let Some(map) = answer.as_object_mut() {
        let languages: Vec<_> = records.iter().map(|r| r.module.language.to_string()).collect();
        map.insert("languages".to_owned(), json!(languages));
        map.insert("engine".to_owned(), json!(call.edge.ports.runner.engine().0));
        if with_source {
            let bytes = fetch(&call.edge, call.param("cid")).await?;
            let (_, bytes) =
                bytes.map_err(|(_, message)| ApiError::unavailable("CONTENT_UNAVAILABLE", message))?;
            let (name, text) = as_published(&bytes);
            map.insert(name.to_owned(), text.into());
        }
    }
    Ok(json::ok(&answer))
}

fn asks_source(call: &Call) -> Result<bool, ApiError> {
    let Some(text) = call.query().remove("source") else { return Ok(false) };
    json::flag(&Value::String(text)).ok_or_else(|| {
        let mut faults = Faults::default();
        faults.add("source", "TYPE", "source is true or false");
        faults.into_error()
    })
}

/// Bytes under the name by which publishing takes them: texts as they are, WebAssembly and whatever is no text in
/// base64.
fn as_published(bytes: &[u8]) -> (&'static str, String) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !bytes.starts_with(b"\0asm") => ("source", text.to_owned()),
        Ok(_) | Err(_) => ("wasm_base64", STANDARD.encode(bytes)),
    }
}

/// `POST /api/modules/{cid}/run {"arguments"?, "language"?, "due"?, "allow_hosts"?, "limits"?}`
pub async fn run(call: Call) -> Result<Response, ApiError> {
    let body = match json::parse_or_empty(&call.body)? {
        Value::Object(map) => map,
        _ => return Err(ApiError::bad_request("send a JSON object, or nothing")),
    };
    let mut faults = Faults::default();
    let fields = Fields::new(&body, "");
    let given = fields.array("arguments", call.edge.config.arguments_max, &mut faults);
    let told = fields.text("language", &mut faults);
    let hosts = allow_hosts(&call.edge, &fields, &mut faults);
    let limits = Limits::effective(&limits(&call.edge, &fields, &mut faults));
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
    Ok(json::ok(&report_shown(&report)))
}

fn report_shown(report: &RunReport) -> Value {
    let (ok, skipped, arguments, error, kind) = match &usable(report.end.clone()) {
        RunEnd::Value(value) => (true, false, value.clone(), Value::Null, Value::Null),
        RunEnd::Skipped(reason) => (false, true, Value::Null, json!(reason), Value::Null),
        RunEnd::Failed(failure) => {
            let kind = format!("{:?}", failure.kind).to_lowercase();
            (false, false, Value::Null, json!(failure.message), json!(kind))
        }
    };
    json!({
        "ok": ok,
        "skipped": skipped,
        "arguments": arguments,
        "error": error,
        "failure": kind,
        "log": report.log,
        "fuel": report.fuel,
        "memory_bytes": report.memory_bytes,
        "host_calls": report.host_calls,
        "wasm_hash": report.wasm_hash.0,
        "engine": report.engine.0,
        "transcript_root": report.transcript.root(),
        "transcript": report.transcript,
    })
}

/// `POST /api/code/validate {"code", "language", "task_definition_id", "is_safe", "selected_safe",
/// "target_function"}`: 200 also for code that does not work.
pub async fn validate(call: Call) -> Result<Response, ApiError> {
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
    let limits = limits(&call.edge, &fields, &mut faults);
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
    let signature = fields.text("target_function", &mut faults);
    let owner = call.key()?.owner;
    let function = find_function(&fields.text("abi", &mut faults), &signature, None).ok();
    let shape = function.map(|function| CallShape { function, safe, owner });
    let wants = match (kind, &shape) {
        (7, _) => Wants::Choice,
        (_, Some(shape)) => Wants::Arguments(shape, owner),
        // Without a readable function only the form of the answer can be checked.
        (_, None) => Wants::AnyArguments(safe),
    };
    let judged = ran.and_then(|ran| Ok((judge(&ran.report, wants)?.output, ran.report.log.clone())));
    Ok(json::ok(&match judged {
        Ok((output, log)) => json!({"executable": true, "output": output, "safe_match": true, "log": log}),
        Err(refused) => json!({
            "executable": refused.is_executable,
            "output": refused.output,
            "error": refused.message,
            "safe_match": refused.is_safe_match,
            "log": refused.log,
            "line": refused.line(),
        }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_given_as_publishing_takes_them() {
        for (bytes, expect) in [
            (&b"print [1]"[..], ("source", "print [1]")),
            (b"(module)", ("source", "(module)")),
            // An empty module is valid UTF-8, and no text.
            (b"\0asm\x01\0\0\0", ("wasm_base64", "AGFzbQEAAAA=")),
            (b"\xff", ("wasm_base64", "/w==")),
        ] {
            let (name, text) = as_published(bytes);
            assert_eq!((name, text.as_str()), expect, "{bytes:?}");
        }
    }
}
