//! Views with replicas that a log feeds: whoever leads a shard applies what comes, by entries of its own log.
//!
//! An entry goes to whom the source takes for the leader, which is asked whether it is: one that is not says who is. Its work done,
//! it is written to the log; that it is applied is said when that is as safe as the protocol makes a write before it is
//! answered. Who leads next finds in its log what was applied, and asks for all if some is missing that was said to be.
//!
//! **Invariant.** Nothing is said to be applied but by whoever leads, of what was written in its own reign or found in its log.

use super::server::Server;
use crate::{
    model::{
        ids::{NodeId, Slot},
        replication::letters::{Cargo, Fed, FedSaid, Line},
        store::intake::{Intake, Safe},
        world::{World, unpack},
    },
    replication::{Answer, Note, Peer, Phase},
};

fn fed_of(slot: Slot, world: &World) -> Option<Fed> {
    match world.letters.as_ref()?.get(slot) {
        Cargo::Fed(fed) => Some(**fed),
        _ => None,
    }
}

impl Server {
    /// What a view takes of logs, if an instance of it leads its shard: by the view's own log, where it has one.
    pub(super) fn intake_of(&mut self, inst: u16, shard: u16) -> Option<&mut Intake> {
        let feeding = self.feeding.as_mut()?;
        let leads = feeding.shown.as_ref().is_none_or(|all| all.leader(shard) == Some(inst));
        feeding.intake.as_mut().filter(|_| leads)
    }

    /// An entry has come to a replica of a view: it is asked whether it leads.
    pub(super) fn asks_whether_it_leads(&mut self, slot: Slot, world: &mut World) {
        let Some(feeding) = &self.feeding else { return };
        world.begin_own(slot, self.program.own[feeding.asks]);
        self.enters_entry_as(slot, Phase::Arrived, world);
    }

    /// A frame of a log that feeds a view goes on at a replica of that: who was asked leads, or what was written is safe.
    #[cold]
    #[inline(never)]
    pub(super) fn fed_goes_on(&mut self, slot: Slot, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let Some(Fed { line, said }) = fed_of(slot, world) else { return };
        world.release(slot);
        let Some(intake) = self.intake_of(inst, line.to) else { return };
        match said {
            FedSaid::Entry(number, change) => match intake.comes(&line, (number, change), from.1) {
                Some(begun) => self.applies((inst, line), &begun, (from.1, world)),
                None => {
                    let upto = intake.upto(&line);
                    self.says_upto(inst, Safe { line, upto, sender: from.1 }, world);
                }
            },
            FedSaid::Applies { number, sender, reign, .. } if reign == intake.reign(line.to) => {
                if let Some(upto) = intake.applied(&line, number) {
                    self.says_upto(inst, Safe { line, upto, sender }, world);
                }
            }
            _ => {}
        }
    }

    /// A source is told up to which entry of a line all are applied.
    fn says_upto(&mut self, inst: u16, safe: Safe, world: &mut World) {
        let Some(intake) = self.intake_of(inst, safe.line.to) else { return };
        let (id, source) = (intake.next_id(), intake.source());
        let said = FedSaid::Upto(safe.upto);
        self.answers((inst, (source, safe.sender)), id, (safe.line, said), world);
    }

    /// The work of an entry is done: it is written to the log, and the next ones begin.
    pub(super) fn enters_entry(&mut self, slot: Slot, world: &mut World) {
        let inst = world.frames[slot].inst;
        let Some(Fed { line, said }) = fed_of(slot, world) else { return };
        let FedSaid::Applies { number, change, sender, reign } = said else { return };
        let intake = self.intake_of(inst, line.to);
        let Some(intake) = intake.filter(|intake| intake.reign(line.to) == reign) else {
            return world.release(slot);
        };
        if intake.is_late(line.to, change) {
            // As if it had been written, and something newer after it.
            let begun = intake.worked(&line, number);
            self.applies((inst, line), &begun, (sender, world));
            return self.fed_goes_on(slot, world);
        }
        intake.enters(Some((line.from, number)));
        self.enters_entry_as(slot, Phase::Worked, world);
        let Some(intake) = self.intake_of(inst, line.to) else { return };
        intake.enters(None);
        if intake.reign(line.to) == reign {
            let begun = intake.worked(&line, number);
            self.applies((inst, line), &begun, (sender, world));
        }
    }

    fn enters_entry_as(&mut self, slot: Slot, phase: Phase, world: &mut World) {
        let Some(Fed { said, .. }) = fed_of(slot, world) else { return };
        let (FedSaid::Entry(_, change) | FedSaid::Applies { change, .. }) = said else { return };
        self.proposes(slot, phase, (change.key, change.version, 0), world);
    }

    /// A replica of a view does nothing about an entry: who sent it is told whom to ask, as far as that is known.
    #[cold]
    pub(super) fn turns_entry_away(&mut self, slot: Slot, how: Answer, world: &mut World) {
        let (inst, from) = (world.frames[slot].inst, unpack(world.frames[slot].parent));
        let Some(Fed { line, said }) = fed_of(slot, world) else { return };
        world.release(slot);
        match said {
            FedSaid::Entry(number, ..) => {
                let to = if let Answer::Elsewhere(to) = how { Some(to) } else { None };
                let Some(feeding) = &mut self.feeding else { return };
                let Some(intake) = &mut feeding.intake else { return };
                let id = intake.next_id();
                self.answers((inst, from), id, (line, FedSaid::Elsewhere(number, to)), world);
            }
            // It leads, and has no room: all that is not in its log comes again.
            FedSaid::Applies { reign, .. } => {
                let safe = self.is_safe_at_once();
                let intake = self.intake_of(inst, line.to);
                if let Some(intake) = intake.filter(|intake| intake.reign(line.to) == reign) {
                    intake.leads(line.to, u64::MAX, safe);
                }
            }
            _ => {}
        }
    }

    /// Whether whatever a leader begins with is as safe as anything.
    fn is_safe_at_once(&self) -> bool {
        let process = self.group.as_ref().and_then(|group| group.members.first());
        process.is_some_and(|member| member.process.inherits())
    }

    /// A replica of a view has something to say: what of the logs that feed it is in its own.
    pub(super) fn intake_hears(&mut self, inst: Peer, note: &Note, world: &mut World) {
        let Some(group) = &self.group else { return };
        let (shard, node) = (group.shard(inst), self.node);
        let safe = self.is_safe_at_once();
        let Some(intake) = self.intake_of(inst, shard) else { return };
        match *note {
            Note::Accepted { order, .. } => intake.accepted(shard, order),
            Note::Committed { order } => {
                for safe in intake.committed((node, shard), order) {
                    self.says_upto(inst, safe, world);
                }
            }
            Note::Leads { began_with, .. } => {
                intake.leads(shard, began_with, safe);
                self.asks_for_lines(inst, world);
            }
            _ => {}
        }
    }

    // ---- the source ---------------------------------------------------------------------------

    /// The instance of a view that is to be sent what is for a shard: whoever is taken for its leader, but for one that has not
    /// answered for long.
    pub(super) fn whom_to_feed(
        &self,
        from: u16,
        (view, shard): (NodeId, u16),
        again: bool,
        world: &mut World,
    ) -> (NodeId, u16) {
        if world.each_of(view).is_none() {
            return (view, shard);
        }
        let host = (self.node, from);
        if again {
            let silent = world.believed(host, (view, shard));
            world.believes_no_more(host, (view, silent));
        }
        (view, world.believed(host, (view, shard)))
    }

    /// An entry has come to a replica that does not lead, which says who does.
    pub(super) fn sends_entry_elsewhere(
        &mut self,
        (inst, asked): (u16, (NodeId, u16)),
        (line, number, leader): (Line, u64, Option<u16>),
        world: &mut World,
    ) {
        let host = (self.node, inst);
        let Some(leader) = leader else { return world.believes_no_more(host, asked) };
        world.believes(host, (line.view, leader));
        let Some(out) = self.feeding.as_mut().and_then(|feeding| feeding.out.as_mut()) else {
            return;
        };
        if let Some(due) = out.turned_away(inst, &line, number) {
            self.sends_entry(due, (line.view, leader), world);
        }
    }
}
