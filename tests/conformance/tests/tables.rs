//! No table is forgotten when a store is copied: each column of both stores' migrations is in a record, follows from
//! records, or is left out for a reason that stands here. A table or a column that is added is decided about here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use argus_ports::RecordKind;

/// Where a table's content goes.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// Records of this kind are read from it.
    In(RecordKind),
    /// It is written anew from records of this kind.
    From(RecordKind),
    /// It stays behind, because.
    Not(&'static str),
}

use Kept::{From, In, Not};

const PROCESSES: &str = "running processes' own";
const THIS_STORE: &str = "says of the store itself what is not so of the other";
const UNDECIDED: &str = "of requests that were under way: what was decided of them is in what they wrote";

/// Tables with their columns.
type Tables = &'static [(&'static str, &'static str, Kept)];

const SQLITE: Tables = &[
    (
        "jobs",
        "serial id version owner created_chain safe paused_at deleted_at updated_at",
        In(RecordKind::Job),
    ),
    ("job_versions", "serial version body", In(RecordKind::Job)),
    (
        "cursors",
        "serial kind armed revision next_due finished last_opened_at body shard",
        In(RecordKind::Job),
    ),
    ("room_ends", "job seq", In(RecordKind::Job)),
    ("charges", "serial charged", From(RecordKind::Task)),
    (
        "tasks",
        "row place id public_id opened_at owner safe verdict ended announced finished body",
        In(RecordKind::Task),
    ),
    ("facts", "row task key body", In(RecordKind::Task)),
    ("changes", "position job_place job seq owner task public_id kind at once", In(RecordKind::Change)),
    ("keepers", "keeper name body", In(RecordKind::Keeper)),
    ("faults", "keeper task", In(RecordKind::Fault)),
    ("ledger", "row key reason account amount", In(RecordKind::Entry)),
    ("standings", "board account points jobs tasks attested", From(RecordKind::Entry)),
    ("modules", "row source language publisher body", In(RecordKind::Module)),
    ("api_keys", "row hash id owner created_at body expires_at", In(RecordKind::ApiKey)),
    ("archive", "name bytes", In(RecordKind::Blob)),
    ("secrets", "job name key sealed set_at", In(RecordKind::Secret)),
    ("answers", "row owner name request holder until status body", In(RecordKind::Answer)),
    ("profiles", "account email chat name rewards on_imua applied_at", In(RecordKind::Profile)),
    (
        "webhooks",
        "id owner url kinds created_at position failures next_at failed_at failed_because",
        In(RecordKind::Webhook),
    ),
    ("dead_letters", "row webhook event kind task at reason", In(RecordKind::Webhook)),
    ("claims", "who until", In(RecordKind::Claim)),
    ("nonce_key", "one key", In(RecordKind::NonceKey)),
    ("decisions", "job task kind last_at body", In(RecordKind::Decision)),
    ("registries", "chain registry read_to", In(RecordKind::Registry)),
    ("registrations", "chain job kind owner stored_owner block tx at", In(RecordKind::Registration)),
    ("leases", "kind shard token member session mark", In(RecordKind::Lease)),
    ("lease_members", "kind member session beats ttl_ms shards", Not(PROCESSES)),
    ("settings", "name value", Not(THIS_STORE)),
];

const SCYLLA: Tables = &[
    (
        "jobs",
        "id creation serial owner chain safe version first_version body paused_at deleted_at updated_at kind cursor \
         last_opened_at last_number last_task last_body fence stamp writer",
        In(RecordKind::Job),
    ),
    ("job_versions", "id version body", In(RecordKind::Job)),
    ("creations", "id count jobs cursors booked first_serial state", Not(UNDECIDED)),
    ("serials", "name creation first next", In(RecordKind::Numbers)),
    ("buckets", "list bucket seen", From(RecordKind::Task)),
    ("job_lists", "list bucket serial job", From(RecordKind::Job)),
    ("due", "kind bucket due serial stamp job", From(RecordKind::Job)),
    ("tasks", "id key place mark writer job serial number opened_at body", In(RecordKind::Task)),
    ("tasks_by_number", "serial bucket number task", From(RecordKind::Task)),
    ("task_lists", "list bucket opened_at public_id task", From(RecordKind::Task)),
    ("unfinished", "bucket shard task job stamp", From(RecordKind::Task)),
    ("charges", "serial bucket number amount facts", From(RecordKind::Task)),
    ("charged", "serial bucket amount", From(RecordKind::Task)),
    ("changes", "bucket position writer job seq owner task public_id kind at", In(RecordKind::Change)),
    (
        "room_changes",
        // last: of a job's room, in its record.
        "room bucket last position job seq owner task public_id kind at",
        From(RecordKind::Change),
    ),
    ("changes_once", "place public_id kind once seq", From(RecordKind::Change)),
    ("marks", "name value", In(RecordKind::Numbers)),
    ("keepers", "part keeper name body", In(RecordKind::Keeper)),
    ("faults", "keeper task", In(RecordKind::Fault)),
    (
        "accounts",
        "account user_points jobs user_tasks keeper_points keeper_tasks attested booked last stamp writer",
        In(RecordKind::Entry),
    ),
    ("ledger", "key reason account amount", From(RecordKind::Entry)),
    ("ledger_by_account", "account bucket position key reason amount", In(RecordKind::Entry)),
    ("standings", "board shard account points jobs tasks attested", From(RecordKind::Entry)),
    ("modules", "source language publisher body", In(RecordKind::Module)),
    ("api_keys", "hash body last_used stamp writer", In(RecordKind::ApiKey)),
    ("api_key_ids", "id hash", From(RecordKind::ApiKey)),
    ("api_key_lists", "list created_at hash", From(RecordKind::ApiKey)),
    ("api_key_ends", "bucket expires_at hash", From(RecordKind::ApiKey)),
    ("profiles", "account email chat name rewards on_imua applied_at stamp writer", In(RecordKind::Profile)),
    ("applicants", "part account", From(RecordKind::Profile)),
    (
        "webhooks",
        "owner id letter stamp writer url kinds created_at position failures next_at failed_at failed_because place kind \
         task at reason",
        In(RecordKind::Webhook),
    ),
    ("webhook_ids", "part id owner", From(RecordKind::Webhook)),
    ("claims", "who until claim", In(RecordKind::Claim)),
    ("claim_groups", "id until state", From(RecordKind::Claim)),
    ("lease_members", "kind member session beats ttl_ms shards", Not(PROCESSES)),
    ("leases", "kind shard taken member session mark", In(RecordKind::Lease)),
    // The nonce key; the store's name and how far a copy into it is are its own.
    ("settings", "name value", In(RecordKind::NonceKey)),
    ("answers", "owner name stamp writer request holder until status body", In(RecordKind::Answer)),
    ("secrets", "job name first key sealed set_at writer", In(RecordKind::Secret)),
    ("secret_jobs", "shard job", From(RecordKind::Secret)),
    ("decisions", "job task kind serial last_at body", In(RecordKind::Decision)),
    ("registries", "chain registry read_to", In(RecordKind::Registry)),
    ("registrations", "chain shard job kind owner stored_owner block tx at", In(RecordKind::Registration)),
    ("registrations_by_job", "job chain kind owner stored_owner block tx at", From(RecordKind::Registration)),
    ("arrivals", "part chain job", From(RecordKind::Registration)),
    ("archive", "name bytes chunks writer", In(RecordKind::Blob)),
    ("archive_chunks", "name writer chunk bytes", In(RecordKind::Blob)),
];

#[test]
fn every_column_of_both_stores_is_copied_or_left_out_for_a_reason() {
    for (folder, known) in [("sqlite", SQLITE), ("scylla", SCYLLA)] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations").join(folder);
        let mut files: Vec<_> =
            fs::read_dir(&path).expect("migrations").map(|entry| entry.expect("one").path()).collect();
        files.retain(|path| path.is_file());
        files.sort();
        let mut tables = BTreeMap::new();
        for file in files {
            read(&fs::read_to_string(&file).expect("a migration"), &mut tables);
        }
        let mut decided = BTreeMap::new();
        for (table, columns, kept) in known {
            let columns: BTreeSet<String> = columns.split_whitespace().map(str::to_owned).collect();
            assert!(
                decided.insert((*table).to_owned(), columns).is_none(),
                "{folder}: {table} stands here twice"
            );
            if let Not(why) = kept {
                assert!(!why.is_empty());
            }
        }
        assert_eq!(tables, decided, "{folder}: decide what becomes of it when a store is copied");
        // sqlite_sequence, which is no table of ours, has its numbers.
        for &kind in RecordKind::ALL.iter().filter(|kind| folder == "scylla" || **kind != RecordKind::Numbers)
        {
            assert!(
                known.iter().any(|(_, _, kept)| matches!(kept, In(of) if *of == kind)),
                "{folder}: {kind:?}"
            );
        }
        for (table, _, kept) in known {
            if let From(kind) = kept {
                assert!(
                    known.iter().any(|(_, _, kept)| matches!(kept, In(of) if of == kind)),
                    "{folder}: {table}"
                );
            }
        }
    }
}

/// Takes in what a migration does to tables.
fn read(text: &str, tables: &mut BTreeMap<String, BTreeSet<String>>) {
    let lines = text.lines().map(|line| line.split("--").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    for statement in text.split(';').map(str::trim) {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["CREATE", "TABLE", rest @ ..] => {
                let name = if let ["IF", "NOT", "EXISTS", name, ..] = rest { name } else { rest[0] };
                let columns = columns(statement);
                assert!(tables.insert(name.to_owned(), columns).is_none(), "{name}");
            }
            ["ALTER", "TABLE", table, "ADD", "COLUMN", column, ..]
            | ["ALTER", "TABLE", table, "ADD", column, ..] => {
                tables.get_mut(*table).expect("a table").insert((*column).to_owned());
            }
            ["ALTER", "TABLE", table, "RENAME", "COLUMN", from, "TO", to] => {
                let columns = tables.get_mut(*table).expect("a table");
                assert!(columns.remove(*from));
                columns.insert((*to).to_owned());
            }
            ["DROP", "TABLE", table] => drop(tables.remove(*table)),
            ["ALTER", ..] | ["DROP", "TABLE", ..] => panic!("this test does not read {statement}"),
            _ => {}
        }
    }
}

/// The names in a table's parentheses, of which constraints are none.
fn columns(statement: &str) -> BTreeSet<String> {
    let inner = &statement[statement.find('(').expect("columns") + 1..];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '(' | '<' => depth += 1,
            ')' if depth == 0 => break,
            ')' | '>' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("one").push(c);
    }
    let first = |part: &String| part.split_whitespace().next().map(str::to_owned);
    let is_column = |word: &String| !["PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].contains(&word.as_str());
    parts.iter().filter_map(first).filter(is_column).collect()
}
