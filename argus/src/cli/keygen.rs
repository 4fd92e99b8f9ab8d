//! `argus keeper keygen`

use std::{
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use argus_evm::LocalSigner;
use argus_ports::Signer;
use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::json;

use super::show;

/// What `argus keeper` can do besides running.
#[derive(Debug, Subcommand)]
pub enum KeeperSub {
    /// Make a key for a keeper and print its address
    #[command(after_help = "Example:\n  argus keeper keygen --out keeper.key\n\n\
        The file holds the key (32 bytes in hex) and is readable by you alone. Have the address registered in the \
        keeper registry, fund it with gas, and name the file in [keeper] key_files.")]
    Keygen(Keygen),
}

/// Arguments of `argus keeper keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// File to write; it must not exist yet
    #[arg(long, value_name = "FILE", default_value = "keeper.key")]
    pub out: PathBuf,
}

/// Makes a key file and says whose it is.
pub fn run(args: &Keygen, as_json: bool) -> anyhow::Result<()> {
    let signer = create_key(&args.out)?;
    if as_json {
        show::json(&json!({ "address": signer.address().to_string(), "file": args.out }));
    } else {
        show::line(format!("address  {}\nfile     {}", signer.address(), args.out.display()));
    }
    Ok(())
}

/// Makes a key from the system's randomness in a new file that only its owner can read.
pub fn create_key(path: &Path) -> anyhow::Result<LocalSigner> {
    loop {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no randomness: {e}"))?;
        let text = argus_domain::B256::from(bytes).to_string();
        // All but about 2^-128 of the draws are keys.
        if let Ok(signer) = LocalSigner::from_hex(&SecretString::from(text.clone())) {
            write_secret(path, &text)?;
            return Ok(signer);
        }
    }
}

/// 32 random bytes, as 64 hex digits.
pub fn random_text() -> anyhow::Result<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).map_err(|e| anyhow::anyhow!("the system gives no randomness: {e}"))?;
    Ok(argus_domain::B256::from(bytes).to_string().trim_start_matches("0x").to_owned())
}

/// Writes a secret to a new file that only its owner can read.
pub fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(
            || format!("cannot create {} (an existing file is never overwritten)", path.display()),
        )?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    Ok(())
}

/// Reads a key file.
pub fn read_key(path: &Path) -> anyhow::Result<LocalSigner> {
    let text = SecretString::from(
        std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the key file {}", path.display()))?
            .trim()
            .to_owned(),
    );
    LocalSigner::from_hex(&text).with_context(|| format!("{} holds no key", path.display()))
}
