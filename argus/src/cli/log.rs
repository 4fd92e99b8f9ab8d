//! `--log` and `--log-format`: how much the program says of its work, and how.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What a filter may be. The library that reads filters takes any word for the name of a part of the program, and
/// then shows nothing: such a filter is refused.
const ACCEPTED: &str = "give off, error, warn, info, debug or trace; or parts of the program with a level each, like \
    argus_keeper=debug; or several of these with commas between, like warn,argus_keeper=debug";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// A filter as it is given, checked, and without the spaces that its reader does not bear.
pub fn parse(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    // A variable that is set to nothing says as little as one that is not set.
    if parts == [""] || parts.iter().all(|part| is_directive(part)) {
        return Ok(parts.join(","));
    }
    Err(ACCEPTED.to_owned())
}

/// The look of a line by its name. A variable that is set to nothing says as little as one that is not set.
pub fn format(text: &str) -> Result<Format, String> {
    match text {
        "" | "text" => Ok(Format::Text),
        "json" => Ok(Format::Json),
        _ => Err("give text or json".to_owned()),
    }
}

/// The log goes to stderr; stdout belongs to results.
pub fn start(filter: &str, format: Format) {
    let subscriber = subscriber(filter, format, std::io::stderr().is_terminal(), std::io::stderr);
    // A program that has a log already keeps it.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

fn subscriber<W>(filter: &str, format: Format, colours: bool, to: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // It has passed `parse`.
    let filter = EnvFilter::try_new(filter).unwrap_or_default();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(to);
    match format {
        Format::Text => Box::new(lines.with_ansi(colours).with_target(false).finish()),
        // What a request or a run is stands in its span.
        Format::Json => Box::new(lines.json().flatten_event(true).with_span_list(false).finish()),
    }
}

fn is_directive(part: &str) -> bool {
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text));
    let is_target = |text: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
    };
    match part.split_once('=') {
        None => is_level(part),
        Some((target, level)) => is_target(target) && is_level(level),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use clap::Parser;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::Cli;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("sound").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_look_has_a_name() {
        let given = |text: &str| {
            Cli::try_parse_from(["argus", "run", "--log-format", text]).map(|cli| cli.log_format)
        };
        assert_eq!(given("json").expect("json"), Format::Json);
        assert_eq!(given("").expect("nothing"), Format::Text);
        assert!(given("yaml").expect_err("none").to_string().contains("give text or json"));
    }

    #[test]
    fn a_line_for_programs_is_one_object_that_names_trace_and_task() {
        let kept = Kept::default();
        let to = kept.clone();
        let log = subscriber("info", Format::Json, false, move || to.clone());
        tracing::subscriber::with_default(log, || {
            tracing::info_span!("request", trace_id = "abc").in_scope(|| {
                tracing::warn!(task = "7", "two\nlines");
                tracing::debug!("not asked for");
            });
        });
        let text = String::from_utf8(kept.0.lock().expect("sound").clone()).expect("text");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        let [line] = lines.as_slice() else { panic!("{text}") };
        assert_eq!((&line["level"], &line["message"]), (&json!("WARN"), &json!("two\nlines")));
        assert_eq!((&line["task"], &line["span"]["trace_id"]), (&json!("7"), &json!("abc")));
        assert!(line["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{line}");
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_is_accepted() {
        let given = |text: &str| Cli::try_parse_from(["argus", "run", "--log", text]);
        for text in
            ["info", "DEBUG", "off", "argus_keeper=debug", "warn,argus_api::serve=trace, hyper=off", ""]
        {
            let log = given(text).expect(text).log.unwrap_or_default();
            assert!(EnvFilter::try_new(&log).is_ok(), "{text}");
        }
        for text in ["nonsense", "debgu", "argus_keeper=loud", "=debug", "info,", "a-b=debug", "argus_keeper"]
        {
            let said = given(text).expect_err(text).to_string();
            assert!(
                said.contains("--log") && said.contains("error, warn, info, debug or trace"),
                "{text}: {said}"
            );
        }
    }
}
