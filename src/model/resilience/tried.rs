//! Puts down where the attempts of a call go, and asks where they have been.
//!
//! **Invariant.** Where the attempt that is being sent is not to go is known only while it is.

use super::elsewhere::{Call, Passed};
use crate::model::{
    ids::{Host, NONE, Slot},
    world::World,
};

impl World {
    fn call_of(&self, slot: Slot, call: u16) -> Call {
        (self.frames[slot].id, self.frames.extra(slot).since, call)
    }

    /// The next attempt of a frame's call is not to go where others have been.
    #[cold]
    pub fn avoid(&mut self, slot: Slot, call: u16) {
        let now = self.call_of(slot, call);
        let Some(own) = &mut self.elsewhere else { return };
        let been = own.been.get(&slot).filter(|(of, _)| *of == now);
        own.avoids = true;
        own.avoided = been.map(|(_, been)| been.clone()).unwrap_or_default();
    }

    /// An attempt of a frame's call is on its way.
    #[cold]
    pub fn went(&mut self, slot: Slot, child: Slot, call: u16) {
        let now = self.call_of(slot, call);
        let Some(own) = &mut self.elsewhere else { return };
        own.avoided.clear();
        let avoids = std::mem::take(&mut own.avoids);
        let known = own.been.entry(slot).or_insert_with(|| (now, Vec::new()));
        if known.0 != now {
            *known = (now, Vec::new());
        }
        self.heads_for(child, (slot, now), avoids);
    }

    /// A message of a call is on its way to an instance, or to one who chooses among some.
    fn heads_for(&mut self, child: Slot, of: (Slot, Call), avoids: bool) {
        let (id, host) =
            (self.frames[child].id, (self.frames[child].node, self.frames[child].inst));
        let Some(own) = &mut self.elsewhere else { return };
        if own.chooses.get(usize::from(host.0)) == Some(&true) {
            own.passed.insert(child, Passed { id, of, avoids });
        } else if let Some((call, been)) = own.been.get_mut(&of.0)
            && *call == of.1
        {
            been.push(host);
        }
    }

    /// Where the attempt that is being sent is not to go.
    pub fn avoided(&self) -> &[Host] {
        self.elsewhere.as_ref().map_or(&[], |own| &own.avoided)
    }

    /// Where the call has been that this visit of a balancer passes on.
    pub fn been(&self, visit: Slot) -> Vec<Host> {
        let known = self.elsewhere.as_ref().and_then(|own| {
            let Passed { id, of, avoids } = *own.passed.get(&visit)?;
            let (call, been) = own.been.get(&of.0)?;
            (avoids && id == self.frames[visit].id && *call == of.1).then(|| been.clone())
        });
        known.unwrap_or_default()
    }

    /// A balancer has passed a call on.
    pub fn passed_on(&mut self, visit: Slot) {
        let (id, child) = (self.frames[visit].id, self.frames[visit].next);
        let known = self.elsewhere.as_mut().and_then(|own| own.passed.remove(&visit));
        if let Some(known) = known.filter(|known| known.id == id && child != NONE) {
            self.heads_for(child, known.of, known.avoids);
        }
    }
}
