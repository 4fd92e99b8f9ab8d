//! Signing in with an account.

use argus_api::Config;
use argus_domain::time::Timestamp;
use serde_json::{Value, json};

use crate::{
    wallet::Wallet,
    world::{Answer, CHAIN, NOW, World},
};

const DOMAIN: &str = "app.example";

async fn world() -> World {
    World::with(Config { sign_in_domains: vec![DOMAIN.to_owned()], ..Config::default() }).await
}

async fn nonce(world: &World) -> String {
    world.get("", "/api/auth/nonce").await.json()["nonce"].as_str().unwrap().to_owned()
}

fn message(wallet: &Wallet, nonce: &str) -> String {
    format!(
        "{DOMAIN} wants you to sign in with your Ethereum account:\n{}\n\nWelcome.\n\nURI: https://{DOMAIN}\n\
         Version: 1\nChain ID: {CHAIN}\nNonce: {nonce}\nIssued At: {}\nExpiration Time: {}",
        wallet.address(),
        NOW.to_rfc3339(),
        Timestamp(NOW.0 + 200_000).to_rfc3339(),
    )
}

async fn sign_in(world: &World, message: &str, signature: &str) -> Answer {
    let body = json!({"message": message, "signature": signature}).to_string();
    world.call("", "POST", "/api/auth/sign-in", &body).await
}

async fn signed_in(world: &World, wallet: &Wallet) -> Value {
    let message = message(wallet, &nonce(world).await);
    let answer = sign_in(world, &message, &wallet.sign(&message)).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn a_signed_message_becomes_a_users_key() {
    let mut world = world().await;
    let wallet = Wallet::new(7);
    let made = signed_in(&world, &wallet).await;
    assert_eq!((&made["owner"], &made["role"]), (&json!(wallet.address()), &json!("user")));
    world.keys.insert("wallet", made["key"].as_str().unwrap().to_owned());
    let own = format!("/api/users/{}", wallet.address());
    assert_eq!(world.get("wallet", &own).await.status.as_u16(), 200);
    let others = world.get("wallet", "/api/users/0x1111111111111111111111111111111111111111").await;
    assert_eq!(others.status.as_u16(), 403);
    let listed = world.get("admin", &format!("/api/admin/api-keys/{}", wallet.address())).await;
    assert!(!listed.text.contains(&world.keys["wallet"]), "shown once");
    let month = 30 * 24 * 3_600_000;
    for (at, status) in [(month - 1, 200), (month, 401)] {
        world.clock.set(Timestamp(NOW.0 + at));
        assert_eq!(world.get("wallet", &own).await.status.as_u16(), status);
    }
}

#[tokio::test]
async fn a_nonce_is_good_once_and_for_five_minutes() {
    let world = world().await;
    let wallet = Wallet::new(7);
    let text = message(&wallet, &nonce(&world).await);
    let signature = wallet.sign(&text);
    assert_eq!(sign_in(&world, &text, &signature).await.status.as_u16(), 201);
    assert_eq!(sign_in(&world, &text, &signature).await.code(), "NONCE_REFUSED", "used");
    for made_up in ["abcdefgh", &"0".repeat(80)] {
        let text = message(&wallet, made_up);
        assert_eq!(sign_in(&world, &text, &wallet.sign(&text)).await.code(), "NONCE_REFUSED", "{made_up}");
    }
    // Of another platform.
    let text = message(&wallet, &nonce(&self::world().await).await);
    assert_eq!(sign_in(&world, &text, &wallet.sign(&text)).await.code(), "NONCE_REFUSED");
    for (age, code) in [(299_999, ""), (300_000, "NONCE_REFUSED")] {
        world.clock.set(NOW);
        let text = message(&wallet, &nonce(&world).await);
        let text = text.split("\nExpiration").next().unwrap().to_owned();
        world.clock.set(Timestamp(NOW.0 + age));
        assert_eq!(sign_in(&world, &text, &wallet.sign(&text)).await.code(), code, "{age} ms old");
    }
}

#[tokio::test]
async fn a_nonce_of_one_process_is_good_in_the_others_and_once_in_all() {
    let world = world().await;
    let wallet = Wallet::new(7);
    let text = message(&wallet, &nonce(&world).await);
    let signature = wallet.sign(&text);
    let (before, other) = world.again();
    assert_eq!(sign_in(&other, &text, &signature).await.status.as_u16(), 201, "made there, used here");
    let mut world = other;
    world.router = before;
    assert_eq!(sign_in(&world, &text, &signature).await.code(), "NONCE_REFUSED", "and not there again");
}

#[tokio::test]
async fn an_account_that_is_a_contract_says_itself_what_it_signed() {
    let world = world().await;
    let wallet = Wallet::new(7);
    let text = message(&wallet, &nonce(&world).await);
    let refused = async |says: &str, signature: &str| {
        let answer = sign_in(&world, &text, signature).await;
        assert_eq!(answer.code(), "SIGNATURE_REFUSED", "{says}: {}", answer.text);
    };
    let magic = format!("1626ba7e{}", "0".repeat(56));
    let contract = |answer: Option<&str>| {
        let answer = answer.map(|text| text.parse().unwrap());
        *world.chain.wallet.lock().unwrap() = Some((wallet.address(), answer));
    };
    for answer in ["0x", "0x00", &format!("0x{}", "0".repeat(64)), "0x1626ba7e", &format!("0x{magic}00")] {
        contract(Some(answer));
        refused(answer, "0x1234").await;
    }
    contract(Some(&format!("0x{magic}")));
    refused("not hexadecimal", "zz").await;
    refused("too long", &format!("0x{}", "ab".repeat(4_097))).await;
    *world.chain.reverts.lock().unwrap() = true;
    refused("a contract that reverts", "0x1234").await;
    *world.chain.reverts.lock().unwrap() = false;
    contract(None);
    let silent = sign_in(&world, &text, "0x1234").await;
    assert_eq!((silent.status.as_u16(), silent.code()), (503, "CHAIN_UNAVAILABLE".to_owned()));
    contract(Some(&format!("0x{magic}")));
    let made = sign_in(&world, &text, "0x1234").await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    assert_eq!(made.json()["owner"], json!(wallet.address()));
    // Another account is no contract.
    let other = Wallet::new(8);
    let text = message(&other, &nonce(&world).await);
    assert_eq!(sign_in(&world, &text, "0x1234").await.code(), "SIGNATURE_REFUSED");
}

#[tokio::test]
async fn what_was_not_signed_for_here_and_now_is_refused() {
    let world = world().await;
    let (wallet, thief) = (Wallet::new(7), Wallet::new(8));
    let text = message(&wallet, &nonce(&world).await);
    assert_eq!(sign_in(&world, &text, &thief.sign(&text)).await.code(), "SIGNATURE_REFUSED");
    assert_eq!(sign_in(&world, &text, &wallet.sign("something else")).await.code(), "SIGNATURE_REFUSED");
    for signature in ["", "0x", "0x00", "zz", &format!("0x{}", "ff".repeat(65))] {
        assert_eq!(sign_in(&world, &text, signature).await.code(), "SIGNATURE_REFUSED", "{signature}");
    }
    let issued = format!("Issued At: {}", NOW.to_rfc3339());
    let tomorrow = format!("Issued At: {}", Timestamp(NOW.0 + 60_001).to_rfc3339());
    for (from, to, code, says) in [
        (format!("{DOMAIN} wants"), "evil.example wants", "SIGN_IN_REFUSED", "is for evil.example"),
        (
            format!("https://{DOMAIN}"),
            "https://evil.example",
            "SIGN_IN_REFUSED",
            "URI https://evil.example is",
        ),
        (format!("Chain ID: {CHAIN}"), "Chain ID: 1", "SIGN_IN_REFUSED", "chain 1, which"),
        (issued, &tomorrow, "SIGN_IN_REFUSED", "lies more than a minute ahead"),
        (
            Timestamp(NOW.0 + 200_000).to_rfc3339(),
            "2027-01-15T08:00:00Z",
            "SIGN_IN_REFUSED",
            "expiration time has passed",
        ),
        ("Version: 1".to_owned(), "Version: 2", "SIGN_IN_FORM", "its version is not 1"),
    ] {
        let other = text.replace(&from, to);
        assert_ne!(other, text);
        let answer = sign_in(&world, &other, &wallet.sign(&other)).await;
        assert_eq!(answer.code(), code, "{from}");
        assert!(answer.text.contains(says), "{}, without {says}", answer.text);
    }
    // Nothing of that used the nonce up.
    assert_eq!(sign_in(&world, &text, &wallet.sign(&text)).await.status.as_u16(), 201);
    for body in ["", "[]", "{}", r#"{"message":1,"signature":2}"#] {
        let status = world.call("", "POST", "/api/auth/sign-in", body).await.status.as_u16();
        assert!([400, 422].contains(&status), "{body}: {status}");
    }
}

#[tokio::test]
async fn an_accounts_keys_are_bounded() {
    let world = world().await;
    let wallet = Wallet::new(7);
    let owner = wallet.address();
    let admins = json!({"owner": owner}).to_string();
    assert_eq!(world.call("admin", "POST", "/api/admin/api-keys", &admins).await.status.as_u16(), 201);
    let mut too_often = 0;
    for n in 0..30u64 {
        world.clock.set(Timestamp(NOW.0 + n * 1_000));
        let text = message(&wallet, &nonce(&world).await);
        let answer = sign_in(&world, &text, &wallet.sign(&text)).await;
        too_often += u32::from(answer.status.as_u16() == 429);
    }
    assert!(too_often > 20, "{too_often}");
    for n in 1..=30u64 {
        let at = Timestamp(NOW.0 + n * 60_000);
        world.clock.set(at);
        let text = message(&wallet, &nonce(&world).await);
        let text = text.split("\nExpiration").next().unwrap().to_owned();
        assert_eq!(sign_in(&world, &text, &wallet.sign(&text)).await.status.as_u16(), 201);
    }
    let listed = world.get("admin", &format!("/api/admin/api-keys/{owner}")).await.json();
    let live: Vec<&Value> =
        listed.as_array().unwrap().iter().filter(|k| k["is_active"] == json!(true)).collect();
    let signed_in = live.iter().filter(|key| !key["expires_at"].is_null()).count();
    assert_eq!((live.len(), signed_in), (21, 20), "the operator's own stays");
}

#[tokio::test]
async fn without_a_domain_nobody_signs_in() {
    let world = World::new().await;
    let (asked, tried) = (world.get("", "/api/auth/nonce").await, sign_in(&world, "m", "s").await);
    assert_eq!((asked.code(), tried.code()), ("SIGN_IN_OFF".to_owned(), "SIGN_IN_OFF".to_owned()));
}
