//! docs/api-guide.md: each command and program as it stands there, each answer as it is said to be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use argus_e2e::{Platform, Start, Topology, TypeScript, corpus::fit, deadline, jobs::fresh_id};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::on;

/// Seconds in which what is only read becomes what is said: a task has to be executed first.
const PATIENCE: u64 = 30;
/// The program whose parts the guide shows.
const PROGRAM: &str = include_str!("../../src/bin/guide/main.rs");

/// One block of code.
struct Block {
    language: String,
    text: String,
    heading: String,
}

impl Block {
    /// What only reads may be asked until it fits.
    fn is_read_only(&self) -> bool {
        self.language == "sh" && !self.text.contains(" -d ") && !self.text.contains(" -X ")
    }
}

/// Blocks that stand one upon the other, and the answer below them.
struct Example {
    blocks: Vec<Block>,
    answer: Value,
}

/// What a language's examples begin with, and the examples.
struct Guide {
    beginnings: BTreeMap<String, String>,
    examples: Vec<Example>,
}

impl Guide {
    fn read(text: &str) -> Self {
        let (mut beginnings, mut examples) = (BTreeMap::new(), Vec::new());
        let (mut blocks, mut heading, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once("```") {
            let (language, after) = after.split_once('\n').expect("a fence is a line");
            let (text, after) = after.split_once("\n```\n").expect("the end of a block");
            if let Some(line) = before.lines().rev().find_map(|line| line.strip_prefix("## ")) {
                heading = line.to_owned();
            }
            match (language, after.starts_with("```")) {
                ("json", _) => {
                    let answer = serde_json::from_str(text).unwrap_or_else(|e| panic!("{text}\n{e}"));
                    examples.push(Example { blocks: std::mem::take(&mut blocks), answer });
                }
                ("", false) => {}
                (language, true) => blocks.push(Block {
                    language: language.to_owned(),
                    text: format!("{text}\n"),
                    heading: heading.clone(),
                }),
                (language, false) => drop(beginnings.insert(language.to_owned(), format!("{text}\n"))),
            }
            rest = after;
        }
        Self { beginnings, examples }
    }

    fn blocks(&self, language: &str) -> impl Iterator<Item = &Block> {
        let blocks = self.examples.iter().flat_map(|example| &example.blocks);
        blocks.filter(move |block| block.language == language)
    }

    /// A block as a program, and its name.
    fn program(&self, block: &Block) -> (String, String) {
        let name = block.heading.to_lowercase().replace(' ', "-");
        let beginning = &self.beginnings[&block.language];
        (name, format!("{beginning}\n{}", block.text))
    }
}

/// What runs the blocks of languages that not every machine has.
struct Tools {
    typescript: Option<TypeScript>,
    sdk: Option<PathBuf>,
}

fn guide() -> Guide {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api-guide.md");
    Guide::read(&std::fs::read_to_string(guide).expect("the guide"))
}

#[test]
fn every_example_of_the_api_guide_gives_what_it_says() {
    on(argus_e2e::TOPOLOGIES, examples);
}

#[test]
fn the_guide_shows_the_rust_that_is_compiled() {
    let guide = guide();
    for line in guide.beginnings["rust"].lines().filter(|line| !line.is_empty()) {
        assert!(PROGRAM.lines().any(|compiled| compiled.trim() == line.trim()), "not compiled: {line}");
    }
    for block in guide.blocks("rust") {
        let name = block.heading.to_lowercase().replace(' ', "_");
        let (_, function) =
            PROGRAM.split_once(&format!("async fn {name}(")).expect("a function of the heading");
        let (_, body) = function.split_once("{\n").expect("its beginning");
        let (body, _) = body.split_once("    Ok(())\n}\n").expect("its end");
        let body: String = body.split_inclusive('\n').map(|l| l.strip_prefix("    ").unwrap_or(l)).collect();
        assert_eq!(block.text, body, "{}: the guide shows other code than is compiled", block.heading);
    }
}

async fn examples(topology: Topology) {
    let guide = guide();
    let tools = tools(&guide).await;
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).usual_blocks().run().await;
    // Each language has a job of its own.
    let jobs: BTreeMap<&str, String> = ["sh", "rust", "ts", "js"].map(|name| (name, fresh_id())).into();
    let mut run = BTreeMap::<&str, u32>::new();
    for example in &guide.examples {
        for block in &example.blocks {
            let end = deadline(if block.is_read_only() { PATIENCE } else { 0 });
            while let Some(said) = said(&platform, &guide, &tools, block, &jobs[block.language.as_str()]) {
                *run.entry(&block.language).or_default() += 1;
                let Err(why) = held(&example.answer, &said) else { break };
                assert!(
                    Instant::now() < end,
                    "{}, {}:\n{}\n{why}",
                    block.heading,
                    block.language,
                    block.text
                );
                sleep(Duration::from_millis(200)).await;
            }
        }
    }
    eprintln!("{run:?}");
    assert!(run["sh"] > 20 && run["rust"] >= 7, "{run:?} examples only");
    platform.stop().await;
}

async fn tools(guide: &Guide) -> Tools {
    let typescript = match argus_e2e::typescript() {
        None => None,
        Some(compiler) => {
            let typescript = TypeScript::package(compiler).await;
            let programs: Vec<_> = guide.blocks("ts").map(|block| guide.program(block)).collect();
            typescript.compile(programs.iter().map(|(name, text)| (name.as_str(), text.as_str()))).await;
            Some(typescript)
        }
    };
    Tools { typescript, sdk: argus_e2e::sdk_packages() }
}

fn held(pattern: &Value, said: &str) -> Result<(), String> {
    let value: Value = serde_json::from_str(said).map_err(|e| format!("{e}: {said}"))?;
    fit(pattern, &value, "the answer").map_err(|why| format!("{why}\n{said}"))
}

/// What a block prints; `None` where its language is not to be had here.
fn said(platform: &Platform, guide: &Guide, tools: &Tools, block: &Block, job: &str) -> Option<String> {
    let mut command = match block.language.as_str() {
        "sh" => {
            let mut bash = Command::new("bash");
            bash.args(["-euo", "pipefail", "-c", &block.text]);
            bash
        }
        "rust" => {
            let mut program = Command::new(argus_e2e::guide());
            program.arg(block.heading.to_lowercase());
            program
        }
        "ts" => tools.typescript.as_ref()?.program(&guide.program(block).0),
        "js" => {
            let beginning = &guide.beginnings["js"];
            let mut node = Command::new("node");
            node.env("NODE_PATH", tools.sdk.as_ref()?).arg("-e");
            // The package's connections keep a process alive.
            node.arg(format!("{beginning}(async () => {{\n{}process.exit();\n}})();", block.text));
            node
        }
        other => panic!("nothing runs {other}"),
    };
    let output = command
        .env("API", platform.said("/api"))
        .env("APP_KEY", platform.said("/keys/app"))
        .env("KEY", platform.said("/keys/user"))
        .env("ADMIN_KEY", platform.said("/keys/admin"))
        .env("OWNER", platform.account(0))
        .env("PRIVATE_KEY", platform.said("/accounts/0/private_key"))
        .env("CHAIN", platform.chain_id())
        .env("RPC", platform.said("/rpc"))
        .env("TARGET", platform.said("/contracts/demo_target"))
        .env("READY", platform.ready.to_string())
        .env("JOB", job)
        .output()
        .expect("it starts");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}{}", block.text, text(&output.stdout), text(&output.stderr));
    Some(text(&output.stdout))
}
