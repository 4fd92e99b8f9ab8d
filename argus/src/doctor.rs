//! What would keep a configuration from working: looked at before it does, each finding with its remedy.

mod chains;
mod here;
mod signer;
mod store;

use std::time::Duration;

use crate::{config::Config, roles::Role};

/// Longest that one thing is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Well,
    /// It works, and deserves a look.
    Look,
    /// It does not work.
    Ill,
}

impl State {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Look => "look",
            Self::Ill => "FAILS",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub what: String,
    /// How it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Finding {
    fn well(what: impl Into<String>, found: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Well, found: found.into(), remedy: None }
    }

    fn look(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Look, found: found.into(), remedy: Some(remedy.into()) }
    }

    fn ill(what: impl Into<String>, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), state: State::Ill, found: found.into(), remedy: Some(remedy.into()) }
    }
}

/// Looks at everything that these roles need.
pub async fn examine(config: &Config, roles: &[Role]) -> Vec<Finding> {
    let is_platform = roles.iter().any(|role| *role != Role::Keeper);
    let mut findings = Vec::new();
    if is_platform {
        findings.extend(store::examine(&config.store).await);
    }
    findings.extend(here::examine(config, roles));
    findings.extend(signer::examine(config, roles).await);
    if is_platform {
        findings.extend(here::redis(config).await);
    }
    let (chains, links) = tokio::join!(chains::examine(config, roles), here::links(config, roles));
    findings.extend(chains);
    findings.extend(links);
    findings
}
