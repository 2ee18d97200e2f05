//! An observer: it watches the leader of each shard, and with a majority of the others has another replica lead.
//!
//! An epoch is given once: whoever wants to give it to a replica asks all observers, each grants it to one who asks, and
//! only if it has not heard of the leader for `detect` and has renewed no fence for as long. From then on it renews no
//! older leader's fence. So two leaders of one epoch cannot be, and with fencing an older one has stopped to serve before a
//! majority has granted the next. What was granted is on the disk, even of an observer that lost its disk: three numbers,
//! which are kept apart.
//!
//! **Invariant.** The epochs that an observer grants rise.

use super::config::{Config, Failover};
use super::message::{Message, State};
use super::replica::send;
use crate::replication::contract::{Context, Effect, Protocol};
use crate::replication::message::Message as Any;
use crate::replication::words::{
    Answer, Failure, Law, Note, Operation, Peer, Phase, Start, Timer, group,
};

/// Timers: to ask and tell, and for what is due.
const TICK: Timer = 0;
const DUE: Timer = 1;

/// A promotion that it carries out.
#[derive(Clone, Debug)]
struct Acting {
    epoch: u32,
    stage: Stage,
    /// When it is given up or goes on with what it has, ns.
    until: u64,
}

#[derive(Clone, Debug)]
enum Stage {
    /// It asks the others whether it may: who has granted it.
    Asks(Vec<Peer>),
    /// It asks candidates how far they are; before the time `promotes` it chooses none.
    Chooses { promotes: u64, found: Vec<(Peer, Found)> },
    /// It has chosen one.
    Promotes(Peer),
}

/// How far a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// It does not run.
    Down,
    /// It has lost all.
    Empty,
    /// The place of its last entry.
    At(u64),
}

/// What it knows of a shard.
#[derive(Clone, Debug)]
struct Watch {
    /// The newest leader it knows, and its epoch.
    leader: Peer,
    epoch: u32,
    /// The newest epoch that it granted or knows, and to whom it granted it.
    granted: u32,
    to: Option<Peer>,
    /// When it last heard of the leader, and when it last renewed its fence, ns.
    heard: u64,
    renewed: u64,
    /// When each observer last said that it suspects the leader.
    suspects: Vec<Option<u64>>,
    /// Who else carries out a promotion, and when it last said so.
    actor: Option<(Peer, u64)>,
    acting: Option<Acting>,
}

/// An observer.
#[derive(Clone, Debug)]
pub struct Observer {
    failover: Failover,
    replicas: u16,
    me: Peer,
    watches: Vec<Watch>,
    /// When the timer of what is due fires.
    due: Option<u64>,
}

/// Whom to promote, of those who answered. One that was silent before is not waited for, but may be chosen; one that has
/// lost all is chosen only if all have.
fn choose(all: &[Peer], found: &[(Peer, Found)], silent: Peer, late: bool) -> Option<Peer> {
    let place = |one: Peer| found.iter().find(|(peer, _)| *peer == one).map(|(_, found)| *found);
    if !late && !all.iter().all(|peer| *peer == silent || place(*peer).is_some()) {
        return None;
    }
    // Of two that are as far the first that is named.
    let best = *all.iter().rev().max_by_key(|peer| place(**peer))?;
    match place(best)? {
        Found::At(_) => Some(best),
        Found::Empty => all.iter().all(|peer| place(*peer) == Some(Found::Empty)).then_some(best),
        Found::Down => None,
    }
}

impl Watch {
    /// It has not heard of the leader for too long.
    fn suspects(&self, now: u64, detect: u64) -> bool {
        now.saturating_sub(self.heard) >= detect
    }

    /// Another one was at it lately.
    fn is_taken(&self, by: Peer, now: u64, detect: u64) -> bool {
        self.actor.is_some_and(|(actor, at)| actor != by && now.saturating_sub(at) < detect / 2)
    }

    /// It knows of a leader.
    fn learn(&mut self, leader: Peer, epoch: u32, now: u64) {
        if epoch > self.epoch {
            (self.leader, self.epoch, self.heard, self.renewed) = (leader, epoch, now, now);
            if epoch > self.granted {
                (self.granted, self.to) = (epoch, None);
            }
            self.suspects.fill(None);
            self.acting.take_if(|acting| acting.epoch < epoch);
        }
    }
}

impl Observer {
    /// An observer of so many shards, in this process, which is one of the observers.
    pub fn new(config: Config, me: Peer, shards: u16) -> Self {
        let replicas = config.replicas;
        let failover = config.failover.expect("there are observers only for failover");
        let watch = |shard| Watch {
            leader: group(shard, replicas).start,
            epoch: 1,
            granted: 1,
            to: None,
            heard: 0,
            renewed: 0,
            suspects: vec![None; failover.observers.len()],
            actor: None,
            acting: None,
        };
        let watches = (0..shards).map(watch).collect();
        Self { failover, replicas, me, watches, due: None }
    }

    fn shard(&self, replica: Peer) -> u16 {
        replica / self.replicas
    }

    fn watch(&mut self, shard: u16) -> &mut Watch {
        &mut self.watches[usize::from(shard)]
    }

    fn is_majority(&self, count: usize) -> bool {
        count * 2 > self.failover.observers.len()
    }

    fn tell_others(&self, message: &Message, cx: &mut Context<'_>) {
        for &observer in self.failover.observers.iter().filter(|observer| **observer != self.me) {
            send(cx, observer, message.clone());
        }
    }

    /// The replicas that may lead next: the candidates, and the one that led.
    fn candidates(&self, shard: u16) -> Vec<Peer> {
        let here = group(shard, self.replicas);
        let candidates = self.failover.candidates.iter().copied();
        let mut all: Vec<Peer> = candidates.filter(|peer| here.contains(peer)).collect();
        let leader = self.watches[usize::from(shard)].leader;
        if !all.contains(&leader) {
            all.push(leader);
        }
        all
    }

    /// Has the timer fire at this time at the latest.
    fn wake(&mut self, at: u64, cx: &mut Context<'_>) {
        if self.due.is_none_or(|due| at < due) {
            self.due = Some(at);
            cx.act(Effect::Arm(DUE, at.saturating_sub(cx.now)));
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>) {
        for shard in 0..self.watches.len() as u16 {
            send(cx, self.watch(shard).leader, Message::Ping);
            self.suspect(shard, cx);
            self.urge(shard, cx);
        }
        cx.act(Effect::Arm(TICK, self.failover.detect / 5));
    }

    /// Looks at all that may be due.
    fn look(&mut self, cx: &mut Context<'_>) {
        self.due = None;
        let mut next = cx.now + self.failover.detect;
        for shard in 0..self.watches.len() as u16 {
            self.suspect(shard, cx);
            self.go_on(shard, cx);
            let detect = self.failover.detect;
            let watch = self.watch(shard);
            let silent = watch.heard + detect;
            if silent > cx.now {
                next = next.min(silent);
            }
            if let Some(acting) = &watch.acting {
                let promotes = match acting.stage {
                    Stage::Chooses { promotes, .. } if promotes > cx.now => promotes,
                    _ => acting.until,
                };
                next = next.min(promotes.max(cx.now + 1));
            }
        }
        self.wake(next, cx);
    }

    /// Tells the others if it suspects a leader, and does what is to be done about it.
    fn suspect(&mut self, shard: u16, cx: &mut Context<'_>) {
        let detect = self.failover.detect;
        let watch = self.watch(shard);
        if watch.suspects(cx.now, detect) {
            let acting = watch.acting.as_ref().map_or(0, |acting| acting.epoch);
            let epoch = watch.epoch;
            self.tell_others(&Message::Suspect { shard, epoch, acting }, cx);
            self.consider(shard, cx);
        }
    }

    /// Carries on with a promotion, or begins one if it is the one to act.
    fn consider(&mut self, shard: u16, cx: &mut Context<'_>) {
        let (me, detect) = (self.me, self.failover.detect);
        if self.watch(shard).acting.is_some() {
            return self.go_on(shard, cx);
        }
        let watch = &self.watches[usize::from(shard)];
        if !watch.suspects(cx.now, detect) || cx.now.saturating_sub(watch.renewed) < detect {
            return;
        }
        let said = |at: Option<u64>| at.is_some_and(|at| cx.now.saturating_sub(at) < detect / 2);
        let observers = self.failover.observers.iter().zip(&watch.suspects);
        let live = || observers.clone().filter(|(peer, at)| **peer == me || said(**at));
        let lowest = live().map(|(peer, _)| *peer).min();
        if !self.is_majority(live().count())
            || lowest != Some(me)
            || watch.is_taken(me, cx.now, detect)
        {
            return;
        }
        let until = cx.now + detect;
        let watch = self.watch(shard);
        watch.granted += 1;
        watch.to = Some(me);
        let epoch = watch.granted;
        watch.acting = Some(Acting { epoch, stage: Stage::Asks(vec![me]), until });
        self.wake(until, cx);
        self.urge(shard, cx);
        self.go_on(shard, cx);
    }

    /// Asks again whom it waits for.
    fn urge(&mut self, shard: u16, cx: &mut Context<'_>) {
        let Some(acting) = &self.watches[usize::from(shard)].acting else { return };
        let epoch = acting.epoch;
        match &acting.stage {
            Stage::Asks(_) => self.tell_others(&Message::Grant { shard, epoch }, cx),
            Stage::Chooses { found, .. } => {
                for peer in self.candidates(shard) {
                    if !found.iter().any(|(known, found)| *known == peer && *found != Found::Down) {
                        send(cx, peer, Message::Position { epoch });
                    }
                }
            }
            Stage::Promotes(peer) => send(cx, *peer, Message::Lead { epoch }),
        }
    }

    /// Takes the next step of a promotion if it can.
    fn go_on(&mut self, shard: u16, cx: &mut Context<'_>) {
        if self.watch(shard).acting.is_none() {
            return;
        }
        let observers = self.failover.observers.len();
        let (detect, candidates) = (self.failover.detect, self.candidates(shard));
        let watch = self.watch(shard);
        let Some(acting) = &mut watch.acting else { return };
        match &mut acting.stage {
            Stage::Asks(granted) if granted.len() * 2 > observers => {
                let promotes = cx.now + cx.laws.draw(Law::Promote);
                acting.stage = Stage::Chooses { promotes, found: Vec::new() };
                acting.until = promotes.max(cx.now + detect);
                cx.note(Note::Stands { term: u64::from(acting.epoch) });
                self.wake(promotes, cx);
                self.urge(shard, cx);
            }
            Stage::Chooses { promotes, found } if cx.now >= *promotes => {
                let chosen = choose(&candidates, found, watch.leader, cx.now >= acting.until);
                if let Some(best) = chosen {
                    acting.stage = Stage::Promotes(best);
                    acting.until = cx.now + detect;
                    let until = acting.until;
                    self.wake(until, cx);
                    self.urge(shard, cx);
                } else if cx.now >= acting.until {
                    // Nobody can lead; it goes on asking.
                    acting.until = cx.now + detect;
                }
            }
            Stage::Asks(_) | Stage::Promotes(_) if cx.now >= acting.until => watch.acting = None,
            _ => {}
        }
    }

    /// A replica leads.
    fn pong(&mut self, from: Peer, epoch: u32, (at, state): (u64, State), cx: &mut Context<'_>) {
        let shard = self.shard(from);
        let (me, detect, fencing) = (self.me, self.failover.detect, self.failover.fencing);
        let watch = self.watch(shard);
        if epoch < watch.epoch {
            let (leader, epoch) = (watch.leader, watch.epoch);
            return send(cx, from, Message::Knows { shard, leader, epoch });
        }
        if epoch < watch.granted {
            return; // Its time is over.
        }
        watch.learn(from, epoch, cx.now);
        if state == State::Fenced && watch.suspects(cx.now, detect) {
            return; // It does not serve, so the next may come.
        }
        watch.renewed = cx.now;
        if state != State::Fenced {
            watch.heard = cx.now;
        }
        if let Some(acting) = watch.acting.as_mut().filter(|acting| acting.epoch == epoch) {
            acting.until = cx.now + detect;
        }
        if state == State::Serves {
            let acted = watch.acting.take_if(|acting| acting.epoch <= epoch).is_some();
            // One that was at it and died told nobody.
            let left = watch.actor.is_some() && !watch.is_taken(me, cx.now, detect);
            watch.actor = None;
            if acted || left {
                cx.act(Effect::Announce { leader: from, epoch: u64::from(epoch) });
            }
        }
        if fencing {
            send(cx, from, Message::Renewed { epoch, at });
        }
    }

    /// Another observer wants to give an epoch to a replica.
    fn grant(&mut self, from: Peer, shard: u16, epoch: u32, cx: &mut Context<'_>) {
        let detect = self.failover.detect;
        let watch = self.watch(shard);
        let silent = watch.suspects(cx.now, detect)
            && cx.now.saturating_sub(watch.renewed) >= detect
            && !watch.is_taken(from, cx.now, detect);
        let mut yes = epoch == watch.granted && watch.to == Some(from);
        if epoch > watch.granted && silent {
            (watch.granted, watch.to, watch.actor) = (epoch, Some(from), Some((from, cx.now)));
            watch.acting = None;
            yes = true;
        }
        if yes || epoch <= watch.granted {
            let epoch = watch.granted;
            send(cx, from, Message::Granted { shard, epoch, yes });
        }
    }

    fn granted(&mut self, from: Peer, (shard, epoch): (u16, u32), yes: bool, cx: &mut Context<'_>) {
        let watch = self.watch(shard);
        let Some(acting) = &mut watch.acting else { return };
        match &mut acting.stage {
            Stage::Asks(granted) if yes && epoch == acting.epoch => {
                if !granted.contains(&from) {
                    granted.push(from);
                }
                self.go_on(shard, cx);
            }
            Stage::Asks(_) if !yes && epoch >= acting.epoch => {
                // Taken: the next is tried, later.
                (watch.granted, watch.to) = (watch.granted.max(epoch), None);
                watch.acting = None;
            }
            _ => {}
        }
    }

    /// A candidate said how far it is, or does not run.
    fn found(&mut self, from: Peer, epoch: u32, place: Found, cx: &mut Context<'_>) {
        let shard = self.shard(from);
        if let Some(acting) = &mut self.watch(shard).acting
            && acting.epoch == epoch
            && let Stage::Chooses { found, .. } = &mut acting.stage
        {
            found.retain(|(peer, _)| *peer != from);
            found.push((from, place));
            self.go_on(shard, cx);
        }
    }

    fn suspected(&mut self, from: Peer, message: &Message, cx: &mut Context<'_>) {
        let &Message::Suspect { shard, epoch, acting } = message else { return };
        let Some(n) = self.failover.observers.iter().position(|peer| *peer == from) else { return };
        let watch = self.watch(shard);
        if epoch < watch.epoch {
            let (leader, epoch) = (watch.leader, watch.epoch);
            return send(cx, from, Message::Knows { shard, leader, epoch });
        }
        watch.suspects[n] = Some(cx.now);
        if acting >= watch.granted && acting > watch.epoch {
            watch.actor = Some((from, cx.now));
        }
        self.consider(shard, cx);
    }
}

impl Protocol for Observer {
    fn start(&mut self, how: Start, cx: &mut Context<'_>) {
        self.due = None;
        for watch in &mut self.watches {
            (watch.heard, watch.renewed) = (cx.now, cx.now);
            (watch.actor, watch.acting) = (None, None);
            watch.suspects.fill(None);
            if how != Start::First && watch.epoch > 1 {
                // It may have died before it could tell.
                let (leader, epoch) = (watch.leader, u64::from(watch.epoch));
                cx.act(Effect::Announce { leader, epoch });
            }
        }
        let tick = cx.laws.below(self.failover.detect / 5 + 1);
        cx.act(Effect::Arm(TICK, tick));
        self.wake(cx.now + self.failover.detect, cx);
    }

    fn operation(&mut self, operation: &Operation, _: Phase, cx: &mut Context<'_>) {
        debug_assert!(false, "no operation is sent to an observer");
        cx.answer(operation.ticket, Answer::Failed(Failure::NoLeader));
    }

    fn message(&mut self, from: Peer, message: Any, cx: &mut Context<'_>) {
        let message = match message {
            Any::LeaderFollower(message) => message,
            Any::Refused(message) => {
                if let Any::LeaderFollower(Message::Position { epoch }) = *message {
                    self.found(from, epoch, Found::Down, cx);
                }
                return;
            }
            _ => return,
        };
        match message {
            Message::Pong { reign, at, state } => self.pong(from, reign.epoch(), (at, state), cx),
            Message::Suspect { .. } => self.suspected(from, &message, cx),
            Message::Knows { shard, leader, epoch } => {
                self.watch(shard).learn(leader, epoch, cx.now);
            }
            Message::Grant { shard, epoch } => self.grant(from, shard, epoch, cx),
            Message::Granted { shard, epoch, yes } => self.granted(from, (shard, epoch), yes, cx),
            Message::At { epoch, empty: true, .. } => self.found(from, epoch, Found::Empty, cx),
            Message::At { epoch, place, .. } => self.found(from, epoch, Found::At(place), cx),
            _ => {}
        }
    }

    fn timer(&mut self, timer: Timer, cx: &mut Context<'_>) {
        if timer == TICK { self.tick(cx) } else { self.look(cx) }
    }
}
