//! What holds of a deployment.

use std::collections::BTreeSet;

use super::{
    Deployment, FOLDER, SECRET_SETTINGS,
    parts::{MADE, Part, texts as words},
    port, texts,
};
use crate::Faults;

/// Roles of which a platform has two processes.
const TWICE: &[&str] = &["api", "scheduler", "dispatcher", "aggregator", "oversight"];
/// Those that others have in their lists of links.
const LINKED: &[&str] = &["scheduler", "dispatcher", "aggregator"];

/// Images by the names of their versions in scripts/versions.sh.
const VERSIONED: &[(&str, &str)] = &[
    ("cassandra", "CASSANDRA_VERSION"),
    ("ipfs/kubo", "KUBO_VERSION"),
    ("jaegertracing/all-in-one", "JAEGER_VERSION"),
];

/// Images without a whole version, or with another one than the tests have.
pub fn check_images(parts: &[Part<'_>], versions: &str) -> Faults {
    let mut faults = Faults::new();
    for part in parts {
        let (image, tag) = part.image();
        let version = tag.trim_start_matches('v').split('-').next().unwrap_or_default();
        let numbers: Vec<&str> = version.split('.').collect();
        if numbers.len() < 3 || !numbers.iter().all(|n| n.parse::<u32>().is_ok()) {
            faults.push(format!("{}: {image}:{tag} names no whole version", part.name));
            continue;
        }
        let tested = VERSIONED.iter().find(|(of, _)| *of == image).map(|(_, name)| {
            let line = versions.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            line.unwrap_or_default()
        });
        let wanted = if part.is_ours() { Some(env!("CARGO_PKG_VERSION")) } else { tested };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != version) {
            faults.push(format!("{}: {image}:{tag}, and what is tested here is {wanted}", part.name));
        }
    }
    faults
}

/// Services that are not started again, or of which nobody knows whether they are well, and processes of ours that do
/// not wait for the tables.
pub fn check_life(parts: &[Part<'_>]) -> Faults {
    let mut faults = Faults::new();
    for part in parts {
        let is_once = part.command().first() == Some(&"migrate");
        let mut need = |holds: bool, what: &str| {
            if !holds {
                faults.push(format!("{} {what}", part.name));
            }
        };
        let restart = if is_once { "no" } else { "unless-stopped" };
        need(part.service["restart"] == restart, &format!("has not `restart: {restart}`"));
        need(is_once || !words(&part.service["healthcheck"]["test"]).is_empty(), "has no health check");
        need(part.service["stop_grace_period"].is_string(), "has no stop_grace_period");
        need(!part.networks().is_empty(), "is in no network");
        if part.roles().iter().any(|role| TWICE.contains(role)) {
            let waits = part.waits().contains(&("migrate", "service_completed_successfully"));
            need(waits, "does not wait for migrate");
        }
        if part.is_ours() {
            need(part.service["user"].as_str().is_some_and(|user| !user.starts_with('0')), "runs as root");
            need(part.service["read_only"] == true, "may write to its image");
        }
    }
    faults
}

/// Secrets that are no files, that a process lacks or does not need, or that stand where others can read them.
pub fn check_secrets(files: &Deployment, parts: &[Part<'_>]) -> Faults {
    let mut faults = Faults::new();
    let defined = files.compose["secrets"].as_object().cloned().unwrap_or_default();
    for (name, of) in &defined {
        let file = of["file"].as_str().unwrap_or_default();
        if file != format!("./secrets/{name}") || of.as_object().is_some_and(|of| of.len() != 1) {
            faults.push(format!("the secret {name} is no file of its name in ./secrets"));
        }
        if !parts.iter().any(|part| part.secrets().contains(&name.as_str())) {
            faults.push(format!("nobody has the secret {name}"));
        }
    }
    for part in parts {
        let given = part.secrets();
        if given.len() != part.service["secrets"].as_array().map_or(0, Vec::len) {
            faults.push(format!("{} has a secret that is no name", part.name));
        }
        for name in given.iter().filter(|name| !defined.contains_key(**name)) {
            faults.push(format!("{} has the secret {name}, which is none", part.name));
        }
        let settings = files.settings_of(part);
        for (name, _) in SECRET_SETTINGS.iter().filter(|(_, of)| part.roles().iter().any(|r| of.contains(r)))
        {
            let path = texts(settings, name).first().copied().unwrap_or_default();
            match path.strip_prefix("/run/secrets/") {
                Some(secret) if given.contains(&secret) => {}
                Some(secret) => faults.push(format!("{} lacks the secret {secret} of {name}", part.name)),
                None => faults.push(format!("{name} is {path:?}, which is below no /run/secrets")),
            }
        }
        // What is read by a path is seen as that path.
        for word in part.command().iter().flat_map(|word| word.split(['"', ' ', '='])) {
            if let Some(secret) = word.strip_prefix("/run/secrets/").filter(|s| !given.contains(s)) {
                faults.push(format!("{} lacks the secret {secret} of its command", part.name));
            }
            if is_secret(word) && !word.starts_with("/run/secrets/") {
                faults.push(format!("{} is given {word} as an argument: a file instead", part.name));
            }
        }
        for (name, value) in part.environment().iter().filter(|(name, _)| is_secret(name)) {
            let secret = value.strip_prefix("/run/secrets/").filter(|secret| given.contains(secret));
            if !name.ends_with("_FILE") || secret.is_none() {
                faults.push(format!("{} has {name} in its environment: a file instead", part.name));
            }
        }
    }
    faults
}

/// Whether what is called so is a secret, or the path of one.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["pass", "secret", "token", "login", "api_key", "redis_url"].iter().any(|word| name.contains(word))
}

/// Files that are mounted or named and are not there, and that nobody is told to make.
pub fn check_files(files: &Deployment, parts: &[Part<'_>], exists: impl Fn(&str) -> bool) -> Faults {
    let mut faults = Faults::new();
    let volumes = &files.compose["volumes"];
    for part in parts {
        for (source, target) in part.mounts() {
            let there = match (source.strip_prefix("./"), source.strip_prefix("../")) {
                (Some(own), _) if MADE.contains(&own) => files.readme.contains(&format!("--out {own}\n")),
                (Some(own), _) => exists(&format!("{FOLDER}/{own}")),
                (None, Some(beside)) => exists(&format!("deploy/{beside}")),
                (None, None) => volumes.get(source).is_some(),
            };
            if !there {
                faults.push(format!("{} mounts {source} at {target}, which is not there", part.name));
            }
        }
        let targets: Vec<&str> = part.mounts().into_iter().map(|(_, target)| target).collect();
        let named = part.command().into_iter().filter(|word| word.starts_with("/etc/"));
        let of_links = ["links.ca_file", "links.cert_file", "links.key_file"];
        let tls = of_links.iter().flat_map(|name| texts(files.settings_of(part), name));
        let tls = tls.filter(|_| !part.roles().is_empty());
        for file in named.chain(tls).filter(|file| !targets.iter().any(|target| file.starts_with(target))) {
            faults.push(format!("{} reads {file}, which is not mounted", part.name));
        }
        if let Some(dockerfile) = part.service["build"]["dockerfile"].as_str().filter(|file| !exists(file)) {
            faults.push(format!("{} is built from {dockerfile}, which is not there", part.name));
        }
    }
    for secret in files.compose["secrets"].as_object().into_iter().flatten().map(|(name, _)| name) {
        if !files.readme.contains(&format!(" secrets/{secret}")) {
            faults.push(format!("nobody is told how secrets/{secret} is made"));
        }
    }
    faults
}

/// Roles that too few processes have, and lists of links that lack one of them.
pub fn check_replicas(files: &Deployment, parts: &[Part<'_>]) -> Faults {
    let mut faults = Faults::new();
    for role in TWICE {
        let having: BTreeSet<&str> =
            parts.iter().filter(|part| part.roles() == [*role]).map(|part| part.name).collect();
        if having.len() != 2 {
            faults.push(format!("{} processes have the role {role} alone, not two", having.len()));
        }
        if !LINKED.contains(role) {
            continue;
        }
        let name = format!("links.{role}");
        let wanted: BTreeSet<String> = having
            .iter()
            .map(|host| {
                format!("https://{host}:{}", port(&files.settings, "links.listen").unwrap_or_default())
            })
            .collect();
        let tables = [("argus.toml", &files.settings), ("keeper.toml", &files.keepers)];
        for (file, table) in
            tables.into_iter().filter(|(file, _)| *file == "argus.toml" || *role == "aggregator")
        {
            let listed: BTreeSet<String> = texts(table, &name).into_iter().map(str::to_owned).collect();
            if listed != wanted {
                faults.push(format!("{name} of {file} is {listed:?}, not {wanted:?}"));
            }
        }
    }
    faults
}

/// Ports that are open to others and are neither the API's, on this machine alone, nor those of links.
pub fn check_ports(parts: &[Part<'_>]) -> Faults {
    let mut faults = Faults::new();
    let mut taken = BTreeSet::new();
    for part in parts {
        for published in part.service["ports"].as_array().into_iter().flatten() {
            let text = published.as_str().unwrap_or_default();
            let is_meant = match part.roles().as_slice() {
                ["api"] => text.starts_with("127.0.0.1:") && text.ends_with(":9002"),
                ["aggregator"] => text.ends_with(":9000"),
                _ => false,
            };
            if !is_meant || !taken.insert(text.rsplit_once(':').map(|(host, _)| host.to_owned())) {
                faults.push(format!("{} opens {published}", part.name));
            }
        }
        let is_met = part.roles().iter().any(|role| ["api", "aggregator"].contains(role));
        if is_met && part.service["ports"].as_array().is_none_or(Vec::is_empty) {
            faults.push(format!("{} opens no port to its clients", part.name));
        }
    }
    faults
}

/// Processes whose figures nobody asks for, or that are asked where they show none.
pub fn check_scraped(files: &Deployment, parts: &[Part<'_>]) -> Faults {
    let none = Vec::new();
    let jobs = files.prometheus["scrape_configs"].as_array().unwrap_or(&none);
    // The alerts are for this name.
    let Some(job) = jobs.iter().find(|job| job["job_name"] == "argus") else {
        return vec!["prometheus.yml has no job `argus`".to_owned()];
    };
    let list = |name: &str| job[name].as_array().cloned().unwrap_or_default();
    let fixed = list("static_configs");
    let mut asked: Vec<String> =
        fixed.iter().flat_map(|config| words(&config["targets"])).map(str::to_owned).collect();
    for config in list("dns_sd_configs") {
        asked.extend(words(&config["names"]).iter().map(|name| format!("{name}:{}", config["port"])));
    }
    let shown = |part: &&Part<'_>| !part.roles().is_empty();
    let target = |part: &Part<'_>| {
        let port = port(files.settings_of(part), "metrics.listen").unwrap_or_default();
        format!("{}:{port}", part.name)
    };
    let wanted: Vec<String> = parts.iter().filter(shown).map(target).collect();
    let (asked, wanted): (BTreeSet<_>, BTreeSet<_>) =
        (asked.into_iter().collect(), wanted.into_iter().collect());
    let mut faults: Faults =
        wanted.difference(&asked).map(|target| format!("prometheus.yml does not ask {target}")).collect();
    faults.extend(
        asked.difference(&wanted).map(|target| format!("prometheus.yml asks {target}, which is none")),
    );
    faults
}
