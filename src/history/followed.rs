//! The keys that are followed and their writes.
//!
//! A key with few writes is one chain: what is looked for is nearly always at its beginning. A key with
//! many has its versions in an index and in order besides ([`Big`]).
//!
//! **Invariant.** Nothing grows with reads. What is kept of a key is kept of all its writes, or the key
//! is not here.

use super::big::{Behind, Big};
use super::index::{Index, mix};
use super::place::Place;
use super::rows::{Chain, Head, Key, NEVER, Row, settle};
use super::slab::Slab;

/// About so many writes make a key a big one.
const MANY: usize = 64;

/// The keys and their writes.
#[derive(Clone, Debug, Default)]
pub struct Followed {
    rows: Slab<Row>,
    keys: Slab<Key>,
    bigs: Slab<Big>,
    key_index: Index,
    /// Of the versions of big keys.
    version_index: Index,
}

fn hash_of_key(key: u64) -> u64 {
    mix(key ^ 0x6b65_7920_696e_6465)
}

fn hash_of_version(version: u64) -> u64 {
    mix(version ^ 0x7665_7273_696f_6e73)
}

impl Followed {
    /// The number of a key that was written.
    #[inline]
    #[must_use]
    pub fn find(&self, key: u64) -> Option<u32> {
        self.key_index.find(hash_of_key(key), |id| self.keys.get(id).key == key)
    }

    /// The number of a key.
    pub fn find_or_add(&mut self, key: u64) -> u32 {
        if let Some(id) = self.find(key) {
            return id;
        }
        let id = self.keys.insert(Key::new(key));
        self.key_index.insert(hash_of_key(key), id);
        id
    }

    /// Whether this number is still that of the key.
    #[inline]
    #[must_use]
    pub fn is(&self, id: u32, key: u64) -> bool {
        let entry = self.keys.get(id);
        entry.key == key && entry.alive()
    }

    /// A key by its number.
    #[must_use]
    pub fn key(&self, id: u32) -> &Key {
        self.keys.get(id)
    }

    /// A key by its number.
    pub fn key_mut(&mut self, id: u32) -> &mut Key {
        self.keys.get_mut(id)
    }

    /// The keys, by number.
    pub fn keys(&self) -> impl Iterator<Item = (u32, &Key)> {
        self.keys_from(0)
    }

    /// The keys from this number on.
    pub fn keys_from(&self, from: u32) -> impl Iterator<Item = (u32, &Key)> {
        (from..self.keys.given()).map(|id| (id, self.keys.get(id))).filter(|(_, key)| key.alive())
    }

    /// A write by its number.
    #[inline]
    #[must_use]
    pub fn row(&self, id: u32) -> &Row {
        self.rows.get(id)
    }

    /// The writes of a key.
    #[inline]
    #[must_use]
    pub fn chain(&self, key: u32) -> Chain<'_> {
        let head = match self.keys.get(key).head() {
            Head::Small(head) => head,
            Head::Big(big) => self.bigs.get(big).head,
        };
        Chain::new(&self.rows, head)
    }

    /// A write was invoked; its number.
    pub fn add(&mut self, key: u32, row: impl Fn(u32) -> Row) -> u32 {
        match self.keys.get(key).head() {
            Head::Small(head) => {
                let id = self.rows.insert(row(head));
                self.keys.get_mut(key).set_head(Head::Small(id));
                // Counting each time would visit each row; the numbers decide so that no pattern of
                // keys can evade it.
                if mix(u64::from(id)).is_multiple_of(8) && self.chain(key).nth(MANY).is_some() {
                    self.make_big(key, id);
                }
                id
            }
            Head::Big(number) => {
                let big = self.bigs.get_mut(number);
                let id = self.rows.insert(row(big.head));
                (big.head, big.rows) = (id, big.rows + 1);
                self.index_version(id);
                id
            }
        }
    }

    /// The write of a key that wrote this version.
    #[inline]
    #[must_use]
    pub fn find_row(&self, key: u32, version: u64) -> Option<u32> {
        match self.keys.get(key).head() {
            Head::Small(head) => {
                let mut chain = Chain::new(&self.rows, head);
                chain.find(|(_, row)| row.version == version).map(|(id, _)| id)
            }
            Head::Big(_) => {
                let is = |id| self.rows.get(id).version == version;
                self.version_index.find(hash_of_version(version), is)
            }
        }
    }

    /// A write returned ok, maybe not for the first time.
    pub fn acknowledge(&mut self, key: u32, id: u32, now: u64) {
        if self.rows.get(id).acked().is_some() {
            return;
        }
        self.rows.get_mut(id).acknowledge(now);
        if let Head::Big(number) = self.keys.get(key).head() {
            let big = self.bigs.get_mut(number);
            big.first_finish = big.first_finish.min(now);
            big.acknowledge(id);
        }
        self.place(key, id);
    }

    /// A write was certainly not applied.
    pub fn fail(&mut self, id: u32) {
        self.rows.get_mut(id).fail();
    }

    /// A write was given a place in the order of versions. Until its acknowledgement the last one
    /// counts, then it stays.
    pub fn accept(&mut self, key: u32, id: u32, order: u64) {
        let row = self.rows.get_mut(id);
        if row.settled().is_none() {
            row.set_order(order);
            self.place(key, id);
        }
    }

    /// A read that was invoked at one instant returned a write at another one.
    #[inline]
    pub fn fold(&mut self, key: u32, id: u32, (invoked, now): (u64, u64)) {
        self.rows.get_mut(id).fold(invoked, now);
        if let Head::Big(number) = self.keys.get(key).head() {
            let big = self.bigs.get_mut(number);
            big.first_finish = big.first_finish.min(now);
        }
    }

    /// The first finish of all versions of a key but the initial one.
    #[must_use]
    pub fn first_finish(&self, key: u32) -> u64 {
        match self.keys.get(key).head() {
            Head::Small(_) => self.chain(key).map(|(_, row)| row.finish).fold(NEVER, u64::min),
            Head::Big(number) => self.bigs.get(number).first_finish,
        }
    }

    /// The newest version acknowledged before an instant, and when.
    #[inline]
    #[must_use]
    pub fn newest(&self, key: u32, before: u64) -> Option<(Place, u64)> {
        match self.keys.get(key).head() {
            Head::Small(head) => {
                let mut settled = Chain::new(&self.rows, head).filter_map(|(_, row)| row.settled());
                settled.find(|&(_, acked)| acked < before)
            }
            Head::Big(number) => self.bigs.get(number).newest(&self.rows, before),
        }
    }

    /// What is newer than a place and was acknowledged before an instant.
    #[must_use]
    pub fn behind(&self, key: u32, place: Place, before: u64) -> Behind {
        let head = match self.keys.get(key).head() {
            Head::Big(number) => return self.bigs.get(number).behind(&self.rows, place, before),
            Head::Small(head) => head,
        };
        let settled = Chain::new(&self.rows, head).filter_map(|(_, row)| row.settled());
        let newer = settled.take_while(|&(other, _)| other > place);
        let mut behind = Behind { versions: 0, acked_first: NEVER };
        for (_, acked) in newer.filter(|&(_, acked)| acked < before) {
            behind.versions += 1;
            behind.acked_first = behind.acked_first.min(acked);
        }
        behind
    }

    /// Forgets keys with all that is known of them.
    pub fn forget(&mut self, keys: impl Fn(u64) -> bool) {
        let gone: Vec<u32> =
            self.keys().filter(|(_, entry)| keys(entry.key)).map(|(id, _)| id).collect();
        for id in gone {
            let rows: Vec<u32> = self.chain(id).map(|(row, _)| row).collect();
            for row in rows {
                self.rows.release(row);
            }
            if let Head::Big(number) = self.keys.get(id).head() {
                *self.bigs.get_mut(number) = Big::default();
                self.bigs.release(number);
            }
            self.keys.get_mut(id).bury();
            self.keys.release(id);
        }
        self.index_again();
    }

    /// How many writes there are.
    #[must_use]
    pub fn writes(&self) -> usize {
        self.rows.len()
    }

    #[cfg(test)]
    /// What it has allocated.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bigs: usize = (0..self.bigs.given()).map(|id| self.bigs.get(id).bytes()).sum();
        let indexes = self.key_index.bytes() + self.version_index.bytes();
        self.rows.bytes() + self.keys.bytes() + self.bigs.bytes() + bigs + indexes
    }

    /// Puts a write where its place is, if it has both a place and an acknowledgement.
    fn place(&mut self, key: u32, id: u32) {
        if self.rows.get(id).settled().is_none() {
            return;
        }
        match self.keys.get(key).head() {
            Head::Small(head) => {
                let head = settle(&mut self.rows, head, id);
                self.keys.get_mut(key).set_head(Head::Small(head));
            }
            Head::Big(number) => self.bigs.get_mut(number).insert(&self.rows, id),
        }
    }

    fn make_big(&mut self, key: u32, head: u32) {
        let big = Big::from_chain(&self.rows, head);
        let number = self.bigs.insert(big);
        self.keys.get_mut(key).set_head(Head::Big(number));
        self.index_versions(key);
    }

    fn index_versions(&mut self, key: u32) {
        let rows: Vec<u32> = self.chain(key).map(|(id, _)| id).collect();
        for id in rows {
            self.index_version(id);
        }
    }

    fn index_version(&mut self, id: u32) {
        let version = self.rows.get(id).version;
        self.version_index.insert(hash_of_version(version), id);
    }

    fn index_again(&mut self) {
        (self.key_index, self.version_index) = (Index::default(), Index::default());
        for id in 0..self.keys.given() {
            let entry = *self.keys.get(id);
            if !entry.alive() {
                continue;
            }
            self.key_index.insert(hash_of_key(entry.key), id);
            if let Head::Big(_) = entry.head() {
                self.index_versions(id);
            }
        }
    }
}
