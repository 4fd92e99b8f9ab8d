//! Section `links`: where the other processes are, and what both sides show each other.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
};

use reqwest::Url;

use super::{
    Links,
    reader::{Reader, seen_text},
};

/// The settings that name certificates.
const FILES: [&str; 3] = ["links.ca_file", "links.cert_file", "links.key_file"];

/// Reads the section.
pub(super) fn read(r: &mut Reader<'_>, data_dir: &Path) -> Links {
    let files = FILES.map(|name| r.optional::<PathBuf>(name, "a path, or empty").map(|p| data_dir.join(p)));
    // What is wrong with one of them says nothing of how the URLs have to be.
    let is_tls = files.iter().any(Option::is_some);
    let tls = match files {
        [Some(authorities), Some(certificate), Some(key)] => {
            Some(argus_tls::Files { authorities, certificate, key })
        }
        [None, None, None] => None,
        _ => {
            let [ca, cert, key] = FILES;
            let says = format!(
                ", {cert} and {key} go together: give all three, as `argus pki issue` prints them, or none"
            );
            r.tell(ca, &says);
            None
        }
    };
    Links {
        listen: r.optional("links.listen", "an address with a port, or empty"),
        scheduler: urls(r, "links.scheduler", is_tls),
        dispatcher: urls(r, "links.dispatcher", is_tls),
        aggregator: urls(r, "links.aggregator", is_tls),
        token_file: r.path(data_dir, "links.token_file"),
        keeper_token_file: r.path(data_dir, "links.keeper_token_file"),
        tls,
    }
}

/// The URLs of other processes.
fn urls(r: &mut Reader<'_>, name: &str, is_tls: bool) -> Vec<String> {
    let scheme = if is_tls { "https" } else { "http" };
    let wanted = format!("a URL like {scheme}://host:9000, or a list of them");
    let texts = r.one_or_more(name, &wanted);
    for text in &texts {
        check(r, name, text, is_tls, &wanted);
    }
    texts
}

fn check(r: &mut Reader<'_>, name: &str, text: &str, is_tls: bool, wanted: &str) {
    let url = Url::parse(text).ok().filter(|url| url.host_str().is_some());
    let shown = seen_text(text);
    match url.as_ref().map(|url| (url.scheme(), is_loopback(url))) {
        Some(("https", _)) if is_tls => (),
        Some(("http", is_loopback)) if !is_tls || is_loopback => (),
        Some(("http", _)) => r.tell(
            name,
            &format!(
                " is {shown:?}, but the links have certificates: https:// it has to be, or a loopback address"
            ),
        ),
        Some(("https", _)) => r.tell(
            name,
            &format!(
                " is {shown:?}, but the links have no certificates: give links.ca_file, links.cert_file and \
                links.key_file; `argus pki` makes them"
            ),
        ),
        _ => r.tell(name, &format!(" must be {wanted}, not {shown:?}")),
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn load(settings: &[&str]) -> Result<Config, Vec<String>> {
        let settings: Vec<String> = settings.iter().map(|text| format!("links.{text}")).collect();
        Config::load(None, &settings).map_err(|mistakes| mistakes.0)
    }

    const ALL: [&str; 3] = ["ca_file = \"ca.pem\"", "cert_file = \"cert.pem\"", "key_file = \"/k/key.pem\""];

    #[test]
    fn certificates_are_all_there_or_none() {
        let files = load(&ALL).expect("sound").links.tls.expect("certificates");
        assert_eq!(files.authorities.to_str(), Some("argus-data/ca.pem"));
        assert_eq!(files.key.to_str(), Some("/k/key.pem"));
        assert!(load(&[]).expect("sound").links.tls.is_none());
        for some in [&ALL[..1], &ALL[1..], &ALL[..2]] {
            let said = load(some).expect_err("refused");
            assert!(said.len() == 1 && said[0].contains("go together"), "{said:?}");
        }
    }

    #[test]
    fn urls_as_a_table() {
        let cases = [
            ("https://platform:9000", true, None),
            ("http://127.0.0.1:9000", true, None),
            ("http://[::1]:9000", true, None),
            ("http://localhost:9000", true, None),
            (
                "http://platform:9000",
                true,
                Some("links.aggregator is \"http://platform:9000\", but the links have"),
            ),
            ("http://platform:9000", false, None),
            (
                "https://platform:9000",
                false,
                Some("links.aggregator is \"https://platform:9000\", but the links have no"),
            ),
            ("platform:9000", true, Some("links.aggregator must be a URL like https://host:9000")),
            ("ftp://platform", false, Some("links.aggregator must be a URL like http://host:9000")),
        ];
        for (url, is_tls, refused) in cases {
            let setting = format!("aggregator = {url:?}");
            let mut settings = vec![setting.as_str()];
            settings.extend(if is_tls { &ALL[..] } else { &[] });
            match (load(&settings), refused) {
                (Ok(config), None) => assert_eq!(config.links.aggregator, [url]),
                (Err(said), Some(start)) => {
                    assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}")
                }
                (found, _) => panic!("{url}, TLS {is_tls}: {found:?}"),
            }
        }
    }

    #[test]
    fn one_process_several_or_none() {
        let of =
            |value: &str| load(&[&format!("dispatcher = {value}")]).map(|config| config.links.dispatcher);
        let two = ["http://a:1".to_owned(), "http://b:1".to_owned()];
        assert_eq!(of(r#""""#), Ok(vec![]));
        assert_eq!(of("[]"), Ok(vec![]));
        assert_eq!(of(r#""http://a:1""#), Ok(two[..1].to_vec()));
        assert_eq!(of(r#"["http://a:1", "http://b:1"]"#), Ok(two.to_vec()));
        for (value, says) in [
            (
                r#"["http://a:1", "b", "https://c"]"#,
                &["not \"b\"", "\"https://c\", but the links have no"][..],
            ),
            ("[7]", &["links.dispatcher must be a URL like http://host:9000, or a list of them"]),
            ("7", &["or a list of them"]),
        ] {
            let said = of(value).expect_err("refused");
            assert_eq!(said.len(), says.len(), "{said:?}");
            assert!(said.iter().zip(says).all(|(said, says)| said.contains(says)), "{said:?}");
        }
    }

    #[test]
    fn all_mistakes_of_the_section_come_at_once() {
        let said = load(&[
            "cert_file = \"c\"",
            "scheduler = \"http://a:1\"",
            "dispatcher = \"b\"",
            "listen = \"x\"",
        ]);
        assert_eq!(said.expect_err("refused").len(), 4);
    }
}
