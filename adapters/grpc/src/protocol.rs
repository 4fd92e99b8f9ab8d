//! Which version of the conversation two programs have.
//!
//! A field that is added needs no version: whoever does not know it skips it, and whoever misses it does without. A
//! version is for what an older program would misunderstand. Each caller says the oldest and the newest that it speaks
//! (`argus-protocol: 1-2`), and is let in where one of them is spoken here: so programs of two releases talk with each
//! other for as long as the newer one still speaks the older one's last version.

use std::{fmt, str::FromStr};

use tonic::{
    Status,
    metadata::{Ascii, MetadataMap, MetadataValue},
};

const HEADER: &str = "argus-protocol";
/// What this program speaks.
const OURS: Versions = Versions { oldest: 1, newest: 1 };
/// What a program speaks that says nothing: those from before there was a second one.
const SILENT: Versions = Versions { oldest: 1, newest: 1 };

/// The oldest and the newest version that a program speaks, and all between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Versions {
    oldest: u16,
    newest: u16,
}

impl Versions {
    /// Why a caller that speaks these gets nothing here, where that is so.
    fn refusal(self, caller: Self) -> Option<Status> {
        let older = if caller.newest < self.oldest {
            "the caller"
        } else if self.newest < caller.oldest {
            "the called process"
        } else {
            return None;
        };
        let says = format!(
            "the caller speaks protocol {caller}, and what it calls speaks {self}: give {older} a newer program"
        );
        Some(Status::failed_precondition(says))
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.oldest, self.newest)
    }
}

impl FromStr for Versions {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (oldest, newest) = text.split_once('-').ok_or(())?;
        let versions = Self { oldest: oldest.parse().map_err(drop)?, newest: newest.parse().map_err(drop)? };
        if versions.oldest > versions.newest { Err(()) } else { Ok(versions) }
    }
}

/// Says what this program speaks.
pub(crate) fn show(metadata: &mut MetadataMap) {
    // Two numbers fit into a header.
    if let Ok(value) = OURS.to_string().parse::<MetadataValue<Ascii>>() {
        metadata.insert(HEADER, value);
    }
}

/// Why a caller gets nothing that says this, where that is so.
pub(crate) fn refusal(metadata: &MetadataMap) -> Option<Status> {
    let Some(shown) = metadata.get(HEADER) else { return OURS.refusal(SILENT) };
    match shown.to_str().ok().and_then(|text| text.parse().ok()) {
        Some(caller) => OURS.refusal(caller),
        None => Some(Status::invalid_argument(format!(
            "{HEADER} has to be the oldest and the newest version that is spoken, like {OURS}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use argus_ports::LinkError;

    use super::*;
    use crate::frames::error_of;

    fn saying(text: &str) -> Option<LinkError> {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, text.parse().expect("a header"));
        refusal(&metadata).map(|status| error_of(&status))
    }

    #[test]
    fn what_both_speak_is_spoken() {
        assert!(refusal(&MetadataMap::new()).is_none(), "programs from before say nothing");
        let mut own = MetadataMap::new();
        show(&mut own);
        assert!(refusal(&own).is_none());
        assert_eq!(saying("1-7"), None, "a newer program that still speaks ours");
    }

    #[test]
    fn who_speaks_nothing_of_ours_is_told_which_program_is_too_old() {
        for (caller, older) in [("2-3", "the called process"), ("0-0", "the caller")] {
            let Some(LinkError::Refused(why)) = saying(caller) else { panic!("let in with {caller}") };
            assert!(why.contains(&format!("protocol {caller}")) && why.contains(older), "{why}");
        }
        for nonsense in ["", "1", "2-1", "1-x", "-", "1-65536"] {
            assert!(
                matches!(saying(nonsense), Some(LinkError::Refused(why)) if why.contains("like 1-1")),
                "{nonsense}"
            );
        }
    }
}
