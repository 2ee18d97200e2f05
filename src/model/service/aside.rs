//! Reads and writes through caches to instructions.
//!
//! **Invariant.** As in `compile.rs`.

use super::{
    Tiers, WriteMode,
    compile::{CallParts, Compiler},
    instr::Instr,
    program::{Chance, Instead},
};
use crate::{
    cause::Cause,
    model::{kind::Verb, kinds::NodeSpec},
    units::Name,
};

impl Compiler<'_, '_> {
    /// A call of a cache with a verb of its own, about a key of a node behind it; the key is the step's.
    fn ask_cache(
        &mut self,
        (tier, store): (&Name, &str),
        verb: Verb,
        call: CallParts<'_>,
        path: &str,
    ) {
        let op = self.assembly.names.about(&tier.0, store, verb);
        let path = format!("{path}/{}/{}", verb.name(), tier.0);
        // A cache that fails costs a read its hit and a write its freshness, not the request.
        self.call(&tier.0, (Some(&op), call.1, call.2), true, &path);
    }

    /// Cache-aside: the tiers in turn, then the store; then fills of the tiers that missed, for which
    /// nobody waits (`semantics.md` 54).
    pub(super) fn cached_read(
        &mut self,
        store: &str,
        call: CallParts<'_>,
        (tiers, optional): (&Tiers, bool),
        path: &str,
    ) {
        let mut hits = Vec::new();
        for tier in &tiers.0 {
            self.ask_cache((tier, store), Verb::Lookup, call, path);
            hits.push(self.emit(Instr::OnHit(0)));
        }
        self.decisive_call(store, call, optional, path);
        let fetch = self.program.calls.len() - 1;
        // The farthest tier is filled first, so that a hit there goes on at the fill of the next.
        for (i, tier) in tiers.0.iter().enumerate().rev() {
            if let Some(&at) = hits.get(i + 1) {
                self.program.code[at] = Instr::OnHit(self.here());
            }
            self.ask_cache((tier, store), Verb::Fill, call, path);
            let at = self.program.code.len() - 1;
            let Instr::Call(fill) = self.program.code[at] else { unreachable!("just added") };
            self.program.calls[usize::from(fill)].instead = self.instead_of_fill(tier, store);
            self.program.code[at] = Instr::Send(fill);
        }
        self.program.code[hits[0]] = Instr::OnHit(self.here());
        let edge = self.dependencies.iter().find(|d| d.0.0 == store);
        match edge.and_then(|(_, spec)| spec.fallback.as_ref()) {
            Some(fallback) if fallback.cache.is_some() => {
                self.stale_fallback((fetch, store), call, (tiers, optional), path);
            }
            Some(fallback) => self.fallback_of((fetch, fallback), call, optional, path),
            None => {}
        }
    }

    /// In place of a fetch that failed: the tiers in turn are asked for what they still have; if none has
    /// anything, the read fails after all.
    fn stale_fallback(
        &mut self,
        (fetch, store): (usize, &str),
        call: CallParts<'_>,
        (tiers, optional): (&Tiers, bool),
        path: &str,
    ) {
        self.program.calls[fetch].fallback = Some(Cause::Fallback);
        let over = self.emit(Instr::Jump(0));
        let mut hits = Vec::new();
        for tier in &tiers.0 {
            self.ask_cache((tier, store), Verb::LookupStale, call, path);
            hits.push(self.emit(Instr::OnHit(0)));
        }
        if !optional {
            let stream = self.stream(&format!("{path}/nothing"));
            self.program.chances.push(Chance { probability: 1.0, optional, stream });
            self.emit(Instr::Fail(self.program.chances.len() as u16 - 1));
        }
        for at in hits {
            self.program.code[at] = Instr::OnHit(self.here());
        }
        if !optional {
            self.emit(Instr::Degrade);
        }
        self.program.code[over] = Instr::Jump(self.here());
    }

    /// The operations that tell a cache of a fill that will not come: one that coalesces, that someone
    /// else may fetch or that nobody could; one that remembers failures, that the key cannot be read.
    fn instead_of_fill(&self, tier: &Name, store: &str) -> Instead {
        let names = self.assembly.names;
        let cache = names.node(&tier.0).map(|id| names.spec(id));
        let Some(NodeSpec::Cache(cache)) = cache else { return Instead::default() };
        let op = |verb: Verb| names.op(&names.about(&tier.0, store, verb));
        // Somebody may wait, or leave the fetch to whoever was told to make it.
        let coalesces = cache.coalesce == Some(true) || cache.early.is_some();
        Instead {
            release: op(Verb::Release).filter(|_| coalesces),
            fail: op(Verb::Fail).filter(|_| coalesces),
            deny: op(Verb::Deny).filter(|_| cache.negative.is_some()),
        }
    }

    pub(super) fn cached_write(
        &mut self,
        store: &str,
        call: CallParts<'_>,
        (tiers, mode, optional): (&Tiers, WriteMode, bool),
        path: &str,
    ) {
        let then = match mode {
            WriteMode::Through | WriteMode::Behind => {
                let behind = (Verb::WriteBehind.name().to_owned(), Some(Verb::WriteBehind));
                let op = if mode == WriteMode::Behind { Some(&behind) } else { call.0 };
                let call = (op, call.1, call.2);
                self.decisive_call(&tiers.0[0].0, call, optional, path);
                return self.fallback(&tiers.0[0].0, call, optional, path);
            }
            WriteMode::Around => None,
            WriteMode::Invalidate => Some(Verb::Invalidate),
            WriteMode::Update => Some(Verb::Fill),
        };
        self.decisive_call(store, call, optional, path);
        self.fallback(store, call, optional, path);
        for (tier, verb) in tiers.0.iter().zip(std::iter::repeat(then)) {
            if let Some(verb) = verb {
                self.ask_cache((tier, store), verb, call, path);
            }
        }
    }
}
