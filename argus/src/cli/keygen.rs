//! `argus keeper keygen`

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use argus_evm::{LocalSigner, keystore};
use argus_ports::Signer;
use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::show;
use crate::environment;

/// What `argus keeper` can do besides running.
#[derive(Debug, Subcommand)]
pub enum KeeperSub {
    /// Make a key for a keeper and print its address
    #[command(after_help = "Example:\n  argus keeper keygen --out keeper.key\n\n\
        The file holds the key (32 bytes in hex) and is readable by you alone. With --keystore it is an Ethereum \
        keystore, as geth and Foundry write them, under the password in FILE.password or ARGUS_KEY_PASSWORD: write \
        that first. Keystores of other programs are taken as they are, too. Have the address registered in the keeper \
        registry, fund it with gas, and name the file in [keeper] key_files.")]
    Keygen(Keygen),
}

/// Arguments of `argus keeper keygen`.
#[derive(Debug, Args)]
pub struct Keygen {
    /// File to write; it must not exist yet
    #[arg(long, value_name = "FILE", default_value = "keeper.key")]
    pub out: PathBuf,
    /// Make an Ethereum keystore, under a password
    #[arg(long)]
    pub keystore: bool,
}

/// Makes a key file and says whose it is.
pub fn run(args: &Keygen, as_json: bool) -> anyhow::Result<()> {
    let signer = if args.keystore { create_keystore(&args.out)? } else { create_key(&args.out)? };
    if as_json {
        show::json(&json!({ "address": signer.address().to_string(), "file": args.out }));
    } else {
        show::line(format!("address  {}\nfile     {}", signer.address(), args.out.display()));
    }
    Ok(())
}

/// Makes a key from the system's randomness in a new file that only its owner can read.
pub fn create_key(path: &Path) -> anyhow::Result<LocalSigner> {
    let (signer, text) = draw_key()?;
    write_secret(path, text.expose_secret())?;
    Ok(signer)
}

/// The same as a keystore.
fn create_keystore(path: &Path) -> anyhow::Result<LocalSigner> {
    let password = password_of(path)?;
    let (signer, _) = draw_key()?;
    write_secret(path, &keystore::seal(&signer, &password)?)?;
    Ok(signer)
}

fn draw_key() -> anyhow::Result<(LocalSigner, SecretString)> {
    loop {
        let text = SecretString::from(random_text()?);
        // All but about 2^-128 of the draws are keys.
        if let Ok(signer) = LocalSigner::from_hex(&text) {
            return Ok((signer, text));
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

/// Reads a key file: a key in hex, or a keystore.
pub fn read_key(path: &Path) -> anyhow::Result<LocalSigner> {
    let text = read_secret(path, "the key file")?;
    if !keystore::is_keystore(text.expose_secret()) {
        return LocalSigner::from_hex(&text).with_context(|| format!("{} holds no key", path.display()));
    }
    let password = password_of(path)?;
    keystore::open(text.expose_secret(), &password)
        .with_context(|| format!("the keystore {}", path.display()))
}

/// Holds the password of keystores that have none beside them.
const KEY_PASSWORD: &str = "ARGUS_KEY_PASSWORD";

/// The password of a keystore: of the file beside it, or of the environment.
fn password_of(keystore: &Path) -> anyhow::Result<SecretString> {
    let mut beside = keystore.as_os_str().to_owned();
    beside.push(".password");
    let beside = PathBuf::from(beside);
    let (password, place) = match environment::variable(KEY_PASSWORD) {
        _ if beside.exists() => {
            (read_closed(&beside, "the password of the keystore")?, beside.display().to_string())
        }
        Some(text) => {
            let text = text.into_string().map_err(|_| anyhow::anyhow!("{KEY_PASSWORD} is no UTF-8"))?;
            (text, KEY_PASSWORD.to_owned())
        }
        None => bail!(
            "{} is a keystore: write its password into {}, readable by you alone, or give it in {KEY_PASSWORD}",
            keystore.display(),
            beside.display()
        ),
    };
    // A space may be part of it; the end of the line is not.
    let password = SecretString::from(password.trim_end_matches(['\r', '\n']).to_owned());
    if password.expose_secret().is_empty() {
        bail!("{place} is empty, and has to hold the password of {}", keystore.display());
    }
    Ok(password)
}

/// Reads a secret. One that other users of the machine can get at is refused: it may be known already, and who does
/// not learn of it here learns of it from the thief.
pub fn read_secret(path: &Path, what: &str) -> anyhow::Result<SecretString> {
    Ok(SecretString::from(read_closed(path, what)?.trim().to_owned()))
}

fn read_closed(path: &Path, what: &str) -> anyhow::Result<String> {
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
    Ok(text)
}

/// The bits of a file's mode that give it to its group and to everybody.
const OTHERS: u32 = 0o077;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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

    #[test]
    fn a_keystore_is_read_with_the_password_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, beside) = (folder.path().join("keeper.json"), folder.path().join("keeper.json.password"));
        let said = create_keystore(&path).expect_err("no password").to_string();
        assert!(said.contains("keeper.json.password") && said.contains(KEY_PASSWORD), "{said}");
        write_secret(&beside, " two words \r").expect("written");
        let made = create_keystore(&path).expect("made");
        assert_eq!(read_key(&path).expect("read").address(), made.address());
        assert!(create_keystore(&path).is_err(), "an existing file is never overwritten");

        let again = |text: &str, mode| {
            std::fs::write(&beside, text).expect("written");
            std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(mode)).expect("changed");
            read_key(&path).map_err(|error| format!("{error:#}"))
        };
        assert!(again(" two words ", 0o600).is_ok(), "the end of a line is none of it");
        assert!(again("two words", 0o600).is_err_and(|e| e.contains("does not open it")), "a space is");
        assert!(again("\n", 0o600).is_err_and(|e| e.contains("is empty")));
        assert!(again(" two words ", 0o644).is_err_and(|e| e.contains("chmod 600")));
    }
}
