//! deploy/compose on the built program: what it starts is what the program takes, and what it mounts is what its README
//! has operators make. That its files belong together is the house's to say.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use argus_e2e::command::argus;
use argus_house_tests::compose::{Deployment, FOLDER, Part};

use crate::alone;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_program_takes_every_command_of_the_compose_file() {
    alone(async {
        let files = Deployment::read(&root());
        let empty = tempfile::tempdir().expect("a folder");
        let ours: Vec<Part<'_>> = files.parts().into_iter().filter(Part::is_ours).collect();
        assert!(!ours.is_empty());
        for part in ours {
            // It gets as far as its settings, which are not there.
            let command = part.command();
            let command: Vec<&str> =
                command.iter().map(|word| word.strip_prefix("/etc/argus/").unwrap_or(word)).collect();
            let told = argus(empty.path(), &[], &command).await;
            let is_unread = told.err.contains("1 mistake:") && told.err.contains(".toml: No such file");
            assert!(told.code == 1 && is_unread, "{}: {command:?}: {told:?}", part.name);
        }
    });
}

#[test]
fn what_the_compose_readme_makes_is_what_the_platform_needs() {
    alone(async {
        let files = Deployment::read(&root());
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        for name in ["argus.toml", "keeper.toml"] {
            std::fs::copy(root().join(FOLDER).join(name), place.join(name)).expect("copied");
        }
        let preparations = files.preparations();
        let program = argus_e2e::program();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let beside = program.parent().map(Path::to_owned);
        let path = std::env::join_paths(beside.into_iter().chain(std::env::split_paths(&path)));
        let mut shell = Command::new("sh");
        shell.args(["-euc", &preparations]).env("PATH", path.expect("folders")).current_dir(place);
        let made = shell.output().expect("a shell");
        assert!(made.status.success(), "{preparations}: {}", String::from_utf8_lossy(&made.stderr));

        let secrets = files.compose["secrets"].as_object().expect("secrets");
        let secrets = secrets.values().filter_map(|secret| secret["file"].as_str());
        for file in secrets.chain(["./tls/key.pem", "./tls-keepers/key.pem"]) {
            let found = place.join(file).metadata().unwrap_or_else(|error| panic!("{file}: {error}"));
            let mode = found.permissions().mode() & 0o777;
            assert!(mode & 0o077 == 0 && found.len() > 0, "{file}: {mode:o}, {} bytes", found.len());
        }
        let url = std::fs::read_to_string(place.join("secrets/redis.url")).expect("a URL");
        assert!(url.trim_end().ends_with("@redis:6379"), "the service of compose.yml");

        for (name, more) in
            [("argus.toml", &[][..]), ("keeper.toml", &["--set", "keeper.key_files = [\"a\"]"])]
        {
            let check = [&["config", "check", "--config", name], more].concat();
            let told = argus(place, &[], &check).await;
            assert_eq!(told.code, 0, "{name}: {told:?}");
        }

        // With what was made in the places where the containers have it.
        for (name, tls) in [("argus.toml", "tls"), ("keeper.toml", "tls-keepers")] {
            let text = std::fs::read_to_string(place.join(name)).expect("settings");
            let text = text
                .replace("/run/secrets", &place.join("secrets").display().to_string())
                .replace("/etc/argus/tls", &place.join(tls).display().to_string())
                .replace("/var/lib/argus", &place.display().to_string());
            std::fs::write(place.join(name), text).expect("written");
        }
        let key = format!("keeper.key_files = [\"{}\"]", place.join("secrets/keeper-1.key").display());
        let of_platform = ["token of services", "token of keepers", "platform key", "key of secrets"];
        let of_both = ["certificate of links", "authority of links"];
        for (settings, roles, sound) in [
            ("argus.toml", "api,aggregator", [&of_platform[..], &of_both].concat()),
            ("keeper.toml", "keeper", [&["token of keepers", "keeper key"], &of_both[..]].concat()),
        ] {
            let mut args = vec!["doctor", "--json", "--config", settings, "--roles", roles];
            if roles == "keeper" {
                args.extend(["--set", &key]);
            }
            let findings = argus(place, &[], &args).await.json();
            let findings = findings["findings"].as_array().expect("findings");
            for what in sound {
                let of = findings.iter().find(|f| f["what"].as_str().is_some_and(|w| w.contains(what)));
                assert!(of.is_some_and(|f| f["state"] == "ok"), "{what} for {roles}: {findings:#?}");
            }
        }

        let shown = argus(place, &[], &["pki", "show", "tls/cert.pem"]).await;
        for role in ["scheduler", "dispatcher", "aggregator"] {
            let urls = files.settings["links"][role].as_array().expect("a list");
            for url in urls.iter().filter_map(|url| url.as_str()) {
                let host = url.trim_start_matches("https://").trim_end_matches(":9000");
                assert!(shown.code == 0 && shown.out.contains(host), "{host}: {shown:?}");
            }
        }
    });
}

#[test]
fn an_engine_takes_the_compose_file() {
    let runs = |engine: &str| {
        let version = Command::new(engine).args(["compose", "version"]).output();
        version.is_ok_and(|output| output.status.success())
    };
    let Some(engine) = ["docker", "podman"].into_iter().find(|engine| runs(engine)) else {
        eprintln!(
            "\n*** SKIPPED, NO ENGINE READ {FOLDER}/compose.yml: neither `docker compose` nor `podman compose` is here ***\n"
        );
        return;
    };
    let mut command = Command::new(engine);
    command.args(["compose", "--file", "compose.yml", "--profile", "keepers", "config", "-q"]);
    let output = command.current_dir(root().join(FOLDER)).output().expect("it runs");
    assert!(output.status.success(), "{engine}: {}", String::from_utf8_lossy(&output.stderr));
}
