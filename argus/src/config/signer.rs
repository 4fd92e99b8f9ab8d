//! Where keys are: in files, or at a remote signer, which section `signer` names.

use std::path::{Path, PathBuf};

use argus_domain::Address;
use reqwest::Url;

use super::reader::{Reader, seen_text};

/// Where one key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// In a file that this process reads.
    File(PathBuf),
    /// At the remote signer, under this address.
    Remote(Address),
}

/// Section `signer`.
#[derive(Debug, Clone)]
pub struct Signer {
    /// Where it is.
    pub url: String,
    /// Longest that a signature may take.
    pub timeout_ms: u64,
    /// What it is shown.
    pub login_file: Option<PathBuf>,
    /// Authorities that are believed; `None`: those of the system.
    pub authorities: Option<PathBuf>,
    /// Our own certificate and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
}

/// All keys of a configuration.
pub(super) struct Keys {
    pub platform: Key,
    pub faucet: Option<Key>,
    pub keepers: Vec<Key>,
    pub signer: Option<Signer>,
}

const URL: &str = "an http or https URL without user, password and query, or empty";
const ADDRESS: &str = "an address, or empty";
const PATH: &str = "a path, or empty";

/// Reads where every key is.
pub(super) fn read(r: &mut Reader<'_>, data_dir: &Path) -> Keys {
    let signer = signer(r, data_dir);
    let platform_file = r.path(data_dir, "platform.key_file");
    let platform = r.optional("platform.signer_address", ADDRESS);
    let faucet_file = r.optional::<PathBuf>("faucet.key_file", PATH);
    let faucet = r.optional("faucet.signer_address", ADDRESS);
    let files = r.texts("keeper.key_files");
    let remote = addresses(r, "keeper.signer_addresses");
    if faucet_file.is_some() && faucet.is_some() {
        r.tell("faucet.key_file", " and faucet.signer_address name two accounts: give one of them");
    }
    let named = [
        ("platform.signer_address", platform.is_some()),
        ("faucet.signer_address", faucet.is_some()),
        ("keeper.signer_addresses", !remote.is_empty()),
    ];
    // Where the URL is there and wrong, that was said.
    let is_missing = signer.is_none() && r.text("signer.url").is_empty();
    for (name, _) in named.into_iter().filter(|(_, is_named)| *is_named && is_missing) {
        r.tell(name, " names a key of the remote signer: say where that is in signer.url");
    }
    Keys {
        platform: platform.map_or(Key::File(platform_file), Key::Remote),
        faucet: faucet.map(Key::Remote).or(faucet_file.map(|file| Key::File(data_dir.join(file)))),
        keepers: files
            .iter()
            .map(|file| Key::File(data_dir.join(file)))
            .chain(remote.into_iter().map(Key::Remote))
            .collect(),
        signer,
    }
}

fn signer(r: &mut Reader<'_>, data_dir: &Path) -> Option<Signer> {
    let timeout_ms = r.number("signer.timeout_ms", 100, 20_000);
    let mut file = |name: &str| r.optional::<PathBuf>(name, PATH).map(|p| data_dir.join(p));
    let login_file = file("signer.login_file");
    let authorities = file("signer.ca_file");
    let pair = match (file("signer.cert_file"), file("signer.key_file")) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            r.tell("signer.cert_file", " and signer.key_file go together: give both, or neither");
            None
        }
    };
    let url = r.optional::<String>("signer.url", URL)?;
    let parsed = Url::parse(&url).ok().filter(|url| {
        let has_login = !url.username().is_empty() || url.password().is_some();
        !has_login && url.query().is_none() && url.fragment().is_none() && url.host_str().is_some()
    });
    match parsed.as_ref().map(Url::scheme) {
        Some("https") => (),
        Some("http") if authorities.is_none() && pair.is_none() => (),
        Some("http") => {
            let says =
                format!(" is {:?}, but the signer has certificates: https:// it has to be", seen_text(&url));
            r.tell("signer.url", &says);
        }
        _ => {
            r.tell(
                "signer.url",
                &format!(" must be {URL}, not {:?}; a login belongs into signer.login_file", seen_text(&url)),
            );
        }
    }
    Some(Signer { url, timeout_ms, login_file, authorities, pair })
}

/// Addresses, each once.
fn addresses(r: &mut Reader<'_>, name: &str) -> Vec<Address> {
    let texts = r.texts(name);
    let read: Option<Vec<Address>> = texts.iter().map(|text| text.parse().ok()).collect();
    let Some(read) = read else {
        r.fault(name, "a list of addresses in quotes");
        return Vec::new();
    };
    for (n, address) in read.iter().enumerate() {
        if read[..n].contains(address) {
            r.tell(name, &format!(" has {address} twice: one key is one keeper"));
        }
    }
    read
}

#[cfg(test)]
mod tests {
    use super::{super::Config, *};

    fn load(settings: &[&str]) -> Result<Config, Vec<String>> {
        let settings: Vec<String> = settings.iter().map(|text| (*text).to_owned()).collect();
        Config::load(None, &settings).map_err(|mistakes| mistakes.0)
    }

    const ONE: &str = "0x00000000000000000000000000000000000000A1";

    #[test]
    fn each_key_is_in_a_file_or_at_the_signer() {
        let own = load(&[]).expect("defaults");
        assert!(own.signer.is_none() && own.faucet.key.is_none() && own.keeper.keys.is_empty());
        assert_eq!(own.platform_key, Key::File("argus-data/keys/platform.key".into()));
        let address: Address = ONE.parse().expect("an address");
        let config = load(&[
            "signer.url = \"https://signer.example:9000/base\"",
            "signer.ca_file = \"ca.pem\"",
            &format!("platform.signer_address = {ONE:?}"),
            &format!("faucet.signer_address = {ONE:?}"),
            "keeper.key_files = [\"a.key\"]",
            &format!("keeper.signer_addresses = [{ONE:?}]"),
        ]);
        let config = config.expect("sound");
        assert_eq!(config.platform_key, Key::Remote(address));
        assert_eq!(config.faucet.key, Some(Key::Remote(address)));
        assert_eq!(config.keeper.keys, [Key::File("argus-data/a.key".into()), Key::Remote(address)]);
        let signer = config.signer.expect("a signer");
        assert_eq!(signer.authorities.as_deref(), Some(Path::new("argus-data/ca.pem")));
        assert_eq!(signer.timeout_ms, 5_000);
    }

    #[test]
    fn all_mistakes_about_keys_come_at_once() {
        let said = load(&[
            "faucet.key_file = \"f.key\"",
            &format!("faucet.signer_address = {ONE:?}"),
            "platform.signer_address = \"0x12\"",
            &format!("keeper.signer_addresses = [{ONE:?}, {ONE:?}]"),
            "signer.cert_file = \"c.pem\"",
            "signer.timeout_ms = 1",
        ]);
        let said = said.expect_err("mistakes");
        for start in [
            "signer.timeout_ms must be a whole number from 100",
            "signer.cert_file and signer.key_file go together",
            "platform.signer_address must be an address",
            "keeper.signer_addresses has 0x00000000000000000000000000000000000000A1 twice",
            "faucet.key_file and faucet.signer_address name two accounts",
            "faucet.signer_address names a key of the remote signer: say where that is in signer.url",
            "keeper.signer_addresses names a key of the remote signer",
        ] {
            assert!(said.iter().any(|one| one.starts_with(start)), "{start} in {said:#?}");
        }
        assert_eq!(said.len(), 7, "{said:#?}");
    }

    #[test]
    fn urls_as_a_table() {
        for (url, tls, is_sound) in [
            ("https://signer:9000", true, true),
            ("https://signer:9000", false, true),
            ("http://127.0.0.1:9000/signers", false, true),
            ("http://signer:9000", true, false),
            ("ftp://signer", false, false),
            ("signer:9000", false, false),
            ("https://user:secret@signer", false, false),
            ("https://signer/?key=secret", false, false),
        ] {
            let setting = format!("signer.url = {url:?}");
            let mut settings = vec![setting.as_str()];
            settings.extend(tls.then_some("signer.ca_file = \"ca.pem\""));
            let said = load(&settings).map(drop);
            assert_eq!(said.is_ok(), is_sound, "{url}: {said:?}");
            let said = said.err().unwrap_or_default();
            assert!(
                said.iter().all(|one| one.starts_with("signer.url") && !one.contains("user:secret")),
                "{said:?}"
            );
        }
    }
}
