//! A doubly linked list over the numbers of a cache's entries.
//!
//! **Invariant.** An entry is in the list at most once; links of entries outside it mean nothing.

use super::order::Entry;

const NONE: Entry = Entry::MAX;

/// Entries from front (newest) to back.
#[derive(Debug)]
pub(super) struct List {
    /// Towards the front and towards the back.
    links: Vec<(Entry, Entry)>,
    front: Entry,
    back: Entry,
}

impl Default for List {
    fn default() -> Self {
        Self { links: Vec::new(), front: NONE, back: NONE }
    }
}

impl List {
    /// Puts an entry that is not in the list at its front.
    pub(super) fn push_front(&mut self, entry: Entry) {
        let at = entry as usize;
        if at >= self.links.len() {
            self.links.resize(at + 1, (NONE, NONE));
        }
        self.link_front(entry);
    }

    #[inline(always)]
    fn link_front(&mut self, entry: Entry) {
        self.links[entry as usize] = (NONE, self.front);
        match self.front {
            NONE => self.back = entry,
            front => self.links[front as usize].0 = entry,
        }
        self.front = entry;
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, entry: Entry) {
        let (newer, older) = self.links[entry as usize];
        match newer {
            NONE => self.front = older,
            newer => self.links[newer as usize].1 = older,
        }
        match older {
            NONE => self.back = newer,
            older => self.links[older as usize].0 = newer,
        }
    }

    /// Moves an entry to the front.
    pub(super) fn renew(&mut self, entry: Entry) {
        if self.front != entry {
            self.remove(entry);
            self.link_front(entry);
        }
    }

    /// The oldest entry.
    pub(super) fn back(&self) -> Option<Entry> {
        (self.back != NONE).then_some(self.back)
    }

    /// The next newer entry.
    pub(super) fn newer(&self, entry: Entry) -> Option<Entry> {
        let newer = self.links[entry as usize].0;
        (newer != NONE).then_some(newer)
    }
}
