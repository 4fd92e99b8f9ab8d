//! Secrets of a job: names, values that nothing shows, and the placeholders that scripts see instead.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    digest::digest_of,
    ids::{AttemptNo, JobId, KeeperId, TaskId},
    time::Timestamp,
};

/// Most secrets that one job is granted.
pub const SECRETS_MAX: usize = 32;
/// Longest name.
const NAME_MAX: usize = 64;
/// Shortest value, bytes: a shorter one could not be told from ordinary text in an answer.
const VALUE_MIN: usize = 8;
/// Longest value, bytes.
const VALUE_MAX: usize = 4 * 1024;
/// Names with these prefixes are what scripts are told of their task.
const TAKEN: [&str; 2] = ["ARGUS_", "TRIGGERX_"];

/// The names of the secrets that a job's script may use.
pub type Grants = BTreeSet<SecretName>;

/// A secret's name: what environment variables can be called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// Why a text is no name of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecretName {
    /// Its characters or its length.
    #[error("a secret's name has 1 to {NAME_MAX} letters, digits and underscores, and begins with no digit")]
    Form,
    /// It would hide what a script is told of its task.
    #[error("a secret's name does not begin with ARGUS_ or TRIGGERX_: scripts find their context there")]
    Taken,
}

impl FromStr for SecretName {
    type Err = BadSecretName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if text.is_empty() || text.len() > NAME_MAX || !is_word || text.as_bytes()[0].is_ascii_digit() {
            return Err(BadSecretName::Form);
        }
        let upper = text.to_ascii_uppercase();
        if TAKEN.iter().any(|prefix| upper.starts_with(prefix)) {
            return Err(BadSecretName::Taken);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for SecretName {
    type Error = BadSecretName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a job's script sees instead of the value: the same on every keeper, and for ever. Lower-case letters and
    /// digits alone, so that it survives URLs, headers and JSON as it is.
    pub fn placeholder(&self, job: JobId) -> String {
        let digest = digest_of("argus/placeholder/1", &(job, self));
        format!("argussecret{}", hex::encode(&digest[..20]))
    }
}

/// A secret's value: printable ASCII. Its memory is wiped when it is dropped; nothing shows it but [`expose`].
///
/// [`expose`]: SecretValue::expose
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Zeroizing<String>);

/// Why a text is no value of a secret. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecretValue {
    /// Its length.
    #[error(
        "a secret has {VALUE_MIN} to {VALUE_MAX} bytes: a shorter one cannot be told from ordinary text in an answer"
    )]
    Length,
    /// Its characters.
    #[error("a secret is printable ASCII without line breaks: what it is sent in bears no other")]
    Characters,
}

impl SecretValue {
    /// Takes a value.
    ///
    /// # Errors
    /// [`BadSecretValue`], where it could not be sent or found again.
    pub fn new(text: String) -> Result<Self, BadSecretValue> {
        let text = Zeroizing::new(text);
        if !(VALUE_MIN..=VALUE_MAX).contains(&text.len()) {
            return Err(BadSecretValue::Length);
        }
        if !text.bytes().all(|b| (b' '..=b'~').contains(&b)) || text.trim().len() != text.len() {
            return Err(BadSecretValue::Characters);
        }
        Ok(Self(text))
    }

    /// The value itself: for what seals it and what sends it, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Shortest secret that is computed with, bytes: the result is no secret, and a shorter key could be guessed from it.
pub const KEY_BYTES_MIN: usize = 16;
/// What a script is told that would compute with a secret where it may not.
pub const COMPUTES_NOT: &str = "a script computes with a secret only in a job whose agreement is trust-performer: another \
    keeper checks the run from its record, and has to believe the result (set \"agreement\": \"trust-performer\")";

/// What a script is told that would send a granted secret, or compute with it, without a value.
pub fn unset(name: &SecretName) -> String {
    format!("the secret {name} has no value: set it (`argus job secret set JOB {name}`)")
}

/// The values of one run, by name. A granted name without one has not been set.
pub type RunSecrets = BTreeMap<SecretName, SecretValue>;

/// For what a run's secrets are sealed to a keeper: one attempt, so that they open for no other.
pub fn purpose(task: TaskId, attempt: AttemptNo, keeper: KeeperId) -> B256 {
    digest_of("argus/secrets/1", &(task, attempt, keeper))
}

/// A value as stored: encrypted, bound to its job and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSecret {
    /// Which key encrypted it, so that keys can be changed.
    pub key: [u8; 8],
    /// Nonce and ciphertext.
    pub bytes: Vec<u8>,
    /// When it was set.
    pub set_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    #[test]
    fn names_are_those_of_variables() {
        for name in ["API_KEY", "a", "_x9", &"a".repeat(64)] {
            assert_eq!(name.parse::<SecretName>().map(String::from), Ok(name.to_owned()));
        }
        for name in ["", "9A", "A-B", "A B", "É", "A=B", &"a".repeat(65)] {
            assert_eq!(name.parse::<SecretName>(), Err(BadSecretName::Form), "{name}");
        }
        for name in ["ARGUS_JOB_ID", "argus_x", "TRIGGERX_X"] {
            assert_eq!(name.parse::<SecretName>(), Err(BadSecretName::Taken), "{name}");
        }
    }

    #[test]
    fn values_are_bounded_and_never_shown() {
        for (value, expect) in [
            ("1234567".to_owned(), Err(BadSecretValue::Length)),
            ("x".repeat(4097), Err(BadSecretValue::Length)),
            ("12345678\n".to_owned(), Err(BadSecretValue::Characters)),
            (" 12345678".to_owned(), Err(BadSecretValue::Characters)),
            ("1234567\u{e9}".to_owned(), Err(BadSecretValue::Characters)),
            ("x".repeat(4096), Ok(())),
            ("sk-live a\"b\\c&d".to_owned(), Ok(())),
        ] {
            let made = SecretValue::new(value.clone());
            assert_eq!(made.as_ref().map(|_| ()), expect.as_ref().copied(), "{value}");
            assert!(!format!("{made:?}").contains(&value));
        }
    }

    #[test]
    fn placeholders_tell_jobs_and_names_apart() {
        let (a, b): (SecretName, SecretName) = ("A".parse().expect("a name"), "B".parse().expect("a name"));
        let job = |n: u64| JobId(U256::from(n));
        let all = [a.placeholder(job(1)), b.placeholder(job(1)), a.placeholder(job(2))];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 3);
        assert_eq!(a.placeholder(job(1)), all[0]);
        assert!(all[0].bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    }
}
