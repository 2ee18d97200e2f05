//! What members of a group, those who lead its partitions, and its coordinator tell one another.

use super::super::ids::Host;

/// How long an ask waits at a copy until it is answered though there is nothing, ns (`fetch.max.wait.ms` of Apache Kafka): who
/// asked looks for another leader when he hears nothing.
pub const PATIENCE_OF_COPIES: u64 = 500_000_000;

/// What a member wants of its coordinator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// To be one.
    Joins,
    /// To be known to be alive.
    Here,
    /// That what is worked off is put down.
    Commits,
    /// Not to be one any more.
    Leaves,
}

/// How far a partition is worked off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The partition.
    pub partition: u32,
    /// Offset of the first message that is not.
    pub upto: u64,
    /// Those before it that were sent away, after the last commit that was confirmed.
    pub dead: Vec<u64>,
}

/// From a member to its coordinator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The member.
    pub from: Host,
    /// Which of what it consumes this is about.
    pub source: u16,
    /// The group.
    pub group: u16,
    /// The how manyth membership of its instance this is.
    pub life: u32,
    /// What it wants.
    pub word: Word,
    /// The last list it has acted on.
    pub acted: u32,
    /// The partitions it holds.
    pub holds: Vec<u32>,
    /// How far it is with them.
    pub commits: Vec<Commit>,
}

/// From a coordinator to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which of what it consumes this is about.
    pub source: u16,
    /// The membership it is about.
    pub life: u32,
    /// It is one; else it has to join anew.
    pub known: bool,
    /// The number of the list of what it may hold.
    pub list: u32,
    /// The list: partitions, and where to begin with those it does not hold yet; none: it is as it was.
    pub may: Option<Vec<(u32, u64)>>,
    /// Commits that are put down.
    pub confirmed: Vec<(u32, u64)>,
}

impl Told {
    /// To whom the coordinator does not know.
    pub fn stranger(beat: &Beat) -> Self {
        let Beat { source, life, .. } = *beat;
        Self { source, life, known: false, list: 0, may: None, confirmed: Vec::new() }
    }
}

/// To somebody who asked an instance that does not lead: who does, as far as it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotLed {
    /// The instance that was asked.
    pub asked: Host,
    /// Who leads.
    pub leader: Option<u16>,
    /// Which of what it consumes this is about.
    pub source: u16,
    /// The number of the ask; 0: it was said something as the coordinator of a group.
    pub number: u64,
}
