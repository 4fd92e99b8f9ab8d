//! What became of live values: a row per size of attempt, rule and number of liars in it.

use std::{collections::BTreeMap, fmt::Write};

use argus_domain::{
    attempt::Attempt,
    job::{Agreement, Mode},
    task::{AgreedHow, TaskRecord, Verdict},
};

use crate::{
    scenario::{self, Kind},
    world::World,
};

/// One kind of case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    pub keepers: usize,
    pub threshold: u8,
    pub rule: &'static str,
    /// Keepers of the attempt that was decided, or of the last one, that lie.
    pub liars: usize,
}

/// How tasks of a case ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ends {
    pub seeds: u64,
    pub tasks: u64,
    pub equal: u64,
    pub median: u64,
    pub tolerance: u64,
    pub performer: u64,
    pub none: u64,
    /// Agreed on what no honest run came to.
    pub lies: u64,
}

pub type Table = BTreeMap<Case, Ends>;

/// Adds one seed's table, or many seeds'.
pub fn add(table: &mut Table, other: &Table) {
    for (case, ends) in other {
        let sum = table.entry(*case).or_default();
        sum.seeds += ends.seeds;
        sum.tasks += ends.tasks;
        sum.equal += ends.equal;
        sum.median += ends.median;
        sum.tolerance += ends.tolerance;
        sum.performer += ends.performer;
        sum.none += ends.none;
        sum.lies += ends.lies;
    }
}

/// The table as people read it.
pub fn shown(table: &Table) -> String {
    let mut text =
        "| must agree | rule | liars | seeds | tasks | equal | median | tolerance | performer | no call | a \
                    liar's call |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for (case, e) in table {
        let _ = writeln!(
            text,
            "| {} of {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            case.threshold,
            case.keepers,
            case.rule,
            case.liars,
            e.seeds,
            e.tasks,
            e.equal,
            e.median,
            e.tolerance,
            e.performer,
            e.none,
            e.lies
        );
    }
    text
}

impl World {
    /// Counts how the tasks with live values ended.
    pub fn tally_live(&mut self) {
        let mut table = Table::new();
        let live = self.store.tasks.values().filter(|record| self.kinds[&record.task.job] == Kind::Live);
        for record in live {
            let state = record.state();
            let agreed = state.agreed();
            let decided = |attempt: &&std::sync::Arc<Attempt>| agreed.is_none_or(|a| a.attempt == attempt.no);
            let (Some(attempt), Some((verdict, _))) =
                (state.attempts.iter().rev().find(decided), &state.verdict)
            else {
                continue;
            };
            let Some(case) = self.case(attempt) else { continue };
            let ends = table.entry(case).or_default();
            ends.seeds = 1;
            ends.tasks += 1;
            self.note_end(record, verdict, ends);
        }
        self.tally.live = table;
    }

    fn case(&self, attempt: &Attempt) -> Option<Case> {
        let Mode::Quorum { threshold, .. } = attempt.mode else { return None };
        let rule = match attempt.agreement {
            Agreement::Exact => "exact",
            Agreement::Median { .. } => "median, else tolerance",
            Agreement::TrustPerformer => "trust-performer",
        };
        let lies = |k: &&argus_domain::ids::KeeperId| self.natures.get(k).is_some_and(|n| n.lies());
        let liars = attempt.keepers.iter().filter(lies).count();
        Some(Case { keepers: attempt.keepers.len(), threshold, rule, liars })
    }

    fn note_end(&self, record: &TaskRecord, verdict: &Verdict, ends: &mut Ends) {
        let Verdict::Agreed(agreed) = verdict else { return ends.none += 1 };
        match agreed.how {
            AgreedHow::Equal | AgreedHow::Solo => ends.equal += 1,
            AgreedHow::Median => ends.median += 1,
            AgreedHow::Tolerance => ends.tolerance += 1,
            AgreedHow::Performer => ends.performer += 1,
        }
        let is_honest = scenario::is_honest(Kind::Live, &record.task, &agreed.call);
        ends.lies += u64::from(!is_honest);
    }
}
