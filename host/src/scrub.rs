//! Finding secrets in what comes back, in whatever form it was echoed.
//!
//! A text is read in several *views*: as it is, unescaped (percent, JSON, HTML, UTF-16), as hexadecimal, as Base64 in each
//! of its alignments, and as each of these within another, twice at most. Each view is made and searched in one pass,
//! without regard to case, so that the effort grows with the text alone, whatever secret and text are. A finding in any
//! view is a stretch of the original, and that stretch is replaced.
//!
//! Most texts hold no secret. So the views are made of bytes alone first; only of a text in which something is found
//! they are made again, with the place of each byte in the original.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// How often escapes are read within escapes, and hexadecimal or Base64 within each other.
const UNESCAPED_MAX: u32 = 2;
const DECODED_MAX: u32 = 2;

/// Stands between what does not belong together in a view; no text in UTF-8 holds it, and so no secret.
const BREAK: u8 = 0xff;

/// What a view is made of: bytes, with or without their place in the original.
trait Unit: Copy {
    fn byte(self) -> u8;
    /// A byte that was read from the units between these two.
    fn read(byte: u8, first: Self, last: Self) -> Self;
}

impl Unit for u8 {
    fn byte(self) -> u8 {
        self
    }

    fn read(byte: u8, _: Self, _: Self) -> Self {
        byte
    }
}

/// One byte of a view, and which stretch of the original it was read from.
#[derive(Debug, Clone, Copy)]
struct Token {
    byte: u8,
    from: usize,
    to: usize,
}

impl Unit for Token {
    fn byte(self) -> u8 {
        self.byte
    }

    fn read(byte: u8, first: Self, last: Self) -> Self {
        Self { byte, from: first.from, to: last.to }
    }
}

/// A stretch of the original that holds a secret, and which.
type Found = (usize, usize, usize);

/// A way to write bytes as digits of so many bits.
struct Digits<const BITS: usize> {
    /// What each byte stands for: a digit's value, or one of the two below.
    values: [u8; 256],
    /// In how many alignments bytes may begin.
    shifts: usize,
}

/// May stand between digits.
const BETWEEN: u8 = 0x40;
/// Ends a run of digits.
const OTHER: u8 = 0x80;

const HEX: Digits<4> = Digits::new([b"0123456789abcdef", b"0123456789ABCDEF"], b": -\r\n", 2);
/// Both alphabets of RFC 4648.
const BASE64: Digits<6> = Digits::new(
    [
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    ],
    b"\r\n",
    4,
);

impl<const BITS: usize> Digits<BITS> {
    const fn new(alphabets: [&[u8]; 2], between: &[u8], shifts: usize) -> Self {
        let mut values = [OTHER; 256];
        let mut at = 0;
        while at < between.len() {
            values[between[at] as usize] = BETWEEN;
            at += 1;
        }
        at = 0;
        while at < 1 << BITS {
            values[alphabets[0][at] as usize] = at as u8;
            values[alphabets[1][at] as usize] = at as u8;
            at += 1;
        }
        Self { values, shifts }
    }

    /// Reads each run of digits, from each of its first few on, as bytes: a view for each alignment. What gives fewer
    /// bytes than `shortest` is left out: in ordinary text that is nearly all, and passed over from end to end.
    fn decoded<U: Unit>(&self, view: &[U], shortest: usize) -> Vec<Vec<U>> {
        let value = |unit: &U| self.values[usize::from(unit.byte())];
        let is_other = |unit: &U| value(unit) == OTHER;
        let needed = (shortest * 8).div_ceil(BITS);
        let mut views = vec![Vec::new(); self.shifts];
        let mut at = 0;
        while let Some(first) = view.get(at..at + needed) {
            if let Some(other) = first.iter().rposition(is_other) {
                at += other + 1;
                continue;
            }
            let rest = &view[at + needed..];
            let end = at + needed + rest.iter().position(is_other).unwrap_or(rest.len());
            let run = view[at..end].iter().map(|unit| (value(unit), *unit));
            let digits: Vec<_> = run.filter(|(value, _)| *value != BETWEEN).collect();
            for (shift, out) in views.iter_mut().enumerate() {
                let digits = digits.get(shift..).filter(|digits| digits.len() >= needed).unwrap_or_default();
                out.extend(Self::read(digits));
                out.extend(digits.last().map(|(_, last)| U::read(BREAK, *last, *last)));
            }
            at = end + 1;
        }
        views
    }

    fn read<'a, U: Unit>(digits: &'a [(u8, U)]) -> impl Iterator<Item = U> + 'a {
        (0..digits.len() * BITS / 8).map(|byte| {
            // Eight bits lie in two digits, whatever the alphabet.
            let (first, past) = (8 * byte / BITS, 8 * byte % BITS);
            let ((high, from), (low, to)) = (digits[first], digits[first + 1]);
            let both = u16::from(high) << BITS | u16::from(low);
            U::read((both >> (2 * BITS - 8 - past)) as u8, from, to)
        })
    }
}

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
            let mut form = Some(value.as_bytes().to_vec());
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
            .kind(Some(AhoCorasickKind::DFA))
            .prefilter(false)
            .build(&patterns)
            .ok()?;
        Some(Self { search, placeholders, shortest })
    }

    /// The text without secrets; `None` where it holds none.
    pub fn scrub(&self, text: &[u8]) -> Option<Vec<u8>> {
        let is_in = &mut |view: &[u8]| self.search.is_match(&with_spaces(view));
        if !self.explore(text, UNESCAPED_MAX, DECODED_MAX, is_in) {
            return None;
        }
        let mut found = self.findings(text);
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

    fn findings(&self, text: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        let view: Vec<_> =
            text.iter().enumerate().map(|(at, byte)| Token { byte: *byte, from: at, to: at + 1 }).collect();
        self.explore(&view, UNESCAPED_MAX, DECODED_MAX, &mut |view| {
            for hit in self.search.find_iter(&with_spaces(view)) {
                found.push((view[hit.start()].from, view[hit.end() - 1].to, hit.pattern().as_usize()));
            }
            false
        });
        found
    }

    /// Shows a view, and those that can be read from it, until one is enough; whether one was.
    fn explore<U: Unit>(
        &self,
        view: &[U],
        unescape: u32,
        decode: u32,
        is_enough: &mut dyn FnMut(&[U]) -> bool,
    ) -> bool {
        if view.len() < self.shortest {
            return false;
        }
        if is_enough(view) {
            return true;
        }
        if let Some(left) = unescape.checked_sub(1)
            && let Some(read) = unescaped(view)
            && self.explore(&read, left, decode, is_enough)
        {
            return true;
        }
        let Some(left) = decode.checked_sub(1) else { return false };
        let mut any =
            |views: Vec<Vec<U>>| views.iter().any(|read| self.explore(read, unescape, left, is_enough));
        any(HEX.decoded(view, self.shortest)) || any(BASE64.decoded(view, self.shortest))
    }
}

/// A view's bytes, with a space for each plus, which is how forms write spaces: values and texts alike.
fn with_spaces<U: Unit>(view: &[U]) -> Vec<u8> {
    view.iter().map(|unit| if unit.byte() == b'+' { b' ' } else { unit.byte() }).collect()
}

/// The view with its escapes read: `%41`, `\u0041`, `\x41`, `\"`, `&#65;`, `&#x41;`, `&amp;`, and the zeros of UTF-16.
/// `None` where there are none.
fn unescaped<U: Unit>(view: &[U]) -> Option<Vec<U>> {
    let is_escape = |unit: &U| matches!(unit.byte(), b'%' | b'\\' | b'&' | 0);
    let mut next = view.iter().position(is_escape)?;
    let mut out = Vec::with_capacity(view.len());
    let mut done = 0;
    while let Some(unit) = view.get(next) {
        out.extend_from_slice(&view[done..next]);
        let read = match unit.byte() {
            b'%' => number(view, next + 1, 2, 16).map(|byte| (byte, 3)),
            b'\\' => backslash(view, next),
            b'&' => entity(view, next),
            _ => None,
        };
        let length = read.map_or(1, |(_, length)| length);
        match read {
            Some((byte, _)) => out.push(U::read(byte, *unit, view[next + length - 1])),
            None if unit.byte() == 0 => {}
            None => out.push(*unit),
        }
        done = next + length;
        next = done + view[done..].iter().position(is_escape).unwrap_or(view.len() - done);
    }
    out.extend_from_slice(&view[done..]);
    (out.len() < view.len()).then_some(out)
}

/// A number of so many digits that is an ASCII character.
fn number<U: Unit>(view: &[U], at: usize, digits: usize, radix: u32) -> Option<u8> {
    let units = view.get(at..at.checked_add(digits)?)?;
    let value = units.iter().try_fold(0u32, |sum, unit| {
        Some(sum.checked_mul(radix)?.saturating_add(char::from(unit.byte()).to_digit(radix)?))
    })?;
    u8::try_from(value).ok().filter(u8::is_ascii)
}

fn backslash<U: Unit>(view: &[U], at: usize) -> Option<(u8, usize)> {
    match view.get(at + 1)?.byte() {
        b'u' => number(view, at + 2, 4, 16).map(|byte| (byte, 6)),
        b'x' => number(view, at + 2, 2, 16).map(|byte| (byte, 4)),
        other @ (b'"' | b'\'' | b'\\' | b'/') => Some((other, 2)),
        _ => None,
    }
}

/// Longest entity that stands for an ASCII character, without `&` and with `;`: `#x0000041;` and the like.
const ENTITY_MAX: usize = 10;

fn entity<U: Unit>(view: &[U], at: usize) -> Option<(u8, usize)> {
    let rest = &view[at + 1..view.len().min(at + 1 + ENTITY_MAX)];
    let end = rest.iter().position(|unit| unit.byte() == b';')?;
    let name: Vec<u8> = rest[..end].iter().map(|unit| unit.byte().to_ascii_lowercase()).collect();
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
                // Digits that stand before it without a break move it to another alignment.
                let moved = (1..4).map(|n| format!("{}{standard}", &"abc"[..n]));
                for form in [standard.clone(), url, broken, percent(&standard)].into_iter().chain(moved) {
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
