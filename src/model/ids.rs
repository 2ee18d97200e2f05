//! What everything in the model is called: entities, instances, frames, zones, attributes.
//!
//! **Invariant.** An id is a place in a table that is the same in all replications; only frames come and go.

/// Index of an entity: nodes in name order, then clients in name order.
pub type NodeId = u16;

/// Index of a frame.
pub type Slot = u32;

/// No frame.
pub const NONE: Slot = u32::MAX;

/// An instance of a node.
pub type Host = (NodeId, u16);

/// Index of a zone: [`INTERNET`], [`LOCAL`], then the zones of the topology in name order.
pub type Zone = u16;
/// Clients outside all zones.
pub const INTERNET: Zone = 0;
/// Things that stand wherever their caller stands (and everything in a design without zones).
pub const LOCAL: Zone = 1;

/// Something a formula or condition can refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttrRef {
    /// Column of the attributes' rows.
    Value(u16),
    /// The request's key.
    Key,
    /// Size of the message, bytes.
    Size,
    /// Operation (its global number).
    Operation,
    /// Client (its number in name order).
    Client,
    /// Session number.
    Session,
    /// Zone of the instance.
    Zone,
    /// Instance number.
    Instance,
    /// Calls with `max_depth` that led here, one within the other.
    Depth,
}

/// A node or client and a zone it stands in.
pub type End = (NodeId, Zone);
