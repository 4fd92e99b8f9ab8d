//! Where connections come from, and how much each of these places may have: of the handshakes' work, and of what is
//! open.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Handshakes under way at once, of one source and in all. What waits in them holds a socket and some kilobytes.
const HANDSHAKES: (usize, usize) = (64, 1024);
/// Connections that are open, of one source and in all: many times what a platform has, whose every keeper and process
/// has two or three, and many of which may share an address.
const CONNECTIONS: (usize, usize) = (2048, 8192);
/// For each handshake that fails, a source is blamed for this long. It adds up.
const BLAME: Duration = Duration::from_millis(125);
/// A source with more blame than this is turned away without a handshake: after 32 failures at once, or at more than
/// eight a second. Who has the wrong certificate and comes again once a second is not among them.
const BLAME_MAX: Duration = Duration::from_secs(4);
/// Sources that are remembered. Where there are more, further ones are not blamed.
const REMEMBERED: usize = 8192;

/// Between two looks for sources that can be forgotten.
const SWEEP: Duration = Duration::from_secs(1);

/// All sources with something under way, or with blame.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sources(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    sources: HashMap<IpAddr, Source>,
    under_way: usize,
    open: usize,
    swept: Option<Instant>,
}

impl Known {
    /// Forgets those whose blame is over, where they have become many.
    fn sweep(&mut self, now: Instant) {
        let is_due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= SWEEP);
        if self.sources.len() > REMEMBERED && is_due {
            self.sources.retain(|_, source| source.is_here() || source.blamed_until > now);
            self.swept = Some(now);
        }
    }
}

#[derive(Debug)]
struct Source {
    under_way: usize,
    open: usize,
    blamed_until: Instant,
}

impl Source {
    fn is_here(&self) -> bool {
        self.under_way + self.open > 0
    }
}

/// A handshake under way, or a connection that came of one.
#[derive(Debug)]
pub(crate) struct Place {
    sources: Sources,
    source: IpAddr,
    is_open: bool,
    is_blamed: AtomicBool,
    /// A call was let through: whoever is there belongs here.
    is_known: AtomicBool,
}

impl Sources {
    /// Lets a handshake begin, or says why not.
    pub fn enter(&self, address: IpAddr) -> Result<Place, &'static str> {
        let (source, now) = (source(address), Instant::now());
        let mut known = self.lock();
        if known.under_way >= HANDSHAKES.1 {
            return Err("too many handshakes are under way");
        }
        if known.open >= CONNECTIONS.1 {
            return Err("too many connections are open");
        }
        let new = Source { under_way: 0, open: 0, blamed_until: now };
        let of_source = known.sources.entry(source).or_insert(new);
        if of_source.under_way >= HANDSHAKES.0 {
            return Err("too many handshakes of its source are under way");
        }
        if of_source.open >= CONNECTIONS.0 {
            return Err("too many connections of its source are open");
        }
        if of_source.blamed_until.saturating_duration_since(now) > BLAME_MAX {
            return Err("too many connections of its source had nothing right to show");
        }
        of_source.under_way += 1;
        known.under_way += 1;
        Ok(Place {
            sources: self.clone(),
            source,
            is_open: false,
            is_blamed: AtomicBool::new(false),
            is_known: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The handshake is over, and the connection open for as long as this is kept.
    pub fn opened(mut self) -> Self {
        let mut known = self.sources.lock();
        known.under_way = known.under_way.saturating_sub(1);
        known.open += 1;
        if let Some(of_source) = known.sources.get_mut(&self.source) {
            of_source.under_way = of_source.under_way.saturating_sub(1);
            of_source.open += 1;
        }
        drop(known);
        self.is_open = true;
        self
    }

    /// What was shown here is right.
    pub fn know(&self) {
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Whether anything right was ever shown here.
    pub fn is_known(&self) -> bool {
        self.is_known.load(Ordering::Relaxed)
    }

    /// What was shown here is not right. A connection is blamed once, however often it asks.
    pub fn blame(&self) {
        if self.is_blamed.swap(true, Ordering::Relaxed) {
            return;
        }
        let now = Instant::now();
        if let Some(of_source) = self.sources.lock().sources.get_mut(&self.source) {
            of_source.blamed_until = of_source.blamed_until.max(now) + BLAME;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut known = self.sources.lock();
        let one_less = |count: &mut usize| *count = count.saturating_sub(1);
        one_less(if self.is_open { &mut known.open } else { &mut known.under_way });
        known.sweep(now);
        let is_full = known.sources.len() > REMEMBERED;
        if let Some(of_source) = known.sources.get_mut(&self.source) {
            one_less(if self.is_open { &mut of_source.open } else { &mut of_source.under_way });
            if !of_source.is_here() && (is_full || of_source.blamed_until <= now) {
                known.sources.remove(&self.source);
            }
        }
    }
}

/// What a peer cannot choose of its address: all of IPv4's, of IPv6's what one site is given (RFC 6177, section 2).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 80)).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_source_takes_its_part_and_no_more() {
        let sources = Sources::default();
        let mut places: Vec<Place> =
            (0..HANDSHAKES.0).map(|_| sources.enter(address("10.0.0.1")).expect("a place")).collect();
        assert!(sources.enter(address("10.0.0.1")).is_err());
        assert!(sources.enter(address("::ffff:10.0.0.1")).is_err(), "the same one");
        assert!(sources.enter(address("10.0.0.2")).is_ok());
        places.pop();
        assert!(sources.enter(address("10.0.0.1")).is_ok());
        drop(places);
        assert!(sources.lock().sources.is_empty(), "nothing is kept of them");
    }

    #[test]
    fn of_ipv6_a_site_is_one_source() {
        assert_eq!(source(address("2001:db8::1")), source(address("2001:db8:0:ffff::1")));
        assert_ne!(source(address("2001:db8::1")), source(address("2001:db8:1::1")));
    }

    #[test]
    fn all_sources_together_have_a_bound() {
        let sources = Sources::default();
        let enter = |n: usize| sources.enter(Ipv4(n).into());
        let places: Vec<_> = (0..HANDSHAKES.1).map(|n| enter(n).expect("a place")).collect();
        assert!(enter(HANDSHAKES.1).is_err());
        drop(places);
        assert!(enter(HANDSHAKES.1).is_ok());
    }

    #[test]
    fn open_connections_have_their_own_bound_and_make_room_for_handshakes() {
        let sources = Sources::default();
        let enter = |n: usize| sources.enter(Ipv4(n).into());
        let mut open: Vec<Place> =
            (0..CONNECTIONS.0).map(|_| enter(1).expect("a handshake's place").opened()).collect();
        assert!(enter(1).is_err(), "of one source");
        assert!(enter(2).is_ok());
        open.pop();
        assert!(enter(1).is_ok());
        open.extend((open.len()..CONNECTIONS.1).map(|n| enter(n + 2).expect("another source").opened()));
        assert!(enter(2).is_err(), "in all");
        drop(open);
        assert!(sources.lock().sources.is_empty(), "nothing is kept of them");
    }

    #[test]
    fn an_open_connection_is_blamed_once() {
        let sources = Sources::default();
        let bad = address("10.0.0.1");
        let open = sources.enter(bad).expect("a place").opened();
        (0..1000).for_each(|_| open.blame());
        assert!(sources.enter(bad).is_ok(), "others of its address are still let in");
        let refused =
            (0..1000).take_while(|_| sources.enter(bad).map(|place| place.opened().blame()).is_ok());
        assert!((31..100).contains(&refused.count()));
    }

    struct Ipv4(usize);

    impl From<Ipv4> for IpAddr {
        fn from(Ipv4(n): Ipv4) -> Self {
            std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).expect("small")).into()
        }
    }

    #[test]
    fn who_fails_often_is_turned_away_alone() {
        let sources = Sources::default();
        let (bad, good) = (address("10.0.0.1"), address("10.0.0.2"));
        let failed = (0..1000).take_while(|_| sources.enter(bad).map(|place| place.blame()).is_ok()).count();
        assert!((32..100).contains(&failed), "{failed}");
        assert!(sources.enter(good).is_ok());
        // It is forgiven with time.
        if let Some(source) = sources.lock().sources.get_mut(&bad) {
            source.blamed_until = Instant::now();
        }
        assert!(sources.enter(bad).is_ok());
    }
}
