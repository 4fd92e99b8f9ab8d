//! docs/guest-guide.md: its tables are what the code says, and its errors what scripts are really told.

use std::{fmt::Write as _, fs, path::Path, sync::Arc};

use argus_domain::{
    limits::{
        ERROR_TEXT_BYTES_MAX, FUNCTION_BYTES_MAX, Limits, MODULE_BYTES_MAX, NESTING_MAX, SOURCE_BYTES_MAX,
    },
    module::Language,
    run::RunEnd,
};
use argus_guests_tests::{Case, Expect, find, host};
use argus_host::{HEADERS_OURS, HEADERS_SEEN, HEADERS_SEEN_PREFIX, host_calls};
use argus_ports::ModuleRunner;
use serde::de::DeserializeOwned;
use serde_json::json;

const TOP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What an SDK's text must hold where it offers a call; `None`: its column of the table.
type Offers = fn(text: &str, call: &str) -> bool;

/// Each column of the table of host calls: its head, the files or folders of its SDK, and how a call shows there.
const SDKS: [(&str, &[&str], Offers); 5] = [
    ("TypeScript, JavaScript", &["host/prebuilt/js-engine/prelude"], |text, call| match call {
        "log" => text.contains("print(ERR"),
        "env_now" => text.contains("N.now("),
        "env_random" => text.contains("N.random("),
        other => text.contains(&format!("\"{other}\"")),
    }),
    ("Rust", &["guest-sdk/rust/src"], |text, call| text.contains(&format!("guest::{call}("))),
    // Go's own packages reach the host, too: net/http in place of one of its files, and the rest through WASI.
    ("Go", &["guest-sdk/go", "builder/go/overlay"], |text, call| match call {
        "http_fetch" => text.contains("//go:wasmimport host http_issue"),
        "log" => text.contains("the log through"),
        "env_now" => text.contains("the clock through time,"),
        "env_random" => text.contains("randomness through crypto/rand"),
        other => text.contains(&format!("//go:wasmimport host {other}\n")),
    }),
    ("AssemblyScript", &["guest-sdk/as/argus.ts"], |text, call| {
        text.contains(&format!("(\"host\", \"{call}\")"))
    }),
    ("C", &["guest-sdk/c/argus.h"], |text, call| text.contains(&format!("ARGUS_IMPORT({call})"))),
];

/// The text of a file, or of all files of a folder.
fn text_of(place: &str) -> String {
    let place = Path::new(TOP).join(place);
    if place.is_file() {
        return fs::read_to_string(&place).expect("a file");
    }
    let files = fs::read_dir(&place).unwrap_or_else(|e| panic!("{}: {e}", place.display()));
    files.map(|file| fs::read_to_string(file.expect("an entry").path()).expect("text")).collect()
}

fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = line(head.iter().map(|&cell| cell.to_owned()).collect());
    text += &line(vec!["---".to_owned(); head.len()]);
    rows.into_iter().map(line).for_each(|row| text += &row);
    text
}

fn calls() -> String {
    let texts: Vec<String> =
        SDKS.iter().map(|(_, places, _)| places.iter().map(|place| text_of(place)).collect()).collect();
    let mut head = vec!["call", "counts as"];
    head.extend(SDKS.iter().map(|(name, ..)| *name));
    let rows = host_calls().map(|(call, counts)| {
        let offered = SDKS
            .iter()
            .zip(&texts)
            .map(|((.., offers), text)| if offers(text, call) { "yes" } else { "-" }.to_owned());
        [format!("`{call}`"), counts.to_owned()].into_iter().chain(offered).collect()
    });
    table(&head, rows)
}

/// What a program shows, of those that the tests run: a column of the table of languages.
type Shows = fn(&Case) -> bool;

fn asks(case: &Case, of: &str) -> bool {
    case.calls.iter().any(|call| call.starts_with(of))
}

const SHOWN: [(&str, Shows); 7] = [
    ("HTTP", |case| asks(case, "http_")),
    ("chain", |case| asks(case, "evm_")),
    ("storage", |case| asks(case, "storage_")),
    ("secrets", |case| asks(case, "env_secret")),
    ("chooses the call", |case| matches!(&case.expect, Expect::Arguments(value) if value.is_object())),
    ("skips", |case| matches!(case.expect, Expect::Skipped(_))),
    ("fails", |case| matches!(case.expect, Expect::Error(_))),
];

/// How many programs of each language show each thing. A language is offered when its row has no hole.
fn languages() -> String {
    let languages = [
        ("TypeScript", "ts"),
        ("JavaScript", "js"),
        ("Go", "go"),
        ("Rust", "rust"),
        ("AssemblyScript", "as"),
        ("C", "c"),
    ];
    let mut head = vec!["language", "programs"];
    head.extend(SHOWN.map(|(what, _)| what));
    let rows = languages.map(|(name, folder)| {
        let cases = find(folder);
        let shown = SHOWN.map(|(what, shows)| {
            let count = cases.iter().filter(|found| shows(&found.case)).count();
            assert!(count > 0, "no program in {name} shows this: {what}");
            count.to_string()
        });
        [name.to_owned(), cases.len().to_string()].into_iter().chain(shown).collect()
    });
    table(&head, rows)
}

fn size(bytes: u64) -> String {
    match (bytes % (1 << 20), bytes % (1 << 10)) {
        (0, _) => format!("{} MB", bytes >> 20),
        (_, 0) => format!("{} KB", bytes >> 10),
        _ => format!("{bytes} bytes"),
    }
}

fn headers() -> String {
    let listed = |names: &[&str]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let seen = format!("{}, and those that begin with `{HEADERS_SEEN_PREFIX}`", listed(&HEADERS_SEEN));
    let rows = [("a script sees of an answer", seen), ("a request may not set", listed(&HEADERS_OURS))];
    table(&["headers", "which"], rows.map(|(what, which)| vec![what.to_owned(), which]))
}

fn limits() -> String {
    let (d, c) = (Limits::DEFAULT, Limits::CEILING);
    let n = |n: u64| n.to_string();
    let ms = |n: u64| format!("{n} ms");
    let rows: [(&str, String, String); 18] = [
        ("fuel", n(d.fuel_max), n(c.fuel_max)),
        ("memory", size(d.memory_bytes), size(c.memory_bytes)),
        ("wall time, waits included", ms(d.wall_ms), ms(c.wall_ms)),
        ("output", size(d.output_bytes), size(c.output_bytes)),
        ("log, cut there", size(d.log_bytes), size(c.log_bytes)),
        ("host calls", n(d.host_calls.into()), n(c.host_calls.into())),
        ("HTTP calls, redirects included", n(d.http_calls.into()), n(c.http_calls.into())),
        ("one HTTP body, decoded", size(d.http_body_bytes), size(c.http_body_bytes)),
        ("all HTTP waits", ms(d.http_wall_ms), ms(c.http_wall_ms)),
        ("EVM calls", n(d.evm_calls.into()), n(c.evm_calls.into())),
        ("JSON depth", n(d.json_depth.into()), n(c.json_depth.into())),
        ("table elements", n(d.table_elements), n(c.table_elements)),
        ("source", size(SOURCE_BYTES_MAX), size(SOURCE_BYTES_MAX)),
        ("module", size(MODULE_BYTES_MAX), size(MODULE_BYTES_MAX)),
        ("WASI command", size(d.command_bytes), size(c.command_bytes)),
        ("one function of a module", size(FUNCTION_BYTES_MAX), size(FUNCTION_BYTES_MAX)),
        ("blocks inside each other", n(NESTING_MAX.into()), n(NESTING_MAX.into())),
        ("error text", size(ERROR_TEXT_BYTES_MAX as u64), size(ERROR_TEXT_BYTES_MAX as u64)),
    ];
    table(
        &["limit", "default", "at most"],
        rows.map(|(what, default, most)| vec![what.to_owned(), default, most]),
    )
}

/// How a job's limits are changed.
type Lowered = fn(&mut Limits);

/// Scripts that go wrong: what each does, its JavaScript, and how a job's limits are changed for it.
const WRONG: [(&str, &str, Lowered); 14] = [
    ("never ends", "for (;;);", |_| ()),
    ("keeps too much", "const a = []; for (;;) a.push(new Uint8Array(1 << 20));", |_| ()),
    ("calls itself for ever", "(function again() { again(); })();", |_| ()),
    ("prints too much", "console.log('x'.repeat(200000));", |_| ()),
    ("prints what is nested too deep", "console.log('['.repeat(65) + ']'.repeat(65));", |_| ()),
    ("asks too often", "for (let i = 0; i < 6; i++) await fetch('https://a.example/');", |_| ()),
    ("reads a chain too often", "for (let i = 0; i < 21; i++) await argus.evm.blockNumber(1);", |_| ()),
    ("calls the host too often", "for (let i = 0; i < 3; i++) await fetch('https://a.example/');", |l| {
        l.host_calls = 2
    }),
    ("gets too large an answer", "await fetch('https://a.example/');", |l| l.http_body_bytes = 1),
    ("reads a chain that the job does not name", "await argus.evm.blockNumber(5);", |_| ()),
    ("prints nothing", "1;", |_| ()),
    ("prints two values", "console.log('[1]'); console.log('[2]');", |_| ()),
    ("throws", "throw new Error('no price');", |_| ()),
    ("waits for what never comes", "await new Promise(() => {});", |_| ()),
];

async fn errors() -> String {
    let case: Case = serde_json::from_value(json!({
        "about": "", "context": { "pinned": { "1": { "number": 1, "hash": format!("0x{}", "11".repeat(32)) } } },
        "http": [{ "url": "https://a.example/", "body": "hello" }], "chains": [{ "id": 1 }],
        "expect": { "error": "" },
    }))
    .expect("a case");
    let (input, secrets) = case.input().expect("a context");
    let (input, secrets) = (Arc::new(input), Arc::new(secrets));
    let (host, _) = host(&case);
    let mut rows = Vec::new();
    for (what, script, change) in WRONG {
        let mut limits = Limits::DEFAULT;
        change(&mut limits);
        let run = host.run(script.into(), Language::JavaScript, input.clone(), limits, secrets.clone());
        let report = run.await;
        let RunEnd::Failed(failure) = report.expect(what).end else { panic!("{what}: it did not fail") };
        let line = failure.message.lines().next().unwrap_or_default().replace('|', "\\|");
        rows.push(vec![what.to_owned(), format!("{:?}", failure.kind).to_lowercase(), line]);
    }
    table(&["a script that", "kind", "is told"], rows)
}

/// What a script in JavaScript comes to.
async fn told<T: DeserializeOwned>(script: &'static str) -> T {
    let case: Case =
        serde_json::from_value(json!({ "about": "", "expect": { "error": "" } })).expect("a case");
    let (host, _) = host(&case);
    let input = Arc::new(case.input().expect("a context").0);
    let run = host.run(script.into(), Language::JavaScript, input, Limits::DEFAULT, Arc::default());
    let RunEnd::Value(value) = run.await.expect("a run").end else { panic!("the script fails") };
    serde_json::from_value(value).expect("what is read of it")
}

/// How deep functions that call themselves go.
async fn depths() -> String {
    let measured: Vec<(String, u32)> = told(include_str!("guide/depths.js")).await;
    let rows = measured.into_iter().map(|(what, depth)| vec![what, depth.to_string()]);
    table(&["a function that calls itself", "how often inside each other"], rows)
}

/// What a script in JavaScript finds, as it finds it.
async fn surface() -> String {
    let found: Vec<(String, Vec<String>)> = told(include_str!("guide/surface.js")).await;
    let rows = found.into_iter().map(|(place, names)| vec![place, names.join(", ")]);
    table(&["where", "what"], rows)
}

/// Puts `fresh` between the marks of a table.
fn put(guide: &str, name: &str, fresh: &str) -> String {
    let (begin, end) = (
        format!("<!-- {name}: written by tests/guests/tests/guide.rs -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = guide.split_once(&begin).unwrap_or_else(|| panic!("the guide has no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the guide has no {end}"));
    let mut text = String::new();
    write!(text, "{before}{begin}\n{fresh}\n{end}{after}").expect("text");
    text
}

#[tokio::test]
async fn the_guides_tables_are_what_the_code_says() {
    let guide = Path::new(TOP).join("docs/guest-guide.md");
    let committed = fs::read_to_string(&guide).expect("docs/guest-guide.md");
    let fresh = put(&committed, "languages", &languages());
    let fresh = put(&fresh, "host calls", &calls());
    let fresh = put(&fresh, "JavaScript", &surface().await);
    let fresh = put(&fresh, "headers", &headers());
    let fresh = put(&fresh, "limits", &limits());
    let fresh = put(&fresh, "depths", &depths().await);
    let fresh = put(&fresh, "errors", &errors().await);
    if committed != fresh {
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guest-guide.md");
        fs::write(&written, fresh).expect("it can be written");
        panic!("the guide is behind the code: cp {} docs/guest-guide.md", written.display());
    }
}
