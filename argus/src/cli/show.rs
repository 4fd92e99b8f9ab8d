//! How answers look: JSON for programs, tables and sentences for people.

use std::{
    io::{IsTerminal, Write},
    pin::pin,
    time::Duration,
};

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

/// How long a person waits without asking what for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for work. Who sits in front of a terminal is told what goes on, once it takes long.
pub async fn waiting<T>(what: &str, work: impl Future<Output = T>) -> T {
    let patience = std::io::stderr().is_terminal().then_some(PATIENCE);
    told_after(patience, work, || progress(what)).await
}

async fn told_after<T>(patience: Option<Duration>, work: impl Future<Output = T>, tell: impl FnOnce()) -> T {
    let mut work = pin!(work);
    if let Some(patience) = patience {
        match tokio::time::timeout(patience, &mut work).await {
            Ok(done) => return done,
            Err(_) => tell(),
        }
    }
    work.await
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

    #[tokio::test]
    async fn who_waits_long_is_told_what_for_and_nobody_else_is() {
        for (patience, is_long, expect) in
            [(Some(Duration::ZERO), true, true), (Some(PATIENCE), false, false), (None, true, false)]
        {
            let (told, hear) = tokio::sync::oneshot::channel();
            // Ends once it was told, or at once, or, where nobody tells, by being asked twice.
            let work = async {
                match (is_long, patience) {
                    (false, _) => (),
                    (true, Some(_)) => hear.await.expect("it is told"),
                    (true, None) => tokio::task::yield_now().await,
                }
                7
            };
            let mut is_told = false;
            let done = told_after(patience, work, || {
                is_told = true;
                let _gone = told.send(());
            });
            assert_eq!((done.await, is_told), (7, expect), "{patience:?}");
        }
    }

    #[test]
    fn a_cell_has_no_power_over_the_terminal() {
        let shown = table(&["title"], [vec!["t\u{1b}]0;own\u{7}\t\u{0}\u{202e}x".to_owned()]]);
        assert!(shown.contains("t\\u{1b}]0;own\\u{7} \\u{0}\\u{202e}x"), "{shown}");
    }
}
