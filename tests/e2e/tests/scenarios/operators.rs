//! What operators ask the program before they rely on it.

use std::{os::unix::fs::PermissionsExt, path::Path};

use argus_e2e::{Start, Topology, command::argus};
use serde_json::Value;

use crate::{alone, on};

#[test]
fn settings_are_checked_as_a_whole_and_shown_without_secrets() {
    alone(async {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path();
        let default = argus(place, &[], &["config", "default"]).await;
        std::fs::write(place.join("argus.toml"), &default.out).expect("written");
        let check = ["config", "check", "--config", "argus.toml"];
        assert_eq!(argus(place, &[], &check).await.code, 0, "the defaults are a file that holds together");

        let file = "[api]\nlisten = \"127.0.0.1:1\"\ncolour = 1\n\n[[chains]]\nid = 1\nrpc = [\"ftp://node/canary\"]\n[links]\nscheduler = \"https://me:canary@host:1\"\n[content]\nnode = \"ftp://me:canary@host:1\"\n";
        std::fs::write(place.join("argus.toml"), file).expect("written");
        let environment = [("ARGUS_POLICY_KEEPERS", "many"), ("ARGUS_API_LISTN", "x")];
        let told = argus(place, &environment, &check).await;
        assert_eq!(told.code, 1, "{told:?}");
        for part in [
            "6 mistakes",
            "links.scheduler is \"https://***@host:1/\"",
            "api.colour is no setting",
            "(line 3)",
            "chains[0].rpc must be",
            "(line 7)",
            "policy.keepers must be a whole number from 1 to 15, not \"many\" (ARGUS_POLICY_KEEPERS)",
            "ARGUS_API_LISTN is no setting",
        ] {
            assert!(told.err.contains(part), "{part}: {told:?}");
        }
        assert!(!told.err.contains("canary"), "a node's URL may hold a password: {told:?}");

        let file =
            "[api]\nlisten = \"127.0.0.1:1\"\n\n[[chains]]\nid = 1\nrpc = [\"https://node/v3/canary\"]\n";
        std::fs::write(place.join("argus.toml"), file).expect("written");
        let environment = [("ARGUS_API_LISTEN", "127.0.0.1:2"), ("ARGUS_SECRETS_KEY", "canary")];
        let dump = ["config", "dump", "--config", "argus.toml", "--set", "policy.keepers = 2"];
        let shown = argus(place, &environment, &dump).await;
        for part in [
            "listen = \"127.0.0.1:2\"  # ARGUS_API_LISTEN",
            "keepers = 2  # --set",
            "id = 1  # line 5",
            "rpc = \"set\"  # line 6",
            "# ARGUS_SECRETS_KEY: set",
        ] {
            assert!(shown.code == 0 && shown.out.contains(part), "{part}: {shown:?}");
        }
        let json = argus(place, &environment, &[&dump[..], &["--json"]].concat()).await;
        assert_eq!(json.json()["settings"]["api.listen"]["said_by"], "ARGUS_API_LISTEN");
        assert!(!shown.out.contains("canary") && !json.out.contains("canary"), "a secret was shown");
    });
}

#[test]
fn the_doctor_finds_a_platform_well_and_names_each_thing_that_is_not() {
    on(&[Topology::OneProcess], async |topology| {
        let folder = tempfile::tempdir().expect("a folder");
        let platform = Start::on(folder.path(), topology).run().await;
        let place = platform.folder();
        let examine = async |settings: &str, more: &[&str]| {
            let args = ["doctor", "--json", "--config", settings];
            let told = argus(place, &[], &[&args[..], more].concat()).await;
            let json = told.json();
            assert_eq!(told.code == 0, json["ok"] == true, "{told:?}");
            json["findings"].as_array().cloned().expect("findings")
        };
        let of = |findings: &[Value], what: &str| -> (String, String) {
            let finding = findings.iter().find(|f| f["what"].as_str().is_some_and(|w| w.contains(what)));
            let finding = finding.unwrap_or_else(|| panic!("{what}: {findings:?}"));
            let text = |name: &str| finding[name].as_str().unwrap_or_default().to_owned();
            (text("state"), format!("{} {}", text("found"), text("remedy")))
        };
        let well = examine("argus.toml", &[]).await;
        let ill: Vec<_> = well.iter().filter(|finding| finding["state"] == "FAILS").collect();
        assert!(ill.is_empty(), "{ill:?}");
        for what in ["store", "platform key", "executor", "balance of", "room for", "node 1"] {
            assert_eq!(of(&well, what).0, "ok", "{what}");
        }

        std::fs::write(place.join("open.token"), "0123456789abcdef").expect("written");
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(place.join("open.token"), open).expect("changed");
        let sets = [
            "store.path = \"elsewhere.db\"",
            "links.scheduler = \"http://127.0.0.1:1\"",
            "links.token_file = \"open.token\"",
            "keeper.key_files = [\"missing.key\"]",
        ];
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let ill = examine("argus.toml", &[&["--roles", "api,keeper"], &sets[..]].concat()).await;
        for (what, part) in [
            ("store", "argus migrate"),
            ("link to the scheduler", "start it"),
            ("link to the aggregator", "[links] aggregator"),
            ("token of services", "chmod 600"),
            ("keeper key", "argus keeper keygen"),
        ] {
            let (state, says) = of(&ill, what);
            assert!(state == "FAILS" && says.contains(part), "{what}: {state}, {says}");
        }

        for args in [
            &["pki", "init", "--dir", "pki"][..],
            &[
                "pki", "issue", "--dir", "pki", "--role", "service", "--name", "a", "--days", "5", "--out",
                "tls",
            ],
        ] {
            let made = argus(place, &[], args).await;
            assert_eq!(made.code, 0, "{made:?}");
        }
        let files =
            ["ca_file = \"tls/ca.pem\"", "cert_file = \"tls/cert.pem\"", "key_file = \"tls/key.pem\""];
        let files = files.map(|set| format!("links.{set}"));
        let sets: Vec<&str> = files.iter().flat_map(|set| ["--set", set]).collect();
        let told = examine("argus.toml", &sets).await;
        let (state, says) = of(&told, "certificate of links");
        assert!(state == "look" && says.contains("days left"), "{state}, {says}");
        assert_eq!(of(&told, "authority of links").0, "ok");

        // Of another chain, at addresses where nothing is.
        let written = std::fs::read_to_string(place.join("argus.toml")).expect("the settings");
        let executor = written.lines().find(|line| line.starts_with("executor")).expect("an executor");
        let moved = written.replace(executor, &format!("executor = \"0x{}\"", "ab".repeat(20)));
        std::fs::write(place.join("moved.toml"), moved).expect("written");
        std::fs::write(place.join("other.toml"), written.replace("id = 31337", "id = 5")).expect("written");
        let findings = examine("moved.toml", &[]).await;
        assert!(of(&findings, "executor").1.contains("there is no contract"), "{findings:?}");
        let findings = examine("other.toml", &[]).await;
        assert_eq!(of(&findings, "chain 5, node 1").0, "FAILS", "{findings:?}");
        platform.stop().await;
    });
}

/// systemd's measure of what a service could do, from 0 to 100: more than this is more than ours needs.
const EXPOSURE_MAX: &str = "25";

#[test]
fn the_unit_is_one_and_gives_the_service_little() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/argus@.service");
    let folder = tempfile::tempdir().expect("a folder");
    // The program lies where it was built.
    let text = std::fs::read_to_string(unit).expect("the unit");
    assert!(text.contains("--roles %I\n"), "systemd gives the comma of `api,scheduler` back in %I alone");
    let text = text.replace("/usr/bin/argus", &argus_e2e::program().display().to_string());
    let (placed, named) =
        (folder.path().join("argus@.service"), folder.path().join(r"argus@api\x2cscheduler.service"));
    std::fs::write(&placed, &text).expect("written");
    std::fs::write(&named, &text).expect("written");
    for (path, arguments) in
        [(&named, &["verify"][..]), (&placed, &["security", "--offline=yes", "--threshold", EXPOSURE_MAX])]
    {
        let analysed = std::process::Command::new("systemd-analyze").args(arguments).arg(path).output();
        let Ok(output) = analysed else {
            eprintln!("SKIPPED: systemd-analyze is not here, so the unit was not looked at");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("argus@"), "{arguments:?}: {said}");
    }
}

#[test]
fn the_program_needs_nothing_but_the_c_library() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/release");
    let check = |program: &Path| {
        let output = std::process::Command::new(&script).arg("check").arg(program).output();
        output.expect("the script runs")
    };
    let ours = check(&argus_e2e::program());
    assert!(ours.status.success(), "{}", String::from_utf8_lossy(&ours.stderr));
    // It would notice: this one is linked with what comes with its package manager.
    let theirs = std::process::Command::new("sh").args(["-c", "command -v git"]).output().expect("a shell");
    let git = String::from_utf8(theirs.stdout).expect("text");
    let noticed = check(Path::new(git.trim()));
    assert!(
        !noticed.status.success() && String::from_utf8_lossy(&noticed.stderr).contains("libz"),
        "{noticed:?}"
    );
}
