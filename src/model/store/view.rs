//! Stores that show the data of another one: what a file says of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::StoreSpec;
use crate::{
    engine::law::DurationLaw,
    units::{Name, short_form},
};

/// Whose data a store shows: `view_of: orders` is short for `view_of: {store: orders}`.
#[derive(Clone, Debug)]
pub struct ViewSpec(pub ViewFields);

/// A store that shows the data of another one, as a search index or a read model does. What is held of a key is a version of the
/// source, so that reads are judged against what was acknowledged there: how old they are, and whether a session misses
/// what it wrote at the source.
///
/// Whoever writes a view writes the version that he knows of the same key: a message carries what its sender wrote or read
/// before it was published (also out of an `outbox`), and a consumer may read the source itself. So the last one to come
/// counts, whichever is newer (`inversions`). With `lag` the source sends its log besides, entry by entry.
///
/// It may have `replication` (`leader_follower` or `raft`; `quorum` without `lag`): its replicas agree on what has come as those of any store do, so
/// that a follower is older than whoever leads. What a failover loses was acknowledged by nobody; the log brings it again, and without `lag`
/// only whoever writes the key next. A version is there (`view.lag`) once it is committed, with `quorum` once it has its stamp.
///
/// ```yaml
/// search: {store: {view_of: orders, read: 5ms, write: 8ms}}
/// search: {store: {view_of: {store: orders, lag: exp(mean=200ms)}, read: 5ms, apply: 2ms, apply_cores: 4}}
/// lists: {store: {view_of: {store: orders, lag: 50ms}, read: 5ms, replication: {leader_follower: {followers: 2, lag: 20ms, reads: any}}}}
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ViewFields {
    /// The store whose data it shows; that may be a view itself.
    pub store: Name,
    /// It is fed by the log of the source, too: each entry leaves so long after it was committed there, in log order, goes over
    /// the network, and is the work `apply` at the view, in the order of its shard's log (with `apply_cores` that of
    /// its key). What is not said to have been applied is sent again. A view that has lost all (`lose_data`) is sent what
    /// its source holds, in the order in which that was written; so is one whose next leader lacks what the one before had said to have. With
    /// `replication` the work is that of whoever leads, and an entry is applied when it is as safe as a write that is answered.
    /// Keys of the source may move: its new shard shows a key that has come, and what the old one still has to say of it
    /// takes no effect after that. Without `lag` nothing but what somebody writes comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<DurationLaw>,
}

short_form!(
    ViewSpec,
    ViewFields,
    Name,
    "a store's name, or `{store, lag}`",
    |name| ViewFields { store: name, lag: None },
    |view| view.lag.is_none().then_some(&view.store)
);

impl StoreSpec {
    /// By which law entries of its source's log lag, if it is fed by that.
    pub fn lag_of_view(&self) -> Option<&DurationLaw> {
        self.view_of.as_ref()?.0.lag.as_ref()
    }

    /// Whose data it shows.
    pub fn source(&self) -> Option<&Name> {
        self.view_of.as_ref().map(|view| &view.0.store)
    }
}
