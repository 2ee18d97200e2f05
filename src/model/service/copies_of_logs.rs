//! The server of a log whose partitions have copies: leaders that take messages, hand them out and coordinate groups.
//!
//! **Invariant.** Who does not lead, as far as it knows, hands nothing out; who leads hands out what it knows to be committed.

use super::server::Server;
use crate::{
    model::{
        ids::{Host, Slot},
        queue::{
            host::{post, record},
            post::{Ask, Post},
        },
        service::instr::Point,
        topic::letters::NotLed,
        world::World,
    },
    replication::{Note, Peer, Phase, index_of, process::Process},
};

impl Server {
    /// A message has come to a copy of its partition, or the work of it is done there.
    pub(super) fn at_copy(&mut self, slot: Slot, point: Point, world: &mut World) {
        let worked = matches!(point, Point::Worked { .. });
        let (version, bytes) = (world.frames[slot].id.max(1), self.bytes_of(slot, world));
        let mut early = false;
        if let Some(copies) = self.log.as_mut().and_then(|logs| logs.copies.as_mut())
            && worked
        {
            let message = match world.post_of(slot) {
                Some(Post::Put(_, message)) => message.clone(),
                _ => record(slot, world),
            };
            copies.offered = Some((version, message));
            early = copies.early;
        }
        let phase = if worked { Phase::Worked } else { Phase::Arrived };
        self.proposes(slot, phase, (bytes, version, 0), world);
        let Some(copies) = self.log.as_mut().and_then(|logs| logs.copies.as_mut()) else { return };
        let placed = copies.offered.take().is_none();
        if worked && early && placed {
            world.frames[slot].pc += 1;
            self.run(slot, world);
        }
    }

    /// Bytes of the message that a frame brings.
    fn bytes_of(&self, slot: Slot, world: &World) -> u64 {
        match world.post_of(slot) {
            Some(Post::Put(_, message)) => message.size,
            _ if world.carries => world.frames.extra(slot).size,
            _ => 0,
        }
    }

    /// Something happened that those who look on are told of.
    pub(super) fn note_of_copy(&mut self, inst: Peer, note: Note, world: &mut World) {
        let (Some(group), Some(logs)) = (&mut self.group, &mut self.log) else { return };
        let Some(copies) = &mut logs.copies else { return };
        let (now, partition) = (world.now(), copies.partition(inst));
        group.tally.note((inst, group.shard(inst)), note, now);
        match note {
            Note::Accepted { order, .. } => copies.placed(partition, index_of(order), now),
            Note::Committed { order } => {
                let process = &group.members[usize::from(inst)].process;
                let entry = |index| process.version_at(index);
                for message in copies.commit(partition, index_of(order), entry) {
                    logs.log.append(partition, message, now);
                }
                logs.log.knows_all(inst, partition);
                let answers = logs.log.answers_of(partition, now);
                self.answer_asks(inst, answers, world);
            }
            Note::Leads { .. } => {
                world.hosts.leads((self.node, inst), now);
                if partition == 0 {
                    copies.coordinates = Some(inst);
                    logs.coordinators.iter_mut().for_each(|group| group.goes_on_elsewhere(now));
                    self.set_log_clock(inst, world);
                }
            }
            Note::StepsDown { .. } => {
                world.hosts.leads_no_more((self.node, inst), now);
                copies.leads_no_more(inst);
                for ask in logs.log.crash(inst) {
                    self.turns_away(ask, world);
                }
            }
            _ => {}
        }
    }

    /// Whether an instance of a log may answer: it has its partitions to itself, or leads the copies of one, as far as it
    /// knows.
    pub(super) fn leads_copies(&self, inst: u16) -> bool {
        let member = self.group.as_ref().map(|group| &group.members[usize::from(inst)]);
        member.is_none_or(|member| member.process.leads())
    }

    /// Somebody asked a copy that does not lead.
    pub(super) fn turns_away(&mut self, ask: Ask, world: &mut World) {
        self.says_who_leads(ask.broker, ask.from, (ask.source, ask.number), world);
    }

    /// Somebody is told who leads the copies of the partition that an instance has one of.
    pub(super) fn says_who_leads(
        &mut self,
        inst: u16,
        to: Host,
        (source, number): (u16, u64),
        world: &mut World,
    ) {
        let asked = (self.node, inst);
        let process = self.group.as_ref().map(|group| &group.members[usize::from(inst)].process);
        let leader = process.and_then(Process::leader).filter(|leader| *leader != inst);
        let Some(logs) = &mut self.log else { return };
        let id = (logs.next_id(), 0);
        post((asked, to), id, Post::NotLed(NotLed { asked, leader, source, number }), world);
    }
}
