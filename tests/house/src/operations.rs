//! docs/operations.md says nothing that no test shows: whom it names as showing it, there is.

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
    is_code && (file.text.contains(&format!("fn {name}(")) || file.text.contains(&format!("    {name}: \"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_is_gone_is_told() {
        let file =
            File { path: "tests/a.rs".to_owned(), text: "fn it_holds() {}\n    it_dies: \"x\",".to_owned() };
        let faults = |text: &str| check_operations(text, std::slice::from_ref(&file));
        let all = |name: &str| format!("(shown by `{name}`)");
        assert_eq!(faults(&all("it_holds")).len(), 1, "too few, and that one is there");
        assert_eq!(faults(&all("it_dies")).len(), 1);
        assert_eq!(faults(&all("it_is_gone")).len(), 2);
        assert_eq!(faults(&all("it")).len(), 2);
    }
}
