//! Sources that the sandbox does not compile itself: built once, and from then on it is the module that runs.

use std::sync::Arc;

use argus_domain::{
    Bytes,
    build::SignedBuild,
    module::{Cid, Language, ModuleRef},
};
use argus_ports::{BuildError, Built, ModuleBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    errors::ApiError,
    script::{ScriptRefused, Source},
    shape::formats::{Account, Hash, Hex},
};

/// When a full queue has moved on: after an ordinary build.
const BUSY_SECS: u64 = 30;
/// When it is worth asking for a build that takes long: each answer waits for it again.
const UNDERWAY_SECS: u64 = 5;

/// What runs for a source, published: the source itself, or the module that it was built to. Keepers are given that
/// module under its own CID, so none of them needs a toolchain, and each checks every byte of it.
pub async fn runnable(edge: &Edge, source: Source) -> Result<Result<Source, ScriptRefused>, ApiError> {
    Ok(match build(edge, &source).await? {
        Ok(None) => Ok(source),
        Ok(Some(built)) => {
            let cid = edge.ports.content.put(built.wasm.clone()).await?;
            Ok(module(cid, built))
        }
        Err(refused) => Err(refused),
    })
}

/// What runs for a source that is only tried: nothing is published.
pub async fn tried(edge: &Edge, source: Source) -> Result<Result<Source, ScriptRefused>, ApiError> {
    let name = source.module.source.clone();
    let built = build(edge, &source).await?;
    Ok(built.map(|built| built.map_or(source, |built| module(name, built))))
}

fn module(source: Cid, built: Built) -> Source {
    Source { module: ModuleRef { source, language: Language::Wasm }, bytes: built.wasm }
}

fn is_built(language: Language) -> bool {
    match language {
        Language::Go => true,
        Language::TypeScript | Language::JavaScript | Language::Python | Language::Wasm => false,
    }
}

fn builder(edge: &Edge, language: Language) -> Option<&Arc<dyn ModuleBuilder>> {
    edge.ports.builder.as_ref().filter(|builder| builder.builds(language))
}

/// What to do about a language that has to be built and that nobody builds here; `None`: there is nothing to do.
pub fn no_builder(edge: &Edge, language: Language) -> Option<String> {
    let is_lacking = is_built(language) && builder(edge, language).is_none();
    is_lacking.then(|| {
        format!(
            "this platform does not build {language}: build it yourself with `argus module build FILE`, publish the \
             .wasm that it writes with `argus module publish`, and name that CID"
        )
    })
}

/// The build of a source; `None` where the sandbox takes it as it is.
pub async fn build(edge: &Edge, source: &Source) -> Result<Result<Option<Built>, ScriptRefused>, ApiError> {
    let language = source.module.language;
    if !is_built(language) {
        return Ok(Ok(None));
    }
    let Some(builder) = builder(edge, language) else {
        return Ok(Err(ScriptRefused::new(no_builder(edge, language).unwrap_or_default())));
    };
    match builder.build(source.bytes.clone(), language).await {
        Ok(built) => Ok(Ok(Some(built))),
        Err(BuildError::Refused(refusal)) => Ok(Err(ScriptRefused::new(refusal.to_string()))),
        Err(e @ BuildError::Busy { .. }) => {
            Err(ApiError::unavailable("BUILDER_BUSY", e.to_string()).retry_after(BUSY_SECS))
        }
        Err(e @ BuildError::Underway) => {
            Err(ApiError::unavailable("BUILD_UNDERWAY", e.to_string()).retry_after(UNDERWAY_SECS))
        }
        Err(e @ BuildError::Failed(_)) => Err(ApiError::internal(e)),
    }
}

/// A build as clients see it: enough to repeat it and to check whose word it is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Build")]
pub struct ShownBuild {
    cid: String,
    wasm_hash: Hash,
    source_hash: Hash,
    builder: Hash,
    signer: Account,
    signature: Hex,
}

/// A build as clients see it.
pub fn shown(module: &Cid, record: &SignedBuild) -> ShownBuild {
    ShownBuild {
        cid: module.0.clone(),
        wasm_hash: Hash(record.build.wasm_hash.0),
        source_hash: Hash(record.build.source_hash),
        builder: Hash(record.build.builder.0),
        signer: Account(record.signer),
        signature: Hex(Bytes::copy_from_slice(&record.signature.0)),
    }
}
