//! `argus module new`: a folder to begin with. The templates are working projects of guest-sdk, named price-feed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::show;

/// Arguments of `argus module new`.
#[derive(Debug, Args)]
pub struct New {
    /// What the script is written in
    #[arg(long, value_enum, value_name = "LANG")]
    pub lang: Lang,
    /// The folder to make; its last part is the script's name: a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    pub folder: PathBuf,
}

/// Languages that there is a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lang {
    /// TypeScript
    Ts,
    /// JavaScript
    Js,
    /// Rust
    Rust,
    /// Go
    Go,
    /// AssemblyScript
    As,
    /// C
    C,
}

/// The name that the templates have, in the two forms that names take.
const NAME: [(&str, char); 2] = [("price-feed", '-'), ("price_feed", '_')];
const NAME_BYTES_MAX: usize = 60;

/// Keywords of Rust, which no crate can be called, and the crates that a new one depends on by path.
const RUST_NAMES: [&str; 53] = [
    "abstract",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "struct",
    "super",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "argus-script",
    "argus-script-macro",
];
/// What import paths of Go begin with that are nobody's own: the standard library, what its command calls groups of
/// packages, and the package that the builder brings.
const GO_NAMES: [&str; 55] = [
    "all",
    "archive",
    "argus",
    "bufio",
    "builtin",
    "bytes",
    "cmd",
    "cmp",
    "compress",
    "container",
    "context",
    "crypto",
    "database",
    "debug",
    "embed",
    "encoding",
    "errors",
    "expvar",
    "flag",
    "fmt",
    "go",
    "hash",
    "html",
    "image",
    "index",
    "internal",
    "io",
    "iter",
    "log",
    "maps",
    "math",
    "mime",
    "net",
    "os",
    "path",
    "plugin",
    "reflect",
    "regexp",
    "runtime",
    "slices",
    "sort",
    "std",
    "strconv",
    "strings",
    "structs",
    "sync",
    "syscall",
    "testing",
    "text",
    "time",
    "tool",
    "unicode",
    "unique",
    "unsafe",
    "weak",
];
/// npm installs no package into one of the same name.
const ASSEMBLYSCRIPT_NAMES: [&str; 1] = ["assemblyscript"];

/// A file of a new project: where it goes, and what it holds.
type File = (&'static str, &'static str);

macro_rules! files {
    ($($to:literal = $from:literal),* $(,)?) => {
        &[$(($to, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk/", $from)))),*]
    };
}

impl Lang {
    /// Names that its tools do not build a project under.
    fn taken(self) -> &'static [&'static str] {
        match self {
            Self::Ts | Self::Js | Self::C => &[],
            Self::Rust => &RUST_NAMES,
            Self::Go => &GO_NAMES,
            Self::As => &ASSEMBLYSCRIPT_NAMES,
        }
    }

    fn files(self) -> &'static [File] {
        match self {
            Self::Ts => files! {
                "README.md" = "templates/ts/README.md",
                "script.ts" = "templates/ts/script.ts",
                "script.test.json" = "templates/ts/script.test.json",
                "ctx.json" = "templates/ts/ctx.json",
                "package.json" = "templates/ts/package.json",
                "tsconfig.json" = "templates/ts/tsconfig.json",
                ".gitignore" = "templates/ts/.gitignore",
                "argus-script/index.d.ts" = "js/index.d.ts",
                "argus-script/cli.mjs" = "js/cli.mjs",
            },
            Self::Js => files! {
                "README.md" = "templates/js/README.md",
                "script.js" = "templates/js/script.js",
                "script.test.json" = "templates/js/script.test.json",
                "ctx.json" = "templates/js/ctx.json",
                "package.json" = "templates/js/package.json",
                ".gitignore" = "templates/js/.gitignore",
                "argus-script/index.d.ts" = "js/index.d.ts",
                "argus-script/cli.mjs" = "js/cli.mjs",
            },
            Self::Rust => files! {
                "README.md" = "templates/rust/README.md",
                "Cargo.toml" = "templates/rust/Cargo.toml",
                ".cargo/config.toml" = "templates/rust/.cargo/config.toml",
                "src/lib.rs" = "templates/rust/src/lib.rs",
                "ctx.json" = "templates/rust/ctx.json",
                "answers.json" = "templates/rust/answers.json",
                ".gitignore" = "templates/rust/.gitignore",
                "argus-script/Cargo.toml" = "rust/Cargo.toml",
                "argus-script/README.md" = "rust/README.md",
                "argus-script/macro/Cargo.toml" = "rust/macro/Cargo.toml",
                "argus-script/macro/src/lib.rs" = "rust/macro/src/lib.rs",
                "argus-script/src/lib.rs" = "rust/src/lib.rs",
                "argus-script/src/abi.rs" = "rust/src/abi.rs",
                "argus-script/src/by_size.rs" = "rust/src/by_size.rs",
                "argus-script/src/env.rs" = "rust/src/env.rs",
                "argus-script/src/evm.rs" = "rust/src/evm.rs",
                "argus-script/src/guest.rs" = "rust/src/guest.rs",
                "argus-script/src/heap.rs" = "rust/src/heap.rs",
                "argus-script/src/http.rs" = "rust/src/http.rs",
                "argus-script/src/storage.rs" = "rust/src/storage.rs",
                "argus-script/src/test.rs" = "rust/src/test.rs",
                "argus-script/src/types.rs" = "rust/src/types.rs",
            },
            Self::Go => files! {
                "README.md" = "templates/go/README.md",
                "go.mod" = "templates/go/go.mod",
                "main.go" = "templates/go/main.go",
                "main_test.go" = "templates/go/main_test.go",
                "ctx.json" = "templates/go/ctx.json",
                "answers.json" = "templates/go/answers.json",
                ".gitignore" = "templates/go/.gitignore",
            },
            Self::As => files! {
                "README.md" = "templates/as/README.md",
                "asconfig.json" = "templates/as/asconfig.json",
                "package.json" = "templates/as/package.json",
                "assembly/index.ts" = "templates/as/assembly/index.ts",
                "assembly/argus.ts" = "as/argus.ts",
                "script.test.json" = "templates/as/script.test.json",
                "ctx.json" = "templates/as/ctx.json",
                ".gitignore" = "templates/as/.gitignore",
                "argus-script/cli.mjs" = "js/cli.mjs",
            },
            Self::C => files! {
                "README.md" = "templates/c/README.md",
                "script.c" = "templates/c/script.c",
                "argus.h" = "c/argus.h",
                "Makefile" = "templates/c/Makefile",
                "ctx.json" = "templates/c/ctx.json",
                "answers.json" = "templates/c/answers.json",
                ".gitignore" = "templates/c/.gitignore",
            },
        }
    }
}

/// Makes the folder; gives the exit code.
pub fn run(args: &New, as_json: bool) -> anyhow::Result<u8> {
    let made = make(args.lang, &args.folder)?;
    if as_json {
        show::json(&json!({ "ok": true, "folder": args.folder.display().to_string(), "files": made }));
    } else {
        made.iter().for_each(|file| show::line(format!("  {file}")));
        show::line(format!("{} is ready: cd into it; README.md says what is next", args.folder.display()));
    }
    Ok(0)
}

fn make(lang: Lang, folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    ensure!(
        plain && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= NAME_BYTES_MAX,
        "{name:?} cannot name a script: begin with a-z and go on with a-z, 0-9 and -, {NAME_BYTES_MAX} at most"
    );
    ensure!(
        !lang.taken().contains(&name),
        "{name} is taken in this language, by a keyword or by what the project uses, and would not build: choose \
         another name, for example my-{name}"
    );
    let taken = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    };
    if taken {
        bail!(
            "{} is there already and not empty: nothing was written; choose another name",
            folder.display()
        );
    }
    let files = lang.files();
    for (to, text) in files {
        let path = folder.join(to);
        let above = path.parent().unwrap_or(folder);
        fs::create_dir_all(above).with_context(|| format!("cannot make {}", above.display()))?;
        let text = NAME.iter().fold((*text).to_owned(), |text, (from, joint)| {
            text.replace(from, &name.replace('-', &joint.to_string()))
        });
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(files.iter().map(|(to, _)| *to).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const ALL: [(Lang, &str); 6] = [
        (Lang::Ts, "ts"),
        (Lang::Js, "js"),
        (Lang::Rust, "rust"),
        (Lang::Go, "go"),
        (Lang::As, "as"),
        (Lang::C, "c"),
    ];

    fn below(folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![folder.to_owned()];
        while let Some(at) = open.pop() {
            for entry in fs::read_dir(&at).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(folder).expect("below");
                    found.insert(name.to_str().expect("text").to_owned());
                }
            }
        }
        found
    }

    #[test]
    fn every_template_explains_itself_and_bears_the_name() {
        for (lang, text) in ALL {
            let place = tempfile::tempdir().expect("a folder");
            let folder = place.path().join("my-oracle");
            let made: BTreeSet<String> =
                make(lang, &folder).expect(text).into_iter().map(str::to_owned).collect();
            assert_eq!(below(&folder), made, "{text}");
            for needed in ["README.md", "ctx.json", ".gitignore"] {
                assert!(made.contains(needed), "{text}: {needed}");
            }
            let readme = fs::read_to_string(folder.join("README.md")).expect("README.md");
            for command in ["argus module build", "argus module run", "argus module publish", "my-oracle"] {
                assert!(readme.contains(command), "{text}: {command}");
            }
            for file in &made {
                let written = fs::read_to_string(folder.join(file)).expect("text");
                assert!(!written.contains("price-feed") && !written.contains("price_feed"), "{text}: {file}");
            }
        }
    }

    #[test]
    fn no_file_of_a_template_is_forgotten() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/templates");
        for (lang, text) in ALL {
            let out = std::process::Command::new("git")
                .args(["ls-files", "--cached", "--others", "--exclude-standard", "."])
                .current_dir(templates.join(text))
                .output()
                .expect("git");
            let kept = String::from_utf8(out.stdout).expect("text");
            assert!(!kept.is_empty(), "{text} has no template");
            for file in kept.lines() {
                assert!(lang.files().iter().any(|(to, _)| *to == file), "{text}: {file} is not written");
            }
        }
    }

    #[test]
    fn nothing_is_overwritten_and_a_bad_name_is_refused() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("mine");
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join("script.ts"), "mine").expect("a file");
        let error = make(Lang::Ts, &folder).expect_err("it is not empty").to_string();
        assert!(error.contains("not empty"), "{error}");
        assert_eq!(fs::read_to_string(folder.join("script.ts")).expect("still there"), "mine");
        assert_eq!(below(&folder).len(), 1);
        for name in ["Price", "1st", "a b", "-x", "..", &"a".repeat(61)] {
            let error = make(Lang::C, &place.path().join(name)).expect_err(name).to_string();
            assert!(error.contains("cannot name") || error.contains("not empty"), "{name}: {error}");
        }
    }

    #[test]
    fn a_name_that_would_not_build_is_refused_with_another_one() {
        let place = tempfile::tempdir().expect("a folder");
        for (lang, name) in [
            (Lang::Go, "fmt"),
            (Lang::Go, "all"),
            (Lang::Go, "argus"),
            (Lang::Rust, "fn"),
            (Lang::Rust, "argus-script"),
            (Lang::As, "assemblyscript"),
        ] {
            let folder = place.path().join(name);
            let error = make(lang, &folder).expect_err(name).to_string();
            assert!(error.contains(&format!("{name} is taken")), "{error}");
            assert!(!folder.exists(), "{name}");
            let other = format!("my-{name}");
            assert!(error.contains(&other), "{error}");
            make(lang, &place.path().join(other)).expect(name);
        }
        // What is taken in one language is free in another.
        make(Lang::Ts, &place.path().join("fmt")).expect("it is no word there");
    }
}
