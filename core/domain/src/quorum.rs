//! How the answers of several keepers become one call: the rules, without time or messages.
//!
//! The platform chooses by them, and each keeper checks the choice by them before it signs a second round.
//! A threshold of k stands against k - 1 liars, so a median counts only among 2k - 1 answers or more: with fewer,
//! liars alone could be the middle.
//!
//! A run is refuted when its replay does not come to what its keeper signed. Whose run is refuted is a liar found
//! out: its answer counts no more, and with r of them k - 1 - r liars are left at most. So a median then counts among
//! 2k - 1 - 2r of the others, and the k - r of them that a tolerance measures hold an honest one as before. How many
//! must sign does not change.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use alloy_primitives::{B256, U256};
use serde_json::Value;

use crate::{
    attempt::{Attempt, Observation, Output},
    call::Call,
    decimal::Decimal,
    ids::KeeperId,
    job::{Agreement, Mode},
    task::AgreedHow,
};

/// Least number of answers among which a median is taken, whatever the threshold.
pub const MEDIAN_MIN: usize = 3;

/// Least number of answers among which a median is taken, with so many runs refuted.
fn median_least(threshold: usize, refuted: usize) -> usize {
    MEDIAN_MIN.max(2 * threshold - 1).saturating_sub(2 * refuted).max(1)
}

/// Least number of answers from which a second round follows, with so many runs refuted: an honest one is among them.
pub fn answers_least(threshold: usize, refuted: usize) -> usize {
    threshold.saturating_sub(refuted).max(1)
}

/// What answers come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These keepers, in the attempt's order, came to the same call and the same state, and are enough.
    Equal(Vec<KeeperId>),
    /// The others are to replay this keeper's run and sign its call.
    Second {
        /// Whose run.
        chosen: KeeperId,
        /// By which rule.
        how: AgreedHow,
    },
    /// Enough said "not now": the reason of the first of them.
    Skipped(String),
    /// Enough failed alike: the message of the first of them.
    Failed(String),
    /// They differ so that nothing can come of them: the first difference, and the settings that decide it.
    Disagreed(String),
    /// Too few answered, and no more will.
    Short(String),
    /// Not yet: more answers may come, and may decide it.
    Waiting,
}

/// How many of the attempt's keepers must sign.
pub fn threshold(mode: Mode) -> usize {
    match mode {
        Mode::Quorum { threshold, .. } => usize::from(threshold.max(1)),
        Mode::Solo => 1,
    }
}

/// What these observations come to, each keeper's first one, while `waiting` more keepers may still answer.
/// Observations of keepers without a part in the attempt count for nothing, as do those of `refuted` keepers.
pub fn choose(
    attempt: &Attempt,
    observations: &BTreeMap<KeeperId, Arc<Observation>>,
    refuted: &BTreeSet<KeeperId>,
    waiting: usize,
) -> Choice {
    let (out, seen): (Vec<&Observation>, Vec<_>) = attempt
        .keepers
        .iter()
        .filter_map(|k| observations.get(k))
        .map(Arc::as_ref)
        .partition(|o| refuted.contains(&o.keeper));
    let needed = threshold(attempt.mode);
    let liars = out.len();
    let least = answers_least(needed, liars);
    let trusting = matches!(attempt.agreement, Agreement::TrustPerformer) && needed > 1;
    if trusting {
        return performer(&seen, waiting);
    }
    let tally = Tally::of(&seen);
    if let Some(keepers) = tally.calls.iter().find(|g| g.len() >= needed) {
        return Choice::Equal(keepers.iter().map(|came| came.keeper).collect());
    }
    if tally.skips.len() >= needed {
        return Choice::Skipped(tally.skips[0].to_owned());
    }
    if let Some((message, _)) = tally.fails.iter().find(|(_, n)| *n >= needed) {
        return Choice::Failed((*message).to_owned());
    }
    if seen.len() + waiting < least {
        return Choice::Short(format!("{} of the {least} keepers needed have answered", seen.len()));
    }
    if waiting > 0 {
        return if tally.may_decide(attempt, liars, waiting) {
            Choice::Waiting
        } else {
            Choice::Disagreed(difference(attempt, &seen, liars))
        };
    }
    // Failures of live requests are seldom worded alike; where all that answered failed, the script failed.
    let failed: usize = tally.fails.iter().map(|(_, n)| n).sum();
    if failed >= needed && failed == seen.len() {
        return Choice::Failed(tally.fails[0].0.to_owned());
    }
    match &attempt.agreement {
        Agreement::Median { tolerance } => middle(&tally, (needed, liars), tolerance)
            .map(|(chosen, how)| Choice::Second { chosen, how })
            .unwrap_or_else(|| Choice::Disagreed(difference(attempt, &seen, liars))),
        Agreement::Exact | Agreement::TrustPerformer => Choice::Disagreed(difference(attempt, &seen, liars)),
    }
}

/// Whose run the second round replays, for a keeper that was sent these observations and found the runs of these
/// keepers refuted; `None`: there is to be no second round. Two observations of one keeper make it `None`, too.
pub fn second_round(
    attempt: &Attempt,
    observations: &[Arc<Observation>],
    refuted: &BTreeSet<KeeperId>,
) -> Option<(KeeperId, AgreedHow)> {
    let by_keeper: BTreeMap<_, _> = observations.iter().map(|o| (o.keeper, o.clone())).collect();
    let ours = |o: &Arc<Observation>| o.task == attempt.task && o.attempt == attempt.no;
    if by_keeper.len() != observations.len() || !observations.iter().all(ours) {
        return None;
    }
    match choose(attempt, &by_keeper, refuted, 0) {
        Choice::Second { chosen, how } => Some((chosen, how)),
        Choice::Equal(_)
        | Choice::Skipped(_)
        | Choice::Failed(_)
        | Choice::Disagreed(_)
        | Choice::Short(_)
        | Choice::Waiting => None,
    }
}

/// One keeper's word, which the others replay.
fn performer(seen: &[&Observation], waiting: usize) -> Choice {
    match seen.first().map(|o| (o.keeper, &o.output)) {
        Some((chosen, Output::Call(_))) => Choice::Second { chosen, how: AgreedHow::Performer },
        Some((_, Output::Skip(reason))) => Choice::Skipped(reason.clone()),
        Some((_, Output::Fail(message))) => Choice::Failed(message.clone()),
        None if waiting > 0 => Choice::Waiting,
        None => Choice::Short("no keeper ran it".to_owned()),
    }
}

/// A run that came to a call.
#[derive(Clone, Copy)]
struct Came<'a> {
    keeper: KeeperId,
    call: &'a Call,
    /// Root of the state that goes with it.
    state: Option<B256>,
}

/// Outputs, counted; every list in the attempt's order.
struct Tally<'a> {
    /// Equal calls with equal states together.
    calls: Vec<Vec<Came<'a>>>,
    /// Calls that differ in integers alone together, whatever their states.
    shapes: Vec<Vec<Came<'a>>>,
    skips: Vec<&'a str>,
    fails: Vec<(&'a str, usize)>,
}

impl<'a> Tally<'a> {
    fn of(seen: &[&'a Observation]) -> Self {
        let mut tally = Self { calls: Vec::new(), shapes: Vec::new(), skips: Vec::new(), fails: Vec::new() };
        for observation in seen {
            match &observation.output {
                Output::Call(call) => {
                    let came = Came { keeper: observation.keeper, call, state: observation.state };
                    let equal = |a: Came<'_>, b: Came<'_>| same_call(a.call, b.call) && a.state == b.state;
                    join(&mut tally.calls, came, equal);
                    join(&mut tally.shapes, came, |a, b| same_shape(a.call, b.call));
                }
                Output::Skip(reason) => tally.skips.push(reason),
                Output::Fail(message) => match tally.fails.iter_mut().find(|(m, _)| m == message) {
                    Some((_, n)) => *n += 1,
                    None => tally.fails.push((message, 1)),
                },
            }
        }
        tally
    }

    /// Whether more answers could still make a quorum.
    fn may_decide(&self, attempt: &Attempt, liars: usize, waiting: usize) -> bool {
        let needed = threshold(attempt.mode);
        let (calls, least) = match attempt.agreement {
            Agreement::Median { .. } => (&self.shapes, answers_least(needed, liars)),
            Agreement::Exact | Agreement::TrustPerformer => (&self.calls, needed),
        };
        let largest = calls.iter().map(Vec::len).max().unwrap_or(0);
        let failed: usize = self.fails.iter().map(|(_, n)| n).sum();
        largest + waiting >= least || self.skips.len().max(failed) + waiting >= needed
    }
}

fn join<'a>(groups: &mut Vec<Vec<Came<'a>>>, one: Came<'a>, alike: fn(Came<'_>, Came<'_>) -> bool) {
    match groups.iter_mut().find(|g| g.first().is_some_and(|first| alike(*first, one))) {
        Some(group) => group.push(one),
        None => groups.push(vec![one]),
    }
}

/// Whether two calls are the same on chain.
pub fn same_call(a: &Call, b: &Call) -> bool {
    (a.chain, a.target, a.value, &a.calldata) == (b.chain, b.target, b.value, &b.calldata)
}

/// Whether two calls differ in integer arguments at most. A text argument that is written in decimal digits counts as
/// an integer.
pub fn same_shape(a: &Call, b: &Call) -> bool {
    (a.chain, a.target, a.value) == (b.chain, b.target, b.value)
        && a.calldata.get(..4) == b.calldata.get(..4)
        && !a.arguments.is_empty()
        && all_alike(&a.arguments, &b.arguments)
}

fn all_alike(a: &[Value], b: &[Value]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
}

fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => all_alike(a, b),
        _ => a == b || (Integer::of(a).is_some() && Integer::of(b).is_some()),
    }
}

/// The run in the middle of a large enough group of calls of one shape, or the first of a smaller one whose values
/// lie within the tolerance of each other.
fn middle(
    tally: &Tally<'_>,
    (needed, liars): (usize, usize),
    tolerance: &Decimal,
) -> Option<(KeeperId, AgreedHow)> {
    let least = answers_least(needed, liars);
    let largest = tally.shapes.iter().map(Vec::len).max().filter(|n| *n >= least)?;
    let mut groups = tally.shapes.iter().filter(|g| g.len() == largest);
    let (group, None) = (groups.next()?, groups.next()) else { return None };
    if group.len() >= median_least(needed, liars) {
        let mut ordered: Vec<(Vec<Integer>, KeeperId)> =
            group.iter().map(|came| (integers(&came.call.arguments), came.keeper)).collect();
        // Stable: equal vectors stay in the attempt's order.
        ordered.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (_, chosen) = ordered.get((ordered.len() - 1) / 2)?;
        return Some((*chosen, AgreedHow::Median));
    }
    let vectors: Vec<Vec<Integer>> = group.iter().map(|came| integers(&came.call.arguments)).collect();
    let near = |a: &Vec<Integer>, b: &Vec<Integer>| {
        a.iter().zip(b).all(|(a, b)| {
            let (difference, largest) = a.apart(*b);
            difference.is_some_and(|d| tolerance.allows(d, largest))
        })
    };
    let all_near = vectors.iter().enumerate().all(|(i, a)| vectors[..i].iter().all(|b| near(a, b)));
    all_near.then(|| (group[0].keeper, AgreedHow::Tolerance))
}

/// The least tolerance that takes these arguments, which differ in integers alone, as near each other; `None`: none
/// does.
pub fn distance(a: &[Value], b: &[Value]) -> Option<Decimal> {
    let mut least = Decimal::zero();
    for (a, b) in integers(a).into_iter().zip(integers(b)) {
        let (difference, largest) = a.apart(b);
        least = least.max(Decimal::least_that_allows(difference?, largest));
    }
    Some(least)
}

/// The integers of arguments, depth first.
fn integers(arguments: &[Value]) -> Vec<Integer> {
    let mut found = Vec::new();
    for argument in arguments {
        match argument {
            Value::Array(inner) => found.extend(integers(inner)),
            _ => found.extend(Integer::of(argument)),
        }
    }
    found
}

/// An int256 or uint256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Integer {
    negative: bool,
    size: U256,
}

impl Integer {
    fn of(value: &Value) -> Option<Self> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        let digits = text.strip_prefix('-').unwrap_or(&text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let size = U256::from_str_radix(digits, 10).ok()?;
        Some(Self { negative: text.starts_with('-') && !size.is_zero(), size })
    }

    /// How far apart two are (`None`: further than fits), and the larger of their sizes.
    fn apart(self, other: Self) -> (Option<U256>, U256) {
        let (large, small) = (self.size.max(other.size), self.size.min(other.size));
        let difference =
            if self.negative == other.negative { Some(large - small) } else { large.checked_add(small) };
        (difference, large)
    }
}

impl Ord for Integer {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.size.cmp(&other.size),
            (true, true) => other.size.cmp(&self.size),
        }
    }
}

impl PartialOrd for Integer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The first two outputs that differ, side by side, and what decides how much they may.
fn difference(attempt: &Attempt, seen: &[&Observation], liars: usize) -> String {
    let rule = match &attempt.agreement {
        Agreement::Exact => "the job asks for equal calls (agreement: exact)".to_owned(),
        Agreement::Median { tolerance } => {
            let needed = threshold(attempt.mode);
            let (median, fewer) = (median_least(needed, liars), answers_least(needed, liars));
            format!(
                "the median needs {median} answers that differ in integers alone, fewer (at least {fewer}) must \
                 lie within the tolerance of {tolerance}"
            )
        }
        Agreement::TrustPerformer => "one keeper's run is replayed (agreement: trust-performer)".to_owned(),
    };
    match at_odds(seen) {
        Some((a, b)) => format!(
            "answers differ: keeper {} came to {}, keeper {} to {}; {rule}",
            a.keeper,
            shown(a),
            b.keeper,
            shown(b)
        ),
        None => format!("{} answers are too few; {rule}", seen.len()),
    }
}

/// The first two observations that came to different things.
pub fn at_odds<'a>(seen: &[&'a Observation]) -> Option<(&'a Observation, &'a Observation)> {
    seen.iter().find_map(|a| seen.iter().find(|b| !same_result(a, b)).map(|b| (*a, *b)))
}

fn same_result(a: &Observation, b: &Observation) -> bool {
    match (&a.output, &b.output) {
        (Output::Call(call), Output::Call(other)) => same_call(call, other) && a.state == b.state,
        (Output::Skip(_), Output::Skip(_)) => true,
        (Output::Fail(a), Output::Fail(b)) => a == b,
        (Output::Call(_), Output::Skip(_) | Output::Fail(_))
        | (Output::Skip(_), Output::Call(_) | Output::Fail(_))
        | (Output::Fail(_), Output::Call(_) | Output::Skip(_)) => false,
    }
}

/// What a run came to in words, cut.
pub fn shown(observation: &Observation) -> String {
    const SHOWN_MAX: usize = 200;
    let text = match &observation.output {
        Output::Call(call) if call.arguments.is_empty() => format!("{} with {}", call.target, call.calldata),
        Output::Call(call) => format!("{} with {}", call.target, Value::Array(call.arguments.clone())),
        Output::Skip(reason) => format!("\"not now\" ({reason})"),
        Output::Fail(message) => format!("a failure ({message})"),
    };
    let text = match text.char_indices().nth(SHOWN_MAX) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text,
    };
    match observation.state {
        Some(root) => format!("{text} and the state {root}"),
        None => text,
    }
}

#[cfg(test)]
mod tests;
