use proptest::prelude::*;

use super::*;

const ADDRESS: &str = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";

/// The example of EIP-4361.
fn example() -> String {
    format!(
        "example.com wants you to sign in with your Ethereum account:\n{ADDRESS}\n\n\
         I accept the ExampleOrg Terms of Service: https://example.com/tos\n\n\
         URI: https://example.com/login\nVersion: 1\nChain ID: 1\nNonce: 32891756\n\
         Issued At: 2021-09-30T16:25:24Z\nResources:\n- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n\
         - https://example.com/my-web2-claim.json"
    )
}

/// The least that a message has.
fn least() -> String {
    format!(
        "localhost:9002 wants you to sign in with your Ethereum account:\n{ADDRESS}\n\n\n\
         URI: http://localhost:9002\nVersion: 1\nChain ID: 31337\nNonce: abcdefgh1\nIssued At: 2026-01-02T03:04:05.678Z"
    )
}

#[test]
fn messages_are_read() {
    let read = SignInMessage::parse(&example()).expect("the example");
    assert_eq!(
        (read.domain.as_str(), read.chain, read.nonce.as_str()),
        ("example.com", ChainId(1), "32891756")
    );
    assert_eq!(read.address.to_string(), ADDRESS);
    assert_eq!(read.issued_at.to_rfc3339(), "2021-09-30T16:25:24.000Z");
    assert_eq!(
        read.statement.as_deref(),
        Some("I accept the ExampleOrg Terms of Service: https://example.com/tos")
    );
    let read = SignInMessage::parse(&least()).expect("the least");
    assert_eq!((read.domain.as_str(), read.statement), ("localhost:9002", None));
    let timed =
        least() + "\nExpiration Time: 2026-01-02T03:09:05Z\nNot Before: 2026-01-02T03:04:00Z\nRequest ID: 7";
    let read = SignInMessage::parse(&timed).expect("with times");
    assert!(read.expires_at > Some(read.issued_at) && read.not_before < Some(read.issued_at));
    assert!(
        SignInMessage::parse(&format!("https://{}", least())).is_ok_and(|m| m.domain == "localhost:9002")
    );
}

#[test]
fn what_is_not_as_the_standard_has_it_is_refused() {
    let cases = [
        ("localhost:9002 wants", "localhost:9002 wishes"),
        ("localhost:9002 wants", " wants"),
        ("localhost:9002 wants", "user@localhost wants"),
        (ADDRESS, "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
        (ADDRESS, "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756C"),
        ("\n\n\nURI", "\n\nURI"),
        ("\n\n\nURI", "\n\none\ntwo\n\nURI"),
        ("URI: http://localhost:9002", "URI: "),
        ("Version: 1", "Version: 2"),
        ("Chain ID: 31337", "Chain ID: +31337"),
        ("Chain ID: 31337", "Chain ID: 0x7a69"),
        ("Nonce: abcdefgh1", "Nonce: abcdefg"),
        ("Nonce: abcdefgh1", "Nonce: abcdefgh-"),
        ("Issued At: 2026-01-02T03:04:05.678Z", "Issued At: yesterday"),
        ("Issued At: 2026-01-02T03:04:05.678Z", "Issued At: 2026-01-02T03:04:05.678Z\n"),
        ("Version: 1\nChain ID: 31337", "Chain ID: 31337\nVersion: 1"),
    ];
    for (from, to) in cases {
        let text = least().replace(from, to);
        assert_ne!(text, least(), "{from}");
        assert!(matches!(SignInMessage::parse(&text), Err(SignInFault::Form(_))), "{text}");
    }
    let long = example().replace("ExampleOrg", &"long".repeat(2_000));
    assert!(SignInMessage::parse(&long).is_err());
}

#[test]
fn a_message_counts_here_and_now() {
    let text = least() + "\nExpiration Time: 2026-01-02T03:09:05Z\nNot Before: 2026-01-02T03:04:00Z";
    let message = SignInMessage::parse(&text).expect("a message");
    let at = |text: &str| Timestamp::parse_rfc3339(text).expect("an instant");
    let check = |domain: &str, chain: u64, now: &str| {
        message.check(&[domain.to_owned()], [ChainId(chain)].into_iter(), at(now)).err()
    };
    assert_eq!(check("LOCALHOST:9002", 31337, "2026-01-02T03:04:00Z"), None);
    assert_eq!(check("localhost:9002", 31337, "2026-01-02T03:09:04.999Z"), None);
    assert!(matches!(check("localhost:9002", 31337, "2026-01-02T03:09:05Z"), Some(SignInFault::Time(_))));
    assert!(matches!(check("localhost:9002", 31337, "2026-01-02T03:03:59.999Z"), Some(SignInFault::Time(_))));
    assert!(matches!(check("localhost", 31337, "2026-01-02T03:05:00Z"), Some(SignInFault::Domain(_))));
    assert!(matches!(check("localhost:9002", 1, "2026-01-02T03:05:00Z"), Some(SignInFault::Chain(_))));
}

#[test]
fn a_message_signs_in_to_where_it_is_taken() {
    let now = Timestamp::parse_rfc3339("2026-01-02T03:04:05Z").expect("an instant");
    let check = |uri: &str| {
        let text = least().replace("URI: http://localhost:9002", &format!("URI: {uri}"));
        let domains = ["app.example", "localhost:9002"].map(str::to_owned);
        SignInMessage::parse(&text).expect("a message").check(&domains, [ChainId(31337)].into_iter(), now)
    };
    for uri in [
        "http://localhost:9002",
        "HTTPS://LOCALHOST:9002/",
        "https://app.example/login?to=https://evil.example",
        "https://app.example#here",
    ] {
        assert_eq!(check(uri), Ok(()), "{uri}");
    }
    for uri in [
        "https://evil.example",
        "https://evil.example/localhost:9002",
        "https://app.example:9002",
        "https://app.example@evil.example",
        "https://evil.example\\@app.example",
        "https://user@app.example",
        "https://app.example.evil.example",
        "ftp://app.example",
        "app.example",
        "https://",
    ] {
        assert_eq!(check(uri), Err(SignInFault::Uri(uri.to_owned())));
    }
}

#[test]
fn a_message_is_not_of_tomorrow() {
    let message = SignInMessage::parse(&least()).expect("a message");
    let check = |before_ms: u64| {
        let now = Timestamp(message.issued_at.0 - before_ms);
        message.check(&["localhost:9002".to_owned()], [ChainId(31337)].into_iter(), now)
    };
    assert_eq!(check(60_000), Ok(()), "a clock that is a little ahead");
    assert!(matches!(check(60_001), Err(SignInFault::Time(_))));
}

#[test]
fn digests_are_those_of_wallets() {
    // What ethers' hashMessage("hello") gives.
    let expect = "0x50b2c43fd39106bafbba0da34fc430e1f91e3c96ea2acee2bc34119f92b37750";
    assert_eq!(digest("hello").to_string(), expect);
}

proptest! {
    /// No text makes the reader panic, and what it reads it reads from what the text says.
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,400}") {
        let _ = SignInMessage::parse(&text);
    }

    /// A message with one character changed is refused, or says that something else was signed.
    #[test]
    fn a_changed_message_is_another_one(at in 0usize..300, with in any::<char>()) {
        let whole = example();
        let mut changed: Vec<char> = whole.chars().collect();
        let at = at % changed.len();
        changed[at] = with;
        let changed: String = changed.into_iter().collect();
        prop_assert!(changed == whole || digest(&changed) != digest(&whole));
        if let Ok(read) = SignInMessage::parse(&changed) {
            prop_assert!(changed.contains(&read.domain) && changed.contains(&read.nonce));
            prop_assert!(changed.contains(&read.address.to_string()));
        }
    }
}
