//! Who of a group has which partition of a log: members that are heard of, and what each may hold.
//!
//! It is told what members say and asked what to tell them; it knows neither network nor cores.
//!
//! **Invariant.** A partition is held by one member of those that are known at most, and nobody is given it before that one
//! has said that he let go of it.

use std::collections::BTreeMap;

use super::letters::{Beat, Told, Word};
use crate::model::{ids::Host, queue::consumes::RebalanceSpec};

/// What is known of a member.
#[derive(Clone, Debug)]
struct Member {
    /// Which of the lives of its instance this is.
    life: u32,
    /// When it was heard of last, ns.
    heard: u64,
    /// The number of the newest list of what it may hold, and of the one it has acted on.
    list: u32,
    acted: u32,
    /// It holds something, as far as it has said.
    holds: bool,
    /// Which of what it consumes this is.
    source: u16,
}

/// What a member is told, and the partitions that he is given only now.
#[derive(Clone, Debug)]
pub struct News {
    /// The member.
    pub to: Host,
    /// What he is told; where he begins with each partition is not said yet.
    pub told: Told,
    /// The partitions.
    pub given: Vec<u32>,
}

/// The coordinator of a group.
#[derive(Clone, Debug)]
pub struct Coordinator {
    rebalance: RebalanceSpec,
    session: u64,
    heartbeat: u64,
    members: BTreeMap<Host, Member>,
    /// Who is to have each partition, and who has it.
    target: Vec<Option<Host>>,
    owner: Vec<Option<Host>>,
    /// All have to let go of what they hold first.
    stops: bool,
    /// Members are gathered until then, as there was none.
    gathers: Option<u64>,
    /// When it is looked who was not heard of for too long.
    check: Option<u64>,
    /// How often who has what changed, from the start and in the measured span.
    pub rebalances: u64,
    from: u64,
}

/// Whom partitions go to: in turn, to members in their order; who has one keeps it if no counts then differ by more than
/// one.
pub fn assign(members: &[Host], before: &[Option<Host>]) -> Vec<Option<Host>> {
    let (partitions, count) = (before.len(), members.len());
    if count == 0 {
        return vec![None; partitions];
    }
    let (least, more) = (partitions / count, partitions % count);
    let mut kept: BTreeMap<Host, usize> = members.iter().map(|host| (*host, 0)).collect();
    let held = |host: &Host| before.iter().flatten().filter(|owner| *owner == host).count();
    // Those who have most may keep one more than the others.
    let mut by_held: Vec<&Host> = members.iter().collect();
    by_held.sort_by_key(|host| std::cmp::Reverse(held(host)));
    let most: BTreeMap<Host, usize> = by_held
        .into_iter()
        .enumerate()
        .map(|(i, host)| (*host, least + usize::from(i < more)))
        .collect();
    let mut target: Vec<Option<Host>> = before
        .iter()
        .map(|owner| {
            let owner = (*owner)?;
            let kept = kept.get_mut(&owner)?;
            let keeps = *kept < most[&owner];
            *kept += usize::from(keeps);
            keeps.then_some(owner)
        })
        .collect();
    let mut next = 0;
    for open in target.iter_mut().filter(|owner| owner.is_none()) {
        while kept[&members[next]] >= most[&members[next]] {
            next = (next + 1) % count;
        }
        *open = Some(members[next]);
        kept.entry(members[next]).and_modify(|kept| *kept += 1);
        next = (next + 1) % count;
    }
    target
}

impl Coordinator {
    /// Of a group whose members are these as the simulation begins, by the number of the source each reads through.
    pub fn new(
        (rebalance, session, heartbeat): (RebalanceSpec, u64, u64),
        members: &[(Host, u16)],
        partitions: u32,
        from: u64,
    ) -> Self {
        let hosts: Vec<Host> = members.iter().map(|member| member.0).collect();
        let target = assign(&hosts, &vec![None; partitions as usize]);
        let known = |&(host, source): &(Host, u16)| {
            let holds = target.contains(&Some(host));
            (host, Member { life: 0, heard: 0, list: 0, acted: 0, holds, source })
        };
        Self {
            rebalance,
            session,
            heartbeat,
            members: members.iter().map(known).collect(),
            owner: target.clone(),
            target,
            stops: false,
            gathers: None,
            check: (!members.is_empty()).then_some(session),
            rebalances: 0,
            from,
        }
    }

    /// Whether a member has a partition: nobody else's word counts.
    pub fn has(&self, host: Host, life: u32, partition: u32) -> bool {
        let known = self.members.get(&host).is_some_and(|member| member.life == life);
        known && self.owner.get(partition as usize) == Some(&Some(host))
    }

    /// Who has which partition.
    pub fn holders(&self) -> impl Iterator<Item = (u32, Host)> {
        let held = self.owner.iter().enumerate();
        held.filter_map(|(partition, owner)| owner.map(|host| (partition as u32, host)))
    }

    /// A member says something: whoever hears what then, with the partitions that he is given only now.
    pub fn hears(&mut self, beat: &Beat, now: u64) -> Vec<News> {
        let host = beat.from;
        let known = self.members.get(&host).is_some_and(|member| member.life == beat.life);
        match beat.word {
            Word::Joins if known => {}
            Word::Joins if self.members.get(&host).is_some_and(|m| m.life > beat.life) => {
                return Vec::new();
            }
            Word::Joins => {
                let alone = self.members.is_empty();
                self.drop_member(host);
                let member = Member {
                    life: beat.life,
                    heard: now,
                    list: 0,
                    acted: 0,
                    holds: false,
                    source: beat.source,
                };
                self.check.get_or_insert(now.saturating_add(self.session));
                self.members.insert(host, member);
                if alone || self.gathers.is_some() {
                    self.gathers.get_or_insert(now.saturating_add(self.heartbeat));
                } else {
                    self.changed(now);
                }
            }
            Word::Leaves | Word::Here | Word::Commits if !known => {
                return vec![News { to: host, told: Told::stranger(beat), given: Vec::new() }];
            }
            Word::Leaves => {
                self.drop_member(host);
                self.changed(now);
            }
            Word::Here | Word::Commits => {}
        }
        if let Some(member) = self.members.get_mut(&host) {
            member.heard = now;
            if beat.word != Word::Commits {
                (member.acted, member.holds) = (beat.acted, !beat.holds.is_empty());
                if beat.acted == member.list {
                    for (partition, owner) in self.owner.iter_mut().enumerate() {
                        if *owner == Some(host) && !beat.holds.contains(&(partition as u32)) {
                            // It never got the list, or let go of it.
                            *owner = owner
                                .filter(|_| self.target[partition] == Some(host) && !self.stops);
                        }
                    }
                }
            }
        }
        // Who says no more than how far he is changes nothing of who holds what.
        let commits = beat.word == Word::Commits;
        let mut news = if commits { Vec::new() } else { self.goes_on(now) };
        if !news.iter().any(|news| news.to == host)
            && let Some(member) = self.members.get(&host)
        {
            let may = (!commits).then(|| self.may_hold(host));
            let Member { source, life, list, .. } = *member;
            let told = Told { source, life, known: true, list, may, confirmed: Vec::new() };
            news.push(News { to: host, told, given: Vec::new() });
        }
        news
    }

    fn drop_member(&mut self, host: Host) {
        if self.members.remove(&host).is_some() {
            for owner in self.owner.iter_mut().filter(|owner| **owner == Some(host)) {
                *owner = None;
            }
        }
    }

    /// Partitions a member may hold now.
    fn may_hold(&self, host: Host) -> Vec<(u32, u64)> {
        let own = |&(partition, owner): &(usize, &Option<Host>)| {
            *owner == Some(host) && self.target[partition] == Some(host) && !self.stops
        };
        self.owner
            .iter()
            .enumerate()
            .filter(own)
            .map(|(partition, _)| (partition as u32, 0))
            .collect()
    }

    /// Who is in the group has changed.
    fn changed(&mut self, now: u64) {
        self.rebalances += u64::from(now >= self.from);
        for member in self.members.values_mut() {
            // What it was told is not so any more.
            member.list += 1;
        }
        if self.rebalance == RebalanceSpec::Eager {
            self.stops = true;
        } else {
            self.aims();
        }
    }

    fn aims(&mut self) {
        let hosts: Vec<Host> = self.members.keys().copied().collect();
        self.target = assign(&hosts, &self.owner);
    }

    /// What can be given out is, to whoever it is for.
    fn goes_on(&mut self, now: u64) -> Vec<News> {
        if self.gathers.is_some_and(|until| until > now) {
            return Vec::new();
        }
        if self.gathers.take().is_some() {
            self.rebalances += u64::from(now >= self.from);
            self.stops = false;
            self.aims();
        }
        if self.stops {
            let lets_go = |(host, member): (&Host, &Member)| {
                let told = member.acted == member.list || !self.owner.contains(&Some(*host));
                told && !member.holds
            };
            if !self.members.iter().all(lets_go) {
                return Vec::new();
            }
            self.stops = false;
            self.owner.fill(None);
            self.aims();
        }
        let mut given: BTreeMap<Host, Vec<u32>> = BTreeMap::new();
        for (partition, owner) in self.owner.iter_mut().enumerate() {
            if let (None, Some(host)) = (*owner, self.target[partition]) {
                *owner = Some(host);
                given.entry(host).or_default().push(partition as u32);
            }
        }
        let mut news = Vec::new();
        for (host, partitions) in given {
            let Some(member) = self.members.get_mut(&host) else { continue };
            member.list += 1;
            let (life, list, source) = (member.life, member.list, member.source);
            let may = Some(self.may_hold(host));
            let told = Told { source, life, known: true, list, may, confirmed: Vec::new() };
            news.push(News { to: host, told, given: partitions });
        }
        news
    }

    /// When it has to be looked who is silent, or enough members were gathered.
    pub fn due(&self) -> Option<u64> {
        self.check.into_iter().chain(self.gathers).min()
    }

    /// What is due by now happens.
    pub fn tick(&mut self, now: u64) -> Vec<News> {
        if self.check.is_some_and(|check| check <= now) {
            let over = |member: &Member| member.heard.saturating_add(self.session);
            let silent = self.members.iter().filter(|(_, member)| over(member) <= now);
            let gone: Vec<Host> = silent.map(|(host, _)| *host).collect();
            let next = self.members.values().map(over).filter(|over| *over > now).min();
            self.check = next;
            if !gone.is_empty() {
                for host in gone {
                    self.drop_member(host);
                }
                self.changed(now);
            }
        }
        self.goes_on(now)
    }

    /// Another process goes on with what copies know of the group: from now on it counts how long members are silent.
    pub fn goes_on_elsewhere(&mut self, now: u64) {
        self.members.values_mut().for_each(|member| member.heard = now);
        self.check = (!self.members.is_empty()).then(|| now.saturating_add(self.session));
    }

    /// Its process is gone, and with it who is in the group.
    pub fn crash(&mut self) {
        self.members.clear();
        self.owner.fill(None);
        self.target.fill(None);
        (self.stops, self.gathers, self.check) = (false, None, None);
    }
}

#[cfg(test)]
mod tests;
