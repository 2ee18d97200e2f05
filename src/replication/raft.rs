//! To be written.

use super::Work;

/// A message.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {}

impl Message {
    /// Its name in results.
    pub fn name(&self) -> &'static str {
        match *self {}
    }

    /// What it is to its receiver's cores.
    pub fn work(&self) -> Work {
        match *self {}
    }

    /// The keys whose values it carries.
    pub fn keys(&self, each: &mut dyn FnMut(u64)) {
        let _ = each;
        match *self {}
    }
}
