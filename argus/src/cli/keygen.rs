//! `argus keeper keygen`

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
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
    let text = read_secret(path, "the key file")?;
    LocalSigner::from_hex(&text).with_context(|| format!("{} holds no key", path.display()))
}

/// Reads a secret. One that other users of the machine can get at is refused: it may be known already, and who does
/// not learn of it here learns of it from the thief.
pub fn read_secret(path: &Path, what: &str) -> anyhow::Result<SecretString> {
    let context = || format!("cannot read {what} {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let mode = file.metadata().with_context(context)?.mode() & 0o777;
    if mode & OTHERS != 0 {
        let name = path.display();
        bail!(
            "{what} {name} is open to other users of this machine (mode {mode:o}): `chmod 600 {name}` closes it; if \
            they may have read it, make a new one"
        );
    }
    let mut text = String::new();
    file.read_to_string(&mut text).with_context(context)?;
    Ok(SecretString::from(text.trim().to_owned()))
}

/// The bits of a file's mode that give it to its group and to everybody.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("links.token");
        write_secret(&path, "0123456789abcdef").expect("written");
        let read = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("changed");
            read_secret(&path, "the token").map_err(|e| e.to_string())
        };
        for mode in [0o600, 0o400] {
            assert_eq!(read(mode).expect("it is closed").expose_secret(), "0123456789abcdef", "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o644, 0o660] {
            let said = read(mode).expect_err("it is open");
            let remedy = format!("`chmod 600 {}`", path.display());
            assert!(said.contains(&remedy) && said.contains("the token"), "{mode:o}: {said}");
        }
        let key = folder.path().join("keeper.key");
        create_key(&key).expect("made");
        assert!(read_key(&key).is_ok());
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(read_key(&key).is_err_and(|e| e.to_string().contains("chmod 600")));
    }
}
