//! A tiny network for tests of protocols: processes, clients, latency, loss, copies, cuts, crashes, pauses, clocks.
//!
//! Places are numbers: the processes first, in order, then the clients. A test builds a [`Net`], lets it
//! [`run`](Net::run) up to a time, hurts it, runs on, and looks at `history` and `notes`. A client asks one thing after
//! another: it goes where it is sent, and on to the next replica when one fails or is silent.
//!
//! **Invariant.** A run is a function of its settings and of the calls made: events of one instant come in the order in
//! which they were scheduled.

mod asking;

use std::collections::{BTreeMap, BTreeSet};

use super::sessions::{Session, Sessions};
use crate::engine::random::{Draw, Stream};
use crate::history::{self, History, OpId, Outcome, Place};
use crate::replication::{
    Act, Answer, Context, Effect, Known, Law, Laws, Message, Note, Operation, Peer, Phase,
    Protocol, Start, Ticket, Timer, Work,
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

    /// A process begins, or goes on, with what its host has it do.
    pub fn begin(&mut self, at: Peer, told: impl FnOnce(&mut P, &mut Context<'_>)) {
        self.processes[usize::from(at)].up = true;
        self.tell(at, told);
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

    /// Tells a replica something and has its effects carried out.
    fn tell(&mut self, at: Peer, told: impl FnOnce(&mut P, &mut Context<'_>)) {
        let process = &mut self.processes[usize::from(at)];
        let mut effects = Vec::new();
        let now = process.local(self.now);
        let cx = &mut Context::alone(now, &mut process.dice, &mut effects);
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
}

impl<P> Process<P> {
    /// What its clock shows.
    fn local(&mut self, now: u64) -> u64 {
        let (since, showed, rate) = self.clock;
        self.shown = self.shown.max(showed + ((now - since) as f64 * rate) as u64);
        self.shown
    }
}
