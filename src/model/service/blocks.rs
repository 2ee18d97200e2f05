//! Blocks of steps to instructions: locks, sagas and transactions.
//!
//! **Invariant.** As in `compile.rs`.

use super::{
    BranchSpec,
    compile::{CallParts, Compiler},
    instr::{Hold, Instr, Part, Point},
    parts::{LockSpec, SagaSpec, Scope, TransactionSpec},
    program::{DataOp, Gathered, KeyRef, LeasedAt, LeasedLock, Lock, Transaction, Whole},
    sagas::{LogAt, Saga},
};
use crate::{
    cause::Cause,
    engine::random::hash_str,
    model::{
        consistency::operation::Site,
        kind::Verb,
        replication::{AnsweredSpec, whom::Answered},
    },
};

impl Compiler<'_, '_> {
    /// Steps under a lock.
    pub(super) fn lock(&mut self, spec: &LockSpec, path: &str) {
        if let Some(store) = &spec.in_ {
            return self.leased(spec, &store.0, path);
        }
        let names = self.assembly.names;
        let lock = Lock {
            name: spec.name.0.clone(),
            per: spec.per.as_ref().map(|per| names.attribute(&per.0).expect("it was checked")),
            shared: spec.scope == Some(Scope::Shared),
        };
        let locks = &mut self.program.locks;
        let number = locks.iter().position(|known| *known == lock).unwrap_or_else(|| {
            locks.push(lock);
            locks.len() - 1
        });
        self.emit(Instr::Lock(number as u16));
        self.steps(&spec.do_, path);
        self.emit(Instr::Unlock);
    }

    /// Steps under a lock that is kept in a store, and what renews it and gives it back meanwhile.
    fn leased(&mut self, spec: &LockSpec, store: &str, path: &str) {
        let names = self.assembly.names;
        let (ttl, poll) = spec.times();
        let number = self.program.leased.len();
        self.program.leased.push(LeasedLock {
            store: names.node(store).expect("it was checked"),
            name: hash_str(0x10c5, &spec.name.0),
            per: spec.per.as_ref().map(|per| names.attribute(&per.0).expect("it was checked")),
            ttl,
            poll,
            fenced: spec.fencing != Some(false),
            site: self.site(path),
            at: LeasedAt::default(),
        });
        let hold = |hold| Instr::Lease(hold, number as u16);
        let at = |what: &str| format!("{path}/lock/{what}");
        self.emit(hold(Hold::Ask));
        let ask = self.record(store, Verb::Read, None, &at("read"));
        self.emit(Instr::Done);
        self.emit(hold(Hold::Look));
        self.emit(Instr::Jump(ask));
        let write = self.record(store, Verb::Cas, Some(Cause::LockRetry), &at("take"));
        let taken = self.emit(Instr::Jump(0));
        self.emit(hold(Hold::Missed));
        self.emit(Instr::Jump(ask));
        self.program.code[taken] = Instr::Jump(self.here());
        self.emit(Instr::Done);
        let take = self.emit(hold(Hold::Take)) as u16;
        self.steps(&spec.do_, path);
        self.emit(hold(Hold::Leave));
        let over = self.emit(Instr::Jump(0));

        let renew = self.emit(hold(Hold::Rest)) as u16;
        self.record(store, Verb::Cas, Some(Cause::LockRetry), &at("renew"));
        let renewed = self.emit(Instr::Jump(0));
        self.emit(hold(Hold::Missed));
        let read = self.record(store, Verb::Read, Some(Cause::LockRetry), &at("look"));
        let known = self.emit(Instr::Jump(0));
        self.emit(hold(Hold::Missed));
        self.emit(Instr::Jump(read));
        for jump in [renewed, known] {
            self.program.code[jump] = Instr::Jump(self.here());
        }
        self.emit(Instr::Done);
        self.emit(hold(Hold::Check));
        self.emit(Instr::Jump(renew));
        let give_back = self.record(store, Verb::Cas, None, &at("give-back"));
        let call = self.program.calls.last_mut().expect("just added");
        call.optional = true;
        self.emit(Instr::Done);
        self.emit(hold(Hold::End));
        self.program.code[over] = Instr::Jump(self.here());
        self.program.leased[number].at = LeasedAt { write, take, renew, give_back };
    }

    /// Reads or writes the record of a lock or saga; if that fails, for this cause, what stands after the next instruction is done.
    /// Where it begins.
    fn record(&mut self, store: &str, verb: Verb, failure: Option<Cause>, path: &str) -> u16 {
        let (start, op) = (self.here(), (verb.name().to_owned(), Some(verb)));
        let names = self.assembly.names;
        let (store_id, access) = names.follows(store, Some(verb)).expect("it was checked");
        let answered = Answered::of(AnsweredSpec::default(), names.kind(store_id).replication());
        let (path_hash, common) = (self.site(path), 0);
        let site = Site {
            store: store_id,
            access,
            answered,
            path: path_hash,
            common,
            of_record: true,
            once: false,
        };
        self.program.data.push(DataOp { site, key: KeyRef::Record });
        self.emit(Instr::Invoke(self.program.data.len() as u16 - 1));
        self.decisive_call(store, (Some(&op), None, None), false, path);
        let call = self.program.calls.last_mut().expect("just added");
        (call.key, call.fallback) = (KeyRef::Record, failure);
        start
    }

    /// A branch without an end yet, whose failure is the visit's: where the jump over it stands.
    fn whole(&mut self, whole: Whole, optional: bool, path: &str) -> usize {
        self.fork(&[BranchSpec(Vec::new())], 1, optional, path);
        self.program.forks.last_mut().expect("just added").whole = Some(whole);
        self.program.code.pop();
        self.program.code.len() - 2
    }

    /// A branch that runs the steps of a transaction and then decides it.
    pub(super) fn transaction(&mut self, spec: &TransactionSpec, optional: bool, path: &str) {
        let over = self.whole(Whole::Transaction, optional, path);
        let number = self.program.transactions.len();
        self.program.transactions.push(Transaction { timeout: spec.time(), timer: 0 });
        self.emit(Instr::Point(Point::Opens));
        self.gathers = true;
        self.steps(&spec.do_, path);
        self.gathers = false;
        self.emit(Instr::Point(Point::Decides(number as u16)));
        self.emit(Instr::End);
        let timer = self.emit(Instr::Point(Point::Timer));
        self.program.transactions[number].timer = timer as u16;
        self.program.code[over] = Instr::Jump(self.here());
    }

    /// Something is to be written when a transaction is decided.
    pub(super) fn gather(
        &mut self,
        (target, parts): (&str, CallParts<'_>),
        answered: AnsweredSpec,
        path: &str,
    ) {
        let data = self.data_site(target, parts.0, answered, path);
        let call = self.call_site(target, parts, false, path);
        self.program.gathered.push(Gathered { data, call });
        let number = self.program.gathered.len() - 1;
        self.emit(Instr::Point(Point::Gathers(number as u16)));
    }

    /// A branch that runs the parts in sequence, and what undoes them behind it.
    pub(super) fn saga(&mut self, spec: &SagaSpec, optional: bool, path: &str) {
        let over = self.whole(Whole::Saga, optional, path);
        let number = self.program.sagas.len();
        self.program.sagas.push(Saga::default());
        let at = |part| Instr::Saga(part, number as u16);
        let (mut saga, log) = (Saga::default(), (spec, number as u16));
        self.emit(at(Part::Begin));
        self.puts_down(log, Part::Begin, &format!("{path}/log/begin"));
        for (i, part) in spec.parts.iter().enumerate() {
            saga.parts.push(self.here());
            self.steps(&part.do_, &format!("{path}/{i}/do"));
            self.emit(at(Part::Did));
            self.puts_down(log, Part::Logged, &format!("{path}/log/{i}/do"));
        }
        self.emit(at(Part::Done));
        self.emit(Instr::End);
        if spec.log.is_some() {
            let fails = self.emit(at(Part::Undo)) as u16;
            self.puts_down(log, Part::Logged, &format!("{path}/log/fails"));
            self.emit(at(Part::Fails));
            let resumes = self.emit(at(Part::Asks)) as u16;
            self.puts_down(log, Part::Looks, &format!("{path}/log/read"));
            saga.log = Some(LogAt { fails, resumes });
        }
        for (i, part) in spec.parts.iter().enumerate().rev() {
            saga.undo.push(self.emit(at(Part::Undo)) as u16);
            self.steps(&part.undo, &format!("{path}/{i}/undo"));
            self.emit(at(Part::Undone));
            self.puts_down(log, Part::Logged, &format!("{path}/log/{i}/undo"));
        }
        // Nothing was done: by an event of its own all the same.
        saga.undo.push(self.emit(at(Part::Undo)) as u16);
        saga.undo.reverse();
        self.emit(at(Part::Compensated));
        self.program.sagas[number] = saga;
        self.program.code[over] = Instr::Jump(self.here());
    }

    /// How far a saga with a log is is put down, or read (`Looks`), until that succeeds; what cannot `Begin` fails.
    fn puts_down(&mut self, (spec, number): (&SagaSpec, u16), what: Part, path: &str) {
        let Some(store) = &spec.log else { return };
        let at = |part| Instr::Saga(part, number);
        let verb = if what == Part::Looks { Verb::Read } else { Verb::Write };
        let again = (what != Part::Begin).then_some(Cause::SagaLog);
        let start = self.emit(at(Part::Log)) as u16;
        self.record(&store.0, verb, again, path);
        if again.is_some() {
            let over = self.emit(Instr::Jump(0));
            self.emit(at(Part::Missed));
            self.emit(Instr::Jump(start));
            self.program.code[over] = Instr::Jump(self.here());
        }
        self.emit(Instr::Done);
        self.emit(at(if what == Part::Begin { Part::Logged } else { what }));
    }
}
