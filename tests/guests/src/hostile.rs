//! Modules and scripts that must be contained, and how each of them must end.
//!
//! What a person wrote lies in `hostile/`, with a first line that says what it does; what only a program would write
//! is made here. Nothing is built: `.wat` and scripts are what is published.

use argus_domain::{
    limits::Limits,
    module::Language,
    run::{FailureKind, RunEnd},
};
use argus_ports::RunnerError;
use bytes::Bytes;

/// One of them.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// What the table calls it.
    pub name: &'static str,
    /// What is published.
    pub source: Bytes,
    /// In which language.
    pub language: Language,
    /// Its job's limits.
    pub limits: Limits,
    /// A path of the test's own server that it is told to ask.
    pub asks: Option<&'static str>,
    /// What stops it.
    pub stopped_by: &'static str,
    /// How it must end.
    pub must: Must,
}

/// How something hostile must end.
#[derive(Debug, Clone, Copy)]
pub enum Must {
    /// Its run fails in this way, with these words in the sentence for its author.
    Fail(FailureKind, &'static [&'static str]),
    /// It is refused before it runs, with these words.
    BeRefused(&'static [&'static str]),
    /// Its compilation is stopped, with these words.
    BeStopped(&'static [&'static str]),
    /// It runs through and gives this, everywhere.
    Give(&'static str),
}

impl Must {
    /// What its author reads; an error where it ended otherwise.
    ///
    /// # Errors
    /// With what happened instead.
    pub fn check(&self, outcome: &Result<RunEnd, RunnerError>) -> Result<String, String> {
        let (said, words): (String, &[&str]) = match (self, outcome) {
            (Self::Fail(kind, words), Ok(RunEnd::Failed(failure))) if failure.kind == *kind => {
                (failure.message.clone(), words)
            }
            (Self::BeRefused(words), Err(RunnerError::Refused(refusal))) => (refusal.to_string(), words),
            (Self::BeStopped(words), Err(RunnerError::Uncompiled(reason))) => (reason.clone(), words),
            (Self::Give(expected), Ok(RunEnd::Value(value))) => {
                let said = value.to_string();
                return if said == *expected {
                    Ok(said)
                } else {
                    Err(format!("{expected} was expected, not {said}"))
                };
            }
            _ => return Err(format!("{self:?} was expected, not {outcome:?}")),
        };
        match words.iter().find(|word| !said.contains(**word)) {
            Some(word) => Err(format!("{word:?} is not in {said:?}")),
            None => Ok(said),
        }
    }
}

const FUEL: Must = Must::Fail(FailureKind::Limit, &["the fuel limit of 200000000 is used up: compute less"]);

/// All of them.
pub fn all() -> Vec<Hostile> {
    let mut all = by_run();
    all.extend(by_admission());
    all.extend(by_network());
    all
}

fn wat(name: &'static str, source: impl Into<Bytes>, stopped_by: &'static str, must: Must) -> Hostile {
    let limits = Limits::DEFAULT;
    Hostile { name, source: source.into(), language: Language::Wasm, limits, asks: None, stopped_by, must }
}

fn js(name: &'static str, source: impl Into<Bytes>, stopped_by: &'static str, must: Must) -> Hostile {
    Hostile { language: Language::JavaScript, ..wat(name, source, stopped_by, must) }
}

fn by_run() -> Vec<Hostile> {
    use FailureKind::{Inconclusive, Limit, Script};
    vec![
        wat("infinite loop", include_str!("../hostile/infinite-loop.wat"), "fuel", FUEL),
        wat("infinite loop, component", include_str!("../hostile/component.wat"), "fuel", FUEL),
        wat("start section", include_str!("../hostile/start-section.wat"), "fuel", FUEL),
        wat(
            "host-call loop",
            include_str!("../hostile/host-calls.wat"),
            "host calls",
            Must::Fail(Limit, &["the host call limit of 32 is used up: make fewer calls"]),
        ),
        js(
            "10^6 host calls, caught",
            include_str!("../hostile/million-calls.js"),
            "host calls",
            Must::Fail(Limit, &["the host call limit of 32 is used up"]),
        ),
        wat("clock poll", include_str!("../hostile/clock.wat"), "fuel", FUEL),
        js("clock poll, script", include_str!("../hostile/clock.js"), "fuel", FUEL),
        wat("sleeps for ever", include_str!("../hostile/sleep.wat"), "fuel", FUEL),
        js("timer for ever", include_str!("../hostile/timers.js"), "fuel", FUEL),
        js("microtasks for ever", include_str!("../hostile/microtasks.js"), "fuel", FUEL),
        wat("memory.grow bomb", include_str!("../hostile/grow.wat"), "fuel, memory", FUEL),
        js(
            "pages, script",
            include_str!("../hostile/pages.js"),
            "memory",
            Must::Fail(Limit, &["the memory limit of 64 MB is used up: keep less at a time"]),
        ),
        js("pages, refusals caught", include_str!("../hostile/pages-caught.js"), "fuel, memory", FUEL),
        js(
            "string that doubles",
            include_str!("../hostile/string.js"),
            "JS string length",
            Must::Fail(Script, &["InternalError: string too long"]),
        ),
        wat(
            "two memories, together too large",
            include_str!("../hostile/two-memories.wat"),
            "memory",
            Must::Fail(Limit, &["the memory limit of 64 MB is used up: keep less at a time"]),
        ),
        Hostile {
            limits: Limits { wall_ms: 500, ..Limits::DEFAULT },
            ..wat(
                "text handed over for ever",
                include_str!("../hostile/text-handed-over.wat"),
                "wall time",
                Must::Fail(Inconclusive, &["the wall time limit of 500 ms is used up"]),
            )
        },
        wat("table.grow bomb", include_str!("../hostile/table-grow.wat"), "fuel, tables", FUEL),
        wat(
            "deep recursion, wasm",
            include_str!("../hostile/recursion.wat"),
            "native stack",
            Must::Fail(Inconclusive, &["the native stack is exhausted", "recurse less deeply"]),
        ),
        js(
            "deep recursion, caught",
            include_str!("../hostile/recursion-caught.js"),
            "JS stack",
            Must::Give(r#"["RangeError"]"#),
        ),
        js(
            "deep recursion, uncaught",
            include_str!("../hostile/recursion-uncaught.js"),
            "JS stack",
            Must::Fail(Script, &["RangeError"]),
        ),
        wat(
            "endless stdout, command",
            include_str!("../hostile/stdout.wat"),
            "output",
            Must::Fail(Limit, &["the output limit of 128 KB is used up: print only the result"]),
        ),
        js(
            "endless stdout, script",
            include_str!("../hostile/stdout.js"),
            "output",
            Must::Fail(Limit, &["the output limit of 128 KB is used up: print only the result"]),
        ),
        wat("endless log, command", include_str!("../hostile/log.wat"), "fuel, log", FUEL),
        js("endless log, script", include_str!("../hostile/log.js"), "fuel, log", FUEL),
        wat(
            "32 MB returned",
            include_str!("../hostile/returned.wat"),
            "output",
            Must::Fail(Limit, &["the output limit of 128 KB is used up: return less"]),
        ),
        wat(
            "1 GB returned, not there",
            include_str!("../hostile/returned-outside.wat"),
            "memory bounds",
            Must::Fail(Script, &["outside the memory"]),
        ),
        js(
            "1 GB list returned",
            include_str!("../hostile/returned-list.js"),
            "memory or fuel",
            Must::Fail(Limit, &["limit of", "is used up: "]),
        ),
        js("ReDoS", include_str!("../hostile/redos.js"), "fuel", FUEL),
        js(
            "huge BigInt",
            include_str!("../hostile/bigint.js"),
            "fuel or memory",
            Must::Fail(Limit, &["limit of", "is used up: "]),
        ),
        js(
            "100,000 brackets to JSON.parse",
            include_str!("../hostile/json.js"),
            "JS stack",
            Must::Fail(Script, &["RangeError"]),
        ),
        js(
            "promise that never settles",
            include_str!("../hostile/never-settles.js"),
            "nothing outstanding",
            Must::Fail(Script, &["waits for a promise that nothing can resolve"]),
        ),
        wat(
            "floats and NaN payloads",
            include_str!("../hostile/floats.wat"),
            "canonical NaN",
            Must::Give("[1]"),
        ),
    ]
}

fn by_admission() -> Vec<Hostile> {
    const ADMISSION: &str = "admission";
    let large = |first: &[u8], filler: u8| -> Bytes {
        let mut bytes = first.to_vec();
        bytes.resize(100 << 20, filler);
        bytes.into()
    };
    vec![
        wat(
            "4 GB declared",
            include_str!("../hostile/four-gigabytes.wat"),
            ADMISSION,
            Must::BeRefused(&["its memory starts at 4294967296 bytes, the limit is 256 MB: lower"]),
        ),
        wat(
            "table of 2^32 declared",
            include_str!("../hostile/table-declared.wat"),
            ADMISSION,
            Must::BeRefused(&["its tables start with 4294967295 elements, the limit is 10000"]),
        ),
        wat(
            "forbidden imports",
            include_str!("../hostile/imports.wat"),
            ADMISSION,
            Must::BeRefused(&["env.system", "wasi_snapshot_preview1.path_open", "host.open_socket"]),
        ),
        wat(
            "false script module",
            include_str!("../hostile/script-module.wat"),
            ADMISSION,
            Must::BeRefused(&["it imports the JavaScript engine: publish the script's source"]),
        ),
        wat(
            "100 MB module",
            large(b"\0asm\x01\0\0\0", 0),
            ADMISSION,
            Must::BeRefused(&["the module has 104857600 bytes, the limit is 16 MB: strip"]),
        ),
        wat(
            "100 MB text",
            large(b"(module ", b' '),
            ADMISSION,
            Must::BeRefused(&["has 104857600 bytes, the limit is"]),
        ),
        js(
            "100 MB script",
            large(b"console.log(1)", b' '),
            ADMISSION,
            Must::BeRefused(&["the source has 104857600 bytes, the limit is 1 MB: bundle less"]),
        ),
        wat("malformed", &b"\0asm\x01\0\0\0junk"[..], ADMISSION, Must::BeRefused(&["malformed"])),
        wat("nested component", nested_component(), ADMISSION, Must::BeRefused(&["component"])),
        wat("text nested 10^5 deep", nested_text(), ADMISSION, Must::BeRefused(&["malformed"])),
        js(
            "script nested 10^5 deep",
            "[".repeat(100_000),
            "the compiler's stack",
            Must::BeRefused(&["RangeError"]),
        ),
        Hostile {
            language: Language::TypeScript,
            ..js(
                "types nested 10^5 deep",
                format!("type Deep = {}", "[".repeat(100_000)),
                "the stripper's stack",
                Must::BeRefused(&["nested too deeply or is too large; flatten it"]),
            )
        },
        wat(
            "200,000 functions",
            many_functions(200_000),
            ADMISSION,
            Must::BeRefused(&["it has 200002 functions, the limit is 100000"]),
        ),
        wat(
            "200,000 blocks inside each other",
            nested_blocks(200_000),
            ADMISSION,
            Must::BeRefused(&["its blocks lie 200000 deep inside each other, the limit is 10000: split"]),
        ),
        wat(
            "function of 1 MB",
            module_with(&[vec![0], vec![NOP; 1 << 20], vec![END]].concat(), 1),
            ADMISSION,
            Must::BeRefused(&["its largest function has 1048578 bytes, the limit is 512 KB: split it"]),
        ),
        wat(
            "br_table monster",
            br_tables(),
            "compile time or memory",
            Must::BeStopped(&["the compile ", " limit of", "is used up: split large functions"]),
        ),
    ]
}

fn by_network() -> Vec<Hostile> {
    use FailureKind::{Inconclusive, Limit, Script};
    let fetch = |name, path, stopped_by, must| Hostile {
        asks: Some(path),
        ..js(name, include_str!("../hostile/fetch.js"), stopped_by, must)
    };
    let body = Must::Fail(Limit, &["the HTTP body limit of 1 MB is used up: ask for a smaller answer"]);
    let mut all = vec![
        fetch("gzip bomb", "/gzip", "HTTP body", body),
        fetch("deflate bomb", "/deflate", "HTTP body", body),
        fetch("brotli bomb", "/brotli", "HTTP body", body),
        fetch("endless body", "/endless", "HTTP body", body),
        fetch("slow body", "/drip", "the call's time", Must::Fail(Script, &["no answer within 5000 ms"])),
        fetch(
            "redirect to a private address",
            "/to-metadata",
            "egress filter",
            Must::Fail(Script, &["169.254.169.254", "is not a public address"]),
        ),
        fetch(
            "redirects for ever",
            "/to-itself",
            "HTTP calls",
            Must::Fail(Limit, &["the HTTP call limit of 5 is used up by redirects: name the final URL"]),
        ),
        fetch(
            "answer that never comes",
            "/never",
            "wall time",
            Must::Fail(Inconclusive, &["the wall time limit of 500 ms is used up"]),
        ),
    ];
    if let Some(never) = all.last_mut() {
        never.limits.wall_ms = 500;
    }
    all
}

/// One function of loops inside each other, with as many variables that live through all of them, and a jump table to
/// each: what the compiler keeps account of is the product. 45 KB that take it gigabytes or minutes.
pub fn br_tables() -> Bytes {
    const DEPTH: u32 = 3_000;
    const VARIABLES: u32 = 3_000;
    let mut body = Vec::new();
    (0..DEPTH).for_each(|_| body.extend([LOOP, EMPTY]));
    for variable in 1..VARIABLES {
        body.push(LOCAL_GET);
        body.extend(leb(variable));
        body.push(LOCAL_SET);
        body.extend(leb(variable + 1));
    }
    body.extend([LOCAL_GET, 0, BR_TABLE]);
    body.extend(leb(DEPTH));
    (0..=DEPTH).for_each(|depth| body.extend(leb(depth % DEPTH)));
    (0..DEPTH).for_each(|_| body.extend([LOCAL_GET, 0, BR_IF, 0, END]));
    let mut function = [leb(1), leb(VARIABLES), vec![I32]].concat();
    function.extend(body);
    function.push(END);
    module_with(&function, 1)
}

/// A module with this many empty functions besides its entry points.
pub fn many_functions(n: u32) -> Bytes {
    module_with(&[0, END], n)
}

/// A module with one function of blocks inside each other.
fn nested_blocks(depth: usize) -> Bytes {
    module_with(&[vec![0], [BLOCK, EMPTY].repeat(depth), vec![END; depth + 1]].concat(), 1)
}

const I32: u8 = 0x7f;
const I64: u8 = 0x7e;
const EMPTY: u8 = 0x40;
const NOP: u8 = 0x01;
const BLOCK: u8 = 0x02;
const LOOP: u8 = 0x03;
const END: u8 = 0x0b;
const BR_IF: u8 = 0x0d;
const BR_TABLE: u8 = 0x0e;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I32_CONST: u8 = 0x41;
const I64_CONST: u8 = 0x42;

/// A reactor with `n` functions of this body besides its entry points, each taking an i32.
fn module_with(body: &[u8], n: u32) -> Bytes {
    let sized = |body: &[u8]| [leb(length(body)), body.to_vec()].concat();
    let export = |name: &str, kind: u8, index: u8| [sized(name.as_bytes()), vec![kind, index]].concat();
    let types = [
        vec![3, 0x60, 1, I32, 1, I32],   // abi_alloc
        vec![0x60, 2, I32, I32, 1, I64], // run
        vec![0x60, 1, I32, 0],
    ];
    let mut functions = [leb(n + 2), vec![0, 1]].concat();
    functions.extend((0..n).map(|_| 2));
    let exports = [vec![3], export("memory", 2, 0), export("abi_alloc", 0, 0), export("run", 0, 1)];
    let mut code = [leb(n + 2), sized(&[0, I32_CONST, 0, END]), sized(&[0, I64_CONST, 0, END])].concat();
    let more = sized(body);
    (0..n).for_each(|_| code.extend(&more));

    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in
        [(1, types.concat()), (3, functions), (5, vec![1, 0, 1]), (7, exports.concat()), (10, code)]
    {
        module.push(id);
        module.extend(sized(&content));
    }
    module.into()
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A number as WebAssembly writes it.
fn leb(mut n: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let seven = (n & 0x7f) as u8;
        n >>= 7;
        if n == 0 {
            bytes.push(seven);
            return bytes;
        }
        bytes.push(seven | 0x80);
    }
}

/// Components inside each other.
fn nested_component() -> Bytes {
    const DEPTH: usize = 60;
    let text = format!("{}{}", "(component ".repeat(DEPTH), ")".repeat(DEPTH));
    wat::parse_str(text).unwrap_or_default().into()
}

fn nested_text() -> Bytes {
    const DEPTH: usize = 100_000;
    format!("(module {}{})", "(func (block ".repeat(DEPTH), "))".repeat(DEPTH)).into()
}
