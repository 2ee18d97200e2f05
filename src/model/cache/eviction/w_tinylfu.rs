//! W-TinyLFU (G. Einziger, R. Friedman, B. Manes, "`TinyLFU`: a highly efficient cache admission policy",
//! ACM Transactions on Storage 2017), with a hundredth of the cache for the window and a segmented main
//! part whose protected segment is four fifths of it.

use super::{
    order::{Entry, Order},
    parts::{Book, Part, share},
    sketch::Sketch,
};

const WINDOW: usize = 0;
const PROBATION: usize = 1;
const PROTECTED: usize = 2;

/// New entries pass a window; the oldest there competes with the oldest on probation in the main part, and
/// the one asked for less often leaves. A hit on probation protects an entry; one protected entry too many
/// goes back on probation.
#[derive(Debug)]
pub(super) struct WTinyLfu {
    held: [Part; 3],
    book: Book,
    asked: Sketch,
    most_window: u64,
    most_main: u64,
    most_protected: u64,
    capacity: u64,
}

impl WTinyLfu {
    pub(super) fn new(capacity: u64) -> Self {
        let window = (capacity / 100).max(1);
        let main = capacity - window;
        Self {
            held: Default::default(),
            book: Book::default(),
            asked: Sketch::default(),
            most_window: window,
            most_main: main,
            most_protected: (main as f64 * 0.8) as u64,
            capacity,
        }
    }

    /// Into the main part: on probation, or protected while there is room only there.
    fn keep(&mut self, entry: Entry) {
        let weight = self.book.of(entry).weight;
        let full = self.held[PROBATION].weight + weight > self.most_main - self.most_protected;
        let room = self.held[PROTECTED].weight + weight <= self.most_protected;
        self.book.take(&mut self.held, entry);
        self.book.put(&mut self.held, entry, if full && room { PROTECTED } else { PROBATION });
    }

    fn often(&mut self, entry: Entry) -> u64 {
        let key = self.book.of(entry).key;
        self.asked.estimate(key)
    }
}

impl Order for WTinyLfu {
    fn hit(&mut self, entry: Entry) {
        let known = *self.book.of(entry);
        self.asked.count(known.key);
        let part = usize::from(known.part);
        if part != PROBATION {
            return self.held[part].renew(entry);
        }
        self.book.take(&mut self.held, entry);
        self.book.put(&mut self.held, entry, PROTECTED);
        while self.held[PROTECTED].weight > self.most_protected {
            let Some(oldest) = self.held[PROTECTED].oldest() else { break };
            self.book.take(&mut self.held, oldest);
            self.book.put(&mut self.held, oldest, PROBATION);
        }
    }

    fn admit(&mut self, entry: Entry, key: u64, weight: u64) {
        self.book.note(entry, key, weight);
        self.asked.fit(entry);
        self.asked.count(key);
        self.book.put(&mut self.held, entry, WINDOW);
        // While there is room in the main part, what the window cannot hold goes there.
        while self.held[WINDOW].weight > self.most_window {
            let Some(oldest) = self.held[WINDOW].oldest() else { break };
            let weight = self.book.of(oldest).weight;
            let main = self.held[PROBATION].weight + self.held[PROTECTED].weight;
            if main + weight > self.most_main {
                break;
            }
            self.keep(oldest);
        }
    }

    fn evict(&mut self) -> Entry {
        let candidate = self.held[WINDOW].oldest();
        let victim = self.held[PROBATION].oldest().or_else(|| self.held[PROTECTED].oldest());
        let leaving = match (candidate, victim) {
            (Some(candidate), Some(victim)) if self.often(candidate) > self.often(victim) => {
                self.book.take(&mut self.held, victim);
                self.keep(candidate);
                return victim;
            }
            (candidate, victim) => candidate.or(victim).expect("a full cache has entries"),
        };
        self.book.take(&mut self.held, leaving);
        leaving
    }

    fn remove(&mut self, entry: Entry) {
        self.book.take(&mut self.held, entry);
    }

    fn measure(&mut self, least: u64) {
        let window = |n: u64| (n / 100).max(1).min(n);
        self.most_window = share(self.capacity, least, window);
        self.most_main = share(self.capacity, least, |n| n - window(n));
        let protected = |n| ((n - window(n)) as f64 * 0.8) as u64;
        self.most_protected = share(self.capacity, least, protected);
    }
}
