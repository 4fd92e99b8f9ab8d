//! How answers look: JSON for programs, tables and sentences for people.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;

/// Prints one line to stdout. A reader that has gone away (a closed pipe) is no fault of ours.
pub fn line(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stdout(), "{}", text.as_ref());
}

/// Prints one JSON value on one line and flushes: programs read line by line.
pub fn json(value: &Value) {
    line(value.to_string());
    let _ = std::io::stdout().flush();
}

/// Prints progress for people, on stderr.
pub fn progress(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr(), "{}", text.as_ref());
}

/// A table with a head.
pub fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(head);
    if !std::io::stdout().is_terminal() {
        table.set_width(160);
    }
    // Titles and the like are other people's, and a tab has no width of its own.
    table.add_rows(
        rows.into_iter()
            .map(|row| row.iter().map(|cell| escaped(cell).replace('\t', " ")).collect::<Vec<_>>()),
    );
    table.to_string()
}

/// What others wrote, for a terminal: nothing in it moves the cursor, colours, rings or turns the direction of writing.
pub fn escaped(text: &str) -> String {
    argus_host::shown(text, usize::MAX)
}

/// A field as text: strings bare, absent as a dash.
pub fn field(value: &Value, name: &str) -> String {
    match &value[name] {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_has_no_power_over_the_terminal() {
        let shown = table(&["title"], [vec!["t\u{1b}]0;own\u{7}\t\u{0}\u{202e}x".to_owned()]]);
        assert!(shown.contains("t\\u{1b}]0;own\\u{7} \\u{0}\\u{202e}x"), "{shown}");
    }
}
