//! Two runs of one script, side by side: the first call in which they part, and the first place at which their results
//! do. A replay that leaves its record, new code on old answers, and two keepers that disagree all show the same.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    attempt::{Attempt, Observation, Output},
    decimal::Decimal,
    ids::{AttemptNo, KeeperId, TaskId},
    job::Agreement,
    quorum::{distance, same_shape, shown},
    run::{HostCall, Transcript},
};

/// Bytes of a request, a reply or a value that are kept: enough to see what differs, and small enough to store.
const KEPT: usize = 1_000;

/// The first call in which two runs part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallDifference {
    /// Which call, from 0.
    pub sequence: u32,
    /// What the one run called, or what was recorded; `None`: it had made all its calls.
    pub one: Option<MadeCall>,
    /// What the other run called; `None`: it had made all its calls.
    pub other: Option<MadeCall>,
}

/// A call as people compare it; its texts are cut.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeCall {
    /// The import, for example `http_fetch`.
    pub import: String,
    /// The request, JSON text.
    pub request: String,
    /// What came back, JSON text; `None` where the replay had no answer for it.
    pub reply: Option<String>,
    /// Fuel used when it was made.
    pub fuel: u64,
}

impl MadeCall {
    /// A call that no answer is known for.
    pub fn asked(import: &str, request: &str, fuel: u64) -> Self {
        Self { import: cut(import), request: cut(request), reply: None, fuel }
    }

    /// A recorded call.
    pub fn of(call: &HostCall) -> Self {
        Self::asked(&call.import, &call.request, call.fuel).answered(&call.reply)
    }

    /// The call with what came back.
    pub fn answered(self, reply: &str) -> Self {
        Self { reply: Some(cut(reply)), ..self }
    }
}

impl fmt::Display for MadeCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) at fuel {}", self.import, self.request, self.fuel)
    }
}

impl fmt::Display for CallDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let asks_the_same = match (&self.one, &self.other) {
            (Some(one), Some(other)) => {
                (&one.import, &one.request, one.fuel) == (&other.import, &other.request, other.fuel)
            }
            _ => false,
        };
        let text = |side: &Option<MadeCall>| match side {
            None => "none".to_owned(),
            Some(MadeCall { reply: Some(reply), .. }) if asks_the_same => format!("the answer {reply}"),
            Some(call) => call.to_string(),
        };
        let (one, other) = (text(&self.one), text(&self.other));
        write!(f, "call {} differs: recorded {one}, now {other}", self.sequence)
    }
}

/// The first call in which two transcripts differ: in what was asked, in what came back, or in the fuel used until
/// then.
pub fn first_call(one: &Transcript, other: &Transcript) -> Option<CallDifference> {
    let longer = one.calls.len().max(other.calls.len());
    (0..longer).find_map(|place| {
        let (a, b) = (one.calls.get(place), other.calls.get(place));
        (a != b).then(|| CallDifference {
            sequence: u32::try_from(place).unwrap_or(u32::MAX),
            one: a.map(MadeCall::of),
            other: b.map(MadeCall::of),
        })
    })
}

/// The first place at which two JSON values differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueDifference {
    /// The place, for example `$[1].price`; `$` is the whole.
    pub path: String,
    /// There in the one, JSON text, cut; `None`: nothing is there.
    pub one: Option<String>,
    /// There in the other.
    pub other: Option<String>,
}

/// The first place at which they differ, depth first.
pub fn first_value(one: &Value, other: &Value) -> Option<ValueDifference> {
    at("$", Some(one), Some(other))
}

fn at(path: &str, one: Option<&Value>, other: Option<&Value>) -> Option<ValueDifference> {
    match (one, other) {
        (Some(Value::Array(a)), Some(Value::Array(b))) => (0..a.len().max(b.len()))
            .find_map(|place| at(&format!("{path}[{place}]"), a.get(place), b.get(place))),
        (Some(Value::Object(a)), Some(Value::Object(b))) => a
            .keys()
            .chain(b.keys().filter(|key| !a.contains_key(*key)))
            .find_map(|key| at(&format!("{path}.{key}"), a.get(key), b.get(key))),
        (a, b) if a == b => None,
        (a, b) => {
            let text = |side: Option<&Value>| side.map(|value| cut(&value.to_string()));
            Some(ValueDifference { path: cut(path), one: text(a), other: text(b) })
        }
    }
}

/// Why keepers of an attempt did not agree, for whoever owns the job: stored as a fact, and shown at the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// The task.
    pub task: TaskId,
    /// In which attempt.
    pub attempt: AttemptNo,
    /// Whose run; of a refuted run its keeper.
    pub one: Side,
    /// What it differs from: another keeper's run, or of a refuted run the first replay that told against it.
    pub other: Option<Side>,
    /// Who replayed the run and came to something else; none where two live runs differ.
    pub refuted_by: Vec<KeeperId>,
    /// In one sentence.
    pub finding: String,
    /// The first call in which the two parted; `None`: none, or not known.
    pub call: Option<CallDifference>,
    /// The first argument in which their calls differ; `None`: not two calls with arguments.
    pub argument: Option<ValueDifference>,
    /// Settings of the job under which such answers would agree.
    pub remedies: Vec<Remedy>,
}

impl Disagreement {
    /// Two live runs that come to different things, with what each was answered.
    pub fn between(
        attempt: &Attempt,
        (one, answered): (&Observation, &Transcript),
        (other, else_answered): (&Observation, &Transcript),
        finding: String,
    ) -> Self {
        Self {
            task: attempt.task,
            attempt: attempt.no,
            one: Side::of(one),
            other: Some(Side::of(other)),
            refuted_by: Vec::new(),
            finding,
            call: first_call(answered, else_answered),
            argument: arguments(&one.output, &other.output),
            remedies: remedies(&attempt.agreement, &one.output, &other.output),
        }
    }

    /// A run that these keepers replayed, and that came to something else each time: what the first of them found.
    pub fn refuted(
        attempt: &Attempt,
        one: &Observation,
        found: &BTreeMap<KeeperId, Refutation>,
    ) -> Option<Self> {
        let (first, Refutation { finding, came_to, fuel, call, argument }) = found.first_key_value()?;
        Some(Self {
            task: attempt.task,
            attempt: attempt.no,
            one: Side::of(one),
            other: Some(Side { keeper: *first, came_to: came_to.clone(), fuel: *fuel }),
            refuted_by: found.keys().copied().collect(),
            finding: finding.clone(),
            call: call.clone(),
            argument: argument.clone(),
            remedies: Vec::new(),
        })
    }
}

/// How a replay of a keeper's run differs from what that keeper signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refutation {
    /// In one sentence.
    pub finding: String,
    /// What the replay came to, in words.
    pub came_to: String,
    /// Fuel that it used.
    pub fuel: u64,
    /// The first call in which it leaves the transcript; `None`: all calls are as recorded.
    pub call: Option<CallDifference>,
    /// The first argument that is not the signed one; `None`: not two calls with arguments.
    pub argument: Option<ValueDifference>,
}

impl Refutation {
    /// The replay left the transcript at this call.
    pub fn diverged(call: CallDifference) -> Self {
        Self {
            finding: format!("the replay makes another call: {call}"),
            came_to: "nothing: it left the transcript".to_owned(),
            fuel: call.other.as_ref().map_or(0, |made| made.fuel),
            call: Some(call),
            argument: None,
        }
        .bounded()
    }

    /// What a keeper signed beside what it would have had to sign by a replay; `None`: they are the same.
    pub fn between(
        (signed, recorded): (&Observation, &Transcript),
        (again, replayed): (&Observation, &Transcript),
    ) -> Option<Self> {
        let what = if again.transcript_root != signed.transcript_root {
            "the replay asks for something else"
        } else if again.fuel != signed.fuel {
            "the replay uses another amount of fuel"
        } else if again.output != signed.output {
            "the replay comes to another call"
        } else if again.state != signed.state {
            "the replay comes to another state"
        } else {
            return None;
        };
        let refutation = Self {
            finding: what.to_owned(),
            came_to: shown(again),
            fuel: again.fuel,
            call: first_call(recorded, replayed),
            argument: arguments(&signed.output, &again.output),
        };
        Some(refutation.bounded())
    }

    /// With every text cut as ours are: it comes from a keeper.
    pub fn bounded(mut self) -> Self {
        let made = |made: &mut MadeCall| {
            for text in [&mut made.import, &mut made.request].into_iter().chain(&mut made.reply) {
                *text = cut(text);
            }
        };
        if let Some(call) = &mut self.call {
            call.one.iter_mut().chain(&mut call.other).for_each(made);
        }
        if let Some(ValueDifference { path, one, other }) = &mut self.argument {
            for text in [path].into_iter().chain(one).chain(other) {
                *text = cut(text);
            }
        }
        Self { finding: cut(&self.finding), came_to: cut(&self.came_to), ..self }
    }
}

/// The first argument in which two calls differ.
fn arguments(one: &Output, other: &Output) -> Option<ValueDifference> {
    let (Output::Call(a), Output::Call(b)) = (one, other) else { return None };
    first_value(&Value::Array(a.arguments.clone()), &Value::Array(b.arguments.clone()))
}

impl Side {
    fn of(observation: &Observation) -> Self {
        let Observation { keeper, fuel, .. } = observation;
        Self { keeper: *keeper, came_to: cut(&shown(observation)), fuel: *fuel }
    }
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Who ran it.
    pub keeper: KeeperId,
    /// What it came to, in words, cut.
    pub came_to: String,
    /// Fuel used.
    pub fuel: u64,
}

/// A setting of the job's policy under which such answers would agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Remedy {
    /// `agreement: median`: the run in the middle is taken.
    Median,
    /// `tolerance`: at least this fraction.
    Tolerance(Decimal),
    /// `agreement: trust-performer`: one keeper fetches, the others replay.
    TrustPerformer,
}

/// Largest tolerance that a job may have.
const TOLERANCE_MAX: u32 = 1;

/// The settings under which two such outputs would agree.
pub fn remedies(agreement: &Agreement, one: &Output, other: &Output) -> Vec<Remedy> {
    let (Output::Call(a), Output::Call(b)) = (one, other) else {
        return trust(agreement);
    };
    if !same_shape(a, b) {
        return trust(agreement);
    }
    match agreement {
        Agreement::Exact => vec![Remedy::Median, Remedy::TrustPerformer],
        Agreement::Median { .. } => {
            let least = distance(&a.arguments, &b.arguments)
                .filter(|least| *least <= Decimal::from(TOLERANCE_MAX))
                .map(Remedy::Tolerance);
            least.into_iter().chain([Remedy::TrustPerformer]).collect()
        }
        Agreement::TrustPerformer => Vec::new(),
    }
}

fn trust(agreement: &Agreement) -> Vec<Remedy> {
    match agreement {
        Agreement::Exact | Agreement::Median { .. } => vec![Remedy::TrustPerformer],
        Agreement::TrustPerformer => Vec::new(),
    }
}

/// At most [`KEPT`] bytes, with control characters and those that turn the writing's direction escaped.
fn cut(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
        if out.len() > KEPT {
            out.push_str("… [cut]");
            break;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_place_is_found_depth_first() {
        for (one, other, expect) in [
            (json!([1, 2]), json!([1, 2]), None),
            (json!([1, 2]), json!([1, 3]), Some(("$[1]", Some("2"), Some("3")))),
            (json!([[1], 2]), json!([[1, 5], 3]), Some(("$[0][1]", None, Some("5")))),
            (json!({"a": 1, "b": {"c": "x"}}), json!({"a": 1, "b": {"c": "y"}}), {
                Some(("$.b.c", Some("\"x\""), Some("\"y\"")))
            }),
            (json!({"a": 1}), json!({"b": 1}), Some(("$.a", Some("1"), None))),
            (json!("1"), json!(1), Some(("$", Some("\"1\""), Some("1")))),
        ] {
            let found = first_value(&one, &other);
            let found = found.as_ref().map(|d| (d.path.as_str(), d.one.as_deref(), d.other.as_deref()));
            assert_eq!(found, expect, "{one} {other}");
        }
    }

    #[test]
    fn what_guests_wrote_is_cut_and_escaped() {
        assert_eq!(cut("a\u{1b}b\n\u{202e}"), "a\\u{1b}b\\n\\u{202e}");
        assert!(cut(&"ü".repeat(9_000)).len() < KEPT + 20);
    }
}
