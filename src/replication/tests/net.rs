//! A tiny network for tests of protocols: processes, clients, latency, loss, copies, cuts, crashes, pauses, clocks.
//!
//! Places are numbers: the processes first, in order, then the clients. A test builds a [`Net`], lets it
//! [`run`](Net::run) up to a time, hurts it, runs on, and looks at `history` and `notes`. A client asks one thing after
//! another: it goes where it is sent, and on to the next replica when one fails or is silent.
//!
//! **Invariant.** A run is a function of its settings and of the calls made: events of one instant come in the order in
//! which they were scheduled.

use std::collections::{BTreeMap, BTreeSet};

use super::sessions::{Session, Sessions};
use crate::engine::random::{Draw, Stream};
use crate::history::{self, History, OpId, Outcome, Place};
use crate::replication::{
    Act, Answer, Context, Effect, Failure, Known, Law, Laws, Message, Note, Once, Operation, Peer,
    Phase, Protocol, Start, Ticket, Timer, Work, group,
};

/// A millisecond in ns.
pub const MS: u64 = 1_000_000;

/// What a net is like. Times in ns.
#[derive(Clone, Debug)]
pub struct Settings {
    /// All draws follow from it.
    pub seed: u64,
    /// Replicas of a shard.
    pub replicas: u16,
    /// Shards: a key is in shard key % shards.
    pub shards: u16,
    /// Clients.
    pub clients: usize,
    /// One way, uniform between these, drawn per message: so messages overtake one another.
    pub latency: (u64, u64),
    /// Share of the messages between processes that are lost.
    pub loss: f64,
    /// Share of them that come twice.
    pub copies: f64,
    /// Work of a read, of a write, of applying an entry.
    pub work: (u64, u64, u64),
    /// Keys that clients use.
    pub keys: u64,
    /// Share of writes.
    pub writes: f64,
    /// Share of deletes among the writes.
    pub deletes: f64,
    /// Between an answer and the next operation, at most (uniform).
    pub think: u64,
    /// After so long a client gives up.
    pub timeout: u64,
    /// Whether each client is a session that reads where it likes; otherwise it asks one replica until that fails.
    pub sessions: Option<Sessions>,
    /// Whether clients make several attempts at a write.
    pub again: Option<Again>,
    /// Draws of the replicas.
    pub laws: fn(Law, &mut Draw) -> u64,
}

/// Attempts at a write.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// The next one is made after so long, ns, or when one fails.
    pub after: u64,
    /// So many at most.
    pub most: u8,
    /// They are one.
    pub once: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            replicas: 3,
            shards: 1,
            clients: 3,
            latency: (MS / 2, 2 * MS),
            loss: 0.0,
            copies: 0.0,
            work: (MS / 10, MS / 10, MS / 10),
            keys: 3,
            writes: 0.5,
            deletes: 0.0,
            think: 20 * MS,
            timeout: 1_000 * MS,
            sessions: None,
            again: None,
            laws: |law, draw| match law {
                Law::Election => 150 * MS + draw.below(150 * MS),
                _ => 0,
            },
        }
    }
}

/// Draws of one process.
struct Dice(fn(Law, &mut Draw) -> u64, Draw);

impl Laws for Dice {
    fn draw(&mut self, law: Law) -> u64 {
        (self.0)(law, &mut self.1)
    }
    fn below(&mut self, n: u64) -> u64 {
        self.1.below(n)
    }
}

/// A process.
struct Process<P> {
    replica: P,
    up: bool,
    /// Rises when it dies: what belongs to an earlier life is void.
    life: u64,
    paused: bool,
    /// What waits for the end of the pause.
    held: Vec<Event>,
    /// Its clock showed the second at the first, and goes at this rate.
    clock: (u64, u64, f64),
    /// It has shown this.
    shown: u64,
    dice: Dice,
    /// Of each timer that is armed the number of its event.
    timers: BTreeMap<Timer, u64>,
    /// Operations that are there.
    operations: BTreeMap<u64, Operation>,
}

/// A client.
pub struct Client {
    /// Which replica of each shard it asks.
    pub asks: u16,
    /// Share of writes.
    pub writes: f64,
    /// What it remembers.
    pub session: Session,
    /// What it waits for: the number, the operation, its history, how often it was sent elsewhere.
    waits: Option<(Operation, OpId, u8)>,
    /// Attempts made, and whether one of them may have been done.
    attempts: (u8, bool),
    /// Newest epoch it heard of by an announcement.
    epoch: u64,
    /// What it was told, by shard or by key.
    pub knows: BTreeMap<u64, Known>,
}

#[derive(Clone, Debug)]
enum Event {
    Message {
        from: Peer,
        to: Peer,
        message: Message,
        worked: bool,
    },
    Timer {
        at: Peer,
        life: u64,
        timer: Timer,
        number: u64,
    },
    Operation {
        at: Peer,
        life: Option<u64>,
        operation: Operation,
        phase: Phase,
    },
    /// What comes back to a client; none: the process does not run (false), died (true).
    Reply {
        client: usize,
        id: u64,
        answer: Result<(Answer, Known), bool>,
    },
    GivesUp {
        client: usize,
        id: u64,
    },
    /// An attempt takes long.
    Late {
        client: usize,
        id: u64,
    },
    Next {
        client: usize,
    },
    Tell {
        from: Peer,
        life: u64,
        client: usize,
        leader: Peer,
        epoch: u64,
    },
}

/// A net of processes and clients.
pub struct Net<P> {
    /// True time.
    pub now: u64,
    /// What it is like; may be changed at any time.
    pub settings: Settings,
    /// What clients saw.
    pub history: History,
    /// What was noted: when, by whom, what.
    pub notes: Vec<(u64, Peer, Note)>,
    /// Messages sent between processes, by name.
    pub sent: BTreeMap<&'static str, u64>,
    /// Operations that ended: when, client, operation, when it began, the answer (none: given up, refused, reset).
    pub ended: Vec<(u64, usize, Operation, u64, Option<Answer>)>,
    /// Of each of them: what its client knew, and what the answer is of.
    pub known: Vec<(Known, Known)>,
    /// The clients.
    pub clients: Vec<Client>,
    /// Clients go on asking.
    pub busy: bool,
    processes: Vec<Process<P>>,
    queue: BTreeMap<(u64, u64), Event>,
    cuts: BTreeSet<(usize, usize)>,
    began: BTreeMap<u64, u64>,
    draw: Draw,
    numbers: u64,
}

impl<P: Protocol> Net<P> {
    /// Starts processes and, if it has any, clients.
    pub fn new(settings: Settings, replicas: Vec<P>) -> Self {
        let draws = |name: &str, n: u64| Stream::new(settings.seed, name, "net").draw(n);
        let dice = |n| Dice(settings.laws, draws("replica", n));
        let process = |(n, replica)| Process {
            replica,
            up: true,
            life: 0,
            paused: false,
            held: Vec::new(),
            clock: (0, 0, 1.0),
            shown: 0,
            dice: dice(n),
            timers: BTreeMap::new(),
            operations: BTreeMap::new(),
        };
        let clients = (0..settings.clients).map(|_| Client {
            asks: 0,
            writes: settings.writes,
            session: Session::default(),
            waits: None,
            attempts: (0, false),
            epoch: 0,
            knows: BTreeMap::new(),
        });
        let mut net = Self {
            now: 0,
            history: History::new(history::Settings::default()),
            notes: Vec::new(),
            sent: BTreeMap::new(),
            ended: Vec::new(),
            known: Vec::new(),
            clients: clients.collect(),
            busy: true,
            processes: (0..).zip(replicas).map(process).collect(),
            queue: BTreeMap::new(),
            cuts: BTreeSet::new(),
            began: BTreeMap::new(),
            draw: draws("net", 0),
            numbers: 0,
            settings,
        };
        for at in 0..net.processes.len() as Peer {
            net.tell(at, |replica, cx| replica.start(Start::First, cx));
        }
        for client in 0..net.clients.len() {
            net.rest(client);
        }
        net
    }

    /// Runs up to a time.
    pub fn run(&mut self, until: u64) {
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= until
        {
            let ((now, _), event) = entry.remove_entry();
            self.now = now;
            self.happen(event);
        }
        self.now = until;
    }

    /// A replica, to look at.
    pub fn replica(&self, at: Peer) -> &P {
        &self.processes[usize::from(at)].replica
    }

    /// A process dies, with all that is volatile.
    pub fn crash(&mut self, at: Peer) {
        let process = &mut self.processes[usize::from(at)];
        (process.up, process.paused) = (false, false);
        process.life += 1;
        process.timers.clear();
        let held = std::mem::take(&mut process.held);
        for operation in std::mem::take(&mut process.operations).into_values() {
            self.reply(at, operation.ticket, Err(true));
        }
        for event in held {
            self.at(0, event);
        }
    }

    /// A process that died starts.
    pub fn restart(&mut self, at: Peer, how: Start) {
        if !std::mem::replace(&mut self.processes[usize::from(at)].up, true) {
            self.tell(at, |replica, cx| replica.start(how, cx));
        }
    }

    /// A process stands still.
    pub fn pause(&mut self, at: Peer) {
        let process = &mut self.processes[usize::from(at)];
        process.paused = process.up;
    }

    /// It goes on.
    pub fn resume(&mut self, at: Peer) {
        let process = &mut self.processes[usize::from(at)];
        process.paused = false;
        let held = std::mem::take(&mut process.held);
        for event in held {
            self.at(0, event);
        }
    }

    /// Whether a process runs.
    pub fn up(&self, at: Peer) -> bool {
        self.processes[usize::from(at)].up
    }

    /// From now on no message comes from any of these to any of those.
    pub fn cut(&mut self, from: &[usize], to: &[usize]) {
        self.cuts.extend(from.iter().flat_map(|from| to.iter().map(|to| (*from, *to))));
    }

    /// Neither way.
    pub fn part(&mut self, these: &[usize], those: &[usize]) {
        self.cut(these, those);
        self.cut(those, these);
    }

    /// All cuts end.
    pub fn heal(&mut self) {
        self.cuts.clear();
    }

    /// A process's clock goes on from where it is plus `offset`, at this rate.
    pub fn clock(&mut self, at: Peer, offset: u64, rate: f64) {
        let now = self.now;
        let process = &mut self.processes[usize::from(at)];
        process.clock = (now, process.local(now) + offset, rate);
    }

    /// A client asks this of a process; it waits for nothing else.
    pub fn ask(&mut self, client: usize, at: Peer, act: Act, key: u64) {
        self.numbers += 1;
        let id = self.numbers;
        let act_ = match act {
            Act::Read => history::Act::Read,
            Act::Write(version) => history::Act::Write(version),
            Act::Delete(version) => history::Act::Delete(version),
        };
        let shard = (key % u64::from(self.settings.shards)) as u16;
        let operation = Operation::new(Ticket { slot: client as u32, id }, act, key, shard);
        let mut operation = self.naming(client, operation);
        if let Some(again) = self.settings.again.filter(|_| act != Act::Read) {
            operation.once = again.once.then_some(Once { stamp: self.now, further: false });
            self.at(again.after, Event::Late { client, id });
        }
        self.clients[client].attempts = (1, false);
        let op = self.history.invoke(key, act_, self.now);
        self.clients[client].waits = Some((operation, op, 0));
        self.began.insert(id, self.now);
        self.at(self.settings.timeout, Event::GivesUp { client, id });
        self.call(client, at, operation);
    }

    /// A client asks the same of the next replica, if it may; the last attempt may have been done.
    fn tries_again(&mut self, client: usize, mut operation: Operation, doubt: bool) -> bool {
        let Some(again) = self.settings.again.filter(|_| operation.act != Act::Read) else {
            return false;
        };
        let own = &mut self.clients[client];
        own.attempts.1 |= doubt;
        let Some((_, op, _)) = own.waits.filter(|_| own.attempts.0 < again.most) else {
            return false;
        };
        own.attempts.0 += 1;
        own.asks = (own.asks + 1) % self.settings.replicas;
        let at = group(operation.shard, self.settings.replicas).start + own.asks;
        self.numbers += 1;
        let id = self.numbers;
        let began = self.began.remove(&operation.ticket.id).expect("it began");
        operation.ticket.id = id;
        self.began.insert(id, began);
        self.clients[client].waits = Some((operation, op, 0));
        self.at(again.after, Event::Late { client, id });
        self.at(self.settings.timeout, Event::GivesUp { client, id });
        self.call(client, at, operation);
        true
    }

    fn at(&mut self, after: u64, event: Event) {
        self.numbers += 1;
        self.queue.insert((self.now + after, self.numbers), event);
    }

    fn latency(&mut self) -> u64 {
        let (least, most) = self.settings.latency;
        least + self.draw.below(most - least + 1)
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && self.draw.unit() < share
    }

    fn call(&mut self, client: usize, at: Peer, operation: Operation) {
        let latency = self.latency();
        if !self.cuts.contains(&(self.processes.len() + client, usize::from(at))) {
            self.at(latency, Event::Operation { at, life: None, operation, phase: Phase::Arrived });
        }
    }

    fn reply(&mut self, at: Peer, ticket: Ticket, answer: Result<(Answer, Known), bool>) {
        let (client, id) = (ticket.slot as usize, ticket.id);
        let latency = self.latency();
        if !self.cuts.contains(&(usize::from(at), self.processes.len() + client)) {
            self.at(latency, Event::Reply { client, id, answer });
        }
    }

    fn send(&mut self, from: Peer, to: Peer, message: Message) {
        *self.sent.entry(message.name()).or_default() += 1;
        let event = Event::Message { from, to, message, worked: false };
        if from == to {
            return self.at(0, event);
        }
        if self.cuts.contains(&(usize::from(from), usize::from(to))) {
            return;
        }
        if self.chance(self.settings.copies) {
            let latency = self.latency();
            self.at(latency, event.clone());
        }
        let latency = self.latency();
        if !self.chance(self.settings.loss) {
            self.at(latency, event);
        }
    }

    fn happen(&mut self, event: Event) {
        if let Event::Message { to: at, .. } | Event::Timer { at, .. } | Event::Operation { at, .. } =
            event
            && self.processes[usize::from(at)].paused
        {
            return self.processes[usize::from(at)].held.push(event);
        }
        match event {
            Event::Message { from, to, message, worked } => self.deliver(from, to, message, worked),
            Event::Timer { at, life, timer, number } => {
                let process = &mut self.processes[usize::from(at)];
                if process.life == life && process.timers.get(&timer) == Some(&number) {
                    process.timers.remove(&timer);
                    self.tell(at, |replica, cx| replica.timer(timer, cx));
                }
            }
            Event::Operation { at, life, operation, phase } => {
                let process = &mut self.processes[usize::from(at)];
                if life.is_none() && !process.up {
                    return self.reply(at, operation.ticket, Err(false));
                }
                let there = process.operations.contains_key(&operation.ticket.id);
                if life.is_none_or(|life| life == process.life && there) {
                    process.operations.insert(operation.ticket.id, operation);
                    self.tell(at, |replica, cx| replica.operation(&operation, phase, cx));
                }
            }
            Event::Reply { client, id, answer } => self.replied(client, id, answer),
            Event::GivesUp { client, id } => self.end((client, id), Outcome::Unknown, None),
            Event::Late { client, id } => {
                let waits = self.clients[client].waits;
                if let Some((operation, ..)) = waits.filter(|(own, ..)| own.ticket.id == id) {
                    self.tries_again(client, operation, true);
                }
            }
            Event::Next { client } => self.next(client),
            Event::Tell { from, life, client, leader, epoch } => {
                self.told((from, life), client, (leader, epoch));
            }
        }
    }

    fn deliver(&mut self, from: Peer, to: Peer, message: Message, worked: bool) {
        let (read, write, _) = self.settings.work;
        let work = match message.work() {
            _ if worked => 0,
            Work::None => 0,
            Work::Read(_) => read,
            Work::Write(_) => write,
        };
        if !self.processes[usize::from(to)].up {
            if !matches!(message, Message::Refused(_)) {
                self.send(to, from, Message::Refused(Box::new(message)));
            }
        } else if work > 0 {
            self.at(work, Event::Message { from, to, message, worked: true });
        } else {
            self.tell(to, |replica, cx| replica.message(from, message, cx));
        }
    }

    fn told(&mut self, (from, life): (Peer, u64), client: usize, (leader, epoch): (Peer, u64)) {
        let place = self.processes.len() + client;
        if self.processes[usize::from(from)].life != life {
        } else if self.cuts.contains(&(usize::from(from), place)) {
            self.at(1_000 * MS, Event::Tell { from, life, client, leader, epoch });
        } else if self.clients[client].epoch < epoch {
            self.clients[client].epoch = epoch;
            self.clients[client].asks = leader % self.settings.replicas;
        }
    }

    /// Tells a replica something and has its effects carried out.
    fn tell(&mut self, at: Peer, told: impl FnOnce(&mut P, &mut Context<'_>)) {
        let process = &mut self.processes[usize::from(at)];
        let mut effects = Vec::new();
        let now = process.local(self.now);
        let cx = &mut Context {
            now,
            wall: now,
            laws: &mut process.dice,
            effects: &mut effects,
            fences: None,
        };
        told(&mut process.replica, cx);
        let (life, rate) = (process.life, process.clock.2);
        for effect in effects {
            match effect {
                Effect::Send(to, message) => self.send(at, to, message),
                Effect::Arm(timer, after) => {
                    self.arm(at, timer, (after as f64 / rate).ceil() as u64);
                }
                Effect::Disarm(timer) => {
                    self.processes[usize::from(at)].timers.remove(&timer);
                }
                Effect::Apply { lane, .. } => {
                    self.arm(at, crate::replication::APPLIED + lane, self.settings.work.2);
                }
                Effect::GoOn(ticket) => self.go_on(at, ticket),
                Effect::Answer(ticket, answer, known) => {
                    if self.processes[usize::from(at)].operations.remove(&ticket.id).is_some() {
                        self.reply(at, ticket, Ok((answer, known)));
                    }
                }
                Effect::Announce { leader, epoch } => {
                    for client in 0..self.clients.len() {
                        let latency = self.latency();
                        self.at(latency, Event::Tell { from: at, life, client, leader, epoch });
                    }
                }
                Effect::Note(note) => {
                    if let Note::Accepted { key, version, order } = note {
                        self.history.accepted(key, Place { order, version });
                    }
                    self.notes.push((self.now, at, note));
                }
            }
        }
    }

    fn arm(&mut self, at: Peer, timer: Timer, after: u64) {
        let number = self.numbers + 1;
        let process = &mut self.processes[usize::from(at)];
        process.timers.insert(timer, number);
        let life = process.life;
        self.at(after, Event::Timer { at, life, timer, number });
    }

    fn go_on(&mut self, at: Peer, ticket: Ticket) {
        let process = &self.processes[usize::from(at)];
        if let Some(&operation) = process.operations.get(&ticket.id) {
            let life = Some(process.life);
            let (read, write, _) = self.settings.work;
            let work = if operation.act == Act::Read { read } else { write };
            self.at(work, Event::Operation { at, life, operation, phase: Phase::Worked });
        }
    }

    fn replied(&mut self, client: usize, id: u64, answer: Result<(Answer, Known), bool>) {
        let Some((operation, op, hops)) = self.clients[client].waits else { return };
        if operation.ticket.id != id {
            return;
        }
        let outcome = match answer.map(|(answer, _)| answer) {
            Ok(Answer::Elsewhere(to)) if hops < 4 => {
                self.clients[client].waits = Some((operation, op, hops + 1));
                self.clients[client].asks = to % self.settings.replicas;
                return self.call(client, to, operation);
            }
            Ok(Answer::Read(version)) => Outcome::Read(version),
            Ok(Answer::Written) => Outcome::Written,
            Ok(Answer::Elsewhere(_) | Answer::Failed(Failure::NoLeader | Failure::Behind))
            | Err(false) => Outcome::Failed,
            Ok(Answer::Failed(_)) | Err(true) => Outcome::Unknown,
        };
        self.end((client, id), outcome, answer.ok());
    }

    /// An operation ends, if its client still waits for it.
    fn end(
        &mut self,
        (client, id): (usize, u64),
        outcome: Outcome,
        answer: Option<(Answer, Known)>,
    ) {
        let Some((operation, op, _)) = self.clients[client].waits else { return };
        if operation.ticket.id != id {
            return;
        }
        let well = matches!(outcome, Outcome::Read(_) | Outcome::Written);
        if !well && self.tries_again(client, operation, outcome == Outcome::Unknown) {
            return;
        }
        let outcome = match outcome {
            Outcome::Failed if self.clients[client].attempts.1 => Outcome::Unknown,
            other => other,
        };
        self.clients[client].waits = None;
        let began = self.began.remove(&id).expect("it began");
        let known = answer.map_or_else(Known::default, |(_, known)| known);
        self.ended.push((self.now, client, operation, began, answer.map(|(answer, _)| answer)));
        self.learn(client, &operation, known);
        let read = operation.act == Act::Read;
        if !(well || read && self.settings.sessions.is_some()) {
            let asks = &mut self.clients[client].asks;
            *asks = (*asks + 1) % self.settings.replicas;
        }
        let outcome = if read && outcome == Outcome::Unknown { Outcome::Failed } else { outcome };
        self.history.done(op, outcome, self.now);
        self.rest(client);
    }

    fn rest(&mut self, client: usize) {
        let after = self.draw.below(self.settings.think + 1);
        self.at(after, Event::Next { client });
    }

    fn next(&mut self, client: usize) {
        if !self.busy || self.clients[client].waits.is_some() {
            return;
        }
        let key = self.draw.below(self.settings.keys);
        let write = self.chance(self.clients[client].writes);
        let delete = write && self.chance(self.settings.deletes);
        let act = match (write, delete) {
            (false, _) => Act::Read,
            (true, false) => Act::Write(self.numbers + 1),
            (true, true) => Act::Delete(self.numbers + 1),
        };
        let shard = (key % u64::from(self.settings.shards)) as u16;
        let asks = if self.roams(client, write) {
            self.draw.below(u64::from(self.settings.replicas)) as u16
        } else {
            self.clients[client].asks
        };
        let at = group(shard, self.settings.replicas).start + asks;
        self.ask(client, at, act, key);
    }
}

impl<P> Process<P> {
    /// What its clock shows.
    fn local(&mut self, now: u64) -> u64 {
        let (since, showed, rate) = self.clock;
        self.shown = self.shown.max(showed + ((now - since) as f64 * rate) as u64);
        self.shown
    }
}
