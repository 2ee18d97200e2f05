//! CLOCK (F. J. Corbato, "A paging experiment with the Multics system", 1968), in the form of a queue
//! in which an entry used since it came gets another round.

use super::{
    list::List,
    order::{Entry, Order},
};

/// First in, first out with a second chance.
#[derive(Debug, Default)]
pub(super) struct Clock {
    queue: List,
    used: Vec<bool>,
}

impl Order for Clock {
    fn hit(&mut self, entry: Entry) {
        self.used[entry as usize] = true;
    }

    fn admit(&mut self, entry: Entry, _key: u64, _weight: u64) {
        let at = entry as usize;
        if at >= self.used.len() {
            self.used.resize(at + 1, false);
        }
        self.used[at] = false;
        self.queue.push_front(entry);
    }

    fn evict(&mut self) -> Entry {
        loop {
            let last = self.queue.back().expect("a full cache has entries");
            if !std::mem::take(&mut self.used[last as usize]) {
                self.queue.remove(last);
                return last;
            }
            self.queue.renew(last);
        }
    }

    fn remove(&mut self, entry: Entry) {
        self.queue.remove(entry);
    }
}
