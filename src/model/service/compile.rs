//! Steps to instructions.
//!
//! **Invariant.** The path of a step in the file keys its draws, so that a change elsewhere in the
//! file shifts none of them.

use super::{
    AnySpec, BranchSpec, Condition, Literal, StepSpec,
    edges::Keeping,
    instr::Instr,
    program::{Brings, Call, Chance, Choice, DataOp, Each, Fork, Instead, KeyRef, Program, Test},
};
use std::collections::BTreeMap;

use crate::{
    cause::Cause,
    engine::{
        law::SizeFormula,
        random::{hash_str, mix},
    },
    model::{
        build::Assembly,
        consistency::operation::Site,
        frame::MAX_LOOPS,
        kind::{Op, Verb},
        queue::consumes::{AckSpec, PublishFields},
        replication::{AnsweredSpec, whom::Answered},
        resilience::{EdgeSpec, FallbackSpec},
        service::steps::Spread,
    },
    outcome::Outcome,
    units::Name,
};

/// Operation (`None`: the caller's), key and size of a call.
pub(super) type CallParts<'p> = (Option<&'p Op>, Option<&'p Name>, Option<&'p SizeFormula>);

/// Compiles the steps of one node or session.
pub struct Compiler<'c, 'a> {
    /// The world being built.
    pub assembly: &'c mut Assembly<'a>,
    /// Path of names that keys the draws: `node` or `client`, then its name.
    pub entity: String,
    /// The program so far.
    pub program: Program,
    /// Edge of each target.
    pub(super) edges: Vec<((String, Keeping), u16)>,
    /// Nodes of which a connection is kept.
    pub(super) held: Vec<String>,
    /// Policies in the file, by target.
    pub(super) dependencies: &'c std::collections::BTreeMap<Name, EdgeSpec>,
    /// Rows of a client's operations (sessions only).
    pub operations: Vec<String>,
    loops: usize,
    /// How many sites of a kind there are in an endpoint.
    sites: BTreeMap<String, u64>,
    /// Work takes longer while memory is short.
    pub strained: bool,
    /// What is written is gathered for a transaction.
    pub(super) gathers: bool,
}

impl std::fmt::Debug for Compiler<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("entity", &self.entity).finish_non_exhaustive()
    }
}

impl<'c, 'a> Compiler<'c, 'a> {
    /// A compiler for the steps of `entity`.
    pub fn new(
        assembly: &'c mut Assembly<'a>,
        entity: String,
        dependencies: &'c std::collections::BTreeMap<Name, EdgeSpec>,
    ) -> Self {
        Self {
            assembly,
            entity,
            program: Program::default(),
            edges: Vec::new(),
            held: Vec::new(),
            dependencies,
            operations: Vec::new(),
            loops: 0,
            sites: BTreeMap::new(),
            strained: false,
            gathers: false,
        }
    }

    /// Where the next instruction will stand.
    pub fn here(&self) -> u16 {
        u16::try_from(self.program.code.len()).expect("the number of steps was checked")
    }

    /// Adds an instruction.
    pub fn emit(&mut self, instr: Instr) -> usize {
        self.program.code.push(instr);
        self.program.code.len() - 1
    }

    /// Compiles a list of steps; `path` is theirs within the entity.
    pub fn steps(&mut self, steps: &[StepSpec], path: &str) {
        for (i, step) in steps.iter().enumerate() {
            // A name given to a step keys its draws instead of its number.
            let key = step.id.as_ref().map_or_else(|| i.to_string(), |n| n.0.clone());
            self.step(step, &format!("{path}/{key}"));
        }
    }

    fn step(&mut self, step: &StepSpec, path: &str) {
        let guard = step.when.as_ref().map(|condition| {
            let condition = self.test(condition);
            self.emit(Instr::Unless { condition, otherwise: 0 })
        });
        let bound = step.target().and_then(|(target, ..)| self.bound(&target));
        self.verb(step, path);
        for at in guard.into_iter().chain(bound) {
            self.passed_over(at);
        }
    }

    fn verb(&mut self, step: &StepSpec, path: &str) {
        let optional = step.optional == Some(true);
        if let Some(work) = &step.work {
            self.work(work, path);
        } else if let Some(wait) = &step.wait {
            let demand = self.demand(wait, path);
            self.emit(Instr::Wait(demand));
        } else if let Some((_, _, key, _)) = step.target() {
            match step.spread() {
                None => self.data(step, key, optional, path),
                Some(spread) => self.spread(step, spread, path),
            }
        } else if let Some(all) = &step.all {
            self.fork(all, all.len() as u16, optional, path);
        } else if let Some(AnySpec { need, of }) = &step.any {
            self.fork(of, need.0 as u16, optional, path);
        } else if let Some(race) = &step.race {
            self.fork(race, 1, optional, path);
        } else if let Some(choices) = &step.choose {
            self.choose(choices, path);
        } else if let Some(repeat) = &step.repeat {
            self.repeat(repeat.times.0 as u32, &repeat.do_, path);
        } else if let Some(lock) = &step.lock {
            self.lock(lock, path);
        } else if let Some(hold) = &step.hold {
            self.hold(hold, path);
        } else if let Some(parts) = &step.saga {
            self.saga(parts, optional, path);
        } else if let Some(transaction) = &step.transaction {
            self.transaction(transaction, optional, path);
        } else if let Some(fail) = &step.fail {
            let stream = self.stream(path);
            self.program.chances.push(Chance { probability: fail.0, optional, stream });
            self.emit(Instr::Fail(self.program.chances.len() as u16 - 1));
        } else if let Some(mark) = &step.mark {
            let at = self.assembly.names.marks.binary_search(&mark.0).expect("marks are known");
            self.emit(Instr::Mark(at as u16));
        } else if let Some(reply) = &step.reply {
            let demand = self.assembly.demand(reply, &format!("{}{path}", self.entity));
            self.program.replies.push(demand);
            self.emit(Instr::Reply(self.program.replies.len() as u16 - 1));
        } else if let Some(operation) = &step.do_ {
            let op = self.operations.iter().position(|o| *o == operation.0);
            self.emit(Instr::Do { op: op.expect("operations were checked") as u8, optional });
        }
    }

    /// A call, read or write of a key, with what it means for caches.
    fn data(&mut self, step: &StepSpec, key: Option<&Name>, optional: bool, path: &str) {
        let (target, op, _, size) = step.target().expect("the step calls something");
        let call = (op.as_ref(), key, size);
        // What is asked of each shard is not what one of them holds of a key.
        let of_keys = step.spread() != Some(Spread::Shards);
        if self.gathers && call.0.and_then(|op| op.1).is_some_and(|verb| verb != Verb::Read) {
            return self.gather((&target, call), step.answered(), path);
        }
        let followed = of_keys && self.invoke(&target, call, step.answered(), path);
        match step.caching() {
            None => {
                self.decisive_call(&target, call, optional, path);
                self.leave_row(step);
                match &step.publish {
                    Some(publish) if self.publish(&publish.0) => {}
                    _ => self.fallback(&target, call, optional, path),
                }
            }
            Some((tiers, None)) => self.cached_read(&target, call, (tiers, optional), path),
            Some((tiers, Some(mode))) => {
                self.cached_write(&target, call, (tiers, mode, optional), path);
            }
        }
        if followed {
            self.emit(Instr::Done);
        }
    }

    /// The call added last writes with an outbox, if the step says so.
    fn leave_row(&mut self, step: &StepSpec) {
        let Some((store, outbox)) = step.outbox() else { return };
        let names = self.assembly.names;
        let store = names.node(&store.0).expect("references were checked");
        let at = names.outboxes(store).keys().position(|to| *to == outbox.to.0);
        let call = self.program.calls.last_mut().expect("just added");
        call.brings = at.map(|at| Brings::Row(at as u16));
    }

    /// The call added last publishes a message: whether nobody waits for it.
    fn publish(&mut self, publish: &PublishFields) -> bool {
        let call = self.program.calls.last_mut().expect("just added");
        (call.publishes, call.brings) = (true, publish.delay.map(|delay| Brings::Delay(delay.0)));
        let at = self.program.code.len() - 1;
        if let (Some(AckSpec::None), Instr::Call(call)) = (publish.ack, self.program.code[at]) {
            self.program.code[at] = Instr::Send(call);
        }
        publish.ack.is_some()
    }

    /// What follows is about data: whether it is of a store that is followed.
    fn invoke(
        &mut self,
        target: &str,
        (op, key, _): CallParts<'_>,
        answered: AnsweredSpec,
        path: &str,
    ) -> bool {
        let Some(site) = self.data_site(target, op, answered, path) else { return false };
        self.program.data.push(DataOp { site, key: self.key_ref(key) });
        let op = self.program.data.len() as u16 - 1;
        self.emit(Instr::Invoke(op));
        true
    }

    /// Where something is done with data of a store that is followed.
    pub(super) fn data_site(
        &mut self,
        target: &str,
        op: Option<&Op>,
        answered: AnsweredSpec,
        path: &str,
    ) -> Option<Site> {
        let (verb, names) = (op.and_then(|op| op.1), self.assembly.names);
        let (store, access) = names.follows(target, verb)?;
        let answered = Answered::of(answered, names.kind(store).replication());
        let kind = format!("{} {target}", verb.map_or("", Verb::name));
        let common = self.common(&kind, path);
        let edge = self.dependencies.iter().find(|edge| edge.0.0 == target);
        let once = edge.is_some_and(|(_, edge)| edge.idempotent == Some(true));
        let path = self.site(path);
        Some(Site { store, access, answered, path, common, of_record: false, once })
    }

    /// The call with which a step about data stands or falls.
    pub(super) fn decisive_call(
        &mut self,
        target: &str,
        call: CallParts<'_>,
        optional: bool,
        path: &str,
    ) {
        self.call(target, call, optional, path);
        self.program.calls.last_mut().expect("just added").decides = true;
    }

    /// Branches that all do the step, each for a key or a shard of its own.
    fn spread(&mut self, step: &StepSpec, spread: Spread, path: &str) {
        let (target, _, key, _) = step.target().expect("the step calls something");
        let (n, each) = match spread {
            Spread::Keys(n) => (n, self.each_key(key, path)),
            Spread::Shards => {
                let node = self.assembly.names.node(&target).expect("targets were checked");
                (self.assembly.names.kind(node).routed(), Each::Shard)
            }
        };
        let need = (step.need() * n as f64 - 1e-9).ceil().max(1.0) as u16;
        let (site, common) = (self.site(path), self.common("fork", path));
        let optional = step.optional == Some(true);
        self.program.forks.push(Fork {
            branches: Vec::new(),
            need,
            optional,
            site,
            common,
            each: Some(each),
            whole: None,
        });
        let fork = self.program.forks.len() - 1;
        self.emit(Instr::Fork(fork as u16));
        let over = self.emit(Instr::Jump(0));
        self.program.forks[fork].branches = vec![self.here(); n as usize];
        self.emit(Instr::Begin);
        let first = self.program.calls.len();
        // The branch's own key is the one it is about.
        self.data(step, None, false, path);
        for call in self.program.calls.iter_mut().skip(first) {
            call.to_shard = spread == Spread::Shards;
        }
        self.emit(Instr::End);
        self.program.code[over] = Instr::Jump(self.here());
    }

    /// The step's key, and how further ones of its space are drawn.
    fn each_key(&self, space: Option<&Name>, path: &str) -> Each {
        let assembly = &self.assembly;
        let laws = assembly.names.design.clients.values().map(|client| {
            let law = client.keys.as_ref()?.law(space)?;
            assembly.prepared.popularity.get(&law.to_string()).cloned()
        });
        let own = self.key_ref(space);
        Each::Key { own, laws: laws.collect(), stream: self.stream(&format!("{path}/keys")) }
    }

    /// The key a step names.
    fn key_ref(&self, key: Option<&Name>) -> KeyRef {
        match key.map(|k| k.0.as_str()) {
            None => KeyRef::Own,
            Some("instance") => KeyRef::Instance,
            Some("session") => KeyRef::Session,
            Some(space) => KeyRef::Space(self.assembly.names.columns[space]),
        }
    }

    pub(super) fn stream(&self, path: &str) -> crate::engine::random::Stream {
        self.assembly.stream(&format!("{}{path}", self.entity), "draw")
    }

    pub(super) fn site(&self, path: &str) -> u64 {
        hash_str(hash_str(0x5173, &self.entity), path)
    }

    /// What a site has in common with those that do the same in another version of the node, or in another node that serves
    /// the same: it is the n-th of its kind in its endpoint.
    pub(super) fn common(&mut self, kind: &str, path: &str) -> u64 {
        let endpoint = path.split('/').nth(1).unwrap_or_default();
        let kind = [endpoint, "/", kind].concat();
        let hash = hash_str(0x5174, &kind);
        let count = self.sites.entry(kind).or_default();
        *count += 1;
        mix(hash.wrapping_add(*count))
    }

    /// Adds work.
    pub fn work(&mut self, formula: &crate::engine::law::DurationFormula, path: &str) {
        let demand = self.demand(formula, path);
        self.emit(if self.strained { Instr::Strained(demand) } else { Instr::Work(demand) });
    }

    /// Adds a demand.
    pub fn demand(&mut self, formula: &crate::engine::law::DurationFormula, path: &str) -> u16 {
        let entity = [&self.entity, path].concat();
        let demand = self.assembly.demand(formula, &entity);
        self.program.demands.push(demand);
        self.program.demands.len() as u16 - 1
    }

    fn test(&mut self, condition: &Condition) -> u16 {
        let names = self.assembly.names;
        let comparisons = condition
            .0
            .iter()
            .map(|c| {
                let attribute = names.attribute(&c.attribute).expect("conditions were checked");
                let value = match &c.value {
                    Literal::Number(x) => *x,
                    Literal::Name(name) => names.literal(&c.attribute, name).expect("checked"),
                };
                (attribute, c.operator, value)
            })
            .collect();
        self.program.tests.push(Test(comparisons));
        self.program.tests.len() as u16 - 1
    }

    /// Adds a call.
    pub fn call(&mut self, target: &str, parts: CallParts<'_>, optional: bool, path: &str) {
        let index = self.call_site(target, parts, optional, path);
        self.emit(Instr::Call(index));
    }

    /// Whom something is sent, and what: its number.
    pub(super) fn call_site(
        &mut self,
        target: &str,
        (op, key, size): CallParts<'_>,
        optional: bool,
        path: &str,
    ) -> u16 {
        let names = self.assembly.names;
        let key = self.key_ref(key);
        let size = size.map(|s| self.assembly.demand(s, &format!("{}{path}", self.entity)));
        let common = self.common(op.map_or("call", |op| op.0.as_str()), path);
        let call = Call {
            target: names.node(target).expect("targets were checked"),
            op: op.and_then(|o| names.op(o)),
            key,
            size,
            optional,
            to_shard: false,
            instead: Instead::default(),
            fallback: None,
            decides: false,
            failure: (Outcome::Error, Cause::FailedCall),
            edge: self.edge(target),
            state: self.plain_edge(target),
            site: self.site(path),
            common,
            publishes: false,
            brings: self.max_depth(target).map(|_| Brings::Deeper),
        };
        self.program.calls.push(call);
        self.program.calls.len() as u16 - 1
    }

    /// What takes the place of the call added last if it fails, where its edge says so: instructions that
    /// are jumped over otherwise.
    pub fn fallback(&mut self, target: &str, call: CallParts<'_>, optional: bool, path: &str) {
        let edge = self.dependencies.iter().find(|d| d.0.0 == target);
        let fallback = edge.and_then(|(_, spec)| spec.fallback.as_ref());
        let Some(fallback) = fallback.filter(|fallback| fallback.cache.is_none()) else { return };
        self.fallback_of((self.program.calls.len() - 1, fallback), call, optional, path);
    }

    pub(super) fn fallback_of(
        &mut self,
        (failed, fallback): (usize, &FallbackSpec),
        call: CallParts<'_>,
        optional: bool,
        path: &str,
    ) {
        self.program.calls[failed].fallback = Some(Cause::Fallback);
        let over = self.emit(Instr::Jump(0));
        if !optional {
            self.emit(Instr::Degrade);
        }
        if let Some(other) = &fallback.call {
            let path = format!("{path}/fallback");
            let (before, common) = (self.sites.clone(), self.program.calls[failed].common);
            self.call(&other.0, call, optional, &path);
            self.sites = before;
            self.program.calls.last_mut().expect("just added").common = common;
            self.fallback(&other.0, call, optional, &path);
        }
        self.program.code[over] = Instr::Jump(self.here());
    }

    pub(super) fn fork(&mut self, branches: &[BranchSpec], need: u16, optional: bool, path: &str) {
        let fork = self.program.forks.len();
        let common = self.common("fork", path);
        self.emit(Instr::Fork(fork as u16));
        self.program.forks.push(Fork {
            branches: Vec::new(),
            need,
            optional,
            site: self.site(path),
            common,
            each: None,
            whole: None,
        });
        // The parent waits at the fork and goes on at this jump over the branches.
        let over = self.emit(Instr::Jump(0));
        let mut starts = Vec::new();
        for (i, branch) in branches.iter().enumerate() {
            starts.push(self.here());
            self.emit(Instr::Begin);
            self.steps(&branch.0, &format!("{path}/{i}"));
            self.emit(Instr::End);
        }
        self.program.forks[fork].branches = starts;
        self.program.code[over] = Instr::Jump(self.here());
    }

    /// Calls all at the same time, each by its edge; those that fail cost nobody anything, but are told of by this cause.
    pub fn fan_out<'t>(
        &mut self,
        targets: impl ExactSizeIterator<Item = &'t str>,
        failed: Cause,
        path: &str,
    ) {
        let fork = self.program.forks.len();
        let (need, common) = (targets.len() as u16, self.common("fork", path));
        self.emit(Instr::Fork(fork as u16));
        self.program.forks.push(Fork {
            branches: Vec::new(),
            need,
            optional: true,
            site: self.site(path),
            common,
            each: None,
            whole: None,
        });
        let over = self.emit(Instr::Jump(0));
        for target in targets {
            let start = self.here();
            self.program.forks[fork].branches.push(start);
            self.emit(Instr::Begin);
            self.call(target, (None, None, None), true, &format!("{path}/{target}"));
            self.program.calls.last_mut().expect("just added").fallback = Some(failed);
            // Over what would take its place.
            let next = self.here() + 1;
            self.emit(Instr::Jump(next));
            self.emit(Instr::End);
        }
        self.program.code[over] = Instr::Jump(self.here());
    }

    fn choose(&mut self, choices: &[super::ChoiceSpec], path: &str) {
        let stream = self.stream(path);
        let index = self.program.choices.len();
        self.program.choices.push(Choice { options: Vec::new(), stream });
        self.emit(Instr::Choose(index as u16));
        let (mut options, mut exits, mut upto) = (Vec::new(), Vec::new(), 0.0);
        for (i, choice) in choices.iter().enumerate() {
            upto += choice.share.0;
            options.push((upto, self.here()));
            self.steps(&choice.do_, &format!("{path}/{i}"));
            exits.push(self.emit(Instr::Jump(0)));
        }
        let end = self.here();
        for exit in exits {
            self.program.code[exit] = Instr::Jump(end);
        }
        self.program.choices[index].options = options;
    }

    fn repeat(&mut self, times: u32, steps: &[StepSpec], path: &str) {
        debug_assert!(self.loops < MAX_LOOPS, "the depth was checked");
        if times == 0 {
            return;
        }
        let depth = self.loops as u8;
        self.emit(Instr::Repeat { depth, times });
        let body = self.here();
        self.loops += 1;
        self.steps(steps, path);
        self.loops -= 1;
        self.emit(Instr::Again { depth, body });
    }
}
