//! The host calls that are counted and recorded, and which capability answers each.

use crate::{
    evm, http,
    reply::{ErrorKind, Reply},
    secrets,
    state::{Flight, Run},
    storage,
};

/// A recorded host call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    HttpFetch,
    EvmCall,
    EvmBlockNumber,
    EvmBalance,
    EvmLogs,
    EnvSecret,
    EnvHmac,
    StorageGet,
    StorageSet,
    StorageDelete,
}

impl Op {
    pub const ALL: [Self; 10] = [
        Self::HttpFetch,
        Self::EvmCall,
        Self::EvmBlockNumber,
        Self::EvmBalance,
        Self::EvmLogs,
        Self::EnvSecret,
        Self::EnvHmac,
        Self::StorageGet,
        Self::StorageSet,
        Self::StorageDelete,
    ];

    /// The import's name, as it stands in transcripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::HttpFetch => "http_fetch",
            Self::EvmCall => "evm_call",
            Self::EvmBlockNumber => "evm_block_number",
            Self::EvmBalance => "evm_balance",
            Self::EvmLogs => "evm_logs",
            Self::EnvSecret => "env_secret",
            Self::EnvHmac => "env_hmac",
            Self::StorageGet => "storage_get",
            Self::StorageSet => "storage_set",
            Self::StorageDelete => "storage_delete",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.name() == name)
    }

    pub fn is_http(self) -> bool {
        self == Self::HttpFetch
    }

    pub fn is_evm(self) -> bool {
        matches!(self, Self::EvmCall | Self::EvmBlockNumber | Self::EvmBalance | Self::EvmLogs)
    }

    /// Whether its answer follows from the run's input and earlier calls: a replay works it out again.
    pub fn is_own(self) -> bool {
        matches!(self, Self::StorageGet | Self::StorageSet | Self::StorageDelete)
    }

    /// Whether its answer comes from elsewhere and so takes time that the script's clock shows.
    pub fn waits(self) -> bool {
        matches!(self, Self::HttpFetch | Self::EvmCall | Self::EvmBalance | Self::EvmLogs)
    }

    /// Longest request: an HTTP body, a stored value or what is signed, 1 MB as hexadecimal, and what goes with it.
    pub fn request_bytes_max(self) -> u32 {
        match self {
            Self::HttpFetch | Self::StorageSet | Self::EnvHmac => (2 << 20) + (128 << 10),
            Self::EvmCall
            | Self::EvmBlockNumber
            | Self::EvmBalance
            | Self::EvmLogs
            | Self::EnvSecret
            | Self::StorageGet
            | Self::StorageDelete => 512 << 10,
        }
    }

    /// Begins the call.
    pub fn start(self, run: &mut Run, request: &str) -> Flight {
        match self {
            Self::HttpFetch => http::start(run, request),
            Self::EvmCall => evm::call(run, request),
            Self::EvmBlockNumber => evm::block_number(run, request),
            Self::EvmBalance => evm::balance(run, request),
            Self::EvmLogs => evm::logs(run, request),
            Self::EnvSecret => secrets::placeholder(run, request),
            Self::EnvHmac => secrets::hmac(run, request),
            Self::StorageGet | Self::StorageSet | Self::StorageDelete => {
                ready(storage::answer(&mut run.state, self, request))
            }
        }
    }
}

/// An answer that is there at once.
pub(crate) fn ready(reply: Reply) -> Flight {
    Box::pin(std::future::ready(reply))
}

/// A request as JSON; the reply that says what is wrong with it otherwise.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(request: &str) -> Result<T, Reply> {
    serde_json::from_str(request)
        .map_err(|error| Reply::err(ErrorKind::Invalid, format!("the request is malformed: {error}")))
}
