//! What older and newer programs say to each other, and what lies in stores: a number keeps its meaning for ever.
//!
//! `fields.txt` has a line for every field, value and call that there ever was. Lines are added and never changed; where
//! something is gone, `gone` is put before its line, and its number and name are not given to anything else.

use std::{collections::BTreeMap, path::Path, process::Command};

use protox::prost_reflect::{Cardinality, DescriptorPool, Kind};

const FILES: [&str; 8] = ["values", "module", "job", "decision", "task", "act", "people", "links"];
const RECORD: &str = "fields.txt";

/// Everything that has a number or a name on the wire: where it stands, and what stands there.
fn spoken(pool: &DescriptorPool) -> BTreeMap<String, String> {
    let mut lines = BTreeMap::new();
    for message in pool.all_messages() {
        for field in message.fields() {
            let kind = match field.kind() {
                Kind::Message(of) => of.full_name().to_owned(),
                Kind::Enum(of) => of.full_name().to_owned(),
                plain => format!("{plain:?}").to_lowercase(),
            };
            let how = match (field.is_map(), field.cardinality()) {
                (true, _) => "map of ",
                (false, Cardinality::Repeated) => "repeated ",
                (false, _) if field.supports_presence() => "optional ",
                (false, _) => "",
            };
            let place = format!("{} {:04}", message.full_name(), field.number());
            if let Some(of) = field.containing_oneof().filter(|of| !of.is_synthetic()) {
                lines.insert(format!("{place} in"), format!("one of {}", of.name()));
            }
            lines.insert(place, format!("{}: {how}{kind}", field.name()));
        }
    }
    for of in pool.all_enums() {
        for value in of.values() {
            lines.insert(format!("{} {:04}", of.full_name(), value.number()), value.name().to_owned());
        }
    }
    for service in pool.services() {
        for call in service.methods() {
            let stream = |is: bool| if is { "stream " } else { "" };
            let (input, output) = (call.input(), call.output());
            let (takes, gives) = (stream(call.is_client_streaming()), stream(call.is_server_streaming()));
            lines.insert(
                call.full_name().to_owned(),
                format!("({takes}{}) -> {gives}{}", input.full_name(), output.full_name()),
            );
        }
    }
    lines
}

fn now() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = FILES.map(|name| folder.join(format!("argus/v1/{name}.proto")));
    let set = protox::compile(files, [folder]).expect("they compile");
    spoken(&DescriptorPool::from_file_descriptor_set(set).expect("they hold together"))
}

/// What breaks the rule, between a record and what is spoken now.
fn faults(record: &str, now: &BTreeMap<String, String>) -> Vec<String> {
    let mut found = Vec::new();
    let mut known = BTreeMap::new();
    for line in record.lines() {
        let (is_gone, line) = line.strip_prefix("gone ").map_or((false, line), |line| (true, line));
        let Some((place, what)) = line.split_once(" = ") else {
            found.push(format!("no line of a record: {line}"));
            continue;
        };
        known.insert(place, what);
        let name = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
        let owner = |place: &str| place.rsplit_once(' ').map_or(String::new(), |(owner, _)| owner.to_owned());
        match (is_gone, now.get(place)) {
            (false, None) => found
                .push(format!("{place} ({what}) is gone: put `gone` before its line, if nobody needs it")),
            (false, Some(other)) if other != what => {
                found.push(format!("{place} was {what}, and is now {other}"))
            }
            (true, Some(other)) => found.push(format!("{place} was {what}, and is given to {other}")),
            (true, None) => {
                let again = now.iter().find(|(at, is)| {
                    owner(at) == owner(place) && !owner(at).is_empty() && name(is) == name(what)
                });
                found.extend(again.map(|(at, _)| format!("the name of {place} ({what}) is given to {at}")));
            }
            (false, Some(_)) => {}
        }
    }
    let missing = now.iter().filter(|(place, _)| !known.contains_key(place.as_str()));
    found.extend(missing.map(|(place, what)| format!("no line in {RECORD}: {place} = {what}")));
    found
}

#[test]
fn nothing_on_the_wire_changes_its_meaning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let record = std::fs::read_to_string(folder.join(RECORD)).unwrap_or_default();
    let now = now();
    let found = faults(&record, &now);
    if !found.is_empty() {
        let mut lines: Vec<String> = record.lines().map(str::to_owned).collect();
        let new = now.iter().map(|(place, what)| format!("{place} = {what}"));
        lines.extend(new.filter(|line| !record.lines().any(|known| known == line)));
        lines.sort_by(|a, b| a.trim_start_matches("gone ").cmp(b.trim_start_matches("gone ")));
        let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join(RECORD);
        std::fs::write(&written, lines.join("\n") + "\n").expect("written");
        panic!("{}\nwith the new lines: {}", found.join("\n"), written.display());
    }
}

/// Nobody repairs a break by changing the record: what ever stood in it still does, as far as history is here.
#[test]
fn no_line_of_the_record_was_ever_changed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(args).output().expect("git");
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let record = std::fs::read_to_string(folder.join(RECORD)).expect("the record");
    let commits = git(&["log", "--format=%H", "--", RECORD]);
    assert!(!commits.is_empty(), "the record has a history");
    for commit in commits.lines() {
        for line in git(&["show", &format!("{commit}:./{RECORD}")]).lines() {
            let gone = format!("gone {line}");
            assert!(record.lines().any(|known| known == line || known == gone), "{line}, as of {commit}");
        }
    }
}

#[test]
fn what_would_break_is_told() {
    let now = now();
    let whole: String = now.iter().map(|(place, what)| format!("{place} = {what}\n")).collect();
    assert_eq!(faults(&whole, &now), [""; 0]);
    let (place, what) = now.iter().find(|(_, what)| what.contains(": ")).expect("a field");
    let (owner, _) = place.rsplit_once(' ').expect("of a message");
    let told = |record: &str, part: &str| {
        let found = faults(record, &now);
        assert!(found.len() == 1 && found[0].contains(part), "{found:#?}");
    };
    told(&whole.replacen(&format!("{place} = {what}\n"), "", 1), "no line in");
    told(&whole.replacen(what.as_str(), "other: bytes", 1), "was other: bytes, and is now");
    told(&format!("{whole}{owner} 9999 = later: bytes\n"), "is gone");
    told(&whole.replacen(place.as_str(), &format!("gone {place}"), 1), "and is given to");
    told(&format!("{whole}gone {owner} 9999 = {what}\n"), "the name of");
    assert_eq!(faults(&format!("{whole}gone {owner} 9999 = retired: bytes\n"), &now), [""; 0]);
}
