//! The contract of [`AnswerStore`].

use argus_domain::B256;
use argus_ports::{AnswerStore, KeptAnswer, Leave, NamedRequest, RequestName};
use futures::future::join_all;

use crate::samples::{at, owner};

fn name(of: u8, text: &str) -> RequestName {
    RequestName { owner: owner(of), name: text.to_owned() }
}

/// A request that this holder wants to carry out at 100, with leave until 200.
fn request(of: u8, text: &str, hash: u8, holder: u8) -> NamedRequest {
    let (hash, holder) = (B256::repeat_byte(hash), [holder; 16]);
    NamedRequest { name: name(of, text), hash, holder, at: at(100), until: at(200), names_max: 3 }
}

fn answer(n: u8) -> KeptAnswer {
    KeptAnswer { status: 200, body: vec![n; 3].into() }
}

/// All of it.
pub async fn suite<S: AnswerStore>(fresh: impl Fn() -> S) {
    a_request_is_carried_out_once(&fresh()).await;
    what_is_past_counts_for_nothing(&fresh()).await;
    leave_that_is_given_back_is_free(&fresh()).await;
    an_owner_has_so_many_names(&fresh()).await;
    of_many_holders_one_has_leave(&fresh()).await;
}

/// Carries a request out, and gives it back with its answer.
pub async fn answered(store: &dyn AnswerStore) -> (NamedRequest, KeptAnswer) {
    assert_eq!(store.begin(request(1, "a", 1, 1)).await, Ok(Leave::Granted));
    assert_eq!(store.finish(name(1, "a"), [1; 16], answer(1), at(900)).await, Ok(true));
    (request(1, "a", 1, 1), answer(1))
}

async fn a_request_is_carried_out_once(store: &dyn AnswerStore) {
    assert_eq!(store.begin(request(1, "a", 1, 1)).await, Ok(Leave::Granted));
    assert_eq!(store.begin(request(1, "a", 1, 2)).await, Ok(Leave::Underway));
    assert_eq!(store.begin(request(1, "a", 2, 2)).await, Ok(Leave::Other), "another request");
    assert_eq!(store.begin(request(2, "a", 2, 2)).await, Ok(Leave::Granted), "another owner");
    assert_eq!(store.begin(request(1, "a", 1, 1)).await, Ok(Leave::Granted), "its holder asks again");
    assert_eq!(store.finish(name(1, "a"), [2; 16], answer(2), at(900)).await, Ok(false), "not the holder");
    assert_eq!(store.finish(name(1, "b"), [1; 16], answer(2), at(900)).await, Ok(false), "absent");
    assert_eq!(store.finish(name(1, "a"), [1; 16], answer(1), at(900)).await, Ok(true));
    assert_eq!(store.finish(name(1, "a"), [1; 16], answer(2), at(900)).await, Ok(false), "once");
    for holder in [1, 2] {
        let again = store.begin(request(1, "a", 1, holder)).await;
        assert_eq!(again, Ok(Leave::Answered(answer(1))));
        assert_eq!(store.begin(request(1, "a", 2, holder)).await, Ok(Leave::Other));
    }
    // A holder that left what it began may do something else.
    assert_eq!(store.begin(request(1, "c", 1, 1)).await, Ok(Leave::Granted));
    assert_eq!(store.begin(request(1, "c", 2, 1)).await, Ok(Leave::Granted));
    assert_eq!(store.begin(request(1, "c", 1, 2)).await, Ok(Leave::Other));
}

async fn what_is_past_counts_for_nothing(store: &dyn AnswerStore) {
    let later = |ms, holder| NamedRequest { at: at(ms), until: at(ms + 100), ..request(1, "a", 1, holder) };
    assert_eq!(store.begin(request(1, "a", 1, 1)).await, Ok(Leave::Granted));
    assert_eq!(store.begin(later(199, 2)).await, Ok(Leave::Underway));
    assert_eq!(store.begin(later(200, 2)).await, Ok(Leave::Granted), "the leave has run out");
    assert_eq!(store.finish(name(1, "a"), [1; 16], answer(1), at(900)).await, Ok(false), "it is another's");
    assert_eq!(store.finish(name(1, "a"), [2; 16], answer(2), at(900)).await, Ok(true));
    assert_eq!(store.begin(later(899, 1)).await, Ok(Leave::Answered(answer(2))));
    assert_eq!(store.begin(later(900, 1)).await, Ok(Leave::Granted), "the answer is forgotten");
}

async fn leave_that_is_given_back_is_free(store: &dyn AnswerStore) {
    assert_eq!(store.begin(request(1, "a", 1, 1)).await, Ok(Leave::Granted));
    store.give_up(name(1, "a"), [2; 16]).await.expect("give up");
    assert_eq!(store.begin(request(1, "a", 1, 2)).await, Ok(Leave::Underway), "another's leave stays");
    for _ in 0..2 {
        store.give_up(name(1, "a"), [1; 16]).await.expect("give up");
    }
    assert_eq!(store.begin(request(1, "a", 2, 2)).await, Ok(Leave::Granted), "it is free for any request");
    store.finish(name(1, "a"), [2; 16], answer(1), at(900)).await.expect("finish");
    store.give_up(name(1, "a"), [2; 16]).await.expect("give up");
    assert_eq!(store.begin(request(1, "a", 2, 1)).await, Ok(Leave::Answered(answer(1))), "an answer stays");
}

async fn an_owner_has_so_many_names(store: &dyn AnswerStore) {
    for text in ["a", "b", "c"] {
        assert_eq!(store.begin(request(1, text, 1, 1)).await, Ok(Leave::Granted));
    }
    assert_eq!(store.begin(request(1, "d", 1, 1)).await, Ok(Leave::Full));
    assert_eq!(
        store.begin(request(1, "c", 1, 1)).await,
        Ok(Leave::Granted),
        "a name that is there is no more"
    );
    assert_eq!(store.begin(request(2, "d", 1, 1)).await, Ok(Leave::Granted), "others have their own");
    let later = NamedRequest { at: at(200), until: at(300), ..request(1, "d", 1, 1) };
    assert_eq!(store.begin(later).await, Ok(Leave::Granted), "names that are past do not count");
}

async fn of_many_holders_one_has_leave(store: &dyn AnswerStore) {
    let leaves = join_all((1..=8).map(|holder| store.begin(request(1, "a", 1, holder)))).await;
    let granted = leaves.iter().filter(|leave| **leave == Ok(Leave::Granted)).count();
    let underway = leaves.iter().filter(|leave| **leave == Ok(Leave::Underway)).count();
    assert_eq!((granted, underway), (1, 7), "{leaves:?}");
}
