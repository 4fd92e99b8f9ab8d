//! The committed build of our contracts and of the Safe contracts that they use, compiled into the program.

use alloy::primitives::{Bytes, hex};

/// A contract that can be deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// Who may sign and act.
    KeeperRegistry,
    /// Owner and target of each job.
    JobRegistry,
    /// Deposits and earnings.
    GasRegistry,
    /// Carries out what a quorum signed.
    Executor,
    /// The demo target.
    Target,
    /// Safe's own: what every Safe runs.
    SafeSingleton,
    /// Safe's own: makes Safes.
    SafeProxyFactory,
    /// Safe's own: what a Safe answers to calls that it does not know.
    SafeFallbackHandler,
    /// Safe's own: several calls in one.
    MultiSendCallOnly,
    /// Makes Safes that one account owns alone.
    SafeFactory,
    /// Has a Safe make the calls of its owner's jobs.
    SafeModule,
}

impl Contract {
    /// Its committed build: JSON `{abi, bytecode, deployedBytecode}`.
    pub fn artefact(self) -> &'static str {
        match self {
            Self::KeeperRegistry => include_str!("../../../contracts/out/KeeperRegistry.json"),
            Self::JobRegistry => include_str!("../../../contracts/out/JobRegistry.json"),
            Self::GasRegistry => include_str!("../../../contracts/out/GasRegistry.json"),
            Self::Executor => include_str!("../../../contracts/out/Executor.json"),
            Self::Target => include_str!("../../../contracts/out/Target.json"),
            Self::SafeSingleton => include_str!("../../../contracts/out/Safe.json"),
            Self::SafeProxyFactory => include_str!("../../../contracts/out/SafeProxyFactory.json"),
            Self::SafeFallbackHandler => {
                include_str!("../../../contracts/out/CompatibilityFallbackHandler.json")
            }
            Self::MultiSendCallOnly => include_str!("../../../contracts/out/MultiSendCallOnly.json"),
            Self::SafeFactory => include_str!("../../../contracts/out/SafeFactory.json"),
            Self::SafeModule => include_str!("../../../contracts/out/SafeModule.json"),
        }
    }

    /// Creation code with the ABI-encoded constructor arguments behind it.
    ///
    /// Empty if the build compiled into this program is damaged, which a test rules out.
    pub fn creation_code(self, arguments: &[u8]) -> Bytes {
        creation_code(self.artefact(), arguments).unwrap_or_default()
    }

    /// Whether the code at an address is that of this build. What its constructor writes into the code (Solidity's
    /// immutables) is zeros in the build, and counts for nothing.
    pub fn is_code(self, deployed: &[u8]) -> bool {
        #[derive(serde::Deserialize)]
        struct Artefact {
            #[serde(rename = "deployedBytecode")]
            code: String,
        }
        let built = serde_json::from_str::<Artefact>(self.artefact()).ok();
        let built = built.and_then(|artefact| hex::decode(&artefact.code).ok()).unwrap_or_default();
        let is_same = |(built, there): (&u8, &u8)| built == there || *built == 0;
        !built.is_empty() && built.len() == deployed.len() && built.iter().zip(deployed).all(is_same)
    }
}

/// Creation code out of any build in this form; `None` if it isn't one.
pub fn creation_code(artefact: &str, arguments: &[u8]) -> Option<Bytes> {
    #[derive(serde::Deserialize)]
    struct Artefact {
        bytecode: String,
    }
    let artefact: Artefact = serde_json::from_str(artefact).ok()?;
    let mut code = hex::decode(&artefact.bytecode).ok()?;
    code.extend_from_slice(arguments);
    Some(code.into())
}
