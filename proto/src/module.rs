//! Scripts and transcripts.

use argus_domain::{
    module::{Cid, Language, ModuleRecord, ModuleRef, Shape, WasmHash},
    run::{HostCall, Transcript},
    time::Timestamp,
};

use crate::{
    Wire,
    field::{Read, WireEnum, hash, list, missing, need, wire_enum},
    v1,
};

wire_enum!(Language => v1::Language {
    TypeScript = Typescript, JavaScript = Javascript, Go = Go, Python = Python, Wasm = Wasm,
});
wire_enum!(Shape => v1::Shape {
    Script = Script, Reactor = Reactor, Command = Command, Component = Component,
});

impl Wire for ModuleRef {
    type Message = v1::ModuleRef;

    fn to_wire(&self) -> v1::ModuleRef {
        v1::ModuleRef { source_cid: self.source.0.clone(), language: self.language.to_number() }
    }

    fn from_wire(m: v1::ModuleRef) -> Read<Self> {
        if m.source_cid.is_empty() {
            return Err(missing("source_cid"));
        }
        Ok(Self { source: Cid(m.source_cid), language: Language::from_number(m.language, "language")? })
    }
}

impl Wire for ModuleRecord {
    type Message = v1::ModuleRecord;

    fn to_wire(&self) -> v1::ModuleRecord {
        v1::ModuleRecord {
            module: Some(self.module.to_wire()),
            wasm_hash: self.wasm_hash.0.to_vec(),
            source_bytes: self.source_bytes,
            module_bytes: self.module_bytes,
            shape: self.shape.to_number(),
            published_at_ms: self.published_at.0,
        }
    }

    fn from_wire(m: v1::ModuleRecord) -> Read<Self> {
        Ok(Self {
            module: need(m.module, "module")?,
            wasm_hash: WasmHash(hash(&m.wasm_hash, "wasm_hash")?),
            source_bytes: m.source_bytes,
            module_bytes: m.module_bytes,
            shape: Shape::from_number(m.shape, "shape")?,
            published_at: Timestamp(m.published_at_ms),
        })
    }
}

impl Wire for HostCall {
    type Message = v1::HostCall;

    fn to_wire(&self) -> v1::HostCall {
        v1::HostCall {
            sequence: self.sequence,
            import: self.import.clone(),
            request_hash: self.request_hash.to_vec(),
            request: self.request.clone(),
            reply: self.reply.clone(),
            fuel: self.fuel,
            elapsed_ms: self.elapsed_ms,
        }
    }

    fn from_wire(m: v1::HostCall) -> Read<Self> {
        Ok(Self {
            sequence: m.sequence,
            import: m.import,
            request_hash: hash(&m.request_hash, "request_hash")?,
            request: m.request,
            reply: m.reply,
            fuel: m.fuel,
            elapsed_ms: m.elapsed_ms,
        })
    }
}

impl Wire for Transcript {
    type Message = v1::Transcript;

    fn to_wire(&self) -> v1::Transcript {
        v1::Transcript { calls: self.calls.iter().map(Wire::to_wire).collect() }
    }

    fn from_wire(m: v1::Transcript) -> Read<Self> {
        Ok(Self { calls: list(m.calls, "calls")? })
    }
}
