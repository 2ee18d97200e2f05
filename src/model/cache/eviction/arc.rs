//! ARC (N. Megiddo, D. S. Modha, "ARC: a self-tuning, low overhead replacement cache", FAST 2003,
//! figure 4), in weights instead of pages.

use super::{
    order::{Entry, Order},
    parts::{Book, Ghosts, Part, share},
};

/// Entries used once lately and entries used more often, with a memory of what left either; a request
/// for such a key shows which of the two should be larger.
#[derive(Debug)]
pub(super) struct Arc {
    /// Used once, used again.
    held: [Part; 2],
    left: [Ghosts; 2],
    book: Book,
    capacity: u64,
    /// What was told; the capacity is a multiple of the least weight.
    told: u64,
    /// What the part of those used once should weigh, in least weights: so that it is rounded as if it were
    /// told in entries.
    target: f64,
    least: u64,
    /// Where the key that arrives was remembered.
    remembered: Option<usize>,
    /// The oldest of those used once leaves and is not remembered.
    discard: bool,
}

impl Arc {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            held: Default::default(),
            left: [Ghosts::new(u64::MAX), Ghosts::new(u64::MAX)],
            book: Book::default(),
            capacity,
            told: capacity,
            target: 0.0,
            least: 1,
            remembered: None,
            discard: false,
        }
    }
}

impl Order for Arc {
    fn arriving(&mut self, key: u64) {
        self.discard = false;
        let [once, again] = [self.left[0].weight() as f64, self.left[1].weight() as f64];
        let unit = self.least as f64;
        let mut weight = 0.0;
        self.remembered = (0..2).find(|&part| {
            let found = self.left[part].take(key);
            weight = found.unwrap_or(0) as f64 / unit;
            found.is_some()
        });
        // The paper's step is of pages; here a page is what came back.
        match self.remembered {
            Some(0) => {
                let step = (again / once).max(1.0) * weight;
                self.target = (self.target + step).min(self.capacity as f64 / unit);
            }
            Some(_) => {
                let step = (once / again).max(1.0) * weight;
                self.target = (self.target - step).max(0.0);
            }
            None => {
                let recent = self.held[0].weight + self.left[0].weight();
                let all = recent + self.held[1].weight + self.left[1].weight();
                if recent >= self.capacity {
                    self.discard = self.left[0].weight() == 0;
                    self.left[0].drop_oldest();
                } else if all >= self.capacity.saturating_mul(2) {
                    self.left[1].drop_oldest();
                }
            }
        }
    }

    fn hit(&mut self, entry: Entry) {
        self.book.take(&mut self.held, entry);
        self.book.put(&mut self.held, entry, 1);
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        self.book.note(entry, key, weight);
        let part = usize::from(self.remembered.take().is_some());
        self.book.put(&mut self.held, entry, part);
    }

    fn evict(&mut self) -> Entry {
        let once = self.held[0].weight as f64 / self.least as f64;
        let over = once > self.target || self.remembered == Some(1) && once == self.target;
        let first = usize::from(!(self.discard || once > 0.0 && over));
        let oldest = self.held[first].oldest().or_else(|| self.held[1 - first].oldest());
        let oldest = oldest.expect("a full cache has entries");
        let part = self.book.take(&mut self.held, oldest);
        if !self.discard {
            let known = *self.book.of(oldest);
            self.left[part].remember(known.key, known.weight);
        }
        oldest
    }

    fn remove(&mut self, entry: Entry) {
        self.book.take(&mut self.held, entry);
    }

    fn measure(&mut self, least: u64) {
        self.capacity = share(self.told, least, |n| n);
        self.target *= self.least as f64 / least as f64;
        self.least = least;
    }
}
