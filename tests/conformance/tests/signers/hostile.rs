//! Answers that are not what was asked for.

use std::time::{Duration, Instant};

use argus_conformance::web3signer::Manner;
use argus_ports::{Signer, SignerError};

use super::{LIMIT, local, remote};

#[tokio::test]
async fn other_forms_of_the_same_signature_are_taken_as_the_one_that_contracts_take() {
    let (server, remote) = remote(LIMIT).await;
    for manner in [Manner::HighS, Manner::PlainV] {
        server.behave(manner);
        assert_eq!(remote.sign(b"a").await, local().sign(b"a").await, "{manner:?}");
    }
}

/// Says what happened, where nothing may be signed.
async fn refused(manner: Manner, limit: Duration) -> SignerError {
    let (server, remote) = remote(limit).await;
    // The key is known by now.
    remote.sign(b"before").await.expect("signed");
    server.behave(manner);
    let began = Instant::now();
    let error = remote.sign(b"a").await.expect_err("nothing is signed");
    assert!(began.elapsed() < limit * 3, "{manner:?}: {:?}", began.elapsed());
    error
}

#[tokio::test]
async fn what_is_no_signature_of_the_key_is_not_used() {
    let page = "<html><body>Bad Gateway</body></html>";
    let short = "0x1234";
    let no_hex = concat!("0x", "zz", "00");
    for (manner, expect) in [
        (Manner::OtherKey, "and not by"),
        (Manner::OtherBytes, "and not by"),
        (Manner::Says(200, short), "no signature of 65 bytes"),
        (Manner::Says(200, no_hex), "no signature of 65 bytes"),
        (Manner::Says(200, ""), "no signature of 65 bytes"),
        (Manner::Says(200, page), "no signature of 65 bytes"),
        (Manner::Endless(1 << 20), "an answer of more than 4096 bytes"),
    ] {
        let error = refused(manner, LIMIT).await;
        let SignerError::Wrong(says) = &error else { panic!("{manner:?}: {error}") };
        assert!(says.contains(expect), "{manner:?}: {says}");
    }
    // Every other v, and numbers that are no point.
    for text in [
        concat!(
            "0x",
            "11111111111111111111111111111111",
            "11111111111111111111111111111111",
            "11111111111111111111111111111111",
            "11111111111111111111111111111111",
            "1d"
        ),
        concat!(
            "0x",
            "ffffffffffffffffffffffffffffffff",
            "ffffffffffffffffffffffffffffffff",
            "11111111111111111111111111111111",
            "11111111111111111111111111111111",
            "1b"
        ),
        concat!(
            "0x",
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "1b"
        ),
    ] {
        let error = refused(Manner::Says(200, text), LIMIT).await;
        assert!(matches!(error, SignerError::Wrong(_)), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_refusal_is_a_sentence_and_not_asked_again() {
    for (manner, expect) in [
        (Manner::Keyless, "has no key of 0x7099"),
        (Manner::Says(400, "Bad Request"), "status 400 Bad Request (Bad Request)"),
        (Manner::Says(401, ""), "status 401"),
        (Manner::Says(403, "<html>no</html>"), "status 403 Forbidden"),
        (Manner::Says(404, "Resource not found"), "has no key of 0x7099"),
        (
            Manner::Says(412, "Signing operation failed due to policy"),
            "(Signing operation failed due to policy)",
        ),
        (Manner::Says(302, ""), "status 302"),
    ] {
        let error = refused(manner, LIMIT).await;
        assert!(matches!(error, SignerError::Refused(_)), "{manner:?}: {error}");
        let says = error.to_string();
        assert!(says.contains(expect) && !says.contains("html"), "{manner:?}: {says}");
    }
}

#[tokio::test]
async fn what_may_pass_is_asked_again_until_the_time_is_over() {
    let limit = Duration::from_millis(600);
    for (manner, expect) in [
        (Manner::Says(500, "Internal Server Error"), "status 500"),
        (Manner::Says(503, ""), "status 503"),
        (Manner::Says(429, ""), "status 429"),
        (Manner::Silent, "no answer in 600 ms"),
        (Manner::Half, "no answer in 600 ms"),
        (Manner::Closes, "127.0.0.1"),
    ] {
        let error = refused(manner, limit).await;
        assert!(error.is_retryable(), "{manner:?}: {error}");
        assert!(error.to_string().contains(expect), "{manner:?}: {error}");
    }
    let (server, remote) = remote(limit).await;
    server.behave(Manner::Says(500, ""));
    remote.sign(b"a").await.expect_err("nothing is signed");
    assert!((2..20).contains(&server.signatures()), "{}", server.signatures());
}

#[tokio::test]
async fn a_signer_without_the_key_says_so_and_is_asked_again_once_it_has_it() {
    let (server, remote) = remote(LIMIT).await;
    server.behave(Manner::Keyless);
    let error = remote.sign(b"a").await.expect_err("no key").to_string();
    assert!(
        error.contains("has no key of 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 among its 0"),
        "{error}"
    );
    server.behave(Manner::Honest);
    remote.sign(b"a").await.expect("loaded meanwhile");
    server.behave(Manner::Keyless);
    remote.sign(b"a").await.expect_err("taken away");
    server.behave(Manner::Honest);
    assert_eq!(remote.sign(b"a").await, local().sign(b"a").await);
}
