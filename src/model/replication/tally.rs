//! What is measured of replicas: messages, how far followers are behind, elections, who led.
//!
//! **Invariant.** Nothing of the model reads it.

use std::collections::{BTreeMap, VecDeque};

use crate::{model::lasted::Lasted, replication::Note, stats::Histogram};

/// Commits kept until all followers have applied them, at most.
const MOST_COMMITS: usize = 1 << 22;
/// Times in which somebody led that are kept, at most.
const MOST_LEADERS: usize = 1000;

/// What is known of one log: that of a shard, or of one of its leaders if each has its own.
#[derive(Clone, Debug, Default)]
struct Log {
    /// Place and instant of each commit that some follower has not applied.
    commits: VecDeque<(u64, u64)>,
    /// Up to which place each replica of the shard has applied, by number.
    applied: Vec<u64>,
}

impl Log {
    fn committed(&mut self, order: u64, now: u64) {
        // A log of one has no followers to wait for.
        if self.applied.len() > 1 && self.commits.back().is_none_or(|last| last.0 < order) {
            self.commits.push_back((order, now));
            if self.commits.len() > MOST_COMMITS {
                self.commits.pop_front();
            }
        }
    }

    /// A replica has applied all up to here: the instants at which what is new of it was committed. Those who lead are
    /// not waited for.
    fn applied(&mut self, replica: usize, order: u64, leads: impl Fn(usize) -> bool) -> Vec<u64> {
        let known = self.applied[replica];
        let first = self.commits.partition_point(|(place, _)| *place <= known);
        let new = self.commits.range(first..).take_while(|(place, _)| *place <= order);
        let new = new.map(|(_, at)| *at).collect();
        self.applied[replica] = known.max(order);
        let followers = self.applied.iter().enumerate().filter(|(r, _)| !leads(*r));
        let all = followers.map(|(_, place)| *place).min().unwrap_or(0);
        while self.commits.front().is_some_and(|(place, _)| *place <= all) {
            self.commits.pop_front();
        }
        new
    }
}

/// What is known of one shard.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// Who leads, and since when: two while one does not know that it was replaced.
    leaders: Vec<(u16, u64)>,
    /// Since when nobody leads.
    vacant: Option<u64>,
    /// Terms begun and not won since somebody led.
    stood: u64,
    /// The last term somebody stood for.
    last_term: u64,
    /// Since when two lead.
    split: Option<u64>,
    /// Who led last, and the newest term somebody led in.
    last_leader: Option<u16>,
    led_term: u64,
}

/// What is measured of the replicas of a node.
#[derive(Clone, Debug)]
pub struct Tally {
    from: u64,
    each: usize,
    messages: Counts,
    counted: Counts,
    lag: Histogram,
    shards: Vec<Shard>,
    /// Each replica has a log of its own; else each shard.
    own_logs: bool,
    logs: Vec<Log>,
    elections: Elections,
    /// Time in which each instance led, ns.
    led: Vec<u64>,
    split: u64,
    /// Who led when, in the order in which that began.
    leaders: Vec<Led>,
}

/// A time in which an instance led its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Led {
    /// The instance.
    pub inst: u16,
    /// Since when, ns.
    pub from: u64,
    /// Until when, ns; none: it still does.
    pub to: Option<u64>,
}

/// Elections of a node.
#[derive(Clone, Debug, Default)]
pub struct Elections {
    /// Leaders that came after another one.
    pub count: u64,
    /// Those that were another replica than the one before.
    pub changes: u64,
    /// Terms begun for them.
    pub terms: u64,
    /// Terms that nobody won.
    pub split_votes: u64,
    /// From the end of a leader to the next one's election.
    pub leaderless: Histogram,
}

/// What was measured of the replicas of a node.
#[derive(Clone, Debug, Default)]
pub struct ReplicasMeasured {
    /// Replicas of each shard.
    pub each: u64,
    /// They follow a log.
    pub logs: bool,
    /// Observers decide who leads.
    pub observed: bool,
    /// Where each stands.
    pub zones: Vec<String>,
    /// Messages between them that arrived, by name.
    pub messages: BTreeMap<&'static str, u64>,
    /// Other things that happened, by name.
    pub counted: BTreeMap<&'static str, u64>,
    /// From the commit of an entry to its being applied at a follower.
    pub lag: Histogram,
    /// Elections, where there are leaders.
    pub elections: Option<Elections>,
    /// Time in which each instance led, ns.
    pub led: Vec<u64>,
    /// Time in which two led a shard, summed over shards, ns.
    pub split: u64,
    /// Who led when.
    pub leaders: Vec<Led>,
    /// By fault that parted them: how long after its end they held what any of them held then.
    pub healed: BTreeMap<usize, Lasted>,
}

/// So many texts can be found without a look at the others, by where they lie.
const SEATS: usize = 64;

/// How often something came, by name.
#[derive(Clone, Debug)]
struct Counts {
    all: Vec<(&'static str, u64)>,
    /// The places in `all` of texts that lie there in memory; maybe that of another one.
    seats: [u8; SEATS],
}

impl Default for Counts {
    fn default() -> Self {
        Self { all: Vec::new(), seats: [0; SEATS] }
    }
}

impl Counts {
    /// It came once more.
    #[inline(always)]
    fn count(&mut self, name: &'static str) {
        let seat = name.as_ptr() as usize % SEATS;
        match self.all.get_mut(usize::from(self.seats[seat])) {
            Some((known, times)) if std::ptr::eq::<str>(*known, name) => *times += 1,
            _ => self.find(seat, name),
        }
    }

    #[inline(never)]
    fn find(&mut self, seat: usize, name: &'static str) {
        let known = self.all.iter().position(|(known, _)| *known == name);
        let at = known.unwrap_or_else(|| {
            self.all.push((name, 0));
            self.all.len() - 1
        });
        self.all[at].1 += 1;
        self.seats[seat] = at as u8;
    }
}

impl Tally {
    /// Nothing has happened; of so many shards and instances.
    pub fn new(
        (shards, each): (usize, u16),
        (instances, own_logs): (usize, bool),
        from: u64,
    ) -> Self {
        let each = usize::from(each);
        let log = || Log { applied: vec![0; each], ..Log::default() };
        let logs = if own_logs { shards * each } else { shards };
        Self {
            from,
            each,
            messages: Counts::default(),
            counted: Counts::default(),
            lag: Histogram::default(),
            shards: (0..shards).map(|_| Shard::default()).collect(),
            own_logs,
            logs: (0..logs).map(|_| log()).collect(),
            elections: Elections::default(),
            led: vec![0; instances],
            split: 0,
            leaders: Vec::new(),
        }
    }

    /// The run begins: these lead.
    pub fn begin(&mut self, leaders: impl Iterator<Item = u16>) {
        for (shard, leader) in self.shards.iter_mut().zip(leaders) {
            shard.leaders.push((leader, 0));
            shard.last_leader = Some(leader);
            self.leaders.push(Led { inst: leader, from: 0, to: None });
        }
    }

    /// Who leads each shard that anybody leads: the last one elected.
    pub fn leaders(&self) -> impl Iterator<Item = u16> {
        self.shards.iter().filter_map(|shard| shard.leaders.last()).map(|(inst, _)| *inst)
    }

    /// The newest term that anybody led a shard in.
    pub fn newest_term(&self, shard: usize) -> u64 {
        self.shards[shard].led_term
    }

    /// The newest term that anybody stood for or led a shard in: the first one began with the run.
    pub fn last_term(&self, shard: usize) -> u64 {
        self.shards[shard].last_term.max(self.shards[shard].led_term).max(1)
    }

    /// A message arrived.
    pub fn message(&mut self, name: &'static str, now: u64) {
        if now >= self.from {
            self.messages.count(name);
        }
    }

    /// A replica has something to note.
    pub fn note(&mut self, (inst, shard): (u16, u16), note: Note, now: u64) {
        let (measured, number) = (now >= self.from, usize::from(shard));
        if let (Note::Counted(name), true) = (note, measured) {
            return self.counted.count(name);
        }
        let Some(shard) = self.shards.get_mut(number) else { return };
        match note {
            Note::Committed { order } => {
                let log = if self.own_logs { usize::from(inst) } else { number };
                self.logs[log].committed(order, now);
            }
            Note::Applied { order } => {
                let leads = |r: usize| {
                    shard.leaders.iter().any(|(inst, _)| usize::from(*inst) % self.each == r)
                };
                let new = self.logs[number].applied(usize::from(inst) % self.each, order, leads);
                self.lag(new, now);
            }
            Note::Took { from, order } => {
                let (from, replica) = (usize::from(from), usize::from(inst) % self.each);
                let new = self.logs[from].applied(replica, order, |r| r == from % self.each);
                self.lag(new, now);
            }
            Note::Stands { term } if term > shard.last_term => {
                (shard.last_term, shard.stood) = (term, shard.stood + 1);
                self.elections.terms += u64::from(measured);
            }
            Note::Leads { term, .. } => self.leads(inst, term, now),
            Note::StepsDown { .. } => self.ends(inst, now),
            _ => {}
        }
    }

    /// What was committed at these instants is applied now.
    fn lag(&mut self, committed: Vec<u64>, now: u64) {
        for at in committed.into_iter().filter(|at| *at >= self.from) {
            self.lag.record(now - at);
        }
    }

    fn leads(&mut self, inst: u16, term: u64, now: u64) {
        let measured = now >= self.from;
        let shard = &mut self.shards[usize::from(inst) / self.each];
        if shard.leaders.iter().any(|(known, _)| *known == inst) {
            return;
        }
        // One that comes back from the dead and has yet to hear of the next one follows nobody.
        let comes_back = !shard.leaders.is_empty() && term <= shard.led_term;
        let since = shard.vacant.take().unwrap_or(now);
        shard.leaders.push((inst, now));
        if self.leaders.len() < MOST_LEADERS {
            self.leaders.push(Led { inst, from: now, to: None });
        }
        shard.led_term = shard.led_term.max(term);
        if shard.leaders.len() == 2 {
            shard.split = Some(now);
        }
        if comes_back {
            return;
        }
        let changes = shard.last_leader.replace(inst) != Some(inst);
        let lost = std::mem::take(&mut shard.stood).saturating_sub(1);
        if measured {
            self.elections.count += 1;
            self.elections.changes += u64::from(changes);
            self.elections.split_votes += lost;
            self.elections.leaderless.record(now - since);
        }
    }

    /// An instance that led leads no more: it says so, or it is dead.
    pub fn ends(&mut self, inst: u16, now: u64) {
        let Some(shard) = self.shards.get_mut(usize::from(inst) / self.each) else { return };
        let Some(at) = shard.leaders.iter().position(|(known, _)| *known == inst) else { return };
        let (_, since) = shard.leaders.remove(at);
        let mut known = self.leaders.iter_mut().rev();
        if let Some(led) = known.find(|led| led.inst == inst && led.from == since) {
            led.to = Some(now);
        }
        self.led[usize::from(inst)] += now.saturating_sub(since.max(self.from));
        match shard.leaders.len() {
            0 => shard.vacant = Some(now),
            1 => {
                let since = shard.split.take().unwrap_or(now);
                self.split += now.saturating_sub(since.max(self.from));
            }
            _ => {}
        }
    }

    /// What was measured, as the run ends.
    pub fn measured(
        &self,
        (logs, led, observed): (bool, bool, bool),
        now: u64,
    ) -> ReplicasMeasured {
        let mut all = self.clone();
        let leaders: Vec<u16> =
            all.shards.iter().flat_map(|shard| &shard.leaders).map(|(inst, _)| *inst).collect();
        for inst in leaders {
            all.ends(inst, now);
        }
        ReplicasMeasured {
            each: all.each as u64,
            logs,
            observed,
            zones: Vec::new(),
            messages: all.messages.all.into_iter().collect(),
            counted: all.counted.all.into_iter().collect(),
            lag: all.lag,
            elections: led.then_some(all.elections),
            led: all.led,
            split: all.split,
            leaders: self.leaders.clone(),
            healed: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts in several places of memory, of which some share a seat, and a text at the beginning of another one.
    #[test]
    fn a_text_is_counted_wherever_it_lies() {
        let words = ["get", "got", "put", "stored", "store"];
        let texts: Vec<&'static str> = (0..40)
            .flat_map(|n| words.map(|word| &*format!("{}{word}", "-".repeat(n)).leak()))
            .zip((0..40).flat_map(|n| words.map(|_| n)))
            .map(|(text, n)| &text[n..])
            .chain(["stored", &"stored"[..5]])
            .collect();
        let (mut counts, mut right) = (Counts::default(), BTreeMap::new());
        for n in 0..10_000 {
            let text = texts[n * n % texts.len()];
            counts.count(text);
            *right.entry(text).or_insert(0) += 1;
        }
        assert_eq!(counts.all.len(), words.len());
        assert_eq!(counts.all.into_iter().collect::<BTreeMap<_, _>>(), right);
    }
}
