//! docs/operations.md names tests that show what it says: each of them there is.

use std::collections::BTreeSet;

use crate::{Faults, text::File};

/// What stands before the name of a test.
const SHOWN: &str = "shown by `";
/// Fewer references than this, and the document has lost what holds it.
const LEAST: usize = 10;

/// References of the document to tests that are not there.
pub fn check_operations(document: &str, files: &[File]) -> Faults {
    let named: BTreeSet<&str> =
        document.split(SHOWN).skip(1).filter_map(|rest| rest.split('`').next()).collect();
    let mut faults: Faults = named
        .iter()
        .filter(|name| !files.iter().any(|file| has_test(file, name)))
        .map(|name| format!("docs/operations.md names the test {name}, which does not exist"))
        .collect();
    if named.len() < LEAST {
        faults.push(format!("docs/operations.md names {} tests: what it says has to be shown", named.len()));
    }
    faults
}

/// As a function, or as a row of a macro that makes functions.
fn has_test(file: &File, name: &str) -> bool {
    let is_code = file.path.ends_with(".rs") && !file.path.starts_with("tests/house/");
    // An attribute stands on one of the lines before.
    let is_function = |at: usize| {
        let mut before = file.text[..at].lines().rev().take(3).map(str::trim);
        before.any(|line| line.ends_with("test]") || line.starts_with("#[tokio::test("))
    };
    let function = format!("fn {name}(");
    let mut functions = file.text.match_indices(&function).map(|(at, _)| at);
    is_code && (functions.any(is_function) || file.text.contains(&format!("    {name}: \"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_gone_is_told() {
        let file = File {
            path: "tests/a.rs".to_owned(),
            text: "#[test]\nfn it_holds() {}\n\n\nfn it_helps() {}\n    it_dies: \"x\",".to_owned(),
        };
        let faults = |text: &str| check_operations(text, std::slice::from_ref(&file));
        let all = |name: &str| format!("(shown by `{name}`)");
        assert_eq!(faults(&all("it_holds")).len(), 1, "too few, and that one is there");
        assert_eq!(faults(&all("it_dies")).len(), 1);
        assert_eq!(faults(&all("it_is_gone")).len(), 2);
        assert_eq!(faults(&all("it_helps")).len(), 2, "no test");
        assert_eq!(faults(&all("it")).len(), 2);
    }
}
