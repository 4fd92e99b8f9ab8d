use std::{future::pending, sync::atomic::AtomicU8};

use argus_domain::{Address, call::Signature, ids::KeeperId, keeper::KeeperHello};
use tokio::time::Instant;

use super::*;

/// How an end answers.
const LEADS: u8 = 0;
const STANDS_BY: u8 = 1;
const SILENT: u8 = 2;
const BUSY: u8 = 3;
const REFUSES: u8 = 4;

/// That something took so long, on a machine that has other things to do.
fn assert_took(took: Duration, least: Duration, what: &str) {
    // A timer may fire a moment early.
    let least = least.saturating_sub(Duration::from_millis(5));
    assert!((least..least + Duration::from_millis(700)).contains(&took), "{what}: {took:?}");
}

/// An end that answers as it is told to.
#[derive(Default)]
struct End {
    answers: AtomicU8,
    asked: AtomicUsize,
    nonce: B256,
}

impl End {
    fn set(&self, answers: u8) {
        self.answers.store(answers, Ordering::SeqCst);
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<(), LinkError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answers.load(Ordering::SeqCst) {
            LEADS => Ok(()),
            STANDS_BY => Err(LinkError::Gone("another one leads".to_owned())),
            BUSY => Err(LinkError::Busy),
            REFUSES => Err(LinkError::Refused("you are a stranger".to_owned())),
            _ => pending().await,
        }
    }
}

#[async_trait]
impl Aggregate for End {
    async fn begin(&self, _: Arc<Assignment>) -> Result<(), LinkError> {
        self.answer().await
    }

    async fn hand_off(&self, _: HandoffOrder) -> Result<(), LinkError> {
        self.answer().await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.answer().await.map(|()| Vec::new())
    }
}

#[async_trait]
impl KeeperLink for End {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.answer().await.map(|()| self.nonce)
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        self.answer().await?;
        if hello.nonce != self.nonce {
            return Err(LinkError::Refused("the nonce is unknown".to_owned()));
        }
        Ok(Box::new(argus_memory::session(1, Duration::from_secs(1)).0))
    }
}

fn ends(count: usize) -> Vec<Arc<End>> {
    let end = |n: usize| {
        let nonce = B256::repeat_byte(u8::try_from(n + 1).expect("a few"));
        Arc::new(End { nonce, ..End::default() })
    };
    (0..count).map(end).collect()
}

fn leading(ends: &[Arc<End>]) -> Leading<dyn Aggregate> {
    let named = |(n, end): (usize, &Arc<End>)| (format!("end {n}"), end.clone() as Arc<dyn Aggregate>);
    Leading::new(ends.iter().enumerate().map(named).collect())
}

fn gate(ends: &[Arc<End>]) -> LeadingGate {
    let named = |(n, end): (usize, &Arc<End>)| (format!("end {n}"), end.clone() as Arc<dyn KeeperLink>);
    LeadingGate::new(ends.iter().enumerate().map(named).collect())
}

fn asked(ends: &[Arc<End>]) -> Vec<usize> {
    ends.iter().map(|end| end.asked()).collect()
}

#[tokio::test]
async fn calls_go_to_the_one_that_leads_and_stay_there() {
    let ends = ends(3);
    let link = leading(&ends);
    let steps: [([u8; 3], &[usize], &str); 6] = [
        ([STANDS_BY, STANDS_BY, LEADS], &[1, 1, 1], "once around"),
        ([STANDS_BY, STANDS_BY, LEADS], &[0, 0, 1], "straight there"),
        ([LEADS, STANDS_BY, STANDS_BY], &[1, 0, 1], "to the next one"),
        ([BUSY, LEADS, LEADS], &[1, 0, 0], "one that is busy has answered"),
        ([REFUSES, LEADS, LEADS], &[1, 0, 0], "and so has one that refuses"),
        ([STANDS_BY, STANDS_BY, STANDS_BY], &[1, 1, 1], "once around, and no more"),
    ];
    for (answers, expected, what) in steps {
        ends.iter().zip(answers).for_each(|(end, answers)| end.set(answers));
        let said = link.live().await;
        assert_eq!(asked(&ends), expected, "{what}: {said:?}");
        let is_well = answers.contains(&LEADS) && answers[0] < BUSY;
        assert_eq!(said.is_ok(), is_well, "{what}: {said:?}");
    }
    let Err(LinkError::Gone(why)) = link.live().await else { panic!("nobody leads") };
    assert!(why.contains("end 0: another one leads; end 1") || why.contains("end 2"), "{why}");
}

#[tokio::test]
async fn one_that_is_silent_takes_its_share_of_a_call_once() {
    let ends = ends(2);
    let link = leading(&ends);
    let took = async |is_well: bool, least: Duration, what: &str| {
        let began = Instant::now();
        assert_eq!(link.live().await.is_ok(), is_well, "{what}");
        assert_took(began.elapsed(), least, what);
    };
    ends[0].set(SILENT);
    ends[1].set(STANDS_BY);
    for _ in 0..3 {
        took(false, TRY, "the other one does not lead yet").await;
    }
    ends[1].set(LEADS);
    took(true, Duration::ZERO, "the one that answers is asked first").await;
    ends[1].set(SILENT);
    took(false, TRY * 2, "both are silent").await;
    assert_eq!(asked(&ends), [4, 5]);
}

#[tokio::test]
async fn however_many_are_silent_a_call_ends_before_its_caller_gives_up() {
    let rounds = (2..=9).map(async |count| {
        let ends = ends(count);
        ends.iter().for_each(|end| end.set(SILENT));
        let began = Instant::now();
        assert!(leading(&ends).live().await.is_err());
        assert_eq!(asked(&ends), vec![1; count]);
        assert!(began.elapsed() < Duration::from_secs(3), "of {count}: {:?}", began.elapsed());
    });
    futures::future::join_all(rounds).await;
}

#[tokio::test]
async fn the_only_one_has_as_long_as_its_link_gives_it() {
    let ends = ends(1);
    ends[0].set(SILENT);
    let link = leading(&ends);
    assert!(timeout(ROUND + TRY, link.live()).await.is_err(), "nobody cuts it short");
    ends[0].set(STANDS_BY);
    assert_eq!(link.live().await, Err(LinkError::Gone("another one leads".to_owned())), "in its own words");
}

fn hello(nonce: B256) -> SignedHello {
    let hello = KeeperHello {
        keeper: KeeperId(Address::ZERO),
        engines: [].into(),
        chains: [].into(),
        capacity: 1,
        version: String::new(),
        box_key: None,
    };
    SignedHello { hello, nonce, signature: Signature([0; 65]) }
}

#[tokio::test]
async fn a_keeper_says_its_hello_where_it_got_its_nonce() {
    let ends = ends(2);
    let gate = gate(&ends);
    ends[1].set(STANDS_BY);
    let first = gate.nonce().await.expect("the first one leads");
    // Before its hello the other one leads, for which another keeper of this process asks.
    ends[0].set(STANDS_BY);
    ends[1].set(LEADS);
    let second = gate.nonce().await.expect("the second one leads");
    assert_eq!((first, second), (ends[0].nonce, ends[1].nonce));
    ends[0].set(LEADS);
    for nonce in [first, second] {
        assert!(gate.connect(hello(nonce)).await.is_ok());
        let again = gate.connect(hello(nonce)).await.err();
        assert!(matches!(again, Some(LinkError::Gone(_))), "a nonce is good for one: {again:?}");
    }
    assert_eq!(asked(&ends), [3, 2]);
}

#[tokio::test]
async fn a_gate_that_falls_silent_after_its_nonce_is_left_for_the_next_one() {
    let ends = ends(2);
    let gate = gate(&ends);
    let nonce = gate.nonce().await.expect("it leads");
    ends[0].set(SILENT);
    let began = Instant::now();
    assert!(gate.connect(hello(nonce)).await.is_err());
    assert_took(began.elapsed(), ADMITS_WITHIN, "it was waited for");
    assert_eq!(gate.nonce().await, Ok(ends[1].nonce));
    assert_took(began.elapsed(), ADMITS_WITHIN, "the silent one is not asked first");
}
