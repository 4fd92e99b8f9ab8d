//! The egress filter: which URLs may be asked at all.

use std::net::{IpAddr, SocketAddr};

use argus_ports::{EgressError, Reach};
use url::{Host, Url};

use crate::address::is_public;

/// A URL that the filter has let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed {
    /// The URL in its canonical form: decimal, octal and hexadecimal addresses are plain addresses here.
    pub url: Url,
    /// The address, where the URL names one: nothing is looked up for it.
    pub address: Option<SocketAddr>,
}

/// Checks everything that can be said without a look-up. A name that passes is looked up later, and only its public
/// addresses are connected to.
pub fn check(text: &str, reach: &Reach) -> Result<Allowed, EgressError> {
    let denied = |why: String| EgressError::Denied(why);
    if text.len() > URL_MAX {
        return Err(denied(format!("the URL is longer than {URL_MAX} bytes")));
    }
    let url = Url::parse(text).map_err(|e| denied(format!("not a URL: {e}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(denied(format!("scheme {:?}: only http and https go out", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(denied("a URL with user name or password".to_owned()));
    }
    let port = url.port_or_known_default().unwrap_or(80);
    match url.host() {
        None => Err(denied("a URL without a host".to_owned())),
        Some(Host::Ipv4(v4)) => by_address(IpAddr::V4(v4), port, reach, url),
        Some(Host::Ipv6(v6)) => by_address(IpAddr::V6(v6), port, reach, url),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if LOCAL_NAMES.iter().any(|l| name == *l || name.ends_with(&format!(".{l}"))) {
                return Err(denied(format!(
                    "{name} is a local name: put the address itself on the list of hosts, for example 127.0.0.1:{port}"
                )));
            }
            if !reach.allow.is_empty()
                && !any_names(&reach.allow, &name, port)
                && !any_names(&reach.operator, &name, port)
            {
                return Err(denied(format!(
                    "{name} is not on the list of hosts: {}",
                    reach.allow.join(", ")
                )));
            }
            Ok(Allowed { url, address: None })
        }
    }
}

/// Names that never have a public address (RFC 6761, RFC 6762, RFC 8375, and the reservation of `internal`): they are
/// refused before any look-up, so that a job that names one is refused when it is created.
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// Longest URL that goes out.
const URL_MAX: usize = 8 * 1024;

fn by_address(address: IpAddr, port: u16, reach: &Reach, url: Url) -> Result<Allowed, EgressError> {
    let granted = reach.allow.iter().chain(&reach.operator).any(|entry| grants(entry, address, port));
    let open = reach.allow.is_empty() && is_public(address);
    if granted || open {
        return Ok(Allowed { url, address: Some(SocketAddr::new(address, port)) });
    }
    Err(EgressError::Denied(if is_public(address) {
        format!("{address} is not on the list of hosts: {}", reach.allow.join(", "))
    } else {
        format!(
            "{address} is not a public address: only the operator's own list of hosts can allow {}",
            show(address, port)
        )
    }))
}

fn show(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// Whether a list entry is this address, with this port or with none.
fn grants(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Ok(both) = entry.parse::<SocketAddr>() {
        return both.ip() == address && both.port() == port;
    }
    let bare = entry.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok_and(|ip| ip == address)
}

/// Whether any list entry is this name, with this port or with none.
fn any_names(list: &[String], name: &str, port: u16) -> bool {
    list.iter().any(|entry| {
        let (host, wanted) = match entry.rsplit_once(':') {
            Some((host, digits)) => match digits.parse::<u16>() {
                Ok(number) => (host, Some(number)),
                Err(_) => (entry.as_str(), None),
            },
            None => (entry.as_str(), None),
        };
        host.trim_end_matches('.').eq_ignore_ascii_case(name) && wanted.is_none_or(|w| w == port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allow: &[&str], operator: &[&str]) -> Reach {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Reach { allow: own(allow), operator: own(operator) }
    }

    #[test]
    fn forms_of_private_addresses_are_refused() {
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://0x7f.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.1.2.3:8080/",
            "http://192.168.0.1/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://0/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://user@1.1.1.1/",
            "http://u:p@example.com/",
            "http://1.1.1.1@127.0.0.1/",
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "data:text/plain,x",
            "javascript:1",
            "//example.com",
            "example.com",
            "",
            "http://",
            "http://①②⑦.⓪.⓪.①/",
            "http://127。0。0。1/",
            "unix:/var/run/docker.sock",
            "http://localhost/",
            "http://LOCALHOST.:8080/",
            "http://a.localhost/",
            "http://printer.local/",
            "http://metadata.google.internal/",
        ] {
            assert!(matches!(check(url, &Reach::default()), Err(EgressError::Denied(_))), "{url}");
        }
    }

    #[test]
    fn lists_grant_what_they_name() {
        for (url, allow, operator, good) in [
            ("http://example.com/", &[][..], &[][..], true),
            ("https://1.1.1.1/", &[], &[], true),
            ("http://example.com/", &["example.com"], &[], true),
            ("http://EXAMPLE.com./", &["example.com"], &[], true),
            ("http://example.com:8080/", &["example.com:8080"], &[], true),
            ("http://example.com/", &["example.com:8080"], &[], false),
            ("http://evil.com/", &["example.com"], &[], false),
            ("http://sub.example.com/", &["example.com"], &[], false),
            ("http://1.1.1.1/", &["example.com"], &[], false),
            ("http://127.0.0.1:99/", &["127.0.0.1:99"], &[], true),
            ("http://127.0.0.1:98/", &["127.0.0.1:99"], &[], false),
            ("http://127.0.0.1:98/", &["127.0.0.1"], &[], true),
            ("http://[::1]:98/", &["[::1]:98"], &[], true),
            ("http://[::1]:98/", &["::1"], &[], true),
            ("http://127.0.0.1:99/", &[], &["127.0.0.1:99"], true),
            ("http://127.0.0.1:98/", &[], &["127.0.0.1:99"], false),
            ("http://example.com/", &[], &["127.0.0.1:99"], true),
            ("http://127.0.0.1:99/", &["example.com"], &["127.0.0.1:99"], true),
            ("http://localhost:99/", &["localhost:99"], &["localhost"], false),
        ] {
            assert_eq!(check(url, &reach(allow, operator)).is_ok(), good, "{url} {allow:?} {operator:?}");
        }
    }
}
