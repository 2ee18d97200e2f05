//! What a node is to the engine: a state machine that handles events and acts through [`World`].

use std::any::Any;

use super::{
    bounded::Bounded, consistency::held::Holdings, replication::tally::ReplicasMeasured,
    route::Route, world::World,
};
use crate::model::{
    books::{
        BackupsMeasured, BatchesMeasured, EnvironmentsMeasured, InstanceBooks, MovedMeasured,
        SagasMeasured,
    },
    ids::{Host, NodeId, Slot},
    queue::counts::{Backlog, GroupMeasured, OutboxMeasured, QueueMeasured},
};
use crate::{replication::Strike, stats::Histogram};

/// Chooses some of the environments of a function: each an instance and its place there.
pub type Choose<'a> = dyn FnMut(Vec<(u16, u32)>) -> Vec<(u16, u32)> + 'a;

/// A simulated entity. Handlers return nothing and act through the world; what cannot happen to a kind
/// of node does nothing.
pub trait Node: Any + Send {
    /// A call arrived; its frame belongs to the node now.
    fn on_request(&mut self, _frame: Slot, _world: &mut World) {}
    /// The reply of this callee's frame arrived at its parent, which is here; the callee's frame is
    /// freed after this event.
    fn on_reply(&mut self, _child: Slot, _world: &mut World) {}
    /// The timer armed for this frame fired.
    fn on_timer(&mut self, _frame: Slot, _world: &mut World) {}
    /// The node's own tick (arrivals, processor sharing) with this index fired.
    fn on_tick(&mut self, _index: u32, _world: &mut World) {}
    /// The caller called this visit off.
    fn on_cancel(&mut self, _frame: Slot, _world: &mut World) {}
    /// A letter from another process of the node arrived.
    fn on_letter(&mut self, _frame: Slot, _world: &mut World) {}
    /// A reply nobody waits for reached the client it was for.
    fn on_late(&mut self, _child: Slot, _world: &mut World) {}
    /// An instance dies with all it is at: `lost` are the frames inside, which the world lays to rest.
    fn crash(&mut self, _inst: u16, _lost: &[Slot], _world: &mut World) {}
    /// An instance is up again, with nothing inside.
    fn recover(&mut self, _inst: u16, _world: &mut World) {}
    /// Work at an instance stands still; the world holds back what else is due there.
    fn pause(&mut self, _inst: u16, _world: &mut World) {}
    /// It goes on with what is left.
    fn resume(&mut self, _inst: u16, _world: &mut World) {}
    /// Everything an instance does takes `after / before` times as long from now on.
    fn set_pace(&mut self, _inst: u16, _before: f64, _after: f64, _world: &mut World) {}
    /// The clock of an instance goes so many times as fast from now on.
    fn set_clock(&mut self, _inst: u16, _faster: f64, _world: &mut World) {}
    /// What an instance holds in its cache is gone.
    fn clear_cache(&mut self, _inst: u16) {}
    /// The design changed: it is as that version of its spec says from now on.
    fn set_version(&mut self, _version: usize) {}
    /// The same, instance by instance: it is being deployed.
    fn set_versions(&mut self, _by_instance: &[usize]) {}
    /// Some of the environments of a function crash; or they end as the visits inside do, for newer ones.
    fn retire(&mut self, _choose: &mut Choose<'_>, _crash: bool, _world: &mut World) {}
    /// Another number of shards, which are reached like this, from now on: keys move.
    fn reshard(&mut self, _to: Route, _shards: u16, _world: &mut World) {}
    /// What was measured of keys that move, if any do.
    fn moved(&self) -> Option<MovedMeasured> {
        None
    }
    /// What became of its backups, if it has some.
    fn backups(&self) -> Option<BackupsMeasured> {
        None
    }
    /// What an instance holds of data is damaged on disk; without a strike that says what, all is gone.
    fn damage(&mut self, _inst: u16, _strike: Option<Strike>, _world: &mut World) {}
    /// An instance is about to restart, and says so to who chooses among instances; or it is back.
    fn withdraw(&mut self, _host: (NodeId, u16), _out: bool, _world: &mut World) {}
    /// An instance has come, or takes nothing new and goes: who chooses among instances hears of it.
    fn joins(&mut self, _host: Host, _there: bool, _world: &mut World) {}
    /// A fault that parts some of its replicas begins.
    fn parted(&mut self, _fault: usize) {}
    /// Such a fault is over; these instances are on their way back.
    fn healed(&mut self, _fault: usize, _back: &[Host], _world: &World) {}
    /// Puts down what it holds of data besides a store's one copy.
    fn holds(&self, _held: &mut Holdings) {}
    /// Who leads each shard that is led, as far as anybody knows who sees all.
    fn leaders(&self) -> Vec<u16> {
        Vec::new()
    }
    /// What was measured of its replicas up to `now`, if it has any.
    fn replicas(&self, _now: u64) -> Option<ReplicasMeasured> {
        None
    }
    /// How its sagas ended, if it has any.
    fn sagas(&self) -> Option<SagasMeasured> {
        None
    }
    /// What it worked off in batches, if it does.
    fn batches(&self) -> Option<BatchesMeasured> {
        None
    }
    /// What its broker knows of its messages, if it is a queue; and whether each is accounted for.
    fn queue(&self) -> Option<(QueueMeasured, bool)> {
        None
    }
    /// Names the messages of the measured span that it holds, for a group if it is a log: when each was accepted, ns, and its
    /// identity.
    fn each_held(&self, _group: u16, _now: u64, _each: &mut dyn FnMut(u64, u64)) {}
    /// What became of its messages for each group that reads it, up to `now`, in the span that began then; and whether each is
    /// accounted for.
    fn groups(&self, _now: u64, _from: u64) -> (Vec<GroupMeasured>, bool) {
        (Vec::new(), true)
    }
    /// What became of the rows of its outboxes, if anything is written there with one.
    fn outbox(&self) -> Option<OutboxMeasured> {
        None
    }
    /// The integral up to `now` of what waits at it.
    fn backlog(&self, _what: &Backlog, _now: u64) -> u128 {
        0
    }
    /// What came of its environments from the start of the run up to `now`, if it is a function. Asked to, it makes sure that each
    /// is accounted for.
    fn environments(&self, _now: u64, _audit: bool) -> Option<EnvironmentsMeasured> {
        None
    }
    /// How long its keys were in doubt, up to `now`, if transactions write it.
    fn in_doubt(&self, _now: u64) -> Option<Histogram> {
        None
    }
    /// Schedules what happens by itself from the start.
    fn start(&mut self, _world: &mut World) {}
    /// Puts down running sums of each instance up to `now`, from the start of the run.
    fn books(&self, now: u64, books: &mut Vec<InstanceBooks>);
    /// What `busy` of the books counts, where that is bounded, and what is bounded besides.
    fn bounded(&self) -> (&'static str, Vec<Bounded>) {
        ("cores", Vec::new())
    }
    /// Puts down what is held of each of the latter: instance by instance, the integral up to `now`, unit-ns, or how much it
    /// is where it is sampled.
    fn held(&self, _now: u64, _held: &mut Vec<u128>) {}
}
