//! Text from guests, made safe to show.

/// Mark at the end of text that was cut.
pub(crate) const CUT: &str = "… [cut]";

/// At most `max` bytes of `text`, control characters but newline and tab escaped.
pub fn shown(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    let mut cut_at = 0;
    for c in text.chars() {
        let escaped: String = match c {
            '\n' | '\t' => c.to_string(),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => c.escape_unicode().collect(),
            c if c.is_control() => c.escape_unicode().collect(),
            c => c.to_string(),
        };
        if out.len() + escaped.len() > max {
            out.truncate(cut_at);
            out.push_str(CUT);
            return out;
        }
        out.push_str(&escaped);
        if out.len() + CUT.len() <= max {
            cut_at = out.len();
        }
    }
    out
}

/// The same on one line, quoted: for names and printed values inside a sentence.
pub(crate) fn quoted(text: &str, max: usize) -> String {
    let one_line: String = text.chars().map(|c| if c == '\n' || c == '\t' { ' ' } else { c }).collect();
    format!("\"{}\"", shown(&one_line, max))
}

/// A number of bytes as people write limits.
pub(crate) fn bytes(n: u64) -> String {
    const KB: u64 = 1024;
    const MB: u64 = 1024 * KB;
    const GB: u64 = 1024 * MB;
    match n {
        n if n >= GB && n.is_multiple_of(GB) => format!("{} GB", n / GB),
        n if n >= MB && n.is_multiple_of(MB) => format!("{} MB", n / MB),
        n if n >= KB && n.is_multiple_of(KB) => format!("{} KB", n / KB),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_on_a_character_and_escaped() {
        assert_eq!(shown("a\u{1b}[31mb", 100), "a\\u{1b}[31mb");
        assert_eq!(shown("ü".repeat(100).as_str(), 21), format!("{}{CUT}", "ü".repeat(6)));
        assert_eq!(shown("abcdefghij", 10), "abcdefghij");
        assert_eq!(quoted("a\nb", 100), "\"a b\"");
        assert_eq!(bytes(128 * 1024), "128 KB");
        assert_eq!(bytes(4 << 20), "4 MB");
        assert_eq!(bytes(1 << 30), "1 GB");
        assert_eq!(bytes(1000), "1000 bytes");
    }
}
