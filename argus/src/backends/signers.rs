//! Keys, in files or at a remote signer.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, bail};
use argus_domain::Address;
use argus_evm::{Credentials, Web3Signer, Web3SignerConfig};
use argus_metrics::Figures;
use argus_ports::Signer;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    cli::keygen::{read_key, read_secret},
    config::{self, Config, Key},
    environment,
    metrics::{self, Calls, CountedSigner},
};

/// Holds what the remote signer asks for, where no file does.
pub const SIGNER_LOGIN: &str = "ARGUS_SIGNER_LOGIN";

/// The keys of a process. Those of the remote signer share its connections, and are counted together.
#[derive(Default)]
pub struct Signers(Option<(Web3Signer, Calls)>);

impl Signers {
    /// A key; the calls to a remote one are counted. A remote signer is not asked yet: it may come later.
    pub fn signer(
        &mut self,
        config: &Config,
        key: &Key,
        figures: &Figures,
    ) -> anyhow::Result<Arc<dyn Signer>> {
        let address = match key {
            Key::File(path) => return Ok(Arc::new(read_key(path)?)),
            Key::Remote(address) => *address,
        };
        let (service, calls) = match &self.0 {
            Some(known) => known,
            None => self.0.insert((open(config)?, metrics::register_signer(figures)?)),
        };
        Ok(Arc::new(CountedSigner::new(service.signer(address), calls.clone())))
    }
}

/// Whose key it is. Of a remote one nobody has to be asked.
pub fn address(key: &Key) -> anyhow::Result<Address> {
    match key {
        Key::File(path) => Ok(read_key(path)?.address()),
        Key::Remote(address) => Ok(*address),
    }
}

/// The remote signer of this configuration.
pub fn open(config: &Config) -> anyhow::Result<Web3Signer> {
    let Some(signer) = &config.signer else {
        bail!("the configuration names no remote signer: set [signer] url")
    };
    let authorities = signer
        .authorities
        .as_ref()
        .map(|path| std::fs::read(path).with_context(|| format!("[signer] ca_file {}", path.display())));
    let identity = signer.pair.as_ref().map(|(certificate, key)| {
        let pem = std::fs::read_to_string(certificate)
            .with_context(|| format!("[signer] cert_file {}", certificate.display()))?;
        let key = read_secret(key, "the key of the certificate for the signer")?;
        anyhow::Ok(SecretString::from(format!("{pem}\n{}\n", key.expose_secret())))
    });
    let service = Web3Signer::new(Web3SignerConfig {
        url: signer.url.clone(),
        timeout: Duration::from_millis(signer.timeout_ms),
        credentials: credentials(signer)?,
        authorities: authorities.transpose()?,
        identity: identity.transpose()?,
    });
    service.context("[signer]")
}

fn credentials(signer: &config::Signer) -> anyhow::Result<Option<Credentials>> {
    let text = match (environment::variable(SIGNER_LOGIN), &signer.login_file) {
        (Some(text), _) => SecretString::from(text.to_string_lossy().into_owned()),
        (None, Some(path)) => read_secret(path, "the login of the signer")?,
        (None, None) => return Ok(None),
    };
    let read = Credentials::read(&text);
    let read = read.with_context(|| {
        format!("[signer] login_file, or {SIGNER_LOGIN}, has to be user:password or a token, on one line")
    });
    read.map(Some)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn several_keys_of_one_signer_are_had_in_one_process() {
        let set = ["signer.url = \"http://127.0.0.1:1\"".to_owned()];
        let config = Config::load(None, &set).expect("a configuration");
        let (mut signers, figures) = (Signers::default(), Figures::default());
        for n in 1..=2 {
            let address = Address::repeat_byte(n);
            let signer = signers.signer(&config, &Key::Remote(address), &figures).expect("a key");
            assert_eq!(signer.address(), address);
        }
    }

    #[test]
    fn the_login_is_read_from_a_file_of_its_owner_alone_and_never_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("signer.login");
        let said = |mode, login: &str| {
            std::fs::write(&file, login).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("changed");
            let set = [
                "signer.url = \"https://signer.example\"".to_owned(),
                format!("signer.login_file = {:?}", file.to_string_lossy()),
            ];
            let opened = open(&Config::load(None, &set).expect("a configuration"));
            opened.map(|service| service.host().to_owned()).map_err(|error| format!("{error:#}"))
        };
        for login in ["argus:secret\n", "secret-token"] {
            assert_eq!(said(0o600, login).as_deref(), Ok("signer.example"), "{login}");
        }
        let open_to_others = said(0o644, "argus:secret").expect_err("refused");
        assert!(open_to_others.contains("chmod 600"), "{open_to_others}");
        for wrong in ["", ":secret", "secret:", "secret token", "argus:secr\u{e9}t"] {
            let said = said(0o600, wrong).expect_err("refused");
            assert!(said.contains("[signer] login_file") && !said.contains("secr"), "{said}");
        }
    }
}
