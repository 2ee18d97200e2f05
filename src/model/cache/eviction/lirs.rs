//! LIRS (S. Jiang, X. Zhang, "LIRS: an efficient low inter-reference recency set replacement policy to
//! improve buffer cache performance", SIGMETRICS 2002), with a hundredth of the cache for entries of high
//! inter-reference recency and a stack of at most twice the cache.

use hashbrown::HashTable;

use super::{
    list::List,
    order::{Entry, Order},
    parts::share,
};
use crate::engine::random::mix;

/// Number of a block: an entry, or a key that has left and is still in the stack.
type Block = Entry;

#[derive(Clone, Copy, Debug, Default)]
struct State {
    key: u64,
    weight: u64,
    /// The entry; none: it has left.
    entry: Option<Entry>,
    /// Low inter-reference recency: it is kept.
    low: bool,
    stacked: bool,
}

/// Blocks by recency in a stack, whose bottom is one that is kept; entries that are not kept leave in the
/// order of a queue, and are kept when they are used again while they or their keys are in the stack.
#[derive(Debug)]
pub(super) struct Lirs {
    blocks: Vec<State>,
    free: Vec<Block>,
    by_key: HashTable<Block>,
    by_entry: Vec<Block>,
    stack: List,
    /// Entries that are not kept.
    queue: List,
    /// Keys that have left, latest first.
    left: List,
    /// Weight of what is kept, and what it may be.
    low: u64,
    most_low: u64,
    /// Weight of the stack, and what it may be.
    stacked: u64,
    most_stacked: u64,
    capacity: u64,
}

impl Lirs {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            blocks: Vec::new(),
            free: Vec::new(),
            by_key: HashTable::new(),
            by_entry: Vec::new(),
            stack: List::default(),
            queue: List::default(),
            left: List::default(),
            low: 0,
            most_low: capacity - (capacity / 100).max(1),
            stacked: 0,
            most_stacked: capacity.saturating_mul(2),
            capacity,
        }
    }

    fn of(&mut self, block: Block) -> &mut State {
        &mut self.blocks[block as usize]
    }

    fn create(&mut self, key: u64) -> Block {
        let block = self.free.pop().unwrap_or_else(|| {
            self.blocks.push(State::default());
            (self.blocks.len() - 1) as Block
        });
        *self.of(block) = State { key, ..State::default() };
        let blocks = &self.blocks;
        self.by_key.insert_unique(mix(key), block, |&b| mix(blocks[b as usize].key));
        block
    }

    /// Forgets a block that is in no list.
    fn destroy(&mut self, block: Block) {
        let hash = mix(self.of(block).key);
        let found = self.by_key.find_entry(hash, |&b| b == block);
        found.expect("every block is found by its key").remove();
        self.free.push(block);
    }

    /// To the top of the stack.
    fn raise(&mut self, block: Block) {
        let state = self.of(block);
        if std::mem::replace(&mut state.stacked, true) {
            return self.stack.renew(block);
        }
        self.stacked += state.weight;
        self.stack.push_front(block);
    }

    /// Takes a block out of the stack; a key that has left is forgotten with it.
    fn unstack(&mut self, block: Block) {
        self.stack.remove(block);
        let state = self.of(block);
        state.stacked = false;
        let State { weight, entry, .. } = *state;
        self.stacked -= weight;
        if entry.is_none() {
            self.left.remove(block);
            self.destroy(block);
        }
    }

    /// Until the bottom of the stack is one that is kept.
    fn prune(&mut self) {
        while let Some(bottom) = self.stack.back().filter(|&b| !self.blocks[b as usize].low) {
            self.unstack(bottom);
        }
    }

    /// Until the stack is as small as it should be.
    fn trim(&mut self) {
        while self.stacked > self.most_stacked {
            let Some(oldest) = self.left.back() else { break };
            self.unstack(oldest);
        }
    }

    /// Keeps a block; those used longest ago of the kept ones make room.
    fn keep(&mut self, block: Block) {
        let state = self.of(block);
        state.low = true;
        self.low += state.weight;
        while self.low > self.most_low {
            self.prune();
            let Some(bottom) = self.stack.back() else { break };
            let state = self.of(bottom);
            state.low = false;
            self.low -= state.weight;
            self.queue.push_front(bottom);
            self.unstack(bottom);
        }
        self.prune();
    }
}

impl Order for Lirs {
    fn hit(&mut self, entry: Entry) {
        let block = self.by_entry[entry as usize];
        let State { low, stacked, .. } = *self.of(block);
        self.raise(block);
        if low {
            self.prune();
        } else if stacked {
            self.queue.remove(block);
            self.keep(block);
        } else {
            self.queue.renew(block);
            self.trim();
        }
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        let known = self.by_key.find(mix(key), |&b| self.blocks[b as usize].key == key).copied();
        let block = known.unwrap_or_else(|| self.create(key));
        if known.is_some() {
            self.left.remove(block);
            let before = std::mem::replace(&mut self.of(block).weight, weight);
            self.stacked = self.stacked - before + weight;
        }
        let at = entry as usize;
        if at >= self.by_entry.len() {
            self.by_entry.resize(at + 1, 0);
        }
        self.by_entry[at] = block;
        let state = self.of(block);
        (state.entry, state.weight) = (Some(entry), weight);
        self.raise(block);
        if known.is_some() || self.low + weight <= self.most_low {
            self.keep(block);
        } else {
            self.queue.push_front(block);
        }
        self.trim();
    }

    fn evict(&mut self) -> Entry {
        // With nobody else, one that is kept goes.
        let block = self.queue.back().or_else(|| self.stack.back());
        let entry = block.and_then(|b| self.of(b).entry).expect("a full cache has entries");
        self.remove(entry);
        entry
    }

    fn remove(&mut self, entry: Entry) {
        let block = self.by_entry[entry as usize];
        let state = self.of(block);
        state.entry = None;
        let State { weight, low, stacked, .. } = *state;
        if std::mem::take(&mut state.low) {
            self.low -= weight;
        } else {
            self.queue.remove(block);
        }
        if stacked {
            self.left.push_front(block);
        } else {
            self.destroy(block);
        }
        if low {
            self.prune();
        }
    }

    fn measure(&mut self, least: u64) {
        self.most_low = share(self.capacity, least, |n| n - (n / 100).max(1).min(n));
        self.most_stacked = share(self.capacity, least, |n| n.saturating_mul(2));
    }
}
