//! Which programs run on a store, by the migrations that it has: so that a new program and an old one can share it
//! while one takes the other's place.

/// What stands before the number in a migration's head.
const OLDEST: &str = "-- oldest:";

/// What the head of a migration's file, its first comment, says of older programs in the line `-- oldest: 8`: those that
/// know migration 8, and none after it, still run on a store that has this one. `None`: it says nothing, and only
/// programs that know the migration itself do.
pub fn oldest(text: &str) -> Option<u32> {
    let mut head = text.lines().take_while(|line| line.starts_with("--"));
    head.find_map(|line| line.strip_prefix(OLDEST)).and_then(|number| number.trim().parse().ok())
}

/// A migration as the store that has it remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its number.
    pub number: u32,
    /// Its name, for example `001_platform`.
    pub name: String,
    /// What [`oldest`] says of its text.
    pub oldest: Option<u32>,
}

impl Recorded {
    /// The migration that a program has to know to run on a store that has this one.
    pub fn needs(&self) -> u32 {
        self.oldest.unwrap_or(self.number).min(self.number)
    }
}

/// A store asks for a newer program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("migration {name} needs a program that knows migration {needs}; this one knows {knows}: upgrade it")]
pub struct Ahead {
    /// The migration that asks for the newest.
    pub name: String,
    /// The number of the one that has to be known.
    pub needs: u32,
    /// The newest that is.
    pub knows: u32,
}

/// Whether a program runs on a store: of the migrations after the newest that it knows, each has to say so.
///
/// # Errors
/// [`Ahead`], with the one that asks for the newest program.
pub fn admits<'a>(recorded: impl IntoIterator<Item = &'a Recorded>, knows: u32) -> Result<(), Ahead> {
    let newer = recorded.into_iter().filter(|migration| migration.number > knows);
    match newer.max_by_key(|migration| migration.needs()).filter(|migration| migration.needs() > knows) {
        Some(migration) => Err(Ahead { name: migration.name.clone(), needs: migration.needs(), knows }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_file_names_the_oldest() {
        for (text, expect) in [
            ("-- oldest: 8\nCREATE TABLE a (b);", Some(8)),
            ("-- Adds a.\n-- oldest: 12\n", Some(12)),
            ("-- Adds a.\nCREATE TABLE a (b);\n-- oldest: 12\n", None),
            ("-- oldest: none\n", None),
            ("CREATE TABLE a (b);", None),
            ("", None),
        ] {
            assert_eq!(oldest(text), expect, "{text:?}");
        }
    }

    #[test]
    fn a_store_asks_for_the_newest_program_that_any_of_its_migrations_needs() {
        let check = |knows: u32, recorded: &[(u32, Option<u32>)], expect: Option<(&str, u32)>| {
            let recorded: Vec<_> = recorded
                .iter()
                .map(|(number, oldest)| Recorded {
                    number: *number,
                    name: number.to_string(),
                    oldest: *oldest,
                })
                .collect();
            let expect = expect.map(|(name, needs)| Ahead { name: name.to_owned(), needs, knows });
            assert_eq!(admits(&recorded, knows).err(), expect, "{knows}: {recorded:?}");
        };
        check(9, &[(1, None), (9, None)], None);
        check(9, &[(9, None), (10, Some(9)), (11, Some(1))], None);
        check(9, &[(10, Some(9)), (11, Some(10))], Some(("11", 10)));
        check(9, &[(10, Some(9)), (11, Some(10)), (12, Some(9))], Some(("11", 10)));
        check(9, &[(10, None)], Some(("10", 10)));
        check(9, &[(10, Some(10)), (12, Some(11))], Some(("12", 11)));
        // A number from the future binds nobody to more than the migration itself.
        check(12, &[(12, Some(40))], None);
        check(9, &[(12, Some(40))], Some(("12", 12)));
        let ahead = Ahead { name: "012_next".to_owned(), needs: 11, knows: 9 };
        let told = "migration 012_next needs a program that knows migration 11; this one knows 9: upgrade it";
        assert_eq!(ahead.to_string(), told);
    }
}
