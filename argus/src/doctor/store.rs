//! The platform's store: its tables, its room, and how many nodes of its cluster are up.

use super::{Finding, here};
use crate::{
    backends::store::{self, Nodes},
    config::Store,
};

/// Fewer copies than this have no quorum once one is lost.
const COPIES_LEAST: usize = 3;

const START: &str = "start them, or correct [store] nodes and login_file or the firewall's rules";

pub(super) async fn examine(store: &Store) -> Vec<Finding> {
    match store {
        Store::Sqlite(path) => vec![tables(store).await, here::room("room for the store", path)],
        Store::Scylla(cluster) => match store::nodes(cluster).await {
            Ok(nodes) => vec![judge(nodes), tables(store).await],
            // Nobody answers for its tables either.
            Err(error) => vec![Finding::ill("nodes of the store", format!("{error:#}"), START)],
        },
    }
}

async fn tables(store: &Store) -> Finding {
    let what = "store";
    let name = store::name(store);
    let unread = match store {
        Store::Sqlite(_) => "the file's text says what to do",
        Store::Scylla(_) => START,
    };
    let rows = match store::migrations(store).await {
        Ok(rows) => rows,
        Err(error) => return Finding::ill(what, format!("{error:#}"), unread),
    };
    let missing: Vec<_> =
        rows.iter().filter(|row| row.applied_at.is_none()).map(|row| row.name.as_str()).collect();
    if !missing.is_empty() {
        let remedy = "`argus migrate up` makes the tables, or brings them up to this version";
        return Finding::ill(what, format!("{name} lacks {}", missing.join(", ")), remedy);
    }
    match store::verify(store).await {
        Ok(()) => Finding::well(what, format!("{name} has {} migrations, and is sound", rows.len())),
        Err(error) => {
            Finding::ill(what, format!("{error:#}"), "restore a backup, or use the build that it is of")
        }
    }
}

/// What follows from how many nodes are up.
fn judge(Nodes { known, up, copies }: Nodes) -> Finding {
    let what = "nodes of the store";
    let found = format!("{up} of {known} are up");
    let Some(copies) = copies else {
        // That there is no keyspace is told of its tables.
        return Finding::well(what, found);
    };
    let found = format!("{found}, and each row has copies on {copies}");
    let quorum = copies / 2 + 1;
    if known < quorum {
        let remedy = format!(
            "a quorum of {copies} copies is on {quorum} nodes: add nodes, or give the keyspace fewer copies (ALTER \
            KEYSPACE, and a repair)"
        );
        return Finding::ill(what, found, remedy);
    }
    // Rows whose copies lie on just the nodes that are down.
    if known.saturating_sub(up) > copies.saturating_sub(quorum) {
        return Finding::ill(what, format!("{found}: some rows have no quorum"), START);
    }
    if up < known {
        return Finding::look(what, found, "start the others: until then each row has fewer copies");
    }
    if copies < COPIES_LEAST {
        let remedy = format!(
            "with fewer than {COPIES_LEAST} copies nothing works while one node is down: give the keyspace more (ALTER \
            KEYSPACE, and a repair)"
        );
        return Finding::look(what, found, remedy);
    }
    Finding::well(what, found)
}

#[cfg(test)]
mod tests {
    use super::{super::State, *};

    #[test]
    fn nodes_that_are_down_count_by_the_copies_that_are_left() {
        for (known, up, copies, state, part) in [
            (3, 3, Some(3), State::Well, ""),
            (5, 5, Some(3), State::Well, ""),
            (3, 2, Some(3), State::Look, "start the others"),
            (3, 1, Some(3), State::Ill, "start them"),
            // Three are up, and yet some rows have two of three copies on the others.
            (5, 3, Some(3), State::Ill, "start them"),
            (5, 3, Some(5), State::Look, "start the others"),
            (1, 1, Some(1), State::Look, "fewer than 3 copies"),
            (2, 2, Some(2), State::Look, "fewer than 3 copies"),
            (2, 1, Some(2), State::Ill, "start them"),
            (1, 1, Some(3), State::Ill, "add nodes"),
            (3, 3, None, State::Well, ""),
        ] {
            let finding = judge(Nodes { known, up, copies });
            let remedy = finding.remedy.clone().unwrap_or_default();
            assert!(finding.state == state && remedy.contains(part), "{known} {up} {copies:?}: {finding:?}");
        }
    }
}
