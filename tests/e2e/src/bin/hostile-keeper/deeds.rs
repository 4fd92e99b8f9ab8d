//! What is done to a keeper's honest messages.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use argus_domain::{
    B256,
    answer::call_of_answer,
    attempt::{Answer, Assignment, Output, SignedClaim},
    call::{Call, ExecutorDomain, Signature},
    ids::{AttemptNo, TaskId},
    seal::Seal,
};
use argus_evm::LocalSigner;
use argus_ports::{FromKeeper, Signer, ToKeeper};
use futures::FutureExt;
use serde_json::{Value, json};

/// How it breaks the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Signs another value than the script's, in both rounds.
    Lies,
    /// As `Lies`, but with a value that lies between the honest ones.
    Guesses,
    /// Signs the honest value and a lie, again and again; which comes first changes from task to task.
    Equivocates,
    /// Says many different things of which each agrees with the honest value.
    Multiplies,
    /// Is there, and answers nothing.
    IsMute,
    /// Dies as soon as it is told that it may act.
    DiesHanded,
}

impl Behaviour {
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "lies" => Self::Lies,
            "guesses" => Self::Guesses,
            "equivocates" => Self::Equivocates,
            "multiplies" => Self::Multiplies,
            "is-mute" => Self::IsMute,
            "dies-handed" => Self::DiesHanded,
            _ => return None,
        })
    }
}

/// In place of the last integer of a call. Above all that an honest source gives, so that it is never the middle.
const LIE: u64 = 666_666_666_666;
/// Between what `Feed::straddling` gives.
const GUESS: u64 = 100_500;

/// Knows the key, and what it was asked.
pub struct Forger {
    behaviour: Behaviour,
    signer: Arc<LocalSigner>,
    domain: ExecutorDomain,
    asked: Mutex<BTreeMap<(TaskId, AttemptNo), Asked>>,
}

#[derive(Clone)]
struct Asked {
    assignment: Assignment,
    /// The call of the second round.
    chosen: Option<Call>,
}

impl Forger {
    pub fn new(behaviour: Behaviour, signer: Arc<LocalSigner>, domain: ExecutorDomain) -> Self {
        Self { behaviour, signer, domain, asked: Mutex::default() }
    }

    /// Takes in what the platform says.
    pub fn hear(&self, message: &ToKeeper) {
        match message {
            ToKeeper::Assign { assignment: signed, .. } => self.note(&signed.assignment, None),
            ToKeeper::Second { assignment, round } => {
                let chosen = round.observations.iter().find(|o| o.keeper == round.chosen);
                let call = chosen.and_then(|o| match &o.output {
                    Output::Call(call) => Some(call.clone()),
                    Output::Skip(_) | Output::Fail(_) => None,
                });
                self.note(&assignment.assignment, call);
            }
            ToKeeper::Perform(order) => {
                if self.behaviour == Behaviour::DiesHanded {
                    tell(&json!({ "did": "died", "task": order.task.id.0 }));
                    std::process::abort();
                }
            }
        }
    }

    fn note(&self, assignment: &Assignment, chosen: Option<Call>) {
        let key = (assignment.task.id, assignment.attempt.no);
        let asked = Asked { assignment: assignment.clone(), chosen };
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).insert(key, asked);
    }

    fn asked(&self, task: TaskId, attempt: AttemptNo) -> Option<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).get(&(task, attempt)).cloned()
    }

    /// What leaves in the place of an honest message.
    pub fn instead_of(&self, message: FromKeeper) -> Vec<FromKeeper> {
        match message {
            FromKeeper::Answer(honest) => {
                self.answers(&honest).into_iter().map(|answer| FromKeeper::Answer(Box::new(answer))).collect()
            }
            FromKeeper::Signed(honest) => {
                self.claims(&honest).into_iter().map(|claim| FromKeeper::Signed(Box::new(claim))).collect()
            }
            other @ (FromKeeper::Declined { .. }
            | FromKeeper::Refuted { .. }
            | FromKeeper::Performed(_)
            | FromKeeper::Heartbeat { .. }) => {
                vec![other]
            }
        }
    }

    fn answers(&self, honest: &Answer) -> Vec<Answer> {
        let (task, attempt) = (honest.observation.task, honest.observation.attempt);
        let (Some(asked), Output::Call(call)) = (self.asked(task, attempt), &honest.observation.output)
        else {
            return vec![honest.clone()];
        };
        let lie = || self.answer(&asked, honest, self.lied(&asked, call), 0);
        let first_lies = task.0[31] % 2 == 1;
        let answers = match self.behaviour {
            Behaviour::DiesHanded => return vec![honest.clone()],
            Behaviour::IsMute => Vec::new(),
            Behaviour::Lies | Behaviour::Guesses => vec![lie()],
            Behaviour::Equivocates if first_lies => vec![lie(), honest.clone(), lie(), honest.clone()],
            Behaviour::Equivocates => vec![honest.clone(), lie(), honest.clone(), lie()],
            Behaviour::Multiplies => {
                let another = |more| self.answer(&asked, honest, call.clone(), more);
                vec![honest.clone(), another(1), another(2), honest.clone(), another(3)]
            }
        };
        let said: Vec<_> = answers.iter().map(|answer| arguments(&answer.observation.output)).collect();
        tell(&json!({
            "did": "answered", "task": task.0, "attempt": attempt.0, "honest": call.arguments, "said": said,
        }));
        answers
    }

    /// The honest answer with another call, and so much more fuel.
    fn answer(&self, asked: &Asked, honest: &Answer, call: Call, more: u64) -> Answer {
        let mut answer = honest.clone();
        answer.claim = answer.claim.map(|claim| self.claim(asked, &claim, &call));
        let observation = Arc::make_mut(&mut answer.observation);
        observation.output = Output::Call(call);
        observation.fuel += more;
        observation.seal = Seal::alone(self.sign(observation.digest()));
        answer
    }

    fn claims(&self, honest: &SignedClaim) -> Vec<SignedClaim> {
        let asked = self.asked(honest.task, honest.attempt);
        let Some((asked, call)) = asked.and_then(|a| a.chosen.clone().map(|call| (a, call))) else {
            return vec![honest.clone()];
        };
        let lie = self.claim(&asked, honest, &self.lied(&asked, &call));
        let claims = match self.behaviour {
            Behaviour::DiesHanded => return vec![honest.clone()],
            Behaviour::IsMute => Vec::new(),
            Behaviour::Lies | Behaviour::Guesses => vec![lie],
            Behaviour::Equivocates => vec![lie.clone(), honest.clone(), lie, honest.clone()],
            Behaviour::Multiplies => vec![honest.clone(); 3],
        };
        tell(&json!({
            "did": "signed", "task": honest.task.0, "attempt": honest.attempt.0, "claims": claims.len(),
        }));
        claims
    }

    fn claim(&self, asked: &Asked, honest: &SignedClaim, call: &Call) -> SignedClaim {
        let Assignment { job, attempt, .. } = &asked.assignment;
        let digest = attempt.claim(job, call).digest(&self.domain);
        SignedClaim { digest, signature: self.sign(digest), ..honest.clone() }
    }

    fn lied(&self, asked: &Asked, call: &Call) -> Call {
        lied(asked, call, if self.behaviour == Behaviour::Guesses { GUESS } else { LIE })
    }

    fn sign(&self, digest: B256) -> Signature {
        let signed = self.signer.sign_digest(digest).now_or_never();
        signed.and_then(Result::ok).unwrap_or(Signature([0; 65]))
    }
}

/// The call with the lie in the place of its last argument.
fn lied(asked: &Asked, call: &Call, lie: u64) -> Call {
    let mut arguments = call.arguments.clone();
    if let Some(last) = arguments.last_mut() {
        *last = json!(lie.to_string());
    }
    match call_of_answer(&asked.assignment.job, Value::Array(arguments)) {
        Ok(Ok(lie)) => lie,
        Ok(Err(_)) | Err(_) => call.clone(),
    }
}

fn arguments(output: &Output) -> Value {
    match output {
        Output::Call(call) => json!(call.arguments),
        Output::Skip(_) | Output::Fail(_) => Value::Null,
    }
}

fn tell(deed: &Value) {
    // Nobody reads any more: then nobody misses it.
    let _ = writeln!(std::io::stdout(), "{deed}");
}
