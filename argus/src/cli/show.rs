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
    table.add_rows(rows);
    table.to_string()
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
