//! The accounts that every development chain has ([`DEV_KEYS`]). Worth nothing anywhere else.

use argus_domain::Address;
use argus_evm::{LocalSigner, anvil::DEV_KEYS};
use argus_ports::Signer;
use secrecy::SecretString;

/// An account with its key.
#[derive(Debug, Clone, Copy)]
pub struct Account {
    /// Its address.
    pub address: Address,
    /// Its key.
    pub private_key: &'static str,
}

/// Those that are listed for users: all but the last, which deploys.
pub fn users() -> impl Iterator<Item = Account> {
    DEV_KEYS[..DEV_KEYS.len() - 1].iter().filter_map(|key| {
        // All of them are keys: the test below counts.
        signer(key).ok().map(|signer| Account { address: signer.address(), private_key: key })
    })
}

/// The one that pays for contracts and owns them.
pub fn deployer() -> anyhow::Result<LocalSigner> {
    signer(DEV_KEYS[DEV_KEYS.len() - 1])
}

fn signer(key: &str) -> anyhow::Result<LocalSigner> {
    Ok(LocalSigner::from_hex(&SecretString::from(key.to_owned()))?)
}

#[cfg(test)]
mod tests {
    use argus_domain::address;

    use super::*;

    #[test]
    fn they_are_the_well_known_ones() {
        let users: Vec<_> = users().map(|a| a.address).collect();
        assert_eq!(users.len(), 9);
        assert_eq!(users[0], address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(users[8], address!("23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"));
        assert_eq!(deployer().expect("key").address(), address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }
}
