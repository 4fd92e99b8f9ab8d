//! Section `redis`: what processes share.

use std::path::{Path, PathBuf};

use super::reader::Reader;

/// Section `redis`.
#[derive(Debug, Clone)]
pub struct Redis {
    /// A file with the URL; `None`: no file.
    pub url_file: Option<PathBuf>,
    /// What keys begin with.
    pub prefix: String,
    /// Rate limits.
    pub limits: bool,
    /// News of changes.
    pub bus: bool,
    /// API keys.
    pub cache: bool,
    /// Longest wait for an answer.
    pub timeout_ms: u64,
    /// How long an API key is believed.
    pub keys_ttl_ms: u64,
}

/// Reads the section.
pub fn read(r: &mut Reader<'_>, data_dir: &Path) -> Redis {
    let prefix = r.text("redis.prefix");
    let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if prefix.is_empty() || !is_word(&prefix) {
        r.fault("redis.prefix", "a word of letters, digits and -_.");
    }
    Redis {
        url_file: r.optional::<PathBuf>("redis.url_file", "a path, or empty").map(|p| data_dir.join(p)),
        prefix,
        limits: r.flag("redis.limits"),
        bus: r.flag("redis.bus"),
        cache: r.flag("redis.cache"),
        timeout_ms: r.number("redis.timeout_ms", 5, 5_000),
        keys_ttl_ms: r.number("redis.keys_ttl_ms", 1, 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn nothing_is_shared_unless_a_url_is_named() {
        let redis = Config::load(None, &[]).expect("defaults").redis;
        assert_eq!(redis.url_file, None);
        assert!(redis.limits && redis.bus && redis.cache, "with a URL, everything is");
    }

    #[test]
    fn what_cannot_be_is_told() {
        let wrong = ["redis.prefix = \"a b\"", "redis.timeout_ms = 0", "redis.limits = 1"].map(str::to_owned);
        let said = Config::load(None, &wrong).expect_err("wrong").to_string();
        assert!(said.contains("redis.prefix must be a word of letters, digits"), "{said}");
        assert!(said.contains("redis.timeout_ms must be a whole number from 5 to 5000"), "{said}");
        assert!(said.contains("redis.limits must be true or false"), "{said}");
    }
}
