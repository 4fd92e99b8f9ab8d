//! Keys in files under a password: Web3 Secret Storage, version 3, as geth, Foundry and other clients write it.
//! <https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>

use aes::Aes128;
use alloy::primitives::{Address, hex, keccak256};
use argus_ports::Signer;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use scrypt::{Params, scrypt};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::{BadKey, LocalSigner};

/// Why no key came of a keystore, or none of a key. Never holds a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeystoreError {
    /// It does not have the form.
    #[error("it is no Ethereum keystore: {0}")]
    Form(String),
    /// It has a form that this program does not read.
    #[error("{0}: a keystore has version 3, aes-128-ctr, and scrypt or pbkdf2 with hmac-sha256")]
    Unknown(String),
    /// Deriving its key costs more than any client asks for.
    #[error(
        "it asks for more memory or work than a keystore does: make it anew with the parameters of any client"
    )]
    Costly,
    /// The password is another one's.
    #[error("the password does not open it, or it is damaged")]
    Password,
    /// What is in it is no key.
    #[error(transparent)]
    BadKey(#[from] BadKey),
    /// The key is another one's than the file says.
    #[error("it says that it is the key of {said}, and holds that of {held}")]
    Another {
        /// What stands in it.
        said: String,
        /// Whose key it is.
        held: Address,
    },
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
}

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    // As the first clients wrote it.
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Serialize, Deserialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: KdfParams,
    mac: String,
}

#[derive(Serialize, Deserialize)]
struct CipherParams {
    iv: String,
}

/// Of both derivations; what is not of this one is not there.
#[derive(Serialize, Deserialize)]
struct KdfParams {
    dklen: u32,
    salt: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    n: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    r: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    c: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prf: Option<String>,
}

const VERSION: u32 = 3;
const CIPHER: &str = "aes-128-ctr";
const SCRYPT: &str = "scrypt";
const PBKDF2: &str = "pbkdf2";
const PRF: &str = "hmac-sha256";

/// What OWASP recommends for scrypt: 128 MB and a fraction of a second.
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;

/// Most that one is opened with: four times what the costliest client writes.
const SCRYPT_BYTES_MAX: u64 = 1 << 30;
const SCRYPT_P_MAX: u32 = 16;
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;

/// 16 bytes that encrypt, and 16 that tell whether the password was right.
type Derived = Zeroizing<[u8; 32]>;

/// The key that a keystore's text holds under a password. Takes about as long as who made it wanted guessing to take.
///
/// # Errors
/// [`KeystoreError`].
pub fn open(text: &str, password: &SecretString) -> Result<LocalSigner, KeystoreError> {
    // What stands there is not repeated.
    let told = |e: serde_json::Error| {
        KeystoreError::Form(format!("{:?} error at line {} column {}", e.classify(), e.line(), e.column()))
    };
    let file: File = serde_json::from_str(text).map_err(told)?;
    let crypto = &file.crypto;
    if file.version != VERSION {
        return Err(KeystoreError::Unknown(format!("its version is {}", file.version)));
    }
    if crypto.cipher != CIPHER {
        return Err(KeystoreError::Unknown(format!("its cipher is {:?}", crypto.cipher)));
    }
    let iv: [u8; 16] = bytes("cipherparams.iv", &crypto.cipherparams.iv)?;
    let mac: [u8; 32] = bytes("mac", &crypto.mac)?;
    let ciphertext: [u8; 32] = bytes("ciphertext", &crypto.ciphertext)?;
    let derived = derive(crypto, password)?;
    if !bool::from(mac_of(&derived, &ciphertext).ct_eq(&mac)) {
        return Err(KeystoreError::Password);
    }
    let mut key = Zeroizing::new(ciphertext);
    cipher(&derived, &iv).apply_keystream(key.as_mut_slice());
    let signer = LocalSigner::from_bytes(&key)?;
    match file.address {
        Some(said) if !is_address(&said, signer.address()) => {
            Err(KeystoreError::Another { said, held: signer.address() })
        }
        _ => Ok(signer),
    }
}

/// A key's keystore under a password, as text.
///
/// # Errors
/// [`KeystoreError::Randomness`].
pub fn seal(signer: &LocalSigner, password: &SecretString) -> Result<String, KeystoreError> {
    let (salt, iv, id) = (random::<32>()?, random::<16>()?, random::<16>()?);
    let mut crypto = Crypto {
        cipher: CIPHER.to_owned(),
        cipherparams: CipherParams { iv: hex::encode(iv) },
        ciphertext: String::new(),
        kdf: SCRYPT.to_owned(),
        kdfparams: KdfParams {
            dklen: 32,
            salt: hex::encode(salt),
            n: Some(1 << LOG_N),
            r: Some(R),
            p: Some(P),
            c: None,
            prf: None,
        },
        mac: String::new(),
    };
    let derived = derive(&crypto, password)?;
    let mut ciphertext = signer.bytes();
    cipher(&derived, &iv).apply_keystream(ciphertext.as_mut_slice());
    crypto.mac = hex::encode(mac_of(&derived, &ciphertext));
    crypto.ciphertext = hex::encode(ciphertext.as_slice());
    let id = uuid::Builder::from_random_bytes(id).into_uuid().to_string();
    let address = Some(hex::encode(signer.address()));
    serde_json::to_string(&File { version: VERSION, id, address, crypto })
        .map_err(|e| KeystoreError::Form(e.to_string()))
}

/// Whether a text is a keystore rather than a key in hex.
pub fn is_keystore(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn derive(crypto: &Crypto, password: &SecretString) -> Result<Derived, KeystoreError> {
    let params = &crypto.kdfparams;
    let password = password.expose_secret().as_bytes();
    let salt = hex::decode(&params.salt).map_err(|_| form("kdfparams.salt", "hex"))?;
    if params.dklen != 32 {
        return Err(KeystoreError::Unknown(format!("it derives {} bytes, not 32", params.dklen)));
    }
    let mut derived = Derived::default();
    match crypto.kdf.as_str() {
        SCRYPT => {
            let (Some(n), Some(r), Some(p)) = (params.n, params.r, params.p) else {
                return Err(form("kdfparams", "n, r and p"));
            };
            if !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
                return Err(form("kdfparams.n", "a power of two, with r and p above zero"));
            }
            // 128 r bytes for each of n blocks, of p lanes, and of two more (RFC 7914).
            let blocks = n.checked_add(u64::from(p) + 2);
            let memory = blocks.and_then(|blocks| blocks.checked_mul(128)?.checked_mul(u64::from(r)));
            if memory.is_none_or(|bytes| bytes > SCRYPT_BYTES_MAX) || p > SCRYPT_P_MAX {
                return Err(KeystoreError::Costly);
            }
            // Of a power of two; it is far below 2^30 here.
            let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| KeystoreError::Costly)?;
            let params = Params::new(log_n, r, p).map_err(|_| KeystoreError::Costly)?;
            scrypt(password, &salt, &params, derived.as_mut_slice()).map_err(|_| KeystoreError::Costly)?;
        }
        PBKDF2 => {
            let Some(rounds) = params.c.filter(|c| *c > 0) else {
                return Err(form("kdfparams", "a number of rounds, c"));
            };
            if params.prf.as_deref() != Some(PRF) {
                return Err(KeystoreError::Unknown(format!("its prf is {:?}", params.prf)));
            }
            if rounds > PBKDF2_ROUNDS_MAX {
                return Err(KeystoreError::Costly);
            }
            pbkdf2::pbkdf2_hmac::<pbkdf2::sha2::Sha256>(password, &salt, rounds, derived.as_mut_slice());
        }
        other => return Err(KeystoreError::Unknown(format!("its kdf is {other:?}"))),
    }
    Ok(derived)
}

fn cipher(derived: &Derived, iv: &[u8; 16]) -> Ctr128BE<Aes128> {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&derived[..16]);
    Ctr128BE::<Aes128>::new(&(*key).into(), &(*iv).into())
}

fn mac_of(derived: &Derived, ciphertext: &[u8; 32]) -> [u8; 32] {
    let mut sealed = Zeroizing::new([0; 48]);
    sealed[..16].copy_from_slice(&derived[16..]);
    sealed[16..].copy_from_slice(ciphertext);
    keccak256(sealed.as_slice()).0
}

/// Written with `0x` or not, in any case.
fn is_address(text: &str, address: Address) -> bool {
    text.parse::<Address>().is_ok_and(|said| said == address)
}

fn bytes<const N: usize>(name: &str, text: &str) -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| form(name, &format!("{N} bytes in hex")))?;
    Ok(bytes)
}

fn form(name: &str, wanted: &str) -> KeystoreError {
    KeystoreError::Form(format!("{name} has to be {wanted}"))
}

fn random<const N: usize>() -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| KeystoreError::Randomness(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the specification: one key, password `testpassword`.
    const SPEC_SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{
        "iv":"83dbcc02d8ccb40e466191a123791e0e"},
        "ciphertext":"d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c","kdf":"scrypt",
        "kdfparams":{"dklen":32,"n":262144,"r":1,"p":8,
        "salt":"ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"},
        "mac":"2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    const SPEC_PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{
        "iv":"6087dab2f9fdbbfaddc31a909735c1e6"},
        "ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2",
        "kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",
        "salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},
        "mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},
        "id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
    const SPEC_KEY: &str = "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d";

    fn password(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    #[test]
    fn the_vectors_of_the_specification_open() {
        let key = LocalSigner::from_hex(&password(SPEC_KEY)).expect("a key");
        for text in [SPEC_SCRYPT, SPEC_PBKDF2] {
            let opened = open(text, &password("testpassword")).expect("opens");
            assert_eq!(opened.address(), key.address());
            assert_eq!(open(text, &password("testpasswort")).err(), Some(KeystoreError::Password));
        }
        let old = SPEC_PBKDF2.replace("{\"crypto\"", "{\"Crypto\"");
        assert!(open(&old, &password("testpassword")).is_ok());
    }

    #[test]
    fn what_was_sealed_opens_and_is_new_each_time() {
        let key = LocalSigner::from_hex(&password(SPEC_KEY)).expect("a key");
        let [one, other] = [(); 2].map(|()| seal(&key, &password("pass")).expect("sealed"));
        assert!(one != other && !one.contains(SPEC_KEY) && is_keystore(&one) && !is_keystore(SPEC_KEY));
        assert_eq!(open(&one, &password("pass")).expect("opens").address(), key.address());
        assert_eq!(open(&one, &password("")).err(), Some(KeystoreError::Password));
        let mut foreign: serde_json::Value = serde_json::from_str(&one).expect("JSON");
        foreign["address"] = "00".repeat(20).into();
        let said = open(&foreign.to_string(), &password("pass")).expect_err("another's");
        assert!(matches!(said, KeystoreError::Another { held, .. } if held == key.address()), "{said}");
    }

    #[test]
    fn what_cannot_be_opened_says_why_and_costs_nothing() {
        let with = |from: &str, to: &str| {
            let text = SPEC_SCRYPT.replace(from, to);
            assert_ne!(text, SPEC_SCRYPT, "{from}");
            open(&text, &password("testpassword")).err()
        };
        let unknown = |error: Option<KeystoreError>| matches!(error, Some(KeystoreError::Unknown(_)));
        let no_form = |error: Option<KeystoreError>| matches!(error, Some(KeystoreError::Form(_)));
        assert!(unknown(with("\"version\":3", "\"version\":4")));
        assert!(unknown(with("aes-128-ctr", "aes-128-cbc")));
        assert!(unknown(with("\"kdf\":\"scrypt\"", "\"kdf\":\"argon2\"")));
        assert!(unknown(with("\"dklen\":32", "\"dklen\":16")));
        assert!(no_form(with("83dbcc", "zzdbcc")));
        assert!(no_form(with("d172bf", "d172")));
        assert!(no_form(with("ab0c78", "ab0c7")));
        assert!(no_form(with("\"n\":262144", "\"n\":262143")));
        assert!(no_form(with("\"n\":262144,", "")));
        assert!(no_form(with("\"kdf\":\"scrypt\"", "\"kdf\":\"pbkdf2\"")));
        let costly = Some(KeystoreError::Costly);
        assert_eq!(with("\"n\":262144", "\"n\":9223372036854775808"), costly);
        assert_eq!(with("\"r\":1", "\"r\":4294967295"), costly);
        let lanes = SPEC_SCRYPT.replace("\"n\":262144,\"r\":1,\"p\":8", "\"n\":2,\"r\":4194304,\"p\":16");
        assert_ne!(lanes, SPEC_SCRYPT);
        assert_eq!(open(&lanes, &password("")).err(), costly);
        assert_eq!(with("\"p\":8", "\"p\":4294967295"), costly);
        let rounds = SPEC_PBKDF2.replace("\"c\":262144", "\"c\":4294967295");
        assert_eq!(open(&rounds, &password("")).err(), costly);
        for text in ["", "{}", "[]", "{\"crypto\":1}"] {
            assert!(no_form(open(text, &password("")).err()), "{text}");
        }
    }
}
