//! `argus pki`: certificates of links, for those who have no authority of their own.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context, bail};
use argus_domain::time::Timestamp;
use argus_tls::{About, Authority, DAYS_MAX, Made, Role, Wanted};
use clap::{Args, Subcommand, ValueEnum};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::{
    keygen::{read_secret, write_secret},
    show,
};

/// What can be done about certificates.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make an authority, whose certificates the links of one platform take
    #[command(after_help = "Example:\n  argus pki init --dir pki\n\n\
        pki/ca.key makes certificates: whoever has it is taken for any process of the platform, so keep it where no \
        process of the platform runs. pki/ca.pem goes to everybody. Both are good for ten years.\n\n\
        To change the authority: make another one in a new folder, put the new ca.pem behind the old one in every \
        ca_file (cat new/ca.pem >> ca.pem), then issue certificates of the new one, and take the old one out of every \
        ca_file once no certificate of it is left. Nothing has to be restarted.")]
    Init(Init),
    /// Make a certificate for a process of the platform, or for a keeper
    #[command(after_help = "Examples:\n  \
        argus pki issue --dir pki --role service --name dispatcher --host dispatcher.internal --host 10.0.0.7 --out tls\n  \
        argus pki issue --dir pki --role keeper --name \"Acme's keeper\" --out for-acme\n\n\
        OUT gets cert.pem, key.pem and ca.pem, and the lines for [links] are printed. A service shows its certificate \
        when it is called and when it calls; each host that others connect to has to stand in it. A keeper only calls, \
        and is never taken for a service.\n\n\
        To renew one: issue it anew into another folder, then move cert.pem and key.pem over the old ones. ca.pem \
        stays as it is: while the authority changes, it holds two. Links that are up go on, new connections have the \
        new files.")]
    Issue(Issue),
    /// Say what stands in certificates
    #[command(after_help = "Examples:\n  argus pki show tls/cert.pem\n  argus pki show --json tls/*.pem\n\n\
        Exit code: 0 all of them are valid now, 1 otherwise.")]
    Show(Show),
}

/// Arguments of `argus pki init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Folder to make it in
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// What it is called, for people
    #[arg(long, value_name = "NAME", default_value = "Argus links")]
    pub name: String,
}

/// Arguments of `argus pki issue`.
#[derive(Debug, Args)]
pub struct Issue {
    /// Folder of the authority
    #[arg(long, value_name = "DIR", default_value = "pki")]
    pub dir: PathBuf,
    /// Who shows it
    #[arg(long, value_enum)]
    pub role: Whose,
    /// Which one of them, for people
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// Name or address under which others connect to this service; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// How many days it is valid
    #[arg(long, value_name = "N", default_value_t = 365)]
    pub days: u32,
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Who shows a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    /// A process of the platform
    Service,
    /// A keeper
    Keeper,
}

/// Arguments of `argus pki show`.
#[derive(Debug, Args)]
pub struct Show {
    /// PEM files with certificates
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}

/// Carries it out; gives the exit code.
pub fn run(command: PkiCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        PkiCommand::Init(args) => init(&args, as_json).map(|()| 0),
        PkiCommand::Issue(args) => issue(&args, as_json).map(|()| 0),
        PkiCommand::Show(args) => print(&args, as_json),
    }
}

fn init(args: &Init, as_json: bool) -> anyhow::Result<()> {
    let (certificate, key) = (args.dir.join("ca.pem"), args.dir.join("ca.key"));
    absent(&[&key, &certificate])?;
    let made = Authority::make(&args.name, SystemTime::now())?;
    write_pair(&made, &certificate, &key)?;
    if as_json {
        show::json(&json!({ "certificate": certificate, "key": key, "days": DAYS_MAX }));
        return Ok(());
    }
    show::line(format!("certificate  {}\nkey          {}", certificate.display(), key.display()));
    show::line(format!(
        "\nNext, for each process: argus pki issue --dir {} --role service --name NAME --host HOST --out DIR",
        args.dir.display()
    ));
    Ok(())
}

fn issue(args: &Issue, as_json: bool) -> anyhow::Result<()> {
    let name = |file: &str| args.out.join(file);
    let (certificate, key, authorities) = (name("cert.pem"), name("key.pem"), name("ca.pem"));
    absent(&[&key, &certificate, &authorities])?;
    let of_authority = args.dir.join("ca.pem");
    let authority = std::fs::read_to_string(&of_authority).with_context(|| {
        format!("cannot read {}: `argus pki init` makes an authority", of_authority.display())
    })?;
    let its_key = read_secret(&args.dir.join("ca.key"), "the authority's key")?;
    let role = match args.role {
        Whose::Service => Role::Service,
        Whose::Keeper => Role::Keeper,
    };
    let wanted = Wanted { role, name: args.name.clone(), hosts: args.hosts.clone(), days: args.days };
    let made = Authority::open(&authority, &its_key)?.issue(&wanted, SystemTime::now())?;
    write_pair(&made, &certificate, &key)?;
    write_new(&authorities, &authority)?;
    // Settings begin in data_dir where they are relative, which is not where we are.
    let [authorities, certificate, key] = [authorities, certificate, key].map(whole);
    if as_json {
        show::json(&json!({
            "role": role.name(), "ca_file": authorities, "cert_file": certificate, "key_file": key,
        }));
        return Ok(());
    }
    show::line(format!(
        "[links]\nca_file = {authorities:?}\ncert_file = {certificate:?}\nkey_file = {key:?}\n\
        # scheduler, dispatcher and aggregator begin with https:// then"
    ));
    if role == Role::Service && args.hosts.is_empty() {
        show::progress("note: without --host no other process can connect to this one");
    }
    Ok(())
}

/// Where a half of it would stay in the way of the next try, nothing is begun.
fn absent(files: &[&Path]) -> anyhow::Result<()> {
    match files.iter().find(|file| file.symlink_metadata().is_ok()) {
        Some(there) => bail!("{} exists, and is never overwritten: choose another folder", there.display()),
        None => Ok(()),
    }
}

fn write_pair(made: &Made, certificate: &Path, key: &Path) -> anyhow::Result<()> {
    write_secret(key, made.key.expose_secret().trim_end())?;
    write_new(certificate, &made.certificate)
}

/// A certificate is no secret: what it is readable for is left to who copies it.
fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(path)
        .with_context(|| format!("cannot create {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

fn whole(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}

fn print(args: &Show, as_json: bool) -> anyhow::Result<u8> {
    let now = Timestamp(u64::try_from(SystemTime::UNIX_EPOCH.elapsed()?.as_millis())?);
    let mut found = Vec::new();
    for file in &args.files {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let read = About::read(&text).with_context(|| file.display().to_string())?;
        found.extend(read.into_iter().map(|about| (file, about)));
    }
    let all_valid = found.iter().all(|(_, about)| validity(about, now).is_now);
    if as_json {
        show::json(&found.iter().map(|(file, about)| as_value(file, about, now)).collect::<Value>());
    } else {
        let texts: Vec<String> = found.iter().map(|(file, about)| as_text(file, about, now)).collect();
        show::line(texts.join("\n\n"));
    }
    Ok(u8::from(!all_valid))
}

struct Validity {
    from: Timestamp,
    until: Timestamp,
    days_left: u64,
    is_now: bool,
}

const MS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

fn validity(about: &About, now: Timestamp) -> Validity {
    let (from, until) = (Timestamp::from_secs(about.valid_from), Timestamp::from_secs(about.valid_until));
    let days_left = until.0.saturating_sub(now.0) / MS_PER_DAY;
    Validity { from, until, days_left, is_now: from <= now && now <= until }
}

fn as_value(file: &Path, about: &About, now: Timestamp) -> Value {
    let validity = validity(about, now);
    json!({
        "file": file,
        "subject": about.subject,
        "role": about.role.map(Role::name),
        "is_authority": about.is_authority,
        "names": about.names,
        "valid_from": validity.from.to_rfc3339(),
        "valid_until": validity.until.to_rfc3339(),
        "days_left": validity.days_left,
        "is_valid": validity.is_now,
        "fingerprint_sha256": about.fingerprint,
        "issuer": about.issuer,
    })
}

fn as_text(file: &Path, about: &About, now: Timestamp) -> String {
    let validity = validity(about, now);
    let role = match about.role {
        Some(role) => role.name(),
        None if about.is_authority => "none: an authority",
        None => "none: no link takes it",
    };
    let left = match validity.is_now {
        true => format!("{} days left", validity.days_left),
        false if now < validity.from => "not valid yet".to_owned(),
        false => "expired".to_owned(),
    };
    let names = if about.names.is_empty() { "-".to_owned() } else { about.names.join(", ") };
    let rows = [
        ("file", file.display().to_string()),
        ("subject", about.subject.clone()),
        ("role", role.to_owned()),
        ("names", names),
        ("valid from", validity.from.to_rfc3339()),
        ("valid until", format!("{} ({left})", validity.until.to_rfc3339())),
        ("fingerprint", format!("sha256 {}", about.fingerprint)),
        ("issuer", about.issuer.clone()),
    ];
    // What stands in a certificate may be other people's.
    rows.map(|(name, value)| format!("{name:<12} {}", show::escaped(&value))).join("\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn asked(place: &Path, role: Whose, hosts: &[&str], days: u32, out: &str) -> anyhow::Result<()> {
        let args = Issue {
            dir: place.join("pki"),
            role,
            name: "one".to_owned(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
            days,
            out: place.join(out),
        };
        issue(&args, true)
    }

    fn made(place: &Path) -> Init {
        Init { dir: place.join("pki"), name: "Argus links".to_owned() }
    }

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_can_be_used_and_is_never_made_over() {
        let place = tempfile::tempdir().expect("a folder");
        let place = place.path();
        assert!(
            format!("{:#}", asked(place, Whose::Service, &[], 1, "a").expect_err("no CA"))
                .contains("pki init")
        );
        init(&made(place), true).expect("made");
        assert!(init(&made(place), true).expect_err("refused").to_string().contains("never overwritten"));
        asked(place, Whose::Service, &["localhost", "10.0.0.7", "::1"], 365, "tls").expect("issued");
        let again = asked(place, Whose::Keeper, &[], 365, "tls").expect_err("refused");
        assert!(again.to_string().contains("never overwritten"), "{again}");
        for key in ["pki/ca.key", "tls/key.pem"] {
            assert_eq!(mode(&place.join(key)), 0o600, "{key}");
        }
        argus_tls::Mutual::open(&argus_tls::Files {
            authorities: place.join("tls/ca.pem"),
            certificate: place.join("tls/cert.pem"),
            key: place.join("tls/key.pem"),
        })
        .expect("a link takes it");
        // Another authority's key beside the certificate.
        std::fs::remove_file(place.join("pki/ca.key")).expect("removed");
        std::fs::copy(place.join("tls/key.pem"), place.join("pki/ca.key")).expect("copied");
        let mixed = asked(place, Whose::Keeper, &[], 365, "k").expect_err("refused").to_string();
        assert!(mixed.contains("do not belong together"), "{mixed}");
    }

    #[test]
    fn what_cannot_be_had_is_refused_before_anything_is_written() {
        let place = tempfile::tempdir().expect("a folder");
        let place = place.path();
        init(&made(place), true).expect("made");
        let cases: [(Whose, &[&str], u32, &str); 7] = [
            (Whose::Keeper, &["localhost"], 1, "names no host"),
            (Whose::Service, &["https://localhost"], 1, "is no host"),
            (Whose::Service, &["localhost:9000"], 1, "is no host"),
            (Whose::Service, &["*.internal"], 1, "is no host"),
            (Whose::Service, &[""], 1, "is no host"),
            (Whose::Service, &[], 0, "0 days"),
            (Whose::Service, &[], 3651, "1 to 3649"),
        ];
        for (role, hosts, days, words) in cases {
            let said = asked(place, role, hosts, days, "out").expect_err(words).to_string();
            assert!(said.contains(words), "{said}");
        }
        assert!(!place.join("out").exists());
    }

    #[test]
    fn show_says_what_stands_in_a_certificate() {
        let place = tempfile::tempdir().expect("a folder");
        let place = place.path();
        init(&made(place), true).expect("made");
        asked(place, Whose::Service, &["localhost", "10.0.0.7", "::1"], 30, "tls").expect("issued");
        asked(place, Whose::Keeper, &[], 30, "keeper").expect("issued");
        let read = |file: &str| {
            let text = std::fs::read(place.join(file)).expect("the file");
            About::read(&text).expect("certificates").remove(0)
        };
        let (ca, service, keeper) = (read("pki/ca.pem"), read("tls/cert.pem"), read("keeper/cert.pem"));
        assert!(ca.is_authority && ca.role.is_none() && ca.subject == "CN=Argus links", "{ca:?}");
        assert_eq!((service.role, keeper.role), (Some(Role::Service), Some(Role::Keeper)));
        assert_eq!(service.names, ["argus://service", "localhost", "10.0.0.7", "::1"]);
        assert_eq!((service.issuer.as_str(), service.subject.as_str()), ("CN=Argus links", "CN=one"));
        let file = place.join("tls/cert.pem");
        let now = Timestamp::from_secs(service.valid_from + 3_600);
        let value = as_value(&file, &service, now);
        assert_eq!(
            (&value["days_left"], &value["is_valid"], &value["role"]),
            (&json!(30), &json!(true), &json!("service"))
        );
        let text = as_text(&file, &service, now);
        assert!(text.contains("(30 days left)") && text.contains(&service.fingerprint), "{text}");
        for (secs, words) in [(service.valid_from - 1, "not valid yet"), (service.valid_until + 1, "expired")]
        {
            assert!(as_text(&file, &service, Timestamp::from_secs(secs)).contains(words), "{words}");
        }
        assert_eq!(print(&Show { files: vec![file] }, true).expect("shown"), 0);
        let said = print(&Show { files: vec![place.join("tls/key.pem")] }, true).expect_err("a key");
        assert!(format!("{said:#}").contains("no certificate in it"), "{said:#}");
    }
}
