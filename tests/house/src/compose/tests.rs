use serde_json::{Value, json};

use super::*;
use crate::repo;

fn deployment() -> Deployment {
    Deployment::read(&repo::root())
}

fn faults(files: &Deployment) -> Faults {
    files.check(|path| repo::root().join(path).exists())
}

/// What stands at a path.
fn at<'a>(value: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('/').fold(value, |value, key| match value {
        Value::Array(list) => &mut list[key.parse::<usize>().expect("a place in a list")],
        other => &mut other[key],
    })
}

/// With one value changed at a path below the services (`null` takes it away), these are told, and nothing else.
#[track_caller]
fn check(path: &str, value: Value, told: &[&str]) {
    let mut files = deployment();
    *at(&mut files.compose["services"], path) = value;
    expect(&files, path, told);
}

#[track_caller]
fn expect(files: &Deployment, what: &str, told: &[&str]) {
    let found = faults(files);
    for part in told {
        assert!(found.iter().any(|fault| fault.contains(part)), "{what}: {part} in {found:#?}");
    }
    assert_eq!(found.len(), told.len(), "{what}: {found:#?}");
}

#[test]
fn images_have_the_versions_that_are_tested() {
    check("grafana/image", json!("grafana/grafana:latest"), &["names no whole version"]);
    check("grafana/image", json!("grafana/grafana:12"), &["names no whole version"]);
    check("kubo/image", json!("ipfs/kubo:v0.1.0"), &["kubo: ipfs/kubo:v0.1.0, and what is tested here is"]);
    check("api-a/image", json!("argus:9.9.9"), &["what is tested here is"]);
    let mut files = deployment();
    files.versions = files.versions.replace("CASSANDRA_VERSION=", "CASSANDRA_VERSION=1");
    expect(&files, "versions", &["cassandra-1: ", "cassandra-2: ", "cassandra-3: "]);
}

#[test]
fn every_service_lives_as_it_should() {
    check("jaeger/restart", Value::Null, &["jaeger has not `restart: unless-stopped`"]);
    check("redis/healthcheck", Value::Null, &["redis has no health check"]);
    check("kubo/stop_grace_period", Value::Null, &["kubo has no stop_grace_period"]);
    check("api-a/depends_on", Value::Null, &["api-a does not wait for migrate"]);
    check("api-a/user", json!("0"), &["api-a runs as root"]);
    check("oversight-b/read_only", Value::Null, &["oversight-b may write to its image"]);
    check("grafana/networks", Value::Null, &["grafana is in no network"]);
}

#[test]
fn secrets_are_files_of_those_who_need_them() {
    check(
        "api-a/secrets",
        json!(["links.token", "keepers.token", "redis.url"]),
        &["api-a lacks the secret secrets.key"],
    );
    check(
        "keeper-2/secrets",
        json!(["keepers.token"]),
        &["keeper-2 lacks the secret keeper-2.key", "nobody has the secret keeper-2.key"],
    );
    check("kubo/secrets", json!(["swarm.key"]), &["kubo has the secret swarm.key, which is none"]);
    check("kubo/secrets", json!([{ "source": "links.token" }]), &["kubo has a secret that is no name"]);
    check(
        "api-b/environment",
        json!({ "ARGUS_SECRETS_KEY": "00" }),
        &["api-b has ARGUS_SECRETS_KEY in its environment"],
    );
    check(
        "api-b/environment",
        json!(["ARGUS_REDIS_URL=redis://u:p@redis"]),
        &["api-b has ARGUS_REDIS_URL in its environment"],
    );
    check(
        "grafana/environment",
        json!({ "GF_SECURITY_ADMIN_PASSWORD": "x" }),
        &["grafana has GF_SECURITY_ADMIN_PASSWORD"],
    );
    check(
        "redis/command",
        json!(["redis-server", "--requirepass", "x"]),
        &["redis is given --requirepass as an argument"],
    );
    let mut files = deployment();
    files.compose["secrets"]["links.token"] = json!({ "environment": "LINKS_TOKEN" });
    expect(&files, "a secret of the environment", &["the secret links.token is no file"]);
    let mut files = deployment();
    files.settings["platform"]["key_file"] = "keys/platform.key".into();
    expect(&files, "a key elsewhere", &["platform.key_file is \"keys/platform.key\""; 2]);
}

#[test]
fn every_file_is_there_or_made() {
    let mount = |source: &str| json!([format!("{source}:/etc/x:ro")]);
    check(
        "jaeger/volumes",
        mount("./jaeger.json"),
        &["jaeger mounts ./jaeger.json at /etc/x, which is not there"],
    );
    check("jaeger/volumes", mount("../jaeger"), &["jaeger mounts ../jaeger"]);
    check("jaeger/volumes", mount("jaeger"), &["jaeger mounts jaeger"]);
    check(
        "keeper-1/volumes",
        json!(["./keeper.toml:/etc/argus/keeper.toml:ro"]),
        &["keeper-1 reads /etc/argus/tls/"; 3],
    );
    check("migrate/build", json!({ "dockerfile": "Dockerfile" }), &["migrate is built from Dockerfile"]);
    let mut files = deployment();
    files.readme = files.readme.replace(" secrets/redis.conf", "").replace("--out tls-keepers\n", "\n");
    let keepers = ["keeper-1 mounts", "keeper-2 mounts", "keeper-3 mounts"];
    expect(
        &files,
        "the README",
        &[&keepers[..], &["nobody is told how secrets/redis.conf is made"]].concat(),
    );
}

#[test]
fn every_name_is_a_service_within_reach_that_listens_there() {
    check(
        "cassandra-2/depends_on",
        json!({ "cassandra-0": { "condition": "service_healthy" } }),
        &["cassandra-2 waits for cassandra-0, which is no service"],
    );
    check(
        "cassandra-2/depends_on",
        json!({ "cassandra-1": { "condition": "service_started" } }),
        &["cassandra-2 waits for cassandra-1 until"],
    );
    check(
        "keeper-1/networks",
        json!(["elsewhere"]),
        &[
            "keeper-1 and aggregator-a share no",
            "keeper-1 and aggregator-b share no",
            "keeper-1 and kubo share no",
            "keeper-1 and kubo share no",
            "keeper-1 and jaeger share no",
        ],
    );
    for (url, told) in [
        ("http://tempo:4317", "reaches tempo:4317, which is no service"),
        ("http://jaeger:4318", "reaches jaeger:4318, where it does not listen"),
    ] {
        let mut files = deployment();
        files.settings["traces"]["endpoint"] = url.into();
        expect(&files, url, &[told; 10]);
    }
}

#[test]
fn every_role_has_two_processes_that_the_others_know() {
    let command = |role: &str| json!(["run", "--config", "/etc/argus/argus.toml", "--roles", role]);
    check(
        "oversight-b/command",
        command("oversight,scheduler"),
        &["1 processes have the role oversight alone"],
    );
    let mut files = deployment();
    files.settings["links"]["scheduler"] = vec!["https://scheduler-a:9000"].into();
    expect(&files, "one is missing", &["links.scheduler of argus.toml"]);
    let mut files = deployment();
    files.keepers["links"]["aggregator"] = "https://aggregator-a:9000".into();
    expect(&files, "one is missing", &["links.aggregator of keeper.toml"]);
}

#[test]
fn no_other_port_is_open() {
    check("grafana/ports", json!(["3000:3000"]), &["grafana opens \"3000:3000\""]);
    check("api-a/ports", json!(["9002:9002"]), &["api-a opens \"9002:9002\""]);
    check("aggregator-a/ports", json!(["9001:9000"]), &["aggregator-b opens"]);
    check("aggregator-a/ports", Value::Null, &["aggregator-a opens no port"]);
}

#[test]
fn all_processes_are_scraped() {
    let targets = "scrape_configs/0/static_configs/0/targets";
    let mut files = deployment();
    *at(&mut files.prometheus, &format!("{targets}/0")) = json!("api-a:9002");
    expect(&files, "another port", &["does not ask api-a:9100", "asks api-a:9002, which is none"]);
    let mut files = deployment();
    *at(&mut files.prometheus, "scrape_configs/0/dns_sd_configs") = Value::Null;
    expect(&files, "no keepers", &["keeper-1:9100", "keeper-2:9100", "keeper-3:9100"]);
    let mut files = deployment();
    *at(&mut files.prometheus, "scrape_configs/0/job_name") = json!("platform");
    expect(&files, "another job", &["has no job `argus`"]);
}

#[test]
fn what_operators_make_is_not_tracked() {
    let file = |path: &str| File { path: path.to_owned(), text: String::new() };
    for (path, holds) in
        [("deploy/compose/secrets/a.key", false), ("deploy/compose/compose.yml", true), ("secrets/a", true)]
    {
        assert_eq!(check_tracked(&[file(path)]).is_empty(), holds, "{path}");
    }
}
