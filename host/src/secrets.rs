//! Secrets of a run. The script has placeholders; values are put in where a request leaves, and taken out again from
//! what comes back, before anything is recorded or seen.
//!
//! A script of a job that trusts one keeper's run may have an HMAC of bytes under a secret: it gets the result, never the
//! secret, and the result is an answer as any other's.
//!
//! Values go only to hosts on the job's own list, over https or to a loopback address, and not across a redirect to
//! another origin. A replay has placeholders alone, and needs nothing else.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use argus_domain::{
    run::RunInput,
    secret::{COMPUTES_NOT, KEY_BYTES_MIN, RunSecrets, SecretName, SecretValue, unset},
};
use argus_ports::{EgressError, EgressRequest, EgressResponse};
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use url::{Host, Position, Url};

use crate::{
    calls::{parse, ready},
    reply::{ErrorKind, Reply},
    scrub::Scrubber,
    state::{Flight, Run},
};

struct Secret {
    name: SecretName,
    placeholder: String,
    value: Option<SecretValue>,
}

/// The secrets of one run.
pub(crate) struct Secrets {
    granted: Vec<Secret>,
    allow: Vec<String>,
    scrubber: Option<Scrubber>,
}

/// Why a request with placeholders does not leave.
pub(crate) struct NotSent(pub ErrorKind, pub String);

impl Secrets {
    /// Those that the input grants, with their values as far as there are any.
    pub fn new(input: &RunInput, values: &RunSecrets) -> Self {
        let secret = |name: &SecretName| Secret {
            placeholder: name.placeholder(input.job),
            value: values.get(name).cloned(),
            name: name.clone(),
        };
        let granted: Vec<Secret> = input.secrets.iter().map(secret).collect();
        let known = granted.iter().filter_map(|s| Some((s.value.as_ref()?.expose(), s.placeholder.as_str())));
        Self { scrubber: Scrubber::new(known), allow: input.allow_hosts.clone(), granted }
    }

    fn granted(&self, name: &str) -> Result<&Secret, Reply> {
        self.granted.iter().find(|secret| secret.name.as_str() == name).ok_or_else(|| {
            let name = crate::text::quoted(name, 64);
            denied(format!("no secret {name} is granted to this run: name it in the job's secrets"))
        })
    }

    fn hmac(&self, request: &str, may_compute: bool) -> Result<String, Reply> {
        let ToSign { name, data, encoding } = parse(request)?;
        let secret = self.granted(&name)?;
        if !may_compute {
            return Err(denied(COMPUTES_NOT.to_owned()));
        }
        let key = secret.value.as_ref().ok_or_else(|| denied(unset(&secret.name)))?.expose().as_bytes();
        if key.len() < KEY_BYTES_MIN {
            return Err(denied(format!(
                "the secret {name} has {} bytes, and one that is computed with has {KEY_BYTES_MIN} at least: a shorter \
                 one could be guessed from the result",
                key.len()
            )));
        }
        // What a server checks is what it gets: a signed text that names a key is signed with that key in it.
        let text = std::str::from_utf8(&data).unwrap_or_default();
        if self.size_of(text) > SIGNED_FILLED_MAX {
            return Err(Reply::err(ErrorKind::Invalid, "the data is too long with its secrets put in"));
        }
        let mut used = BTreeSet::new();
        let filled = self.filled(text, plain, &mut used);
        if let Some(lacking) = self.lacking(&used) {
            return Err(denied(unset(lacking)));
        }
        let signed = if used.is_empty() { &data[..] } else { filled.as_bytes() };
        let mut mac = Hmac::<Sha256>::new_from_slice(key)
            .map_err(|_| denied(format!("the secret {name} is no key of HMAC")))?;
        mac.update(signed);
        let digest = mac.finalize().into_bytes();
        Ok(match encoding {
            Encoding::Hex => hex::encode(digest),
            Encoding::Base64 => STANDARD.encode(digest),
        })
    }

    /// The first of these that has no value.
    fn lacking(&self, used: &BTreeSet<SecretName>) -> Option<&SecretName> {
        let lacks = |secret: &&Secret| secret.value.is_none() && used.contains(&secret.name);
        self.granted.iter().find(lacks).map(|secret| &secret.name)
    }

    /// Whether a text holds a placeholder.
    pub fn mentioned(&self, text: &[u8]) -> bool {
        self.granted.iter().any(|secret| find(text, &secret.placeholder).is_some())
    }

    /// The request with values in the place of placeholders. `first` is where the script's own request went.
    pub fn put_in(&self, request: &EgressRequest, first: &str) -> Result<EgressRequest, NotSent> {
        let mut filled = request.clone();
        if self.granted.is_empty() {
            return Ok(filled);
        }
        let mut used = BTreeSet::new();
        if self.mentioned(request.url.as_bytes()) {
            let url = Url::parse(&request.url)
                .map_err(|e| NotSent(ErrorKind::Invalid, format!("the URL is none: {e}")))?;
            // Never into the host: it says where the value goes.
            let path = &url[Position::BeforePath..Position::AfterQuery];
            filled.url = format!("{}{}", &url[..Position::BeforePath], self.filled(path, percent, &mut used));
        }
        for (name, value) in &mut filled.headers {
            *value = match basic(name, value) {
                Some(pair) if self.mentioned(pair.as_bytes()) => {
                    format!("Basic {}", STANDARD.encode(self.filled(&pair, plain, &mut used).as_bytes()))
                }
                _ if self.size_of(value) > HEADER_FILLED_MAX => return Err(too_long(name)),
                _ => self.filled(value, plain, &mut used).into_owned(),
            };
        }
        if let Some(body) = &request.body
            && self.mentioned(body)
        {
            let Ok(text) = std::str::from_utf8(body) else {
                return Err(NotSent(
                    ErrorKind::Invalid,
                    "secrets are put into bodies that are text, which this one is not".to_owned(),
                ));
            };
            let write = writing(request, text);
            if self.size_of(text) > BODY_FILLED_MAX {
                return Err(too_long("body"));
            }
            filled.body = Some(self.filled(text, write, &mut used).into_owned().into());
        }
        if used.is_empty() {
            return Ok(filled);
        }
        self.may_have(&request.url, first)?;
        match self.lacking(&used) {
            None => Ok(filled),
            Some(name) => Err(NotSent(ErrorKind::Denied, unset(name))),
        }
    }

    /// Whether a URL may be sent values.
    fn may_have(&self, url: &str, first: &str) -> Result<(), NotSent> {
        let denied = |why: String| Err(NotSent(ErrorKind::Denied, why));
        let (Ok(url), Ok(first)) = (Url::parse(url), Url::parse(first)) else {
            return denied("secrets are sent to URLs alone".to_owned());
        };
        let host = url.host_str().unwrap_or_default();
        if url.origin() != first.origin() {
            return denied(format!(
                "the redirect to {host} would take a secret to another host: ask that host itself, or use redirect: manual"
            ));
        }
        if !self.allow.iter().any(|entry| names(entry, &url)) {
            return denied(format!(
                "secrets go only to hosts in the job's allow_hosts, and {host} is not there"
            ));
        }
        if url.scheme() != "https" && !is_loopback(&url) {
            return denied(format!("secrets go over https alone, or to a loopback address: not to {host}"));
        }
        Ok(())
    }

    /// A text with values in the place of placeholders, each written so that it fits in.
    fn filled<'a>(
        &self,
        text: &'a str,
        write: fn(&str) -> String,
        used: &mut BTreeSet<SecretName>,
    ) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(text);
        for secret in &self.granted {
            if text.contains(&secret.placeholder) {
                used.insert(secret.name.clone());
                if let Some(value) = &secret.value {
                    text = text.replace(&secret.placeholder, &write(value.expose())).into();
                }
            }
        }
        text
    }

    /// At most so long is a text with its values put in.
    fn size_of(&self, text: &str) -> usize {
        let more = |secret: &Secret| {
            let value = secret.value.as_ref().map_or(0, |v| v.expose().len());
            text.matches(&secret.placeholder).count() * value * ESCAPED_MAX
        };
        text.len() + self.granted.iter().map(more).sum::<usize>()
    }

    /// An answer without values. A long one is looked through beside the threads that other runs need.
    pub async fn scrub(self: &Arc<Self>, answer: EgressResponse) -> Result<EgressResponse, EgressError> {
        if self.scrubber.is_none() {
            return Ok(answer);
        }
        if answer.body.len() <= SCRUBBED_AT_ONCE {
            return Ok(self.scrubbed(answer));
        }
        let secrets = Arc::clone(self);
        tokio::task::spawn_blocking(move || secrets.scrubbed(answer)).await.map_err(|_| {
            EgressError::Transport("the answer could not be looked through for secrets".to_owned())
        })
    }

    fn scrubbed(&self, answer: EgressResponse) -> EgressResponse {
        EgressResponse {
            status: answer.status,
            headers: answer
                .headers
                .into_iter()
                .map(|(name, value)| (self.scrub_text(name), self.scrub_text(value)))
                .collect(),
            body: match self.scrubber.as_ref().and_then(|s| s.scrub(&answer.body)) {
                Some(clean) => clean.into(),
                None => answer.body,
            },
        }
    }

    /// A failure without values.
    pub fn scrub_error(&self, error: EgressError) -> EgressError {
        match error {
            EgressError::Denied(why) => EgressError::Denied(self.scrub_text(why)),
            EgressError::Transport(why) => EgressError::Transport(self.scrub_text(why)),
            EgressError::Timeout(_) | EgressError::TooLarge(_) => error,
        }
    }

    fn scrub_text(&self, text: String) -> String {
        match self.scrubber.as_ref().and_then(|s| s.scrub(text.as_bytes())) {
            Some(clean) => String::from_utf8_lossy(&clean).into_owned(),
            None => text,
        }
    }
}

/// Longest body that is looked through at once, bytes; a longer one would keep other runs of the thread waiting.
const SCRUBBED_AT_ONCE: usize = 16 << 10;
/// Longest header and longest body with their values put in.
const HEADER_FILLED_MAX: usize = 16 << 10;
const BODY_FILLED_MAX: usize = 2 << 20;
/// Bytes that one byte of a value takes at most.
const ESCAPED_MAX: usize = 3;

/// Longest text that is signed, with its values put in.
const SIGNED_FILLED_MAX: usize = 2 << 20;

#[derive(serde::Deserialize)]
struct Request {
    name: String,
}

/// How a digest is written.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Hex,
    Base64,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ToSign {
    name: String,
    data: argus_domain::Bytes,
    #[serde(default)]
    encoding: Encoding,
}

/// `env_hmac`: HMAC-SHA256 (RFC 2104) of bytes under a granted secret. The result is an answer like any other: it is
/// recorded, and whoever replays the run has it from there.
pub(crate) fn hmac(run: &Run, request: &str) -> Flight {
    let computed = run.secrets.hmac(request, run.input.may_compute);
    ready(computed.map_or_else(|refusal| refusal, |text| Reply::ok(text.into())))
}

/// `env_secret`: the placeholder of a granted secret, whether it has a value or not.
pub(crate) fn placeholder(run: &Run, request: &str) -> Flight {
    ready(match parse::<Request>(request) {
        Err(reply) => reply,
        Ok(Request { name }) => match run.secrets.granted(&name) {
            Ok(secret) => Reply::ok(secret.placeholder.clone().into()),
            Err(refusal) => refusal,
        },
    })
}

fn denied(why: String) -> Reply {
    Reply::err(ErrorKind::Denied, why)
}

fn find(text: &[u8], placeholder: &str) -> Option<usize> {
    text.windows(placeholder.len()).position(|window| window == placeholder.as_bytes())
}

fn too_long(part: &str) -> NotSent {
    NotSent(ErrorKind::Invalid, format!("the {part} is too long with its secrets put in"))
}

/// User and password of a header of HTTP's Basic scheme, which encodes them.
fn basic(name: &str, value: &str) -> Option<String> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !name.eq_ignore_ascii_case("authorization") || !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()
}

fn plain(value: &str) -> String {
    value.to_owned()
}

fn percent(value: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    value.bytes().map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn in_json(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"")
}

/// How the script itself would have written a value into its body.
fn writing(request: &EgressRequest, body: &str) -> fn(&str) -> String {
    let of = |(name, value): &(String, String)| {
        name.eq_ignore_ascii_case("content-type").then(|| value.to_ascii_lowercase())
    };
    let kind = request.headers.iter().find_map(of).unwrap_or_default();
    if kind.contains("x-www-form-urlencoded") {
        percent
    } else if kind.contains("json") || is_json(body) {
        in_json
    } else {
        plain
    }
}

/// Whether a body is a JSON object or array, whatever its kind says: `fetch` calls every string plain text.
fn is_json(body: &str) -> bool {
    body.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok()
}

/// Whether an entry of a list of hosts is this URL's: `name`, `name:port`, `address` or `address:port`.
fn names(entry: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}")).unwrap_or_default();
    let entry = entry.trim_end_matches('.');
    [host, bare, with_port.as_str()].iter().any(|form| form.eq_ignore_ascii_case(entry))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) | None => false,
    }
}
