//! Section `traces`: who is told of spans.

use reqwest::Url;

use super::reader::{Reader, seen_text};

/// Section `traces`.
#[derive(Debug, Clone)]
pub struct Traces {
    /// The collector; `None`: nobody is told.
    pub endpoint: Option<String>,
    /// How this platform is called there.
    pub service: String,
    /// Of how many traces one is told.
    pub one_in: u64,
}

/// Reads the section.
pub(super) fn read(r: &mut Reader<'_>) -> Traces {
    let wanted = "a URL like http://127.0.0.1:4317, or empty";
    let endpoint = r.optional::<String>("traces.endpoint", wanted);
    if let Some(text) = &endpoint {
        let url = Url::parse(text).ok().filter(|url| url.host_str().is_some());
        let has_login =
            url.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some());
        match url.as_ref().map(Url::scheme) {
            _ if has_login => r.tell("traces.endpoint", " has a user or a password in it, which are not sent: leave them out"),
            Some("http") => {}
            Some("https") => r.tell(
                "traces.endpoint",
                &format!(
                    " is {:?}, but spans go in clear: name a collector of this machine or of a tunnel, which passes \
                    them on",
                    seen_text(text)
                ),
            ),
            _ => r.fault("traces.endpoint", wanted),
        }
    }
    let service = r.text("traces.service");
    if service.is_empty() {
        r.fault("traces.service", "a name");
    }
    Traces { endpoint, service, one_in: r.number("traces.one_in", 1, 1_000_000_000) }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn nobody_is_told_unless_a_collector_is_named() {
        let traces = Config::load(None, &[]).expect("defaults").traces;
        assert!(traces.endpoint.is_none() && traces.one_in == 1 && traces.service == "argus");
    }

    #[test]
    fn what_is_no_collector_is_told() {
        for (given, said) in [
            ("traces.endpoint = \"https://c:4317\"", "spans go in clear"),
            ("traces.endpoint = \"http://u:secret@c:4317\"", "has a user or a password in it"),
            ("traces.endpoint = \"c:4317\"", "must be a URL like http://127.0.0.1:4317"),
            ("traces.one_in = 0", "traces.one_in must be a whole number from 1"),
            ("traces.service = \"\"", "traces.service must be a name"),
        ] {
            let mistakes = Config::load(None, &[given.to_owned()]).expect_err(given).to_string();
            assert!(mistakes.contains(said) && !mistakes.contains("secret"), "{mistakes}");
        }
    }
}
