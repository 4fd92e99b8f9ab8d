//! Signing in with an Ethereum account: the message of EIP-4361, read strictly.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, eip191_hash_message};
use alloy_sol_types::{SolCall, sol};

use crate::{ids::ChainId, time::Timestamp};

/// Longest message that is read, bytes.
pub const MESSAGE_MAX: usize = 4_096;
/// How far the clock of whoever made a message may be ahead.
const AHEAD_MAX: Duration = Duration::from_secs(60);

/// A message that asks to be signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInMessage {
    /// Who asks for the signature: RFC 3986 authority.
    pub domain: String,
    /// Who signs.
    pub address: Address,
    /// What the user was told.
    pub statement: Option<String>,
    /// What is signed in to.
    pub uri: String,
    /// The chain of the account.
    pub chain: ChainId,
    /// Letters and digits, eight at least.
    pub nonce: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// From then on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// Before that it is worth nothing.
    pub not_before: Option<Timestamp>,
}

/// Why a text is no such message, or is worth nothing now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignInFault {
    /// It has another form.
    #[error("the message is not as EIP-4361 has it: {0}")]
    Form(&'static str),
    /// It was made for somebody else.
    #[error("the message is for {0}, which this platform is not")]
    Domain(String),
    /// It signs in to something else.
    #[error("the message's URI {0} is at no domain that this platform signs in for")]
    Uri(String),
    /// It names a chain that this platform does not know.
    #[error("the message is for chain {0}, which this platform does not serve")]
    Chain(ChainId),
    /// Its time has not come, or is over.
    #[error("the message is not valid now: {0}")]
    Time(&'static str),
}

impl SignInMessage {
    /// Reads a message.
    ///
    /// # Errors
    /// [`SignInFault::Form`] where a line is missing, in another place, or says something else.
    pub fn parse(text: &str) -> Result<Self, SignInFault> {
        use SignInFault::Form;
        if text.len() > MESSAGE_MAX {
            return Err(Form("it is longer than 4,096 bytes"));
        }
        let mut lines = Lines(text.split('\n').peekable());
        let head = lines.next()?;
        let head = head
            .strip_suffix(" wants you to sign in with your Ethereum account:")
            .ok_or(Form("its first line is `DOMAIN wants you to sign in with your Ethereum account:`"))?;
        let domain = head.split_once("://").map_or(head, |(_scheme, domain)| domain);
        if domain.is_empty() || !domain.bytes().all(|b| b.is_ascii_graphic() && !b"/?#@".contains(&b)) {
            return Err(Form("its first line names no domain"));
        }
        let address = Address::parse_checksummed(lines.next()?, None)
            .map_err(|_| Form("its second line is no address with the checksum of EIP-55"))?;
        lines.empty()?;
        let statement = match lines.next()? {
            "" => None,
            statement => {
                lines.empty()?;
                Some(statement.to_owned())
            }
        };
        let uri = lines.field("URI: ").ok_or(Form("the line `URI: ` is missing"))?.to_owned();
        if uri.is_empty() {
            return Err(Form("its URI is empty"));
        }
        match lines.field("Version: ") {
            Some("1") => {}
            Some(_) => return Err(Form("its version is not 1")),
            None => return Err(Form("the line `Version: 1` is missing")),
        }
        let chain = lines.field("Chain ID: ").and_then(plain_number);
        let chain = ChainId(chain.ok_or(Form("the line `Chain ID: ` with a number is missing"))?);
        let nonce = lines.field("Nonce: ").filter(|nonce| is_nonce(nonce));
        let nonce =
            nonce.ok_or(Form("the line `Nonce: ` with eight letters or digits is missing"))?.to_owned();
        let issued_at = lines.instant("Issued At: ")?.ok_or(Form("the line `Issued At: ` is missing"))?;
        let expires_at = lines.instant("Expiration Time: ")?;
        let not_before = lines.instant("Not Before: ")?;
        let _request = lines.field("Request ID: ");
        if lines.0.next_if_eq(&"Resources:").is_some() {
            while lines.field("- ").is_some() {}
        }
        if lines.0.next().is_some() {
            return Err(Form("it has a line that does not belong there"));
        }
        let domain = domain.to_owned();
        Ok(Self { domain, address, statement, uri, chain, nonce, issued_at, expires_at, not_before })
    }

    /// Whether it is for one of these domains and chains and holds at `now`. Nonce and signature are the caller's.
    ///
    /// # Errors
    /// What keeps it from counting.
    pub fn check(
        &self,
        domains: &[String],
        mut chains: impl Iterator<Item = ChainId>,
        now: Timestamp,
    ) -> Result<(), SignInFault> {
        let is_ours = |host: &str| domains.iter().any(|domain| domain.eq_ignore_ascii_case(host));
        if !is_ours(&self.domain) {
            return Err(SignInFault::Domain(self.domain.clone()));
        }
        if !authority(&self.uri).is_some_and(is_ours) {
            return Err(SignInFault::Uri(self.uri.clone()));
        }
        if !chains.any(|chain| chain == self.chain) {
            return Err(SignInFault::Chain(self.chain));
        }
        if self.issued_at > now + AHEAD_MAX {
            return Err(SignInFault::Time("its `Issued At` lies more than a minute ahead"));
        }
        if self.expires_at.is_some_and(|at| now >= at) {
            return Err(SignInFault::Time("its expiration time has passed"));
        }
        if self.not_before.is_some_and(|at| now < at) {
            return Err(SignInFault::Time("its `Not Before` has not come"));
        }
        Ok(())
    }
}

/// What a wallet signs for a text (EIP-191, version E).
pub fn digest(text: &str) -> B256 {
    eip191_hash_message(text.as_bytes())
}

sol! {
    function isValidSignature(bytes32 hash, bytes signature) external view returns (bytes4);
}

/// Calldata that asks an account which is a contract whether a signature over a digest is its own (EIP-1271).
pub fn encode_is_valid_signature(digest: B256, signature: Bytes) -> Bytes {
    isValidSignatureCall { hash: digest, signature }.abi_encode().into()
}

/// Whether it answered that it is: with the function's own selector, and nothing else.
pub fn is_valid_signature(answer: &Bytes) -> bool {
    let mut yes = B256::ZERO;
    yes[..4].copy_from_slice(&isValidSignatureCall::SELECTOR);
    answer[..] == yes[..]
}

struct Lines<'a>(std::iter::Peekable<std::str::Split<'a, char>>);

impl<'a> Lines<'a> {
    fn next(&mut self) -> Result<&'a str, SignInFault> {
        self.0.next().ok_or(SignInFault::Form("it ends too early"))
    }

    fn empty(&mut self) -> Result<(), SignInFault> {
        match self.next()? {
            "" => Ok(()),
            _ => Err(SignInFault::Form("an empty line is missing")),
        }
    }

    fn field(&mut self, name: &str) -> Option<&'a str> {
        let value = self.0.peek()?.strip_prefix(name)?;
        self.0.next();
        Some(value)
    }

    fn instant(&mut self, name: &str) -> Result<Option<Timestamp>, SignInFault> {
        let Some(text) = self.field(name) else { return Ok(None) };
        let at = Timestamp::parse_rfc3339(text);
        at.map(Some).ok_or(SignInFault::Form("one of its instants is not as RFC 3339 has it"))
    }
}

/// What stands for the host, and the port, in an address of the web.
fn authority(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once("://")?;
    let is_web = ["http", "https"].iter().any(|known| known.eq_ignore_ascii_case(scheme));
    is_web.then(|| rest.split(['/', '?', '#', '\\']).next().unwrap_or_default())
}

fn plain_number(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn is_nonce(text: &str) -> bool {
    text.len() >= 8 && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests;
