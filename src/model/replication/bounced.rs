//! Letters that nobody takes: who sent them hears of it, if somebody is there to say so.
//!
//! **Invariant.** As in `letters.rs`.

use super::letters::{ABORTED, Cargo, Envelope, PartOf, Said, Vote};
use crate::{
    cause::Cause,
    engine::random::mix,
    model::{
        ids::{Host, NodeId, Slot},
        queue::post::Post,
        world::{World, unpack},
    },
    replication::{Message, Peer},
};

impl World {
    /// A letter has come to a process that does not run, on a host that does, which says so.
    pub fn turn_back(&mut self, slot: Slot) {
        let f = &self.frames[slot];
        let (host, id, from) = ((f.node, f.inst), f.id, unpack(f.parent));
        let cargo = self.letters.as_mut().map(|letters| letters.take(slot)).unwrap_or_default();
        self.release(slot);
        self.bounce((host, from), cargo, id, false);
    }

    /// What processes of a node have sent one another says nothing any more, wherever it is.
    pub fn forget_messages(&mut self, node: NodeId, among: &std::ops::Range<Peer>) {
        let Some(letters) = &mut self.letters else { return };
        let frames = &self.frames;
        let is_of = |(slot, cargo): &(Slot, &Cargo)| {
            let to = |slot: Slot| frames[slot].node == node && among.contains(&frames[slot].inst);
            matches!(cargo, Cargo::Message(from, _) if among.contains(from)) && to(*slot)
        };
        let all: Vec<Slot> = letters.cargo.iter().filter(is_of).map(|(slot, _)| slot).collect();
        for slot in all {
            letters.put(slot, Cargo::None);
        }
    }

    /// Tells the sender of a message that nobody takes it.
    pub(super) fn bounce(&mut self, (from, to): (Host, Host), cargo: Cargo, id: u64, here: bool) {
        let cargo = match cargo {
            Cargo::Post(post) => return self.bounce_post(&post, to, mix(id ^ 1)),
            Cargo::Message(_, Message::Refused(_)) => return,
            Cargo::Message(_, message) => {
                Cargo::Message(from.1, Message::Refused(Box::new(message)))
            }
            // Others of its shard may lead.
            Cargo::Part(part)
                if matches!(part.said, Said::Prepare(_) | Said::Commit)
                    && self.each_of(from.0).is_some() =>
            {
                Cargo::Part(Box::new(PartOf { said: Said::Elsewhere(None), ..*part }))
            }
            // Who cannot be reached cannot vote for it.
            Cargo::Part(part) if matches!(part.said, Said::Prepare(_)) => {
                let no = PartOf { said: Said::Vote(Vote::No(ABORTED)), ..*part };
                Cargo::Part(Box::new(no))
            }
            _ => return,
        };
        let id = mix(id ^ 1);
        let from = if here { to } else { from };
        self.post(Envelope { from, to, id, size: 0 }, cargo);
    }

    /// Tells the sender of something about messages that nobody takes it.
    fn bounce_post(&mut self, post: &Post, sender: Host, id: u64) {
        let (from, post) = match *post {
            // Who is handed messages and is not there has lost all it was handed.
            Post::Handed(ask, _) => (ask.from, Post::Reset(ask.from)),
            Post::Ask(ask) | Post::Fetch(ask, _) => ((ask.queue, ask.broker), Post::Refused(ask)),
            _ => return,
        };
        let envelope = Envelope { from, to: sender, id, size: 0 };
        self.post(envelope, Cargo::Post(Box::new(post)));
    }

    /// A letter arrived: whether its host is down. Then nobody hears of it, or its host says so.
    #[cold]
    pub fn undelivered(&mut self, slot: Slot) -> bool {
        let f = &self.frames[slot];
        let (host, id) = ((f.node, f.inst), f.id);
        let from = unpack(f.parent);
        let down = host.0 < self.first_client && self.hosts.is_down(host);
        // What a caller asks itself is a request: `errors` fail it.
        let asks = self.network.ground.within.whose(from) != from;
        let fails = !down && asks && self.hosts.fails(host, id);
        if !down && !fails {
            return false;
        }
        if fails {
            self.record.node(host.0).cause(Cause::Fault);
        }
        let cargo = self.letters.as_mut().map(|letters| letters.take(slot)).unwrap_or_default();
        self.release(slot);
        let hears = from.0 == host.0 || matches!(cargo, Cargo::Post(_) | Cargo::Part(_));
        if self.hosts.state(host).silent == 0 && hears {
            self.bounce((host, from), cargo, id, false);
        }
        true
    }
}
