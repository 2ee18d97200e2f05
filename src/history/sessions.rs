//! What a session may expect of what it did before, per key.
//!
//! An operation is judged against those of its session that had returned when it was invoked, whose
//! replies were accepted: what a request's given-up attempts did is nobody's.
//!
//! **Invariant.** What is kept of a session is one entry for each key on which it wrote, or read what
//! was written. Two operations under way at once are not judged against each other.

use std::collections::BTreeMap;

use super::place::Place;

/// What an operation is judged by: where what it read or wrote stands.
pub trait Standing: Copy {
    /// That of a key never written.
    const NOTHING: Self;
    /// Whether it does not know of all that the other one does.
    fn misses(&self, other: &Self) -> bool;
    /// What either knows of.
    #[must_use]
    fn with(self, other: Self) -> Self;
}

impl Standing for Place {
    const NOTHING: Self = Self::INITIAL;

    fn misses(&self, other: &Self) -> bool {
        self < other
    }

    fn with(self, other: Self) -> Self {
        self.max(other)
    }
}

/// What a followed operation that returned ok hands to whom its reply is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<P = Place> {
    /// The key.
    pub key: u64,
    /// Whether it wrote.
    pub wrote: bool,
    /// The place of what it wrote or read.
    pub place: P,
    /// The instant of its invocation.
    pub invoked: u64,
    /// The instant of its return.
    pub returned: u64,
}

/// Operations of sessions that broke what they may expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// Reads older than what the session had written.
    pub read_your_writes: u64,
    /// Reads older than what the session had read.
    pub monotonic_reads: u64,
    /// Writes placed before one that the session had written.
    pub monotonic_writes: u64,
    /// Writes placed before what the session had read.
    pub writes_follow_reads: u64,
}

/// The sessions under way.
#[derive(Clone, Debug)]
pub struct Sessions<P = Place> {
    last: BTreeMap<u32, BTreeMap<u64, Last<P>>>,
    sorted: Vec<Seen<P>>,
    violations: Violations,
}

/// The newest place and when the operation returned.
type Newest<P> = Option<(P, u64)>;

/// What a session saw of a key.
#[derive(Clone, Copy, Debug)]
struct Last<P> {
    wrote: Newest<P>,
    read: Newest<P>,
}

impl<P> Default for Last<P> {
    fn default() -> Self {
        Self { wrote: None, read: None }
    }
}

impl<P> Default for Sessions<P> {
    fn default() -> Self {
        Self { last: BTreeMap::new(), sorted: Vec::new(), violations: Violations::default() }
    }
}

impl<P: Standing> Sessions<P> {
    /// A request of a session was decided ok by an attempt that did these operations. Requests are
    /// told in the order in which they were decided. Returns what they broke. Of requests that overlap
    /// only the newest version is remembered with the return of the operation that had it, so that
    /// an operation under way by then is judged leniently.
    pub fn observe(&mut self, session: u32, operations: &[Seen<P>]) -> Violations {
        let mut broken = Violations::default();
        self.sorted.clear();
        self.sorted.extend_from_slice(operations);
        self.sorted.sort_by_key(|seen| (seen.key, seen.invoked));
        let keys = self.last.entry(session).or_default();
        for of_key in self.sorted.chunk_by(|a, b| a.key == b.key) {
            let before = keys.get(&of_key[0].key).copied().unwrap_or_default();
            for seen in of_key {
                judge(seen, before, of_key, &mut broken);
            }
            // A key never written is older than all else, so that it would be judged for nothing.
            for seen in of_key.iter().filter(|seen| P::NOTHING.misses(&seen.place)) {
                keys.entry(seen.key).or_default().note(seen);
            }
        }
        self.violations.add(broken);
        broken
    }

    /// A session has ended; what was kept of it is freed.
    pub fn close(&mut self, session: u32) {
        self.last.remove(&session);
    }

    #[cfg(test)]
    /// What all sessions broke.
    #[must_use]
    pub fn violations(&self) -> Violations {
        self.violations
    }

    #[cfg(test)]
    /// How many entries are kept.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.last.values().map(BTreeMap::len).sum()
    }
}

impl<P: Standing> Last<P> {
    fn note(&mut self, seen: &Seen<P>) {
        let newest = if seen.wrote { &mut self.wrote } else { &mut self.read };
        let before = newest.map_or(P::NOTHING, |(place, _)| place);
        if before.misses(&seen.place) {
            *newest = Some((before.with(seen.place), seen.returned));
        }
    }
}

impl Violations {
    /// Adds what was broken elsewhere.
    pub fn add(&mut self, other: Self) {
        self.read_your_writes += other.read_your_writes;
        self.monotonic_reads += other.monotonic_reads;
        self.monotonic_writes += other.monotonic_writes;
        self.writes_follow_reads += other.writes_follow_reads;
    }
}

/// Judges an operation against the requests before and the rest of its own.
fn judge<P: Standing>(
    seen: &Seen<P>,
    before: Last<P>,
    request: &[Seen<P>],
    broken: &mut Violations,
) {
    let newer = |newest: Newest<P>| {
        newest.is_some_and(|(place, returned)| seen.place.misses(&place) && returned < seen.invoked)
    };
    let in_request = |wrote: bool| {
        let others = request.iter().take_while(|other| other.invoked < seen.invoked);
        others.filter(|other| other.wrote == wrote).any(|o| newer(Some((o.place, o.returned))))
    };
    let newer_write = newer(before.wrote) || in_request(true);
    let newer_read = newer(before.read) || in_request(false);
    if seen.wrote {
        broken.monotonic_writes += u64::from(newer_write);
        broken.writes_follow_reads += u64::from(newer_read);
    } else {
        broken.read_your_writes += u64::from(newer_write);
        broken.monotonic_reads += u64::from(newer_read);
    }
}
