//! Kinds of entries in the agenda.

/// A call arrives.
pub const DELIVER: u8 = 0;
/// A reply arrives.
pub const REPLY: u8 = 1;
/// The timer of a frame is due.
pub const TIMER: u8 = 2;
/// A tick of a node is due.
pub const TICK: u8 = 3;
/// A cancellation arrives.
pub const CANCEL: u8 = 4;
/// Of a process that dies of itself, by its tick.
pub const FATE: u8 = 5;
/// Of a dns node.
pub const ANSWER: u8 = 6;
/// Of a client, which it names; in the fingerprint a [`TICK`].
pub const ARRIVAL: u8 = 7;
/// A letter between processes arrives.
pub const LETTER: u8 = 8;
/// A caller begins to know what it was told.
pub const NEWS: u8 = 9;
/// Of a connection: a message of one end for the other, or a time that is over.
pub const CONNECTION: u8 = 10;
/// Of what messages share a link with, which it names: one has left, or is there.
pub const LINE: u8 = 11;
