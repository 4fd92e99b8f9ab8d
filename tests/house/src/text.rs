//! Rules over the text of tracked files: size, forgotten work, and what belongs to one machine alone.

use crate::Faults;

/// A file that a person has to read: longer than this it holds more than one thing.
const LINES_MAX: usize = 600;

/// Endings of what people write by hand in a programming language.
const SOURCE: &[&str] = &[".rs", ".sol", ".js", ".mjs", ".cjs", ".ts", ".py", ".go", ".sh", ".c", ".h"];

/// Folders of an absolute path that exist on one person's machine only. Split, like all that follows, so that this
/// file is not its own fault.
const MACHINE_ROOTS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/mn", "t/"),
    concat!("C:\\Us", "ers\\"),
];

/// Home folders inside container images, which are the same for everyone.
const SHARED_HOMES: &[&str] = &[concat!("/ho", "me/argus"), concat!("/ho", "me/nonroot")];

/// Hosts that package managers download from. A lock or configuration file that names one ties every build to
/// it; the checksums suffice.
const DOWNLOAD_HOSTS: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("files.", "pythonhosted.org"),
    concat!("pypi.", "org/simple"),
    concat!("proxy.", "golang.org"),
    concat!("sum.", "golang.org"),
    concat!("repo1.", "maven.org"),
    concat!("repo.maven.", "apache.org"),
    concat!("deb.", "debian.org"),
];

/// What a float is called, and how JSON is read as one.
const FLOATS: &[&str] = &["f32", "f64", "as_f64", "from_f64"];

/// Where shipped code has floats: what measures time for people to read, the clock that JavaScript has, and the numbers
/// of Prometheus.
const FLOATS_ALLOWED: &[&str] = &[
    "argus/src/cli/module/bench.rs",
    "bench/",
    "host/src/js.rs",
    "host/src/overhead.rs",
    "metrics/src/read.rs",
];

/// One tracked text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the root, with `/` between the parts.
    pub path: String,
    /// Its whole content.
    pub text: String,
}

impl File {
    fn is_source(&self) -> bool {
        SOURCE.iter().any(|ending| self.path.ends_with(ending))
    }

    fn is_test(&self) -> bool {
        let stem = self.path.rsplit('/').next().and_then(|name| name.split('.').next()).unwrap_or_default();
        let in_tests =
            self.path.split('/').any(|part| ["tests", "test", "testdata", "fixtures"].contains(&part));
        in_tests || ["tests", "test"].contains(&stem) || stem.ends_with("_test") || stem.ends_with("_tests")
    }

    /// Lines before the file's own test module, which may be as long as its tables need.
    fn lines_shipped(&self) -> usize {
        let lines: Vec<&str> = self.text.lines().collect();
        let test_module = lines.windows(2).position(|pair| {
            pair[0].starts_with("#[cfg(test)]") && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        test_module.unwrap_or(lines.len())
    }

    pub(crate) fn faults_by_line(&self, fault: impl Fn(&str) -> Option<String>) -> Faults {
        let numbered = self.text.lines().enumerate();
        numbered
            .filter_map(|(index, line)| fault(line).map(|what| format!("{}:{} {what}", self.path, index + 1)))
            .collect()
    }
}

/// Source files, tests aside, that are too long.
pub fn check_size(files: &[File]) -> Faults {
    files
        .iter()
        .filter(|file| file.is_source() && !file.is_test())
        .map(|file| (file, file.lines_shipped()))
        .filter(|(_, lines)| *lines > LINES_MAX)
        .map(|(file, lines)| {
            format!("{} has {lines} lines, {LINES_MAX} at most: split it by noun", file.path)
        })
        .collect()
}

/// Tests that are switched off: a test runs or does not exist. One that another test starts in a process of its
/// own, to kill it, does run, and so does one that needs several nodes of a store, in a step of CI of its own: they say
/// so in these words.
pub fn check_ignored_tests(files: &[File]) -> Faults {
    let attribute = concat!("#[ig", "nore");
    let runs = [
        concat!("#[ig", "nore = \"started by another test\"]"),
        concat!("#[ig", "nore = \"run by make test-cluster\"]"),
    ];
    let check = |line: &str| {
        let found = line.trim_start().starts_with(attribute) && !runs.contains(&line.trim());
        found.then(|| "switches a test off: repair it, or delete it".to_owned())
    };
    files
        .iter()
        .filter(|file| file.path.ends_with(".rs"))
        .flat_map(|file| file.faults_by_line(check))
        .collect()
}

/// Notes of work left undone without the number of the issue that will do it.
pub fn check_notes(files: &[File]) -> Faults {
    let check = |line: &str| {
        let note =
            [concat!("TO", "DO"), concat!("FIX", "ME")].into_iter().find(|word| has_word(line, word))?;
        let numbered = line.split('#').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        (!numbered).then(|| format!("has a {note} without an issue number (`#12`)"))
    };
    files.iter().filter(|file| file.is_source()).flat_map(|file| file.faults_by_line(check)).collect()
}

/// Floats in shipped Rust: wei, thresholds and arguments are integers or exact decimals. Under core/ clippy bans them,
/// what others' code becomes by macros included.
pub fn check_floats(files: &[File]) -> Faults {
    let check = |line: &str| {
        let found = FLOATS.iter().find(|float| has_word(line, float))?;
        Some(format!("has {found}: integers or exact decimals, no value is a float"))
    };
    let is_shipped = |path: &str| {
        let (name, rest) = path.split_once('/').unwrap_or_default();
        rest.contains("src/") && path.ends_with(".rs") && !["core", "guest-sdk", "tests"].contains(&name)
    };
    files
        .iter()
        .filter(|file| is_shipped(&file.path) && !file.is_test())
        .filter(|file| !FLOATS_ALLOWED.iter().any(|place| file.path.starts_with(place)))
        .flat_map(|file| file.faults_by_line(check))
        .collect()
}

/// Absolute paths of somebody's machine, and hosts that packages are downloaded from.
pub fn check_places(files: &[File]) -> Faults {
    let check = |line: &str| {
        if let Some(path) = machine_path(line) {
            return Some(format!("names {path}, a path of one machine"));
        }
        let host = DOWNLOAD_HOSTS.iter().find(|host| line.contains(**host))?;
        Some(format!("names {host}, a host that packages are downloaded from"))
    };
    files.iter().flat_map(|file| file.faults_by_line(check)).collect()
}

fn machine_path(line: &str) -> Option<&'static str> {
    MACHINE_ROOTS.iter().copied().find(|root| {
        line.match_indices(root).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            let starts_here = before.is_none_or(|c| !c.is_alphanumeric() && !"./_-})>*$".contains(c));
            starts_here && !SHARED_HOMES.iter().any(|home| line[at..].starts_with(home))
        })
    })
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let is_letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_letter(line[..at].chars().next_back()) && !is_letter(line[at + word.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    fn check(rule: fn(&[File]) -> Faults, path: &str, text: &str, holds: bool) {
        let faults = rule(&[file(path, text)]);
        assert_eq!(faults.is_empty(), holds, "{path} with {text:.80}: {faults:?}");
    }

    #[test]
    fn sizes_as_a_table() {
        let long = "line\n".repeat(601);
        let tested = format!("{}#[cfg(test)]\nmod tests {{\n{long}}}\n", "line\n".repeat(599));
        check(check_size, "host/src/run.rs", &long, false);
        check(check_size, "contracts/src/Executor.sol", &long, false);
        check(check_size, "host/src/run.rs", &long[5..], true);
        check(check_size, "host/src/run.rs", &tested, true);
        check(check_size, "host/tests/run.rs", &long, true);
        check(check_size, "host/src/run_tests.rs", &long, true);
        check(check_size, "docs/openapi.json", &long, true);
    }

    #[test]
    fn ignored_tests_as_a_table() {
        check(check_ignored_tests, "a.rs", concat!("    #[ig", "nore]\nfn f() {}"), false);
        check(check_ignored_tests, "a.rs", concat!("#[ig", "nore = \"slow\"]"), false);
        check(check_ignored_tests, "a.rs", concat!("// we never #[ig", "nore a test"), true);
        check(check_ignored_tests, "a.rs", concat!("#[ig", "nore = \"started by another test\"]"), true);
        check(check_ignored_tests, "a.rs", concat!("#[ig", "nore = \"run by make test-cluster\"]"), true);
        check(check_ignored_tests, "a.md", concat!("#[ig", "nore]"), true);
    }

    #[test]
    fn notes_as_a_table() {
        check(check_notes, "a.rs", concat!("// TO", "DO: later"), false);
        check(check_notes, "a.sol", concat!("// FIX", "ME (me)"), false);
        check(check_notes, "a.rs", concat!("// TO", "DO(#12): later"), true);
        check(check_notes, "a.rs", concat!("const TO", "DO_LIST: u8 = 1;"), true);
        check(check_notes, "a.md", concat!("TO", "DO"), true);
    }

    #[test]
    fn floats_as_a_table() {
        check(check_floats, "api/src/fees.rs", "let price = wei as f64;", false);
        check(check_floats, "adapters/evm/src/wire.rs", "value.as_f64()", false);
        check(check_floats, "clients/rust/src/wei.rs", "struct Wei(f64);", false);
        check(check_floats, "api/src/fees.rs", "let seconds = took.as_secs_f64();", true);
        check(check_floats, "bench/src/main.rs", "let ratio: f64 = 1.0;", true);
        check(check_floats, "api/tests/edge/junk.rs", "any::<f64>()", true);
    }

    #[test]
    fn places_as_a_table() {
        let cases = [
            (concat!("path = \"/wo", "rk/main\""), false),
            (concat!("see /ho", "me/jo/argus"), false),
            (concat!("\"resolved\": \"https://registry.", "npmjs.org/solc\""), false),
            (concat!("GOPROXY=https://proxy.", "golang.org"), false),
            (concat!("USER /ho", "me/argus"), true),
            (concat!("framework/wo", "rk/x and ./wo", "rk/y and $HOME/wo", "rk/z"), true),
            ("https://crates.io/crates/argus", true),
        ];
        for (line, holds) in cases {
            check(check_places, "any/file", line, holds);
        }
    }
}
