//! `--log`: how much the program says of its work.

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
    use clap::Parser;
    use tracing_subscriber::EnvFilter;

    use crate::cli::Cli;

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
