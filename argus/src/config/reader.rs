//! Values by their names, and what is wrong with them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use argus_domain::{Address, U256};
use argus_ports::Failpoint;
use reqwest::Url;
use toml::{Table, Value};

/// Settings whose values may hold a password or a token, the last one of each chain: they are shown and repeated nowhere.
const SECRET: [&str; 3] = ["builder.module_proxy", "content.gateways", "rpc"];

/// Whether a setting, named as its own reader names it, is one of those.
pub fn is_secret(name: &str) -> bool {
    SECRET.contains(&name)
}

/// A value as it may be seen: a URL without whose it is and the password.
pub fn seen(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(seen_text(text)),
        Value::Array(list) => Value::Array(list.iter().map(seen).collect()),
        other => other.clone(),
    }
}

/// The same of a text.
pub fn seen_text(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // A URL that has them can be without them.
            let _without = (url.set_username("***"), url.set_password(None));
            url.to_string()
        }
        _ => text.to_owned(),
    }
}

/// Reads values by dotted name and collects what is wrong with them.
pub(super) struct Reader<'a> {
    pub root: &'a Table,
    /// What stands before the names, as in `chains[0].`.
    pub prefix: String,
    /// Who said those that have not their default.
    pub said: &'a BTreeMap<String, String>,
    pub faults: Vec<String>,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let mut value = self.root.get(parts.next()?)?;
        for part in parts {
            value = value.as_table()?.get(part)?;
        }
        Some(value)
    }

    /// Notes what a setting must be, and what it is.
    pub fn fault(&mut self, name: &str, wanted: &str) {
        let says = match self.value(name) {
            None => format!(" is missing: give {wanted}"),
            Some(_) if is_secret(name) => format!(" must be {wanted}; its value is not repeated"),
            Some(found) => format!(" must be {wanted}, not {}", seen(found)),
        };
        self.tell(name, &says);
    }

    /// Notes what is wrong with a setting, and who said it.
    pub fn tell(&mut self, name: &str, says: &str) {
        let name = format!("{}{name}", self.prefix);
        let section = self.prefix.trim_end_matches('.');
        // Where all of a list was said at once, it is said of what is in it.
        let list = section.split('[').next().unwrap_or_default();
        let told = [name.as_str(), section, list].iter().find_map(|name| self.said.get(*name));
        let told = told.filter(|told| !told.is_empty());
        let told = told.map(|told| format!(" ({told})")).unwrap_or_default();
        self.faults.push(format!("{name}{says}{told}"));
    }

    /// Text.
    pub fn text(&mut self, name: &str) -> String {
        match self.value(name).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => {
                self.fault(name, "text in quotes");
                String::new()
            }
        }
    }

    /// A path, which starts in a folder.
    pub fn path(&mut self, base: &Path, name: &str) -> PathBuf {
        base.join(self.text(name))
    }

    /// A list of texts.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let list = self.value(name).and_then(Value::as_array);
        match list.map(|l| l.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()) {
            Some(Some(texts)) => texts,
            _ => {
                self.fault(name, "a list of texts in quotes");
                Vec::new()
            }
        }
    }

    /// A list of texts, or one of them by itself; an empty one is none.
    pub fn one_or_more(&mut self, name: &str, wanted: &str) -> Vec<String> {
        let texts: Option<Vec<_>> = match self.value(name) {
            Some(Value::String(text)) => Some(vec![text.clone()]),
            Some(Value::Array(list)) => list.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        let Some(mut texts) = texts else {
            self.fault(name, wanted);
            return Vec::new();
        };
        texts.retain(|text| !text.is_empty());
        texts
    }

    /// A list of URLs with hosts and one of these schemes.
    pub fn urls(&mut self, name: &str, schemes: &[&str]) -> Vec<String> {
        let before = self.faults.len();
        let texts = self.texts(name);
        if self.faults.len() == before && !texts.iter().all(|text| is_url(text, schemes)) {
            self.fault(name, &format!("a list of {} URLs", alternatives(schemes)));
        }
        texts
    }

    /// A list of origins that browsers send, or `*`. One that is written otherwise would never match.
    pub fn origins(&mut self, name: &str) -> Vec<String> {
        let before = self.faults.len();
        let texts = self.texts(name);
        let is_origin = |text: &String| {
            text == "*" || Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == *text)
        };
        if self.faults.len() == before && !texts.iter().all(is_origin) {
            self.fault(
                name,
                "a list of origins like https://app.example, without a path or slash at the end, or \"*\"",
            );
        }
        texts
    }

    /// An http URL, or nothing.
    pub fn http_url(&mut self, name: &str, wanted: &str) -> Option<String> {
        let url = self.optional::<String>(name, wanted)?;
        if !is_url(&url, &["http"]) {
            self.fault(name, wanted);
        }
        Some(url)
    }

    /// True or false.
    pub fn flag(&mut self, name: &str) -> bool {
        let flag = self.value(name).and_then(Value::as_bool);
        if flag.is_none() {
            self.fault(name, "true or false");
        }
        flag.unwrap_or_default()
    }

    /// A whole number in a range.
    pub fn number(&mut self, name: &str, min: u64, max: u64) -> u64 {
        let n = self.value(name).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
        match n.filter(|n| (min..=max).contains(n)) {
            Some(n) => n,
            None => {
                self.fault(name, &format!("a whole number from {min} to {max}"));
                min
            }
        }
    }

    /// Text that means something.
    pub fn parsed<T: std::str::FromStr + Fallback>(&mut self, name: &str, wanted: &str) -> T {
        match self.value(name).and_then(Value::as_str).and_then(|t| t.parse().ok()) {
            Some(value) => value,
            None => {
                self.fault(name, wanted);
                T::fallback()
            }
        }
    }

    /// Wei: decimal digits in quotes, because they may have 256 bits.
    pub fn wei(&mut self, name: &str) -> U256 {
        self.parsed::<Wei>(name, "a number of wei in quotes").0
    }

    /// Text that means something, or nothing.
    pub fn optional<T: std::str::FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        match self.value(name).and_then(Value::as_str) {
            Some("") => None,
            Some(text) => {
                let value = text.parse().ok();
                if value.is_none() {
                    self.fault(name, wanted);
                }
                value
            }
            None => {
                self.fault(name, wanted);
                None
            }
        }
    }

    /// The position of a word among those that may stand there.
    pub fn one_of(&mut self, name: &str, choices: &[&str]) -> usize {
        let found = self.value(name).and_then(Value::as_str);
        match found.and_then(|t| choices.iter().position(|c| *c == t)) {
            Some(position) => position,
            None => {
                self.fault(name, &format!("one of {choices:?}"));
                0
            }
        }
    }

    /// Where a test has this process die.
    pub fn failpoint(&mut self) -> Failpoint {
        match self.value("debug.failpoint").and_then(Value::as_str).unwrap_or_default() {
            "" => Failpoint::NONE,
            name => Failpoint::named(name).unwrap_or_else(|| {
                self.fault("debug.failpoint", "the name of a step");
                Failpoint::NONE
            }),
        }
    }
}

fn is_url(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()) && url.host_str().is_some())
}

/// "a, b or c"
fn alternatives(words: &[&str]) -> String {
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => (*last).to_owned(),
        None => String::new(),
    }
}

/// What stands in for a value that was refused; it is never used, because the refusal ends the reading.
pub(super) trait Fallback {
    fn fallback() -> Self;
}

/// Decimal digits, and nothing else.
struct Wei(U256);

impl std::str::FromStr for Wei {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if is_number { text.parse().map(Self).map_err(drop) } else { Err(()) }
    }
}

impl Fallback for Wei {
    fn fallback() -> Self {
        Self(U256::ZERO)
    }
}

impl Fallback for SocketAddr {
    fn fallback() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

impl Fallback for Address {
    fn fallback() -> Self {
        Self::ZERO
    }
}

impl Fallback for u128 {
    fn fallback() -> Self {
        0
    }
}
