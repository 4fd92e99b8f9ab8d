//! The remote signer: whether it answers, has the keys, and signs with them.

use argus_domain::{Address, digest::digest_of};
use argus_evm::Web3Signer;
use argus_ports::{Signer, SignerError};
use futures::future::join_all;

use super::Finding;
use crate::{
    backends::signers,
    config::{Config, Key},
    roles::Role,
};

pub(super) async fn examine(config: &Config, roles: &[Role]) -> Vec<Finding> {
    let has = |role| roles.contains(&role);
    let mut keys = Vec::new();
    if has(Role::Aggregator) || has(Role::Builder) {
        keys.push(("platform key", &config.platform_key));
    }
    if has(Role::Api) {
        keys.extend(config.faucet.key.iter().map(|key| ("faucet's key", key)));
    }
    if has(Role::Keeper) {
        keys.extend(config.keeper.keys.iter().map(|key| ("keeper key", key)));
    }
    let remote = |(what, key): (&'static str, &Key)| match key {
        Key::File(_) => None,
        Key::Remote(address) => Some((what, *address)),
    };
    let keys: Vec<_> = keys.into_iter().filter_map(remote).collect();
    if keys.is_empty() {
        return Vec::new();
    }
    let service = match signers::open(config) {
        Ok(service) => service,
        Err(error) => return vec![Finding::ill("signer", format!("{error:#}"), "correct section [signer]")],
    };
    join_all(keys.into_iter().map(|(what, address)| one(&service, what, address))).await
}

/// A signature shows all of it at once. It is over a digest that nothing else takes.
async fn one(service: &Web3Signer, what: &str, address: Address) -> Finding {
    let what = format!("{what} at the signer");
    let signed = service.signer(address).sign_digest(digest_of("argus/doctor/1", &address)).await;
    match signed {
        Ok(_) => Finding::well(what, format!("{address}: {} has it, and signs with it", service.host())),
        Err(error) => {
            let remedy = match error {
                SignerError::Unreachable(_) => {
                    "start it, or correct [signer] url, its certificates or the firewall's rules"
                }
                SignerError::Refused(_) => {
                    "load this address's key there, or correct the address or [signer] login_file"
                }
                SignerError::Wrong(_) => "what answers is no signer of this key: correct [signer] url",
            };
            Finding::ill(what, format!("{address}: {error}"), remedy)
        }
    }
}
