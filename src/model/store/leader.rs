//! Who leads a shard, as those hear it who do something beside its replicas: what leaders say, in whatever order.
//!
//! **Invariant.** Whoever does not know yet that somebody leads in a later term leads nothing.

/// Who leads a shard.
#[derive(Clone, Copy, Debug)]
pub struct Leader {
    /// The instance, if somebody does.
    pub by: Option<u16>,
    /// Since which term.
    term: u64,
}

impl Leader {
    /// At first this one does.
    pub fn new(by: u16) -> Self {
        Self { by: Some(by), term: 0 }
    }

    /// An instance leads from now on, in this term; whether it does.
    pub fn leads(&mut self, inst: u16, term: u64) -> bool {
        // If all have lost what they had terms begin anew.
        let does = term >= self.term || self.by.is_none();
        if does {
            (self.by, self.term) = (Some(inst), term);
        }
        does
    }

    /// An instance leads no more; whether it was the one.
    pub fn leads_no_more(&mut self, inst: u16) -> bool {
        self.by.take_if(|by| *by == inst).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_began_in_the_latest_term_leads() {
        let mut leader = Leader::new(3);
        assert!(leader.leads(4, 2) && !leader.leads(3, 1));
        assert_eq!(leader.by, Some(4));
        assert!(!leader.leads_no_more(3) && leader.leads_no_more(4) && !leader.leads_no_more(4));
        assert_eq!(leader.by, None);
        // All had lost what they had.
        assert!(leader.leads(5, 1));
        assert_eq!(leader.by, Some(5));
    }
}
