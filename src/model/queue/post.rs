//! Messages of queues, and what travels about them between brokers and those who consume them.
//!
//! **Invariant.** A record is the same however often it is handed out.

use std::sync::Arc;

use crate::model::{
    ids::{Host, NodeId, Slot},
    topic::letters::{Beat, NotLed, Told},
};

/// A message: what whoever works it off knows of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The same for all attempts at publishing it.
    pub identity: u64,
    /// Its key.
    pub key: u64,
    /// When its broker accepted it, ns.
    pub accepted: u64,
    /// The how manyth it was there.
    pub order: u64,
    /// Bytes.
    pub size: u64,
    /// Of whose request it is; none where nobody asks.
    pub sender: Option<Arc<Sender>>,
    /// Its operation.
    pub op: u8,
    /// 1 is most urgent.
    pub priority: u8,
    /// What its sender knew of the sources of views; none: nothing.
    pub shows: Option<Arc<Shows>>,
}

/// Versions its sender knew, behind one word: a queue holds millions of messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shows(pub Box<[Shown]>);

/// A version of a key of a store that views show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The store in whose order it stands.
    pub source: NodeId,
    /// The key.
    pub key: u64,
    /// The version.
    pub version: u64,
}

/// The request in which a message was published.
#[derive(Clone, Debug, PartialEq)]
pub struct Sender {
    /// When the request was to be sent, ns.
    pub intended: u64,
    /// Its session.
    pub session: u64,
    /// Its client.
    pub client: u16,
    /// Its operation at the client.
    pub operation: u8,
    /// Values of its attributes; none: it has none.
    pub attributes: Option<Box<[f64]>>,
}

/// A hand-out of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle {
    /// Where its broker keeps the message.
    pub place: u32,
    /// The number of the hand-out.
    pub handout: u32,
    /// The how manyth of its message it is.
    pub receives: u16,
}

/// An instance with a free worker asks for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The instance.
    pub from: Host,
    /// The queue.
    pub queue: NodeId,
    /// The broker of it that is asked; that of a queue is 0.
    pub broker: u16,
    /// If that is a log: for which group.
    pub group: u16,
    /// Which of the queues it consumes this is.
    pub source: u16,
    /// The number of the ask there.
    pub number: u64,
    /// How many messages at most.
    pub batch: u32,
    /// How long to wait for so many from the first one on, ns.
    pub linger: u64,
}

/// Messages that are worked off one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    /// Which of the queues they are from.
    pub source: u16,
    /// Them.
    pub messages: Vec<(Handle, Record)>,
    /// How those fared that are done.
    pub fared: Vec<bool>,
    /// All are, and what is to be done once after them is under way.
    pub closing: bool,
    /// How long to wait before the next one, ns.
    pub waits: u64,
    /// Of a log: offsets of those that were tried too often.
    pub dead: Vec<u64>,
    /// Of these: those that have still to come where such messages go.
    pub unburied: Vec<(Handle, Record)>,
}

/// What a relay of an outbox is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It looks now and then.
    Looks,
    /// It reads its table.
    Reads,
    /// It deletes what has come.
    Deletes,
}

/// What travels, or what a frame is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Post {
    /// To a broker: somebody asks for messages.
    Ask(Ask),
    /// To who asked: here they are; none: ask again.
    Handed(Ask, Vec<(Handle, Record)>),
    /// To a broker: how hand-outs ended, well or not.
    Settled(Vec<(Handle, bool)>),
    /// To a broker: the process of this instance is gone, with all it was handed.
    Reset(Host),
    /// To who asked: the broker does not hear him.
    Refused(Ask),
    /// To a broker: a message, which it is to say to have come: a dead one, or one out of an outbox.
    Put(Handle, Record),
    /// At a broker: these are handed out one after the other, and so many are left.
    Leaving(Ask, Vec<(Handle, Record)>, usize),
    /// At a consumer: these are worked off.
    Batch(Batch),
    /// At a consumer: a visit for a message of the batch in that frame.
    Visit(Slot),
    /// At a consumer: an answer to this ask is overdue, or it is time to ask again.
    Asks(Ask),
    /// To a broker of a log: somebody asks for messages of these partitions, from these offsets on.
    Fetch(Ask, Vec<(u32, u64)>),
    /// To who asked: of that partition nothing is kept before this offset.
    Moved(Ask, u32, u64),
    /// To who asked, or said something: this copy of a partition does not lead.
    NotLed(NotLed),
    /// To the coordinator of a group.
    Beat(Beat),
    /// To a member of a group.
    Told(Told),
    /// At a member: it is time to say that it is there.
    Beats(u16),
    /// At a member: it is time to put down how far it is.
    Commits(u16),
    /// Of a call that writes: what is to be published with it, through which outlet of the store and as which operation.
    Row(u16, u8),
    /// At a store: what a relay is at, by its outlet.
    Relays(u16, Relay),
    /// Of a call that publishes: its message is ready after so long, ns.
    Delay(u64),
}
