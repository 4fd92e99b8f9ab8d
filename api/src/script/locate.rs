//! From the URL of a script to its name and bytes.

use argus_domain::{
    keccak256,
    limits::{SOURCE_BYTES_MAX, WASI_COMMAND_BYTES_MAX},
    module::{Cid, Language, ModuleRef},
};
use argus_ports::{ContentError, EgressError, EgressRequest, Method, Reach};
use bytes::Bytes;
use url::Url;

use crate::{Edge, errors::ApiError};

/// Redirects that are followed, each checked anew.
const HOPS_MAX: usize = 4;

/// A script's bytes under their name.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name and language.
    pub module: ModuleRef,
    /// The bytes.
    pub bytes: Bytes,
}

/// A fault of the request: a word for programs and a sentence.
pub type Fault = (&'static str, String);

/// Where a URL leads.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Content(String),
    Web(String),
}

fn place(text: &str) -> Result<Place, Fault> {
    let named = |path: &str| Ok(Place::Content(path.trim_matches('/').to_owned()));
    if let Some(rest) = text.strip_prefix("ipfs://") {
        let rest = rest.strip_prefix("ipfs/").unwrap_or(rest);
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        return named(rest);
    }
    let Ok(url) = Url::parse(text) else {
        if (1..128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(Place::Content(text.to_owned()));
        }
        return Err((
            "SCRIPT_URL",
            "a script's URL is ipfs://CID, or a gateway's URL with /ipfs/CID".to_owned(),
        ));
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Err(("SCRIPT_URL", format!("a script's URL is ipfs or https, not {}", url.scheme())));
    }
    if let Some((_, after)) = url.path().split_once("/ipfs/") {
        return named(after);
    }
    // A gateway that puts the CID into its host name.
    let mut labels = url.host_str().unwrap_or_default().split('.');
    if let (Some(cid), Some("ipfs")) = (labels.next(), labels.next()) {
        return named(&format!("{cid}{}", url.path()));
    }
    Ok(Place::Web(url.to_string()))
}

/// The languages that a source may be in, likeliest first, where nobody says: Go names its package, Python ends
/// the heads of its blocks with a colon, everything else is taken for TypeScript, which JavaScript is as well.
pub fn guesses(bytes: &[u8]) -> [Language; 3] {
    let text = String::from_utf8_lossy(bytes);
    let is_go = text.lines().any(|line| line.trim_start().starts_with("package "));
    let is_python = text.lines().map(str::trim_end).any(|line| {
        line.ends_with(':')
            && ["def ", "if ", "for ", "class ", "try"].iter().any(|word| line.starts_with(word))
    });
    match (is_go, is_python) {
        (true, _) => [Language::Go, Language::TypeScript, Language::Python],
        (false, true) => [Language::Python, Language::TypeScript, Language::Go],
        (false, false) => [Language::TypeScript, Language::Go, Language::Python],
    }
}

/// The language of a script: what the client says; WebAssembly shows itself; where nothing is said, as for quotes,
/// which have no such field, it is guessed in the same way everywhere.
pub fn language_of(text: &str, bytes: &[u8]) -> Result<Language, Fault> {
    if bytes.starts_with(b"\0asm") {
        return Ok(Language::Wasm);
    }
    if text.trim().is_empty() {
        return Ok(guesses(bytes)[0]);
    }
    text.trim().parse().map_err(|e: argus_domain::module::UnknownLanguage| ("LANGUAGE", e.to_string()))
}

/// The name of a script that is only tried: its hash, and nothing is published under it.
pub fn unpublished(bytes: &[u8]) -> Cid {
    Cid(format!("unpublished-{}", keccak256(bytes)))
}

/// Fetches a script. What no CID names is published if it is to be kept. The outer error is ours or passes, the inner
/// one is a fault of the request.
pub async fn locate(
    edge: &Edge,
    url: &str,
    language: &str,
    is_kept: bool,
) -> Result<Result<Source, Fault>, ApiError> {
    let found = match place(url.trim()) {
        Err(fault) => return Ok(Err(fault)),
        Ok(Place::Content(path)) => fetch(edge, &path).await,
        Ok(Place::Web(url)) => from_web(edge, &url, is_kept).await,
    };
    let (cid, bytes) = match found? {
        Ok(found) => found,
        Err(fault) => return Ok(Err(fault)),
    };
    let published = edge.ports.modules.by_cid(&cid).await?;
    let language = match (language.trim(), published.as_slice()) {
        // Published in one language alone: that is the one.
        ("", [(record, _)]) => Ok(record.module.language),
        (text, _) => language_of(text, &bytes),
    };
    let language = match language {
        Ok(language) => language,
        Err(fault) => return Ok(Err(fault)),
    };
    let max = match language {
        Language::Wasm => WASI_COMMAND_BYTES_MAX,
        Language::TypeScript | Language::JavaScript | Language::Go | Language::Python => SOURCE_BYTES_MAX,
    };
    if bytes.len() as u64 > max {
        return Ok(Err(("SCRIPT_TOO_LARGE", format!("the script has {} bytes; at most {max}", bytes.len()))));
    }
    Ok(Ok(Source { module: ModuleRef { source: cid, language }, bytes }))
}

/// Bytes by CID, or by a path in a folder.
pub async fn fetch(edge: &Edge, path: &str) -> Result<Result<(Cid, Bytes), Fault>, ApiError> {
    let content = &edge.ports.content;
    let found = async {
        let cid = content.resolve(path).await?;
        let bytes = content.get(&cid, WASI_COMMAND_BYTES_MAX).await?;
        Ok((cid, bytes))
    };
    let outcome = match tokio::time::timeout(edge.config.scripts.fetch_timeout, found).await {
        Ok(outcome) => outcome,
        Err(_) => content
            .parse(path.split('/').next().unwrap_or_default())
            .and_then(|cid| Err(ContentError::Absent(cid))),
    };
    match outcome {
        Ok(found) => Ok(Ok(found)),
        Err(e @ ContentError::Unavailable(_)) => Err(e.into()),
        Err(e) => {
            let ApiError { code, message, .. } = ApiError::from(e);
            Ok(Err((code, message)))
        }
    }
}

async fn from_web(edge: &Edge, url: &str, is_kept: bool) -> Result<Result<(Cid, Bytes), Fault>, ApiError> {
    let reach = Reach { allow: Vec::new(), operator: edge.config.operator_reach.clone() };
    if let Err(e) = edge.ports.egress.check(url, &reach) {
        return Ok(Err(("FORBIDDEN_URL", e.to_string())));
    }
    if !edge.config.scripts.allow_http {
        let message =
            "a script is named by its CID: ipfs://CID, or a gateway's URL with /ipfs/CID".to_owned();
        return Ok(Err(("SCRIPT_URL", message)));
    }
    let mut url = url.to_owned();
    for _ in 0..HOPS_MAX {
        let request = EgressRequest {
            method: Method::Get,
            url: url.clone(),
            headers: Vec::new(),
            body: None,
            timeout: edge.config.scripts.fetch_timeout,
            max_body: WASI_COMMAND_BYTES_MAX,
            reach: reach.clone(),
        };
        let response = match edge.ports.egress.fetch(request).await {
            Ok(response) => response,
            Err(e @ EgressError::Denied(_)) => return Ok(Err(("FORBIDDEN_URL", e.to_string()))),
            Err(e @ EgressError::TooLarge(_)) => return Ok(Err(("SCRIPT_TOO_LARGE", e.to_string()))),
            Err(e @ (EgressError::Timeout(_) | EgressError::Transport(_))) => {
                return Ok(Err(("SCRIPT_NOT_FOUND", e.to_string())));
            }
        };
        let location = response.headers.iter().find(|(name, _)| name == "location").map(|(_, v)| v.as_str());
        match (response.status, location) {
            (200..=299, _) => {
                let bytes = response.body;
                let cid = match is_kept {
                    true => edge.ports.content.put(bytes.clone()).await?,
                    false => unpublished(&bytes),
                };
                return Ok(Ok((cid, bytes)));
            }
            (301 | 302 | 303 | 307 | 308, Some(location)) => {
                let next = Url::parse(&url).and_then(|base| base.join(location));
                match next {
                    Ok(next) => url = next.to_string(),
                    Err(e) => return Ok(Err(("SCRIPT_URL", format!("a redirect leads nowhere: {e}")))),
                }
            }
            (status, _) => {
                return Ok(Err((
                    "SCRIPT_NOT_FOUND",
                    format!("the script's URL answered with status {status}"),
                )));
            }
        }
    }
    Ok(Err(("SCRIPT_URL", format!("more than {} redirects", HOPS_MAX - 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_as_a_table() {
        for (told, source, expect) in [
            ("", "\0asm\u{1}", Language::Wasm),
            ("ts", "\0asm\u{1}", Language::Wasm),
            ("", "// a comment\npackage main\nfunc main() {}", Language::Go),
            ("", "import json\ndef main():\n  pass", Language::Python),
            ("", "console.log(JSON.stringify([1]))", Language::TypeScript),
            ("go", "console.log(1)", Language::Go),
            ("JavaScript", "x", Language::JavaScript),
        ] {
            assert_eq!(language_of(told, source.as_bytes()), Ok(expect), "{told} {source}");
        }
        assert!(language_of("cobol", b"x").is_err());
    }

    #[test]
    fn urls_as_a_table() {
        let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";
        let content = |text: &str| Ok(Place::Content(text.to_owned()));
        for (url, expect) in [
            (format!("ipfs://{cid}"), content(cid)),
            (format!("ipfs://ipfs/{cid}"), content(cid)),
            (format!("https://gw.example/ipfs/{cid}/"), content(cid)),
            (format!("https://gw.example/ipfs/{cid}?filename=a.ts"), content(cid)),
            (format!("ipfs://{cid}/dir/a.ts"), content(&format!("{cid}/dir/a.ts"))),
            (format!("https://gw.example/ipfs/{cid}/a.ts"), content(&format!("{cid}/a.ts"))),
            (format!("https://{cid}.ipfs.dweb.link/a.ts"), content(&format!("{cid}/a.ts"))),
            (format!("http://127.0.0.1:8080/ipfs/{cid}"), content(cid)),
            (format!("https://{cid}.ipfs.dweb.link/"), content(cid)),
            (cid.to_owned(), content(cid)),
            ("https://host.example/a.ts".to_owned(), Ok(Place::Web("https://host.example/a.ts".to_owned()))),
        ] {
            assert_eq!(place(&url), expect, "{url}");
        }
        for url in ["", "ftp://host/a", "file:///etc/passwd", "not a url"] {
            assert_eq!(place(url).map_err(|fault| fault.0), Err("SCRIPT_URL"), "{url}");
        }
    }
}
