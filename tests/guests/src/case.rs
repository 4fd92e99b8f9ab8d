//! One case: a folder with a script and its `case.json`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use argus_domain::{
    limits::Limits,
    module::Language,
    run::RunInput,
    secret::{RunSecrets, SecretName, SecretValue},
};
use argus_host::{ContextError, parse_context};
use argus_memory::recorded::{Chain, Exchange};
use serde::Deserialize;
use serde_json::Value;

/// `case.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What such a script is for, in a sentence.
    pub about: String,
    /// The context that it is told; what is left out has its default.
    #[serde(default)]
    pub context: Option<Value>,
    /// Hosts that it may reach; empty: any.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// Secrets that its job grants, with their values.
    #[serde(default)]
    pub secrets: BTreeMap<SecretName, String>,
    /// Fuel that its job allows; without it the default.
    #[serde(default)]
    pub fuel: Option<u64>,
    /// What the world answers over HTTP.
    #[serde(default)]
    pub http: Vec<Exchange>,
    /// What each chain answers at the block that `context.pinned` names.
    #[serde(default)]
    pub chains: Vec<Chain>,
    /// The host calls that it makes, each named once, in the order of the alphabet: what its language is shown to reach.
    #[serde(default)]
    pub calls: Vec<String>,
    /// What it must come to.
    pub expect: Expect,
    /// What it must remember at the end, all of it, as text.
    #[serde(default)]
    pub remembers: Option<BTreeMap<String, String>>,
    /// Part of what it must have logged.
    #[serde(default)]
    pub log: Option<String>,
}

/// How a case must end.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// With these arguments (or, for a script that chooses the call, this object), exactly.
    Arguments(Value),
    /// With a skip whose reason contains this.
    Skipped(String),
    /// With a failure whose message contains this.
    Error(String),
}

/// A case with what runs in it.
#[derive(Debug, Clone)]
pub struct Found {
    /// `language/name`.
    pub name: String,
    /// The case.
    pub case: Case,
    /// What was published.
    pub source: bytes::Bytes,
    /// In which language.
    pub language: Language,
}

impl Case {
    /// What the script is told, and the secrets that are put in for it.
    ///
    /// # Errors
    /// [`ContextError`] for the first field of the context that is wrong.
    ///
    /// # Panics
    /// Where a secret's value is none.
    pub fn input(&self) -> Result<(RunInput, RunSecrets), ContextError> {
        let mut input = parse_context(self.context.as_ref(), self.allow_hosts.clone())?;
        input.secrets = self.secrets.keys().cloned().collect();
        input.may_compute = !self.secrets.is_empty();
        let value = |text: &String| SecretValue::new(text.clone()).expect("a secret's value");
        let secrets = self.secrets.iter().map(|(name, text)| (name.clone(), value(text))).collect();
        Ok((input, secrets))
    }
}

impl Found {
    /// The job's limits.
    pub fn limits(&self) -> Limits {
        Limits { fuel_max: self.case.fuel.unwrap_or(Limits::DEFAULT.fuel_max), ..Limits::DEFAULT }
    }
}

/// Where cases are, below the root of the repository: the corpus, and what the SDKs show their readers.
const ROOTS: [&str; 2] = ["tests/guests/real", "guest-sdk/examples"];

/// All cases of a language, by place and name. What runs is `script.<ending>`, or `module.wasm` where the language is
/// compiled by its author.
///
/// # Panics
/// Where a case cannot be read: a corpus with a hole in it must not pass.
pub fn find(language: &str) -> Vec<Found> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let roots = ROOTS.iter().map(|root| top.join(root).join(language)).filter(|root| root.is_dir());
    let mut folders: Vec<PathBuf> =
        roots.flat_map(|root| entries(&root)).filter(|path| path.join("case.json").is_file()).collect();
    folders.sort();
    folders.iter().map(|folder| one(language, folder)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    listed.map(|entry| entry.expect("an entry").path()).collect()
}

fn one(language: &str, folder: &Path) -> Found {
    let called = folder.file_name().unwrap_or_default().to_string_lossy();
    let name = format!("{language}/{called}");
    let text =
        fs::read_to_string(folder.join("case.json")).unwrap_or_else(|e| panic!("{name}/case.json: {e}"));
    let case = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}/case.json: {e}"));
    let runs = |path: &PathBuf| {
        path.file_stem().is_some_and(|stem| stem == "script") || path.ends_with("module.wasm")
    };
    let script = entries(folder).into_iter().find(runs);
    let script = script.unwrap_or_else(|| panic!("{name} holds neither script.* nor module.wasm"));
    let language = match script.extension().and_then(|e| e.to_str()).unwrap_or_default() {
        "mts" | "cts" => Language::TypeScript,
        "mjs" | "cjs" => Language::JavaScript,
        other => other.parse().unwrap_or_else(|e| panic!("{name}: {e}")),
    };
    let source = fs::read(&script).unwrap_or_else(|e| panic!("{}: {e}", script.display())).into();
    Found { name, case, source, language }
}
