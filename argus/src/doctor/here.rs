//! This machine: files, room, and whether other processes take calls.

use std::path::Path;

use argus_domain::time::Timestamp;
use argus_memory::SystemClock;
use argus_ports::Clock;
use argus_tls::About;
use reqwest::Url;
use secrecy::ExposeSecret;
use tokio::{net::TcpStream, time::timeout};

use super::{Finding, PATIENCE};
use crate::{
    backends,
    cli::keygen::{read_key, read_secret},
    config::{Config, Key},
    roles::Role,
};

/// Less room than this fills up before anybody looks again, bytes.
const ROOM_LOW: u64 = 2 << 30;
/// With less than this nothing should be started, bytes.
const ROOM_LEAST: u64 = 64 << 20;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// With fewer days left a certificate is to be renewed.
const DAYS_LOW: u64 = 14;

pub(super) fn examine(config: &Config, roles: &[Role]) -> Vec<Finding> {
    let has = |role| roles.contains(&role);
    let is_platform = roles.iter().any(|role| *role != Role::Keeper);
    let mut findings = Vec::new();
    if is_platform {
        // Seals assignments, and records of builds.
        if has(Role::Aggregator) || has(Role::Builder) {
            findings.extend(key("platform key", &config.platform_key));
        }
        if has(Role::Api) || has(Role::Aggregator) {
            findings.extend(key_of_secrets(config));
        }
    }
    if has(Role::Keeper) {
        if config.keeper.keys.is_empty() {
            let remedy = "name a key in [keeper] key_files (`argus keeper keygen` makes one)";
            findings.push(Finding::ill("keepers", "none is configured", remedy));
        }
        findings.extend(config.keeper.keys.iter().filter_map(|one| key("keeper key", one)));
    }
    let links = &config.links;
    let calls = [&links.scheduler, &links.dispatcher, &links.aggregator].iter().any(|urls| !urls.is_empty());
    if links.listen.is_some() || (calls && is_platform) {
        findings.push(token("token of services", &links.token_file));
    }
    if links.listen.is_some() || (has(Role::Keeper) && !links.aggregator.is_empty()) {
        findings.push(token("token of keepers", &links.keeper_token_file));
    }
    if let (true, Some((certificates, _))) = (has(Role::Api), &config.api.tls) {
        findings.extend(certificate("certificate of the API", certificates));
    }
    if let Some(files) = &links.tls {
        findings.extend(certificate("certificate of links", &files.certificate));
        findings.extend(certificate("authority of links", &files.authorities));
    }
    if has(Role::Keeper) {
        findings.push(room("room for journals", &config.keeper.dir));
    }
    findings
}

/// A key in a file. Of one at the remote signer that is asked.
fn key(what: &str, key: &Key) -> Option<Finding> {
    let Key::File(path) = key else { return None };
    Some(match read_key(path) {
        Ok(signer) => Finding::well(what, argus_ports::Signer::address(&signer).to_string()),
        Err(error) => {
            Finding::ill(what, format!("{error:#}"), "`argus keeper keygen --out FILE` makes a key")
        }
    })
}

fn key_of_secrets(config: &Config) -> Option<Finding> {
    let what = "key of secrets";
    match backends::vault(config) {
        Ok(None) => None,
        Ok(Some(_)) => Some(Finding::well(what, "it is one, and closed to others")),
        Err(error) => {
            let remedy = "`openssl rand -hex 32` makes one; API and aggregator have the same";
            Some(Finding::ill(what, format!("{error:#}"), remedy))
        }
    }
}

fn token(what: &str, path: &Path) -> Finding {
    let remedy = "`openssl rand -hex 16` makes one; all processes of one platform have the same";
    match read_secret(path, "the token") {
        Ok(text) if text.expose_secret().len() < argus_grpc::TOKEN_BYTES_MIN => {
            let least = argus_grpc::TOKEN_BYTES_MIN;
            Finding::ill(what, format!("{} has fewer than {least} characters", path.display()), remedy)
        }
        Ok(_) => Finding::well(what, format!("{} is there, and closed to others", path.display())),
        Err(error) => Finding::ill(what, format!("{error:#}"), remedy),
    }
}

/// Until when each certificate of a file is valid.
fn certificate(what: &str, path: &Path) -> Vec<Finding> {
    let remedy = "`argus pki issue` makes one for links; that of the API comes from who signs for its host";
    let read = std::fs::read(path).map_err(|error| error.to_string());
    let found = match read.and_then(|pem| About::read(&pem).map_err(|error| error.to_string())) {
        Ok(found) => found,
        Err(error) => return vec![Finding::ill(what, format!("{}: {error}", path.display()), remedy)],
    };
    let now = SystemClock.now();
    let each = found.into_iter().map(|about| {
        let (from, until) = (Timestamp::from_secs(about.valid_from), Timestamp::from_secs(about.valid_until));
        let of = format!("of {}", about.subject);
        if until < now {
            return Finding::ill(what, format!("{of}: it has expired"), remedy);
        }
        if from > now {
            return Finding::ill(what, format!("{of}: it is not valid yet"), "let the clock be set by NTP");
        }
        match until.since(now).as_secs() / DAY {
            days if days < DAYS_LOW => Finding::look(what, format!("{of}: {days} days left"), remedy),
            days => Finding::well(what, format!("{of}: {days} days left")),
        }
    });
    each.collect()
}

/// Room on the file system of a path, or of the nearest folder above it that is there.
pub(super) fn room(what: &str, path: &Path) -> Finding {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let about = match rustix::fs::statvfs(there) {
        Ok(about) => about,
        Err(error) => {
            return Finding::look(
                what,
                error.to_string(),
                "the file system says nothing of its room: look yourself",
            );
        }
    };
    let (free, whole) = (about.f_bavail * about.f_frsize, (about.f_blocks * about.f_frsize).max(1));
    let found = format!("{} of {} free", bytes(free), bytes(whole));
    let remedy = "a full disk refuses writes until there is room: free some, or move data_dir";
    match free {
        _ if free < ROOM_LEAST => Finding::ill(what, found, remedy),
        _ if free < ROOM_LOW => Finding::look(what, found, remedy),
        _ => Finding::well(what, found),
    }
}

fn bytes(n: u64) -> String {
    match n {
        n if n >= 1 << 30 => format!("{} GiB", n >> 30),
        n => format!("{} MiB", n >> 20),
    }
}

/// Whether Redis answers, where one is configured.
pub(super) async fn redis(config: &Config) -> Option<Finding> {
    let what = "Redis";
    match backends::redis::open(config).await {
        Ok(None) => None,
        Ok(Some(redis)) if redis.is_up() => Some(Finding::well(what, "it answers, and takes writes")),
        Ok(Some(_)) => {
            let remedy = "each process goes on by itself without it: start it, or correct [redis] url_file";
            Some(Finding::look(what, "it does not answer, or takes no writes", remedy))
        }
        Err(error) => Some(Finding::ill(what, format!("{error:#}"), "correct [redis] url_file, or empty it")),
    }
}

/// Whether the processes that have the missing roles take calls.
pub(super) async fn links(config: &Config, roles: &[Role]) -> Vec<Finding> {
    let links = &config.links;
    let has = |role| roles.contains(&role);
    let mut findings = Vec::new();
    for (name, called, urls, callers) in [
        ("scheduler", Role::Scheduler, &links.scheduler, &[Role::Api, Role::Oversight][..]),
        (
            "dispatcher",
            Role::Dispatcher,
            &links.dispatcher,
            &[Role::Scheduler, Role::Aggregator, Role::Oversight],
        ),
        (
            "aggregator",
            Role::Aggregator,
            &links.aggregator,
            &[Role::Dispatcher, Role::Oversight, Role::Keeper],
        ),
    ] {
        let needed = callers.iter().any(|role| has(*role)) && !has(called);
        let what = format!("link to the {name}");
        if urls.is_empty() && needed {
            let remedy = format!("name the processes that have it in [links] {name}, or run it here");
            findings.push(Finding::ill(&what, "nobody here is one, and no URL is configured", remedy));
        }
        for url in urls {
            findings.push(reach(&what, url).await);
        }
    }
    if let Some(url) = &config.ipfs_node {
        findings.push(reach("IPFS node", url).await);
    }
    findings
}

async fn reach(what: &str, url: &str) -> Finding {
    let place = Url::parse(url)
        .ok()
        .and_then(|url| Some(format!("{}:{}", url.host_str()?, url.port_or_known_default()?)));
    let Some(place) = place else {
        return Finding::ill(what, format!("{url} names no host"), "give a URL like http://host:9000");
    };
    match timeout(PATIENCE, TcpStream::connect(&place)).await {
        Ok(Ok(_)) => Finding::well(what, format!("{place} takes connections")),
        Ok(Err(error)) => Finding::ill(
            what,
            format!("{place}: {error}"),
            "start it, or correct its address or the firewall's rules",
        ),
        Err(_) => Finding::ill(
            what,
            format!("{place} does not answer within {} s", PATIENCE.as_secs()),
            "correct its address or the firewall's rules",
        ),
    }
}
