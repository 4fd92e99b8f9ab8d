//! `argus store copy` and `argus store verify`.

use std::time::{Duration, Instant};

use argus_memory::SystemClock;
use argus_ports::Clock;
use argus_transfer::{Compared, Difference, Doing, How, Options, Progress, Side, TransferError, Written};
use serde_json::{Value, json};

use super::{Pair, place};
use crate::{
    backends::copies::{self, Use},
    cli::show,
};

/// Records of a page.
const PAGE: u32 = 500;
/// How often a person is told how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Copies, and says what came of it; the exit code.
pub async fn copy(pair: &Pair, as_json: bool) -> anyhow::Result<u8> {
    let (source, target) = open(pair, Use::Target).await?;
    let began = Instant::now();
    let mut teller = Teller::new(as_json);
    let done =
        argus_transfer::copy(&source, &target, &options(), &mut |progress| teller.tell(progress)).await;
    let Written { records, is_resumed, compared } = match done {
        Ok(written) => written,
        Err(error) => return differ(error, as_json),
    };
    let ms = began.elapsed().as_millis();
    if as_json {
        show::json(&json!({
            "from": source.name,
            "to": target.name,
            "records": records,
            "resumed": is_resumed,
            "ms": u64::try_from(ms).unwrap_or(u64::MAX),
            "same": true,
            "kinds": kinds(&compared),
        }));
    } else {
        show::line(table(&compared));
        show::line(format!("copied  {records} records in {} s, and both stores hold the same", ms / 1000));
        show::line(format!(
            "next    point [store] at {}, start the platform, and move {} away",
            target.name, source.name
        ));
    }
    Ok(0)
}

/// Compares, and says what came of it; the exit code.
pub async fn verify(pair: &Pair, as_json: bool) -> anyhow::Result<u8> {
    let (source, target) = open(pair, Use::Source).await?;
    let mut teller = Teller::new(as_json);
    let done =
        argus_transfer::verify(&source, &target, &options(), &mut |progress| teller.tell(progress)).await;
    let compared = match done {
        Ok(compared) => compared,
        Err(error) => return differ(error, as_json),
    };
    if as_json {
        show::json(&json!({
            "from": source.name,
            "to": target.name,
            "same": true,
            "kinds": kinds(&compared),
        }));
    } else {
        show::line(table(&compared));
        show::line("both stores hold the same");
    }
    Ok(0)
}

async fn open(pair: &Pair, target: Use) -> anyhow::Result<(Side, Side)> {
    let from = place::read("--from", &pair.from, &pair.settings)?;
    let to = place::read("--to", &pair.to, &pair.settings)?;
    copies::differ(&from, &to)?;
    let source = copies::open(&from, Use::Source).await?;
    Ok((source, copies::open(&to, target).await?))
}

fn options() -> Options {
    let fresh = [(); 2].map(|()| uuid::Uuid::new_v4().to_string());
    Options { page: PAGE, now: SystemClock.now(), fresh }
}

/// A difference is an answer for programs, too; anything else is an error.
fn differ(error: TransferError, as_json: bool) -> anyhow::Result<u8> {
    match &error {
        TransferError::Differ(difference) if as_json => {
            let Difference { kind, counts: (source, target), key, how } = difference;
            let how = match how {
                How::Missing => "missing",
                How::Added => "added",
                How::Other => "other",
            };
            let found = json!({ "kind": kind, "source": source, "target": target, "key": key, "how": how });
            show::json(&json!({ "same": false, "difference": found }));
            Ok(1)
        }
        _ => Err(error.into()),
    }
}

fn kinds(compared: &[Compared]) -> Vec<Value> {
    let kind = |one: &Compared| json!({ "kind": one.kind, "records": one.digest.count, "digest": one.digest.to_string() });
    compared.iter().map(kind).collect()
}

fn table(compared: &[Compared]) -> String {
    let rows = compared.iter().filter(|one| one.digest.count > 0);
    let row = |one: &Compared| {
        vec![one.kind.name().to_owned(), one.digest.count.to_string(), one.digest.to_string()]
    };
    show::table(&["kind", "records", "digest of both"], rows.map(row))
}

/// Tells a person how far it is, once in a while.
struct Teller {
    is_silent: bool,
    /// What was told last: what was being done, since when and how many records there were when that began.
    doing: Option<(Doing, Instant, u64)>,
    told: Instant,
}

impl Teller {
    fn new(is_silent: bool) -> Self {
        Self { is_silent, doing: None, told: Instant::now() }
    }

    fn tell(&mut self, Progress { doing, kind, records }: Progress) {
        if self.is_silent || self.told.elapsed() < TOLD_EVERY {
            return;
        }
        let now = Instant::now();
        let (since, before) = match self.doing {
            Some((known, since, before)) if known == doing => (since, before),
            _ => (self.told, 0),
        };
        self.doing = Some((doing, since, before));
        self.told = now;
        let what = match doing {
            Doing::Writing => "copying",
            Doing::ReadingSource => "comparing, the source's",
            Doing::ReadingTarget => "comparing, the target's",
        };
        let ms = now.duration_since(since).as_millis().max(1);
        let rate = u128::from(records.saturating_sub(before)) * 1000 / ms;
        show::progress(format!("{what} {}: {records} records, {rate} a second", kind.name()));
    }
}
