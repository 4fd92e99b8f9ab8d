//! Finding secrets in what comes back, in whatever form it was echoed.
//!
//! A text is read in several *views*: as it is, unescaped (percent, JSON, HTML, UTF-16), as hexadecimal, as Base64 in each
//! of its alignments, and as each of these within another, twice at most. Each view is made and searched in one pass,
//! without regard to case, so that the effort grows with the text alone, whatever secret and text are. A finding in any
//! view is a stretch of the original, and that stretch is replaced.

use aho_corasick::{AhoCorasick, MatchKind};

/// How often escapes are read within escapes, and hexadecimal or Base64 within each other.
const UNESCAPED_MAX: u32 = 2;
const DECODED_MAX: u32 = 2;

/// Stands between what does not belong together in a view; no secret holds it.
const BREAK: u8 = 0;

/// One byte of a view, and which stretch of the original it was read from.
#[derive(Debug, Clone, Copy)]
struct Token {
    byte: u8,
    from: usize,
    to: usize,
}

type View = Vec<Token>;

/// What a byte stands for as a digit, and bytes that may stand between digits.
type Digits<'a> = (fn(u8) -> Option<u8>, &'a [u8]);

/// Replaces secrets by their placeholders.
pub(crate) struct Scrubber {
    search: AhoCorasick,
    /// Of each pattern of the search.
    placeholders: Vec<String>,
    /// Length of the shortest pattern.
    shortest: usize,
}

impl Scrubber {
    /// For these values, each with its placeholder. `None` where there are none.
    ///
    /// A value that looks escaped itself is read like any other text once it lies in a view: so it is looked for in
    /// those forms, too.
    pub fn new<'a>(secrets: impl Iterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let (mut patterns, mut placeholders) = (Vec::new(), Vec::new());
        for (value, placeholder) in secrets {
            let mut form = Some(view_of(value.as_bytes()));
            for _ in 0..=UNESCAPED_MAX {
                let Some(view) = form else { break };
                patterns.push(with_spaces(&view));
                placeholders.push(placeholder.to_owned());
                form = unescaped(&view);
            }
        }
        let shortest = patterns.iter().map(Vec::len).min()?;
        let search = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns)
            .ok()?;
        Some(Self { search, placeholders, shortest })
    }

    /// The text without secrets; `None` where it holds none.
    pub fn scrub(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut found = self.findings(text);
        if found.is_empty() {
            return None;
        }
        found.sort_by_key(|(from, to, _)| (*from, std::cmp::Reverse(*to)));
        let mut clean = Vec::with_capacity(text.len());
        let mut done = 0;
        for (from, to, secret) in found {
            if from >= done {
                clean.extend_from_slice(&text[done..from]);
                clean.extend_from_slice(self.placeholders[secret].as_bytes());
            }
            done = done.max(to);
        }
        clean.extend_from_slice(&text[done..]);
        Some(clean)
    }

    /// Stretches that hold a secret: from, to, and which.
    fn findings(&self, text: &[u8]) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        self.explore(&view_of(text), UNESCAPED_MAX, DECODED_MAX, &mut found);
        found
    }

    /// Looks into a view, and into those that can be read from it.
    fn explore(&self, view: &View, unescape: u32, decode: u32, found: &mut Vec<(usize, usize, usize)>) {
        if view.len() < self.shortest {
            return;
        }
        self.look(view, found);
        if let Some(read) = unescape.checked_sub(1).and_then(|left| Some((left, unescaped(view)?))) {
            self.explore(&read.1, read.0, decode, found);
        }
        let Some(decode) = decode.checked_sub(1) else { return };
        for shift in 0..2 {
            let read = decoded(view, (hex_digit, b": -\r\n"), (4, shift), self.shortest);
            self.explore(&read, unescape, decode, found);
        }
        for shift in 0..4 {
            let read = decoded(view, (base64_digit, b"\r\n"), (6, shift), self.shortest);
            self.explore(&read, unescape, decode, found);
        }
    }

    fn look(&self, view: &View, found: &mut Vec<(usize, usize, usize)>) {
        for hit in self.search.find_iter(&with_spaces(view)) {
            found.push((view[hit.start()].from, view[hit.end() - 1].to, hit.pattern().as_usize()));
        }
    }
}

/// A text as it is.
fn view_of(text: &[u8]) -> View {
    text.iter().enumerate().map(|(at, byte)| Token { byte: *byte, from: at, to: at + 1 }).collect()
}

/// A view's bytes, with a space for each plus, which is how forms write spaces: values and texts alike.
fn with_spaces(view: &View) -> Vec<u8> {
    view.iter().map(|token| if token.byte == b'+' { b' ' } else { token.byte }).collect()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| digit.try_into().ok())
}

/// Both alphabets of RFC 4648.
fn base64_digit(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

/// Reads each run of digits, from its digit number `shift` on, as bytes; `between` may stand between its digits. What
/// gives fewer bytes than `shortest` is left out: in ordinary text that is nearly all.
fn decoded(
    view: &View,
    (digit, between): Digits<'_>,
    (bits_each, shift): (u32, usize),
    shortest: usize,
) -> View {
    let mut out = View::new();
    let (mut left, mut bits, mut held, mut from, mut begun) = (shift, 0u32, 0u32, 0, 0);
    for token in view {
        let Some(value) = digit(token.byte) else {
            if between.contains(&token.byte) {
                continue;
            }
            if out.len() - begun < shortest {
                out.truncate(begun);
            } else {
                out.push(Token { byte: BREAK, ..*token });
            }
            (left, bits, begun) = (shift, 0, out.len());
            continue;
        };
        if left > 0 {
            left -= 1;
            continue;
        }
        if bits == 0 {
            from = token.from;
        }
        held = (held << bits_each | u32::from(value)) & 0xffff;
        bits += bits_each;
        if bits >= 8 {
            bits -= 8;
            out.push(Token { byte: (held >> bits & 0xff) as u8, from, to: token.to });
            // What is left of this digit begins the next byte.
            from = token.from;
        }
    }
    if out.len() - begun < shortest {
        out.truncate(begun);
    }
    out
}

/// The view with its escapes read: `%41`, `\u0041`, `\x41`, `\"`, `&#65;`, `&#x41;`, `&amp;`, and the zeros of UTF-16.
/// `None` where there are none.
fn unescaped(view: &View) -> Option<View> {
    let mut out = View::with_capacity(view.len());
    let mut at = 0;
    while at < view.len() {
        let token = view[at];
        let read = match token.byte {
            b'%' => number(view, at + 1, 2, 16).map(|byte| (byte, 3)),
            b'\\' => backslash(view, at),
            b'&' => entity(view, at),
            _ => None,
        };
        let length = read.map_or(1, |(_, length)| length);
        match read {
            Some((byte, _)) => out.push(Token { byte, from: token.from, to: view[at + length - 1].to }),
            None if token.byte == 0 => {}
            None => out.push(token),
        }
        at += length;
    }
    (out.len() < view.len()).then_some(out)
}

/// A number of so many digits that is an ASCII character.
fn number(view: &View, at: usize, digits: usize, radix: u32) -> Option<u8> {
    let tokens = view.get(at..at.checked_add(digits)?)?;
    let value = tokens.iter().try_fold(0u32, |sum, token| {
        Some(sum.checked_mul(radix)?.saturating_add(char::from(token.byte).to_digit(radix)?))
    })?;
    u8::try_from(value).ok().filter(u8::is_ascii)
}

fn backslash(view: &View, at: usize) -> Option<(u8, usize)> {
    match view.get(at + 1)?.byte {
        b'u' => number(view, at + 2, 4, 16).map(|byte| (byte, 6)),
        b'x' => number(view, at + 2, 2, 16).map(|byte| (byte, 4)),
        other @ (b'"' | b'\'' | b'\\' | b'/') => Some((other, 2)),
        _ => None,
    }
}

/// Longest entity that stands for an ASCII character, without `&` and with `;`: `#x0000041;` and the like.
const ENTITY_MAX: usize = 10;

fn entity(view: &View, at: usize) -> Option<(u8, usize)> {
    let rest = &view[at + 1..view.len().min(at + 1 + ENTITY_MAX)];
    let end = rest.iter().position(|token| token.byte == b';')?;
    let name: Vec<u8> = rest[..end].iter().map(|token| token.byte.to_ascii_lowercase()).collect();
    let byte = match name.as_slice() {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        [b'#', b'x', digits @ ..] if !digits.is_empty() => number(view, at + 3, digits.len(), 16)?,
        [b'#', digits @ ..] if !digits.is_empty() => number(view, at + 2, digits.len(), 10)?,
        _ => return None,
    };
    Some((byte, end + 2))
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::STANDARD};

    use super::*;

    const VALUE: &str = r#"sk-Live/9"q\Z&7 +x%41=~"#;
    const PLACEHOLDER: &str = "argussecretaa";

    fn scrubbed(text: impl AsRef<[u8]>) -> String {
        let scrubber = Scrubber::new([(VALUE, PLACEHOLDER)].into_iter()).expect("there is one");
        let text = text.as_ref();
        String::from_utf8_lossy(&scrubber.scrub(text).unwrap_or_else(|| text.to_vec())).into_owned()
    }

    fn each(f: impl Fn(u8) -> String) -> String {
        VALUE.bytes().map(f).collect()
    }

    fn percent(text: &str) -> String {
        url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
    }

    #[test]
    fn every_form_in_which_it_is_echoed_is_found() {
        let hex: String = each(|b| format!("{b:02x}"));
        let forms = [
            VALUE.to_owned(),
            VALUE.to_uppercase(),
            VALUE.to_lowercase(),
            percent(VALUE),
            percent(VALUE).to_lowercase(),
            percent(&percent(VALUE)),
            url::form_urlencoded::byte_serialize(VALUE.as_bytes()).collect(),
            each(|b| format!("%{b:02x}")),
            serde_json::to_string(VALUE).expect("JSON").trim_matches('"').to_owned(),
            serde_json::to_string(VALUE).expect("JSON").replace('/', "\\/"),
            serde_json::to_string(&serde_json::to_string(VALUE).expect("JSON")).expect("JSON"),
            each(|b| format!("\\u{b:04x}")),
            each(|b| format!("\\x{b:02X}")),
            each(|b| format!("&#{b};")),
            each(|b| format!("&#x{b:x};")),
            VALUE.replace('&', "&amp;").replace('"', "&quot;"),
            each(|b| format!("{}\0", char::from(b))),
            hex.clone(),
            hex.to_uppercase(),
            format!("0{hex}"),
            each(|b| format!("{b:02X}:")),
        ];
        for form in forms {
            let clean = scrubbed(format!("<{form}>"));
            assert!(clean.contains(PLACEHOLDER), "{form} -> {clean}");
            assert!(clean.len() <= PLACEHOLDER.len() + 8, "{form} -> {clean}: something is left");
        }
    }

    #[test]
    fn base64_is_found_in_every_alignment_and_alphabet() {
        for before in ["", "u", "us", "use", "user", "user:"] {
            for after in ["", "@", "@h", "@ho"] {
                let plain = format!("{before}{VALUE}{after}");
                let standard = STANDARD.encode(&plain);
                let url = standard.replace('+', "-").replace('/', "_").replace('=', "");
                let broken: String = standard
                    .as_bytes()
                    .chunks(7)
                    .map(|l| format!("{}\r\n", String::from_utf8_lossy(l)))
                    .collect();
                for form in [standard.clone(), url, broken, percent(&standard)] {
                    let clean = scrubbed(&form);
                    assert!(clean.contains(PLACEHOLDER), "{plain}: {form} -> {clean}");
                    assert!(clean.len() <= PLACEHOLDER.len() + 16, "{plain}: {form} -> {clean}");
                }
            }
        }
    }

    #[test]
    fn forms_within_forms_are_found() {
        let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
        let json = |text: &str| serde_json::to_string(text).expect("JSON");
        for form in [
            STANDARD.encode(percent(VALUE)),
            STANDARD.encode(json(VALUE)),
            STANDARD.encode(STANDARD.encode(VALUE)),
            STANDARD.encode(hex(VALUE)),
            hex(&percent(VALUE)),
            hex(&STANDARD.encode(format!("user:{VALUE}"))),
            hex(&hex(VALUE)),
            json(&STANDARD.encode(json(VALUE))),
            percent(&STANDARD.encode(percent(VALUE))),
        ] {
            let clean = scrubbed(format!("<{form}>"));
            assert!(clean.contains(PLACEHOLDER), "{form} -> {clean}");
            assert!(clean.len() <= PLACEHOLDER.len() + 24, "{form} -> {clean}: something is left");
        }
    }

    #[test]
    fn what_is_around_it_stays() {
        assert_eq!(scrubbed(format!("a{VALUE}b{VALUE}c")), format!("a{PLACEHOLDER}b{PLACEHOLDER}c"));
        for text in ["", "%", "\\", "&", "%4", "\\u00", "&#x", "&;", "nothing 1234 here", "é\u{ffff}%ff"] {
            assert_eq!(scrubbed(text), text);
        }
        let bytes = [0xff, 0xfe, 0, 0x80];
        let scrubber = Scrubber::new([(VALUE, PLACEHOLDER)].into_iter()).expect("there is one");
        assert_eq!(scrubber.scrub(&bytes), None);
    }

    #[test]
    fn a_secret_that_holds_another_is_replaced_as_a_whole() {
        let pairs = [("12345678", "<short>"), ("12345678-long", "<long>")];
        let scrubber = Scrubber::new(pairs.into_iter()).expect("there are two");
        let clean =
            |text: &str| scrubber.scrub(text.as_bytes()).map(|c| String::from_utf8_lossy(&c).into_owned());
        assert_eq!(clean("x12345678-longx").as_deref(), Some("x<long>x"));
        assert_eq!(clean("x12345678-lonx").as_deref(), Some("x<short>-lonx"));
    }
}
