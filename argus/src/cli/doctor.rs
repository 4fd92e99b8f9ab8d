//! `argus doctor`

use clap::Args;
use serde_json::json;

use super::{Settings, show};
use crate::{
    config::Config,
    doctor::{self, State},
    roles::Role,
};

/// Arguments of `argus doctor`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  argus doctor --config argus.toml --roles api,scheduler\n\n\
    Looks, and changes nothing. Exit code 1 where something would keep the roles from working; what only deserves a \
    look is marked `look` and does not count.")]
pub struct Doctor {
    /// For which roles: api, scheduler, dispatcher, aggregator, oversight, builder, keeper, or all
    #[arg(long, value_delimiter = ',', value_name = "ROLES", default_value = "all")]
    pub roles: Vec<Role>,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// Carries it out; the exit code.
pub async fn run(args: &Doctor, as_json: bool) -> anyhow::Result<u8> {
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let roles = if args.roles.contains(&Role::All) { Role::everything() } else { args.roles.clone() };
    let findings =
        show::waiting("asking stores, nodes and processes ...", doctor::examine(&config, &roles)).await;
    let is_ill = findings.iter().any(|finding| finding.state == State::Ill);
    if as_json {
        let list: Vec<_> = findings
            .iter()
            .map(|f| json!({ "what": f.what, "state": f.state.name(), "found": f.found, "remedy": f.remedy }))
            .collect();
        show::json(&json!({ "ok": !is_ill, "findings": list }));
        return Ok(u8::from(is_ill));
    }
    let rows = findings.iter().map(|f| vec![f.what.clone(), f.state.name().to_owned(), f.found.clone()]);
    show::line(show::table(&["what", "", "found"], rows));
    for finding in &findings {
        if let Some(remedy) = &finding.remedy {
            show::line(format!("{}: {}", finding.what, show::escaped(remedy)));
        }
    }
    Ok(u8::from(is_ill))
}
