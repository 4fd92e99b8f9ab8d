//! An account through whole stories: inputs and what they lead to, as lines.

use std::time::Duration;

use argus_domain::{
    Address, B256, Bytes, U256,
    act::{Intent, PerformEvent},
    chain::{GasPrice, SignedTx, TxDraft},
    ids::{ChainId, KeeperId, TaskId},
    time::Timestamp,
};

use super::*;
use crate::Machine;

struct Story {
    account: Account,
    now: Timestamp,
    kept: Vec<Intent>,
    signer: Hand,
}

/// How a signer does.
#[derive(Clone, Default)]
enum Hand {
    /// It signs at once.
    #[default]
    There,
    /// It does not answer, and whoever asked is told so.
    Away,
    /// It takes its time with these.
    Slow(Vec<Input>),
}

fn task(n: u8) -> TaskId {
    TaskId(B256::repeat_byte(n))
}

impl Story {
    fn new() -> Self {
        let config = Config {
            chain: ChainId(1),
            keeper: KeeperId(Address::repeat_byte(1)),
            executor: Some(Address::repeat_byte(2)),
            resend: Duration::from_secs(3),
            stuck: Duration::from_secs(10),
            confirmations: 2,
            cancel_fee_max: 10_000,
            slots_max: 4,
        };
        let mut story =
            Self { account: Account::new(config), now: Timestamp(0), kept: Vec::new(), signer: Hand::There };
        story.hear(Input::Recovered { intents: Vec::new(), highest_nonce: None });
        story
    }

    fn hear(&mut self, input: Input) -> Vec<String> {
        let mut out = Vec::new();
        self.account.handle(self.now, input, &mut out);
        self.carry_out(out)
    }

    fn tick(&mut self, secs: u64) -> Vec<String> {
        self.now = Timestamp::from_secs(secs);
        let mut out = Vec::new();
        self.account.tick(self.now, &mut out);
        self.carry_out(out)
    }

    fn chain(&mut self, head: u64, nonce: u64) -> Vec<String> {
        self.chain_at(head, nonce, 100)
    }

    fn chain_at(&mut self, head: u64, nonce: u64, base_fee: u128) -> Vec<String> {
        let price = GasPrice { base_fee, priority_fee: 8 };
        self.hear(Input::Chain { head, nonce, price })
    }

    fn perform(&mut self, n: u8, until_secs: u64) -> Vec<String> {
        self.perform_up_to(n, until_secs, 300)
    }

    fn perform_up_to(&mut self, n: u8, until_secs: u64, max_fee_per_gas: u128) -> Vec<String> {
        let work = Work {
            task: task(n),
            to: Address::repeat_byte(2),
            value: U256::ZERO,
            data: Bytes::from(vec![n]),
            gas_limit: 100_000,
            max_fee_per_gas,
            valid_until: Timestamp::from_secs(until_secs),
        };
        self.hear(Input::Perform { work: Box::new(work), known: Vec::new() })
    }

    /// The next life, which has the journal and nothing else.
    fn after_a_crash(&self, secs: u64) -> Self {
        let mut again = Self { now: Timestamp::from_secs(secs), kept: self.kept.clone(), ..Self::new() };
        let highest_nonce = self.kept.iter().map(|i| i.draft.nonce).max();
        again.hear(Input::Recovered { intents: self.kept.clone(), highest_nonce });
        again
    }

    /// Signs as its signer does, keeps what is recorded, and says the rest in words.
    fn carry_out(&mut self, out: Vec<Effect>) -> Vec<String> {
        let mut said = Vec::new();
        for effect in out {
            match effect {
                Effect::Sign { task, number, draft } => {
                    let kind = if draft.data.is_empty() { "cancel" } else { "call" };
                    said.push(format!("sign {kind} {} at {}", draft.nonce, draft.max_fee_per_gas));
                    let nonce = draft.nonce;
                    let signed = Input::Signed { task, nonce, number, signed: signed(&draft) };
                    match &mut self.signer {
                        Hand::There => said.extend(self.hear(signed)),
                        Hand::Away => {
                            let reason = "the signer does not answer".to_owned();
                            said.extend(self.hear(Input::SignFailed { task, nonce, number, reason }));
                        }
                        Hand::Slow(held) => held.push(signed),
                    }
                }
                Effect::Record(intent) => {
                    said.push(format!("keep {}", intent.number));
                    self.kept.push(*intent);
                }
                Effect::Send(tx) => {
                    assert!(self.kept.iter().any(|i| i.signed == tx), "sent before it was kept");
                    said.push("send".to_owned());
                }
                Effect::Look(_) => said.push("look".to_owned()),
                Effect::Report(PerformEvent::Broadcast { .. }) => said.push("broadcast".to_owned()),
                Effect::Report(PerformEvent::Declined { .. }) => said.push("declined".to_owned()),
                Effect::End(_) => said.push("end".to_owned()),
            }
        }
        said
    }

    fn sent(&mut self, outcome: SendOutcome) -> Vec<String> {
        let transaction = self.kept.last().expect("an intent").signed.hash;
        self.hear(Input::Sent { transaction, outcome })
    }

    fn receipt(&mut self, block: Option<u64>) -> Vec<String> {
        let transaction = self.kept.last().expect("an intent").signed.hash;
        self.hear(Input::Receipt { transaction, block })
    }
}

fn signed(draft: &TxDraft) -> SignedTx {
    SignedTx { hash: argus_domain::digest::digest_of("tx", draft), raw: Bytes::new() }
}

#[test]
fn a_call_is_kept_sent_again_replaced_and_ended() {
    let mut s = Story::new();
    assert!(s.perform(1, 60).is_empty(), "nothing is sent before the chain was seen");
    assert_eq!(s.chain(10, 5), ["sign call 5 at 208", "keep 1", "send"]);
    assert_eq!(s.sent(SendOutcome::Taken), ["broadcast"]);
    assert!(s.sent(SendOutcome::Taken).is_empty(), "said once");
    assert_eq!(s.tick(3), ["send"]);
    assert_eq!(s.tick(10), ["sign call 5 at 234", "keep 2", "send"]);
    assert_eq!(s.chain(11, 6), ["look", "look"]);
    assert!(s.receipt(Some(11)).is_empty(), "not deep enough");
    assert_eq!(s.chain(13, 6), ["look", "look"]);
    assert_eq!(s.receipt(Some(11)), ["end"]);
    assert_eq!(s.account.load(), (0, 0));
}

#[test]
fn nonces_follow_each_other_and_a_cap_is_kept() {
    let mut s = Story::new();
    s.chain(1, 0);
    assert_eq!(s.perform(1, 60)[0], "sign call 0 at 208");
    assert_eq!(s.perform(2, 60)[0], "sign call 1 at 208");
    assert!(s.perform(2, 60).is_empty(), "a task has one nonce");
    for secs in [20, 40] {
        s.tick(secs);
    }
    let most = s.kept.iter().map(|i| i.draft.max_fee_per_gas).max();
    assert!(most.is_some_and(|fee| fee <= 300), "{most:?}");
}

#[test]
fn a_lapsed_call_is_cancelled_where_its_nonce_is_in_the_way() {
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 5);
    s.now = Timestamp::from_secs(6);
    assert!(s.chain(2, 0).is_empty(), "nothing waits behind it");
    s.perform(2, 60);
    assert_eq!(s.chain(3, 0)[..3], ["sign cancel 0 at 234", "keep 2", "send"]);
}

#[test]
fn an_empty_account_declines_and_acts_again_after_its_cancellation() {
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 600);
    assert_eq!(s.sent(SendOutcome::InsufficientFunds), ["declined"]);
    s.perform(2, 600);
    s.chain(2, 0);
    assert_eq!(s.perform(1, 600), ["declined"], "while it is being cancelled");
    let cancel = s.kept.iter().rfind(|i| i.draft.data.is_empty()).expect("a cancellation").signed.hash;
    s.chain(9, 1);
    assert!(s.hear(Input::Receipt { transaction: cancel, block: Some(3) }).is_empty(), "not ended");
    assert_eq!(s.perform(1, 600)[..2], ["sign call 2 at 208", "keep 3"]);
}

#[test]
fn the_journal_alone_is_enough_to_go_on() {
    let mut s = Story::new();
    s.chain(1, 7);
    s.perform(1, 60);
    let mut again = s.after_a_crash(1);
    assert_eq!(again.chain(2, 7), ["send"], "the same bytes");
    assert_eq!(again.perform(2, 60)[0], "sign call 8 at 208");
}

#[test]
fn a_call_that_outlived_a_crash_without_its_cap_does_not_block_the_others() {
    let mut s = Story::new();
    s.chain(1, 7);
    assert_eq!(s.perform(1, 600)[0], "sign call 7 at 208");
    // Another keeper acts on the first task: it is not handed over again, so that nobody says what it may cost.
    let mut again = s.after_a_crash(20);
    assert_eq!(again.chain_at(2, 7, 250), ["send"]);
    again.tick(60);
    assert_eq!(again.kept.len(), 1, "nothing waits for its nonce: the price may fall");
    let mut again = s.after_a_crash(20);
    again.chain_at(2, 7, 250);
    assert_eq!(again.perform(2, 600)[0], "sign call 8 at 300");
    assert_eq!(again.tick(29), ["send", "send"], "it may yet be handed over again");
    assert_eq!(again.tick(30)[..3], ["sign cancel 7 at 509", "keep 2", "send"]);
    let mut handed_over = s.after_a_crash(20);
    handed_over.chain_at(2, 7, 250);
    handed_over.perform(2, 600);
    handed_over.perform(1, 600);
    assert_eq!(handed_over.tick(30)[..3], ["sign call 7 at 300", "keep 2", "send"], "its cap is known again");
}

#[test]
fn a_call_whose_cap_is_below_the_price_is_cancelled_for_those_that_can_pay() {
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 600);
    s.perform(2, 600);
    s.chain_at(2, 0, 350);
    assert_eq!(s.tick(10)[..3], ["sign call 0 at 300", "keep 2", "send"]);
    s.tick(40);
    assert_eq!(s.kept.len(), 4, "both wait for the same price");
    assert_eq!(s.perform_up_to(3, 600, 1_000)[0], "sign call 2 at 708");
    let said = s.tick(43);
    assert_eq!(said[..3], ["sign cancel 0 at 711", "keep 3", "send"]);
    assert_eq!(said[3..6], ["sign cancel 1 at 711", "keep 3", "send"]);
}

#[test]
fn a_priced_out_call_is_sent_again_where_no_cancellation_can_be_paid() {
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 600);
    s.chain_at(2, 0, 20_000);
    s.tick(10);
    s.perform_up_to(2, 600, 50_000);
    assert_eq!(s.tick(40), ["send", "send"]);
    let wake = s.account.next_wake().expect("a wake");
    assert!(wake.at > s.now, "{wake:?}");
}

#[test]
fn an_offer_that_is_good_enough_waits_for_the_nonces_below_it() {
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 600);
    s.perform(2, 600);
    assert_eq!(s.tick(10), ["sign call 0 at 234", "keep 2", "send", "send"]);
    let dearer = s.chain_at(2, 0, 205);
    assert_eq!(dearer[..2], ["sign call 1 at 300", "keep 2"], "the price has risen above it");
    let mut s = Story::new();
    s.chain(1, 0);
    s.perform(1, 600);
    s.perform(2, 600);
    s.tick(10);
    assert_eq!(s.chain(2, 1)[2..4], ["sign call 1 at 234", "keep 2"], "it is next");
}

#[test]
fn a_call_that_cannot_be_signed_is_declined_once_and_signed_when_it_is_handed_over_again() {
    let mut s = Story::new();
    s.chain(10, 0);
    s.signer = Hand::Away;
    assert_eq!(s.perform(1, 100), ["sign call 0 at 208", "declined"]);
    assert_eq!(s.account.load(), (0, 0), "its nonce is free again");
    assert!(s.tick(5).is_empty() && s.chain(11, 0).is_empty(), "nobody asks the signer for it any more");
    s.signer = Hand::There;
    assert_eq!(s.perform(1, 100), ["sign call 0 at 208", "keep 1", "send"]);
}

/// A call under nonce 1 that was sent, above one that could not be signed.
fn above_an_unsigned_one() -> Story {
    let mut s = Story::new();
    s.chain(10, 0);
    s.signer = Hand::Slow(Vec::new());
    assert_eq!(s.perform(1, 100), ["sign call 0 at 208"]);
    s.signer = Hand::There;
    assert_eq!(s.perform(2, 100), ["sign call 1 at 208", "keep 1", "send"]);
    s.sent(SendOutcome::Taken);
    let reason = "the signer does not answer".to_owned();
    let failed = Input::SignFailed { task: task(1), nonce: 0, number: 1, reason };
    assert_eq!(s.hear(failed.clone()), ["declined"]);
    assert!(s.hear(failed).is_empty(), "nobody waits for it any more");
    s
}

#[test]
fn a_call_below_others_that_could_not_be_signed_keeps_its_nonce_when_it_is_handed_over_again() {
    let mut s = above_an_unsigned_one();
    assert!(s.perform(1, 100).is_empty());
    assert!(s.tick(2).is_empty(), "no sooner than what was sent is sent again");
    assert_eq!(s.tick(3), ["sign call 0 at 208", "keep 1", "send", "send"]);
}

#[test]
fn a_nonce_below_others_that_could_not_be_signed_closes_up() {
    let mut s = above_an_unsigned_one();
    s.signer = Hand::Away;
    assert_eq!(s.chain(11, 0), ["sign cancel 0 at 208"], "it has said that it declines");
    s.signer = Hand::There;
    assert_eq!(s.chain(12, 0), ["sign cancel 0 at 208", "keep 1", "send"]);
}

#[test]
fn an_offer_that_cannot_be_raised_stands_and_the_signer_is_asked_again_after_a_while() {
    let mut s = Story::new();
    s.chain(10, 0);
    s.perform(1, 100);
    s.sent(SendOutcome::Taken);
    s.signer = Hand::Away;
    assert_eq!(s.tick(10), ["sign call 0 at 234", "send"]);
    assert_eq!(s.account.next_wake().map(|wake| wake.at), Some(Timestamp::from_secs(13)));
    s.signer = Hand::There;
    assert_eq!(s.tick(13), ["sign call 0 at 234", "keep 2", "send"]);
}

#[test]
fn a_signature_that_comes_after_its_nonce_was_used_counts_for_nothing() {
    let mut s = Story::new();
    s.chain(10, 0);
    s.perform(1, 100);
    // A better offer is being signed while another program uses the nonce, for good.
    s.signer = Hand::Slow(Vec::new());
    assert_eq!(s.tick(10), ["sign call 0 at 234"]);
    s.chain(11, 1);
    s.receipt(None);
    s.chain(15, 1);
    assert_eq!(s.receipt(None), ["sign call 1 at 208"]);
    let Hand::Slow(held) = std::mem::take(&mut s.signer) else { panic!("it holds two") };
    let [late, due] = held.try_into().expect("two");
    assert!(s.hear(late).is_empty(), "the new nonce does not carry the bytes of the old one");
    assert_eq!(s.hear(due), ["keep 2", "send"]);
    let newest = s.kept.last().expect("an intent");
    assert_eq!((newest.draft.nonce, newest.signed.hash), (1, signed(&newest.draft).hash));
}

#[test]
fn a_nonce_that_was_not_signed_before_a_crash_is_given_again() {
    let mut s = Story::new();
    s.signer = Hand::Slow(Vec::new());
    s.chain(10, 0);
    s.perform(1, 1_000);
    s.perform(2, 1_000);
    let Hand::Slow(held) = std::mem::take(&mut s.signer) else { panic!("slow") };
    let [_first, second] = held.try_into().expect("two");
    s.hear(second);
    assert_eq!(
        s.kept.iter().map(|i| i.draft.nonce).collect::<Vec<_>>(),
        [1],
        "the journal has the second alone"
    );

    let mut again = s.after_a_crash(10);
    again.chain(11, 0);
    assert!(again.perform(3, 1_000).is_empty(), "it may be a node that is late");
    for head in 12..=15 {
        assert!(again.chain(head, 0).iter().all(|said| !said.contains("nonce 0")), "at {head}");
    }
    let said = again.chain(16, 0);
    assert!(again.kept.iter().any(|i| i.draft.nonce == 0 && i.task == task(3)), "{said:?} {:?}", again.kept);
    // The next one has its place above, once the chain is seen to go on.
    again.perform(4, 1_000);
    again.chain(17, 0);
    assert!(again.kept.iter().any(|i| i.draft.nonce == 2 && i.task == task(4)), "{:?}", again.kept);

    // A node that was only late says so in time.
    let mut again = s.after_a_crash(10);
    again.chain(11, 0);
    again.perform(3, 1_000);
    again.chain(12, 2);
    assert!(again.kept.iter().any(|i| i.draft.nonce == 2 && i.task == task(3)), "{:?}", again.kept);
}
