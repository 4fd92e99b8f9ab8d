//! ARCHITECTURE.md is a map: short, and every place on it exists.

use crate::Faults;

/// Longer than this and nobody reads it to the end.
const LINES_MAX: usize = 400;

/// Endings that make a word in backticks a file's name even without a folder before it.
const FILE_ENDINGS: &[&str] = &[
    ".rs", ".toml", ".md", ".json", ".sol", ".proto", ".wit", ".sql", ".cql", ".mjs", ".js", ".html",
    ".yaml", ".yml",
];

/// A map that is too long, or that names a path for which `exists` says no.
pub fn check_map(text: &str, exists: impl Fn(&str) -> bool) -> Faults {
    let mut faults = Faults::new();
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("ARCHITECTURE.md has {lines} lines, {LINES_MAX} at most: move detail to docs/"));
    }
    for (number, path) in paths(text, &exists) {
        if !exists(path.trim_end_matches('/')) {
            faults.push(format!("ARCHITECTURE.md:{number} names {path}, which does not exist"));
        }
    }
    faults
}

/// Every path that the text names, with its line: in backticks, as a link's target, or as the first word of a
/// line in a fenced tree, where indentation says which folder it is in.
fn paths(text: &str, exists: &impl Fn(&str) -> bool) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    let mut tree: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            tree.clear();
        } else if fenced {
            let depth = line.len() - line.trim_start().len();
            let Some(word) = line.split_whitespace().next().filter(|word| is_tree_entry(word)) else {
                continue;
            };
            while tree.last().is_some_and(|(above, _)| *above >= depth) {
                tree.pop();
            }
            let path = tree.last().map_or_else(|| word.to_owned(), |(_, above)| format!("{above}{word}"));
            found.push((number, path.clone()));
            if word.ends_with('/') {
                tree.push((depth, path));
            }
        } else {
            let quoted =
                line.split('`').skip(1).step_by(2).filter(|word| is_path(word, exists)).map(str::to_owned);
            found.extend(quoted.map(|path| (number, path)));
            found.extend(link_targets(line).map(|path| (number, path)));
        }
    }
    found
}

fn is_tree_entry(word: &str) -> bool {
    word.ends_with('/') && word.len() > 1 && is_plain(word) && !word.starts_with('/')
}

/// A file, a folder, or anything below a folder that exists (`core/domain`, but not `text/plain`).
fn is_path(word: &str, exists: &impl Fn(&str) -> bool) -> bool {
    let names_file = FILE_ENDINGS.iter().any(|ending| word.ends_with(ending) && word.len() > ending.len());
    let names_folder = word.ends_with('/') && word.len() > 1;
    let is_below = word.split_once('/').is_some_and(|(first, _)| exists(first));
    is_plain(word) && !word.starts_with('/') && (names_file || names_folder || is_below)
}

/// No pattern, no code, no URL: a word that could be typed after `ls`.
fn is_plain(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

fn link_targets(line: &str) -> impl Iterator<Item = String> {
    line.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|target| !target.is_empty() && is_plain(target))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# Map
Values live in `core/domain`, wiring in `argus/src/main.rs`; `GET /api/jobs`, `text/plain`, `Vec::new` are no paths.
See [the guide](docs/guide.md#top) and [elsewhere](https://example.com/a/).
```
core/          what is true
  domain/      values
  gone/        nothing
host/
1  domain
```
";

    fn exists(path: &str) -> bool {
        ["core", "core/domain", "argus/src/main.rs", "docs/guide.md", "host"].contains(&path)
    }

    #[test]
    fn only_what_is_gone_is_a_fault() {
        assert_eq!(check_map(TEXT, exists), ["ARCHITECTURE.md:7 names core/gone/, which does not exist"]);
        assert_eq!(check_map(TEXT, |path| path == "core" || path == "host").len(), 5);
    }

    #[test]
    fn a_long_map_is_a_fault() {
        assert!(check_map(&"line\n".repeat(400), exists).is_empty());
        assert_eq!(check_map(&"line\n".repeat(401), exists).len(), 1);
    }
}
