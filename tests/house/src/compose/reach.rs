//! Who reaches whom: names, ports and networks.

use toml::Table;

use super::{Deployment, parts::Part, port, texts};
use crate::Faults;

/// Services that another waits for, or has in its settings, and that are not there, not within its reach, or not on that
/// port.
pub fn check_names(files: &Deployment, parts: &[Part<'_>]) -> Faults {
    let mut faults = Faults::new();
    let find = |name: &str| parts.iter().find(|part| part.name == name);
    for part in parts {
        for (name, until) in part.waits() {
            let Some(other) = find(name) else {
                faults.push(format!("{} waits for {name}, which is no service", part.name));
                continue;
            };
            let ends = other.service["restart"] == "no";
            if until != if ends { "service_completed_successfully" } else { "service_healthy" } {
                faults.push(format!("{} waits for {name} until {until:?}", part.name));
            }
        }
        if part.roles().is_empty() {
            continue;
        }
        for (host, port) in files.reached_by(part) {
            let shares = |other: &&Part<'_>| other.networks().iter().any(|n| part.networks().contains(n));
            match find(&host) {
                None => faults.push(format!("{} reaches {host}:{port}, which is no service", part.name)),
                Some(other) if !files.ports_of(other).contains(&port) => {
                    faults.push(format!("{} reaches {host}:{port}, where it does not listen", part.name));
                }
                Some(other) if !shares(&other) => {
                    faults.push(format!("{} and {host} share no network", part.name));
                }
                Some(_) => {}
            }
        }
    }
    faults
}

impl Deployment {
    /// The settings that a process of ours has.
    pub(super) fn settings_of(&self, part: &Part<'_>) -> &Table {
        if part.roles() == ["keeper"] { &self.keepers } else { &self.settings }
    }

    /// The ports that a service listens on.
    fn ports_of(&self, part: &Part<'_>) -> Vec<u16> {
        let roles = part.roles();
        let table = self.settings_of(part);
        let ours = [("links.listen", !roles.is_empty()), ("api.listen", roles.contains(&"api"))];
        let listens = ours.into_iter().filter(|(_, listens)| *listens);
        listens.filter_map(|(name, _)| port(table, name)).chain(part.listens().iter().copied()).collect()
    }

    /// Hosts and ports in the settings of a process of ours.
    fn reached_by(&self, part: &Part<'_>) -> Vec<(String, u16)> {
        let table = self.settings_of(part);
        let urls =
            ["links.scheduler", "links.dispatcher", "links.aggregator", "content.node", "content.gateways"];
        let places = urls.iter().chain(["traces.endpoint", "store.nodes", "egress.allow"].iter());
        places
            .flat_map(|name| texts(table, name))
            .map(|text| {
                let place = text.split("://").last().unwrap_or(text);
                let (host, port) = place.rsplit_once(':').unwrap_or((place, "9042"));
                (host.to_owned(), port.parse().unwrap_or_default())
            })
            .collect()
    }
}
