//! What of a bundle holds, told from the file alone.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256};

use super::{Account, Bundle, CameTo, Run, receipt::receipt};
use crate::{
    attempt::{Assignment, Attempt, Observation, Output, SignedClaim, run_input},
    call::Signature,
    chain::{Included, Inclusion},
    ids::{AttemptNo, KeeperId, Round, TaskId},
    job::{Args, Mode},
    module::Cid,
    quorum::{Choice, choose, same_call, second_round, threshold},
    seal::Seal,
    task::{Agreed, AgreedHow, Fact, Verdict},
};

/// What a check needs that is no rule of ours.
pub struct Tools<'a> {
    /// Who made a signature over a digest; `None`: nobody did.
    pub recover: &'a dyn Fn(B256, &Signature) -> Option<Address>,
    /// Whether a CID names these bytes.
    pub names: &'a dyn Fn(&Cid, &[u8]) -> bool,
    /// What an inclusion shows, or why nothing.
    pub included: &'a dyn Fn(&Inclusion) -> Result<Included, String>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub what: &'static str,
    /// What was found.
    pub finding: Finding,
}

/// What was found, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It holds.
    Holds(String),
    /// It does not.
    Fails(String),
    /// Nobody signed it: the platform says so, and nothing in the file speaks for it or against it.
    Told(String),
    /// The file cannot tell: it was not kept, or did not happen yet.
    Open(String),
}

impl Finding {
    /// Holds with these words, unless there is a fault.
    fn of(fault: Option<String>, words: impl Into<String>) -> Self {
        fault.map_or_else(|| Self::Holds(words.into()), Self::Fails)
    }
}

/// Looks at everything but the replay.
pub fn check(bundle: &Bundle, tools: &Tools<'_>) -> Vec<Check> {
    let mut checks = vec![Check { what: "transcript", finding: transcripts(&bundle.runs) }];
    if let Some(account) = &bundle.task {
        let book = Book::new(account);
        let mut add = |what, finding| checks.push(Check { what, finding });
        add("task", task(account));
        add("assignment", assignments(&book, tools));
        add("module", module(bundle, account, tools));
        add("observations", observations(&book, tools));
        add("runs", runs(bundle, &book));
        add("claims", claims(&book, tools));
        add("verdict", verdict(bundle, &book, tools));
        add("receipt", receipt(account, tools));
    }
    checks
}

/// An account's facts by kind.
struct Book<'a> {
    account: &'a Account,
    attempts: Vec<&'a Attempt>,
    observations: Vec<&'a std::sync::Arc<Observation>>,
    claims: Vec<&'a SignedClaim>,
    refuted: Vec<(AttemptNo, KeeperId)>,
}

impl<'a> Book<'a> {
    fn new(account: &'a Account) -> Self {
        let mut book = Self {
            account,
            attempts: Vec::new(),
            observations: Vec::new(),
            claims: Vec::new(),
            refuted: Vec::new(),
        };
        for fact in &account.record.facts {
            match fact {
                Fact::Attempted(attempt) => book.attempts.push(attempt),
                Fact::Observed(observation) => book.observations.push(observation),
                Fact::Claimed(claim) => book.claims.push(claim),
                Fact::Settled(_)
                | Fact::Announced { .. }
                | Fact::HandedOff(_)
                | Fact::Broadcast(_)
                | Fact::Received(_)
                | Fact::Revoked { .. }
                | Fact::Confirmed { .. }
                | Fact::Lapsed { .. }
                | Fact::TriggerLost { .. }
                | Fact::Challenged(_) => {}
                Fact::Disagreed(d) if d.refuted_by.is_empty() => {}
                Fact::Disagreed(d) => book.refuted.push((d.attempt, d.one.keeper)),
            }
        }
        book
    }

    fn observed(&self, run: &Run) -> Option<&'a Observation> {
        let (attempt, keeper) = run.by?;
        let of = self.observations.iter().copied().find(|o| (o.attempt, o.keeper) == (attempt, keeper));
        of.map(AsRef::as_ref)
    }

    /// What keepers sign for a call of an attempt.
    fn digest(&self, attempt: &Attempt, call: &crate::call::Call) -> Option<B256> {
        Some(attempt.claim(&self.account.job, call).digest(self.account.domain.as_ref()?))
    }
}

fn is_sealed(tools: &Tools<'_>, by: Address, digest: B256, seal: &Seal) -> bool {
    seal.is_by(tools.recover, by, digest)
}

fn transcripts(runs: &[Run]) -> Finding {
    let fault = runs.iter().find_map(|run| {
        let actual = run.transcript.root();
        if actual != run.root {
            return Some(format!("a transcript has the root {actual}, the bundle says {}", run.root));
        }
        (!run.transcript.is_whole())
            .then(|| "a transcript shows other requests than its chain holds".to_owned())
    });
    match (runs.len(), fault) {
        (0, _) => Finding::Open("no run was kept".to_owned()),
        (n, fault) => Finding::of(fault, format!("{n} of {n} hash chains lead to their root")),
    }
}

fn task(account: &Account) -> Finding {
    let Account { job, record, domain, .. } = account;
    let task = &record.task;
    let ours = (task.job, task.job_version, task.serial) == (job.id, job.version, job.serial);
    let fault = if TaskId::of(job.id, &task.occurrence) != task.id || !ours {
        Some("the task is not of this job and occurrence".to_owned())
    } else if record.facts.iter().any(|fact| fact.task() != task.id) {
        Some("a fact is of another task".to_owned())
    } else if domain.is_some_and(|domain| domain.chain != job.target_chain()) {
        Some("the executor is on another chain than the job's call".to_owned())
    } else {
        None
    };
    Finding::of(fault, format!("its id is that of job {} and its occurrence", job.id))
}

fn assignments(book: &Book<'_>, tools: &Tools<'_>) -> Finding {
    let Account { job, record, seals, .. } = book.account;
    let mut by = BTreeSet::new();
    for sealed in seals {
        let Some(attempt) = book.account.attempt(sealed.attempt) else {
            return Finding::Fails("a seal is of an attempt that is not there".to_owned());
        };
        let assignment = Assignment {
            job: job.clone().into(),
            task: record.task.clone().into(),
            attempt: attempt.clone().into(),
        };
        let digest = assignment.digest(job.digest());
        if !is_sealed(tools, sealed.by, digest, &sealed.seal) {
            let no = sealed.attempt.0;
            return Finding::Fails(format!(
                "the assignment of attempt {no} is not what {} sealed",
                sealed.by
            ));
        }
        by.insert(sealed.by);
    }
    match by.first() {
        None => Finding::Open("the platform's seal was not kept".to_owned()),
        Some(one) => Finding::Holds(format!("job, task and attempt are what {one} sealed")),
    }
}

fn module(bundle: &Bundle, account: &Account, tools: &Tools<'_>) -> Finding {
    match (&account.job.args, &bundle.script) {
        (Args::Fixed(_), None) => Finding::Holds("the arguments are given: no script ran".to_owned()),
        (Args::Fixed(_), Some(_)) => Finding::Fails("the job has no script, the bundle has one".to_owned()),
        (Args::Computed { .. }, None) => Finding::Open("the script was not kept".to_owned()),
        (Args::Computed { module, .. }, Some(script)) => {
            let fault = if script.language != module.language {
                Some(format!("the script is {}, the job's is {}", script.language, module.language))
            } else if !(tools.names)(&module.source, &script.source) {
                Some(format!("the source is not what {} names", module.source))
            } else {
                None
            };
            Finding::of(fault, format!("the source is what {} names", module.source))
        }
    }
}

fn observations(book: &Book<'_>, tools: &Tools<'_>) -> Finding {
    let fault = book.observations.iter().find_map(|o| {
        let Some(attempt) = book.account.attempt(o.attempt) else {
            return Some(format!("keeper {} reports of an attempt that is not there", o.keeper));
        };
        if !attempt.keepers.contains(&o.keeper) {
            return Some(format!("keeper {} had no part in attempt {}", o.keeper, o.attempt.0));
        }
        (!is_sealed(tools, o.keeper.0, o.digest(), &o.seal))
            .then(|| format!("the report of keeper {} is not what it signed", o.keeper))
    });
    match (book.observations.len(), fault) {
        (0, _) => Finding::Open("no keeper reported a run".to_owned()),
        (n, fault) => Finding::of(fault, format!("{n} of {n} are signed by the keepers they name")),
    }
}

fn runs(bundle: &Bundle, book: &Book<'_>) -> Finding {
    let fault = bundle.runs.iter().find_map(|run| {
        let Some(o) = book.observed(run) else { return Some("a run has no report".to_owned()) };
        let told =
            |what: &str| Some(format!("{what} of the run of keeper {} is not the signed one", o.keeper));
        let attempt = book.account.attempt(o.attempt)?;
        let Args::Computed { module, .. } = &book.account.job.args else { return told("the script") };
        let (told_state, named) = (run.input.state.clone(), attempt.state.map(|state| state.root));
        let is_named = told_state.as_ref().map(|state| state.root()) == named;
        let input = run_input(&book.account.job, &book.account.record.task, attempt, told_state);
        if !is_named {
            told("the state before")
        } else if run.input != input || run.input.digest(&run.limits) != o.input {
            told("the input")
        } else if run.limits != attempt.limits {
            told("a limit")
        } else if module.digest() != o.module {
            told("the script")
        } else if run.engine != o.engine || o.engine != attempt.engine {
            told("the engine")
        } else if run.root != o.transcript_root {
            told("the transcript")
        } else if run.fuel != o.fuel {
            told("the fuel")
        } else if run.came_to != CameTo::Output(o.output.clone()) {
            told("the result")
        } else if run.state != o.state {
            told("the state after")
        } else {
            None
        }
    });
    match (bundle.runs.len(), fault) {
        (0, _) => Finding::Open("no run was kept".to_owned()),
        (n, fault) => Finding::of(fault, format!("{n} of {n} are what their keepers signed")),
    }
}

fn claims(book: &Book<'_>, tools: &Tools<'_>) -> Finding {
    let fault = book.claims.iter().find_map(|claim| {
        let keeper = claim.keeper;
        let Some(attempt) = book.account.attempt(claim.attempt) else {
            return Some(format!("keeper {keeper} signs for an attempt that is not there"));
        };
        let mut calls = book.observations.iter().filter_map(|o| match &o.output {
            Output::Call(call) if o.attempt == claim.attempt => Some((o.keeper, call)),
            Output::Call(_) | Output::Skip(_) | Output::Fail(_) => None,
        });
        // In the first round everyone signs its own call, in the second one the run that was taken.
        let is_over = calls.any(|(ran, call)| {
            (claim.round == Round(2) || (claim.round == Round(1) && ran == keeper))
                && book.digest(attempt, call) == Some(claim.digest)
        });
        if !is_over || !attempt.keepers.contains(&keeper) {
            return Some(format!("the claim of keeper {keeper} is over no call that a run came to"));
        }
        ((tools.recover)(claim.digest, &claim.signature) != Some(keeper.0))
            .then(|| format!("the claim of keeper {keeper} is not signed by it"))
    });
    match (book.claims.len(), fault) {
        (0, _) => Finding::Open("no keeper signed a call".to_owned()),
        (n, fault) => {
            Finding::of(fault, format!("{n} of {n} are over the call that the result encodes to, and signed"))
        }
    }
}

fn verdict(bundle: &Bundle, book: &Book<'_>, tools: &Tools<'_>) -> Finding {
    let settled = book.account.record.facts.iter().find_map(|fact| match fact {
        Fact::Settled(settlement) => Some(&settlement.verdict),
        _ => None,
    });
    match settled {
        None => Finding::Open("the task is not decided yet".to_owned()),
        Some(Verdict::Agreed(agreed)) => {
            let words = match agreed.how {
                AgreedHow::Solo => "one keeper acts alone".to_owned(),
                AgreedHow::Equal | AgreedHow::Median | AgreedHow::Tolerance | AgreedHow::Performer => {
                    format!("{} keepers signed the call", agreed.signatures.len())
                }
            };
            Finding::of(agreement(bundle, book, agreed, tools), words)
        }
        Some(Verdict::Skipped(reason)) => {
            ended(book, "the script said \"not now\"", |choice| *choice == Choice::Skipped(reason.clone()))
        }
        Some(Verdict::Failed(reason)) => {
            ended(book, "the script failed", |choice| *choice == Choice::Failed(reason.clone()))
        }
        Some(Verdict::Withdrawn(_) | Verdict::Exhausted(_)) => Finding::Told("no call was agreed".to_owned()),
    }
}

/// Whether the answers of the last attempt come to this; a task may fail for other reasons than its script.
fn ended(book: &Book<'_>, words: &str, is_so: impl Fn(&Choice) -> bool) -> Finding {
    let last = book.attempts.iter().max_by_key(|attempt| attempt.no);
    let came_to = last.map(|attempt| {
        let of = book.observations.iter().filter(|o| o.attempt == attempt.no);
        choose(attempt, &of.map(|o| (o.keeper, (*o).clone())).collect(), &refuted(book, attempt), 0)
    });
    match came_to {
        Some(choice) if is_so(&choice) => {
            Finding::Holds(format!("{words}, by the answers of enough keepers"))
        }
        Some(_) | None => Finding::Told(words.to_owned()),
    }
}

fn refuted(book: &Book<'_>, attempt: &Attempt) -> BTreeSet<KeeperId> {
    book.refuted.iter().filter(|(of, _)| *of == attempt.no).map(|(_, keeper)| *keeper).collect()
}

/// What is wrong with an agreement.
fn agreement(bundle: &Bundle, book: &Book<'_>, agreed: &Agreed, tools: &Tools<'_>) -> Option<String> {
    let fault = |text: &str| Some(text.to_owned());
    let Some(attempt) = book.account.attempt(agreed.attempt) else {
        return fault("it is of an attempt that is not there");
    };
    let copied = agreed.valid_until == attempt.valid_until
        && agreed.fee_cap == attempt.fee_cap
        && agreed.gas_limit == attempt.gas_limit
        && agreed.performers == attempt.keepers;
    if !copied {
        return fault("its terms are not the attempt's");
    }
    let ran = |o: &Observation| match &o.output {
        Output::Call(call) => *call == agreed.call && o.state == agreed.state,
        Output::Skip(_) | Output::Fail(_) => false,
    };
    let of_attempt: Vec<_> = book.observations.iter().filter(|o| o.attempt == attempt.no).copied().collect();
    let root = agreed.transcript_root;
    let is_computed = matches!(book.account.job.args, Args::Computed { .. });
    let mut taken = of_attempt.iter().filter(|o| ran(o) && (!is_computed || root == Some(o.transcript_root)));
    if taken.clone().next().is_none() {
        return fault("its call is no run's");
    }
    if is_computed != root.is_some() {
        return fault("it names a transcript where no script ran, or none where one did");
    }
    if let Some(run) = bundle.first_run()
        && !taken.any(|o| run.by == Some((o.attempt, o.keeper)))
    {
        return fault("the first run in the bundle is not the one that was taken");
    }
    let is_solo = attempt.mode == Mode::Solo;
    let by_rule = match agreed.how {
        AgreedHow::Solo => is_solo && agreed.round == Round(1) && agreed.signatures.is_empty(),
        AgreedHow::Equal => !is_solo && agreed.round == Round(1),
        AgreedHow::Median | AgreedHow::Tolerance | AgreedHow::Performer => {
            // An answer that came while the second round was under way was not reckoned with.
            let out = refuted(book, attempt);
            let mut in_time = (1..=of_attempt.len()).map(|n| {
                let seen: Vec<_> = of_attempt[..n].iter().map(|o| (*o).clone()).collect();
                second_round(attempt, &seen, &out)
            });
            agreed.round == Round(2)
                && in_time.any(|choice| {
                    choice.is_some_and(|(keeper, how)| {
                        how == agreed.how && of_attempt.iter().any(|o| o.keeper == keeper && ran(o))
                    })
                })
        }
    };
    if !by_rule {
        return fault("by the job's rule another run is taken, or none");
    }
    if is_solo {
        return None;
    }
    let Some(digest) = book.digest(attempt, &agreed.call) else {
        return fault("for which executor it was signed is not known");
    };
    let (mut last, needed) = (None, threshold(attempt.mode));
    for (keeper, signature) in &agreed.signatures {
        if last.is_some_and(|last| last >= *keeper) || !attempt.keepers.contains(keeper) {
            return fault("its signers are not distinct keepers of the attempt, in order");
        }
        if (tools.recover)(digest, signature) != Some(keeper.0) {
            return Some(format!("the signature of keeper {keeper} is not over the call"));
        }
        last = Some(*keeper);
    }
    let same = of_attempt.iter().filter(|o| {
        matches!(&o.output, Output::Call(c) if same_call(c, &agreed.call)) && o.state == agreed.state
    });
    if agreed.how == AgreedHow::Equal && same.count() < needed {
        return fault("fewer keepers came to the call than must agree");
    }
    (agreed.signatures.len() < needed)
        .then(|| format!("{} signatures, {needed} are needed", agreed.signatures.len()))
}
