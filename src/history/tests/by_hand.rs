//! Cases small enough to be judged by hand.

use super::super::{
    Act, History, Judged, Kind, NotChecked, OpId, Outcome, Place, Reason, Seen, Sessions, Settings,
    Violations, WitnessOp,
};

/// A history of key 1 that is told one thing per ns.
struct Tale {
    history: History,
    now: u64,
}

impl Tale {
    fn new() -> Self {
        let settings = Settings { horizon_ns: 1 << 40, ..Settings::default() };
        Self { history: History::new(settings), now: 0 }
    }
    fn at(&mut self, now: u64) -> &mut Self {
        self.now = now;
        self
    }
    fn invoke(&mut self, act: Act) -> OpId {
        self.now += 1;
        self.history.invoke(1, act, self.now)
    }
    fn done(&mut self, op: OpId, outcome: Outcome) -> Option<Judged> {
        self.now += 1;
        self.history.done(op, outcome, self.now).judged
    }
    fn write(&mut self, version: u64, outcome: Outcome) {
        let op = self.invoke(Act::Write(version));
        self.history.accepted(1, Place { order: version, version });
        self.done(op, outcome);
    }
    fn read(&mut self, version: u64) -> Judged {
        let op = self.invoke(Act::Read);
        self.done(op, Outcome::Read(version)).expect("it has a place")
    }
    fn wrong(&self) -> Option<Reason> {
        let verdict = self.history.check();
        assert_eq!(verdict.linearizable, Some(verdict.witness.is_none()));
        verdict.witness.map(|witness| witness.reason)
    }
}

use Outcome::{Failed, Unknown, Written};

#[test]
fn one_after_the_other_is_fine() {
    let mut tale = Tale::new();
    tale.read(0);
    tale.write(1, Written);
    tale.read(1);
    tale.write(2, Written);
    tale.read(2);
    tale.read(2);
    assert_eq!(tale.wrong(), None);
}

#[test]
fn new_old_inversion() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    let op = tale.invoke(Act::Write(2));
    tale.history.accepted(1, Place { order: 2, version: 2 });
    tale.read(2);
    tale.read(1);
    assert_eq!(tale.wrong(), Some(Reason::Overlooked), "shown by two reads, before it returned");
    tale.done(op, Written);
    assert_eq!(tale.wrong(), Some(Reason::Overlooked));
    let verdict = tale.history.check();
    assert_eq!((verdict.violations, verdict.keys_violated), (1, 1));
    let witness = verdict.witness.expect("there is one");
    let op = |kind, version, invoked_ns, returned_ns| WitnessOp {
        kind,
        version,
        invoked_ns,
        returned_ns,
    };
    // Of 1 the write returned before the latest read was invoked; one read shows both ends of 2.
    let expected = [
        op(Kind::Write, 1, None, Some(2)),
        op(Kind::Read, 2, Some(4), Some(5)),
        op(Kind::Read, 1, Some(6), None),
    ];
    assert_eq!(witness.operations, expected);
    assert_eq!(witness.proven_ns, 6);
}

#[test]
fn both_old_and_new_while_a_write_is_under_way() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    let write = tale.invoke(Act::Write(2));
    let (a, b) = (tale.invoke(Act::Read), tale.invoke(Act::Read));
    tale.done(a, Outcome::Read(2));
    tale.done(b, Outcome::Read(1));
    assert_eq!(tale.wrong(), None, "concurrent reads may be ordered either way");
    tale.done(write, Written);
    assert_eq!(tale.wrong(), None);
}

#[test]
fn stale_after_an_acknowledgement() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    tale.write(2, Written);
    tale.read(1);
    assert_eq!(tale.wrong(), Some(Reason::Overlooked));
}

#[test]
fn nothing_after_an_acknowledgement() {
    let mut tale = Tale::new();
    let early = tale.invoke(Act::Read);
    tale.write(1, Written);
    tale.done(early, Outcome::Read(0));
    assert_eq!(tale.wrong(), None);
    tale.read(0);
    assert_eq!(tale.wrong(), Some(Reason::Unwritten));
    assert_eq!(tale.history.check().witness.expect("there is one").operations.len(), 2);
}

#[test]
fn out_of_nowhere_and_from_the_future() {
    let mut tale = Tale::new();
    let op = tale.invoke(Act::Read);
    assert_eq!(tale.done(op, Outcome::Read(9)), None, "without a place it is not judged");
    assert_eq!(tale.wrong(), Some(Reason::Unknown));
    tale.write(9, Written);
    assert_eq!(tale.wrong(), Some(Reason::Unknown), "written later does not mend it");
}

#[test]
fn failed_but_read() {
    let mut tale = Tale::new();
    tale.write(1, Failed);
    assert_eq!(tale.wrong(), None);
    tale.read(1);
    assert_eq!(tale.wrong(), Some(Reason::Aborted));
    let mut tale = Tale::new();
    let op = tale.invoke(Act::Write(1));
    tale.history.accepted(1, Place { order: 1, version: 1 });
    tale.read(1);
    tale.done(op, Failed);
    assert_eq!(tale.wrong(), Some(Reason::Aborted), "also if read before it failed");
}

#[test]
fn indeterminate_writes() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    tale.write(2, Unknown);
    tale.read(1);
    assert_eq!(tale.wrong(), None, "unseen it may never have been");
    tale.read(2);
    assert_eq!(tale.wrong(), None, "it may take effect at any time later");
    tale.read(1);
    assert_eq!(tale.wrong(), Some(Reason::Overlooked), "but once seen it was");
}

#[test]
fn concurrent_writes_in_either_order_but_in_one() {
    let both = |reads: &[u64]| {
        let mut tale = Tale::new();
        let (a, b) = (tale.invoke(Act::Write(1)), tale.invoke(Act::Write(2)));
        for (order, version) in [(1, 1), (2, 2)] {
            tale.history.accepted(1, Place { order, version });
        }
        tale.done(a, Written);
        tale.done(b, Written);
        for &version in reads {
            tale.read(version);
        }
        tale.wrong()
    };
    assert_eq!(both(&[1, 1]), None);
    assert_eq!(both(&[2, 2]), None);
    assert_eq!(both(&[1, 2]), Some(Reason::Reappeared));
    assert_eq!(both(&[2, 1]), Some(Reason::Reappeared));
}

#[test]
fn tombstones_are_versions() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    let op = tale.invoke(Act::Delete(2));
    tale.history.accepted(1, Place { order: 2, version: 2 });
    tale.done(op, Written);
    tale.read(2);
    assert_eq!(tale.wrong(), None, "a miss names its tombstone");
    tale.read(1);
    assert_eq!(tale.wrong(), Some(Reason::Reappeared));
    let witness = tale.history.check().witness.expect("something is wrong");
    assert!(witness.operations.iter().any(|op| (op.kind, op.version) == (Kind::Delete, 2)));
}

#[test]
fn a_key_with_cas_is_never_true() {
    let mut tale = Tale::new();
    tale.write(1, Written);
    tale.history.mark_unchecked(1, NotChecked::Increment);
    tale.history.mark_unchecked(1, NotChecked::Cas);
    tale.write(2, Written);
    tale.read(1);
    tale.read(0);
    let verdict = tale.history.check();
    assert_eq!((verdict.linearizable, verdict.keys, verdict.keys_checked), (None, 1, 0));
    assert_eq!(verdict.not_checked, [0, 1, 0, 0], "the first cause: {:?}", NotChecked::ALL[1]);
    assert_eq!((verdict.violations, verdict.witness), (0, None));
    let op = tale.history.invoke(2, Act::Write(7), 90);
    tale.history.done(op, Written, 91);
    assert_eq!(tale.history.check().linearizable, None, "some were not checked");
    let op = tale.history.invoke(2, Act::Read, 92);
    tale.history.done(op, Outcome::Read(0), 93);
    assert_eq!(tale.history.check().linearizable, Some(false), "one is enough");
}

#[test]
fn nothing_is_neither_true_nor_false() {
    let mut tale = Tale::new();
    assert_eq!(tale.history.check().linearizable, None);
    tale.read(0);
    assert_eq!(tale.history.check().linearizable, None);
}

#[test]
fn how_far_behind() {
    let mut tale = Tale::new();
    let judged = |versions, age_ns, after_ns| Judged { versions, age_ns, after_ns };
    assert_eq!(tale.read(0), judged(0, 0, None));
    tale.at(98).write(1, Written); // acknowledged at 100
    tale.at(198).write(2, Written);
    let early = tale.at(249).invoke(Act::Read);
    tale.at(298).write(3, Written);
    assert_eq!(tale.at(399).read(3), judged(0, 0, Some(100)));
    assert_eq!(tale.at(499).read(1), judged(2, 300, Some(200)), "2 was there for 300");
    assert_eq!(tale.at(599).read(0), judged(3, 500, Some(300)));
    assert_eq!(tale.done(early, Outcome::Read(1)), Some(judged(1, 50, Some(50))), "3 came later");
    let under_way = tale.invoke(Act::Write(4));
    tale.history.accepted(1, Place { order: 4, version: 4 });
    assert_eq!(tale.at(699).read(3), judged(0, 0, Some(400)), "4 is not acknowledged");
    assert_eq!(tale.at(799).read(4), judged(0, 0, Some(500)), "newer is fresh");
    tale.done(under_way, Unknown);
    assert_eq!(tale.at(899).read(3).versions, 0, "nor will it be");
}

#[test]
fn order_is_by_place_and_not_by_time() {
    let mut tale = Tale::new();
    for (version, order) in [(1, 10), (2, 30), (3, 20), (4, 20)] {
        let op = tale.invoke(Act::Write(version));
        tale.history.accepted(1, Place { order, version });
        tale.done(op, Written);
    }
    assert_eq!([0, 1, 3, 4, 2].map(|version| tale.read(version).versions), [4, 3, 2, 1, 0]);
    assert_eq!(
        tale.history.newest_acknowledged().collect::<Vec<_>>(),
        [(1, Place { order: 30, version: 2 })]
    );
    assert!(tale.history.is_acknowledged(1, 3) && !tale.history.is_acknowledged(1, 5));
}

#[test]
fn the_last_place_before_the_acknowledgement_counts() {
    let mut tale = Tale::new();
    let op = tale.invoke(Act::Write(1));
    tale.history.accepted(1, Place { order: 1, version: 1 });
    tale.write(2, Written);
    tale.history.accepted(1, Place { order: 3, version: 1 });
    tale.done(op, Written);
    assert_eq!((tale.read(1).versions, tale.read(2).versions), (0, 1), "the retry's place");
    tale.history.accepted(1, Place { order: 9, version: 2 });
    assert_eq!((tale.read(1).versions, tale.read(2).versions), (0, 1), "then it stays");
    // An early acknowledgement (write-behind) is placed when it reaches the store.
    let op = tale.invoke(Act::Write(4));
    tale.done(op, Written);
    assert_eq!(tale.read(1).versions, 0);
    tale.history.accepted(1, Place { order: 4, version: 4 });
    assert_eq!((tale.read(1).versions, tale.read(2).versions), (1, 2));
}

fn seen(wrote: bool, order: u64, ends: (u64, u64)) -> Seen {
    let place = if order == 0 { Place::INITIAL } else { Place { order, version: order } };
    Seen { key: 5, wrote, place, invoked: ends.0, returned: ends.1 }
}

#[test]
fn sessions_by_hand() {
    let none = Violations::default();
    let mut sessions = Sessions::default();
    let w = |order, at| seen(true, order, (at, at + 1));
    let r = |order, at| seen(false, order, (at, at + 1));
    assert_eq!(sessions.observe(1, &[w(10, 0), r(10, 2), r(12, 4)]), none);
    assert_eq!(sessions.observe(2, &[r(3, 6), w(2, 8)]).writes_follow_reads, 1);
    let broken = Violations { monotonic_reads: 1, ..none };
    assert_eq!(sessions.observe(1, &[r(11, 10)]), broken);
    let broken = Violations { monotonic_reads: 1, read_your_writes: 1, ..none };
    assert_eq!(sessions.observe(1, &[r(0, 12)]), broken, "a key never written is oldest");
    let broken = Violations { monotonic_writes: 1, writes_follow_reads: 1, ..none };
    assert_eq!(sessions.observe(1, &[w(9, 14)]), broken);
    assert_eq!(sessions.observe(1, &[w(11, 16)]).writes_follow_reads, 1);
    let other = Seen { key: 6, ..r(1, 18) };
    assert_eq!(sessions.observe(1, &[other]), none, "keys apart");
    assert_eq!(sessions.entries(), 3);
    sessions.close(1);
    assert_eq!((sessions.entries(), sessions.observe(1, &[r(1, 20)])), (1, none));
    let all = Violations {
        read_your_writes: 1,
        monotonic_reads: 2,
        monotonic_writes: 1,
        writes_follow_reads: 3,
    };
    assert_eq!(sessions.violations(), all);
}

#[test]
fn branches_of_a_request_are_not_judged_against_each_other() {
    let mut sessions = Sessions::default();
    let write = seen(true, 7, (10, 20));
    assert_eq!(sessions.observe(1, &[write, seen(false, 3, (12, 14))]), Violations::default());
    let later = sessions.observe(2, &[write, seen(false, 3, (21, 24))]);
    assert_eq!(later, Violations { read_your_writes: 1, ..Violations::default() });
}

#[test]
fn what_sessions_are_handed() {
    let mut history = History::new(Settings::default());
    let write = history.invoke(1, Act::Write(8), 0);
    history.accepted(1, Place { order: 4, version: 8 });
    let wrote = history.done(write, Written, 5).seen.expect("there is one");
    let read = history.invoke(1, Act::Read, 6);
    let read = history.done(read, Outcome::Read(0), 7).seen.expect("there is one");
    assert_eq!((wrote.place, wrote.wrote), (Place { order: 4, version: 8 }, true));
    assert_eq!((read.place, read.wrote), (Place::INITIAL, false));
    assert!(wrote.returned < read.invoked);
    let broken = Sessions::default().observe(1, &[wrote, read]);
    assert_eq!(broken.read_your_writes, 1);
    let op = history.invoke(1, Act::Write(9), 8);
    assert_eq!(history.done(op, Unknown, 9).seen, None);
}

#[test]
fn nothing_after_the_first_of_many_that_are_under_way() {
    // So many that the key is kept as one with many before any of them ends.
    for by_read in [true, false] {
        let mut tale = Tale::new();
        let ops: Vec<OpId> = (1..=200).map(|version| tale.invoke(Act::Write(version))).collect();
        tale.read(0);
        assert_eq!(tale.wrong(), None);
        if by_read {
            let op = tale.invoke(Act::Read);
            tale.done(op, Outcome::Read(150));
        } else {
            tale.done(ops[149], Written);
        }
        tale.read(0);
        assert_eq!(tale.wrong(), Some(Reason::Unwritten));
    }
}
