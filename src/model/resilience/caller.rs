//! One call of a node that calls others, from its first attempt to its end: time-outs, deadlines, retries,
//! second copies, giving up. Whoever calls (a client, a server) says by four methods what it calls and what
//! becomes of a call that failed for good; the rest is here.
//!
//! Where a call stands is kept by its caller's frame: the callee's frame in `next` (`NONE`: the next attempt
//! waits for its timer or in line), what else there is to know in the cold half.
//!
//! **Invariant.** A call has one attempt under way, or waits for the next one. A guard hears of each attempt
//! it let through once: how it ended, or that it was called off.

use super::{
    flight::Hold,
    guard::{Due, Guard, GuardPolicy, happens, note},
    hedge,
    policy::{EdgePolicy, EdgeState, Keeps},
};
use crate::{
    cause::Cause,
    engine::random::Stream,
    model::{
        frame::CONNECT,
        ids::{Host, NONE, Slot},
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// Added to a visit's identity per further attempt.
pub const ATTEMPT: u64 = 0x9fb2_1c65_1e98_df25;
/// Added to the path of the second copy of an attempt.
const COPY: u64 = 0x6c62_272e_07bb_0142;

/// A node that calls others. `call` is its own number for what it calls.
pub trait Caller {
    /// The policy of a call.
    fn policy(&self, call: u16) -> &EdgePolicy;

    /// The edge of a call of the instance a frame stands at.
    fn edge(&mut self, slot: Slot, call: u16, world: &World) -> Edge<'_>;

    /// Whom the next message of a call would go to; `shift` as below.
    fn target(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Host;

    /// Sends a message of a call: the new frame. `shift` tells its draws from those of the others.
    fn send(&mut self, slot: Slot, call: u16, shift: u64, world: &mut World) -> Slot;

    /// A connection of a pool was taken that is to be kept.
    fn took(&mut self, _: Slot, _pool: u32, _: &mut World) {
        unreachable!("only steps keep connections");
    }

    /// A call failed for good.
    fn gave_up(&mut self, slot: Slot, call: u16, outcome: Outcome, world: &mut World);
}

/// An edge of a calling instance.
#[derive(Debug)]
pub struct Edge<'c> {
    /// Its rules.
    pub policy: &'c EdgePolicy,
    /// What the instance keeps in mind about it.
    pub state: &'c mut EdgeState,
    /// Draws of backoff jitter, and what tells those of the call from others of the same visit.
    pub jitter: (&'c Stream, u64),
}

/// Begins a call.
#[inline(always)]
pub fn begin<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    let policy = caller.policy(call);
    if policy.tracks {
        let share = policy.retry.as_ref().and_then(|retry| retry.budget);
        let now = world.now();
        world.frames.extra_mut(slot).begin_call(now);
        if let Some(share) = share {
            caller.edge(slot, call, world).state.budget.deposit(share);
        }
    }
    attempt(caller, slot, call, 0, world);
}

/// Instant after which the answer to a call is worth nothing.
#[inline(always)]
pub fn deadline<C: Caller>(caller: &C, slot: Slot, call: u16, world: &World) -> u64 {
    let policy = caller.policy(call);
    if policy.deadline.is_none() && !policy.propagate {
        return u64::MAX;
    }
    let extra = world.frames.extra(slot);
    let own = policy.deadline.map_or(u64::MAX, |d| extra.since.saturating_add(d));
    if policy.propagate { own.min(extra.deadline) } else { own }
}

/// The timer of a frame at a call fired.
#[inline(never)]
pub fn timed<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    if world.frames[slot].next == NONE {
        next_attempt(caller, slot, call, world);
    } else {
        attempt_is_due(caller, slot, call, world);
    }
}

/// A copy of a call answered; whether the call waits for another one.
#[inline(never)]
pub fn waits_on<C: Caller>(
    caller: &mut C,
    (slot, call): (Slot, u16),
    (child, outcome): (Slot, Outcome),
    world: &mut World,
) -> bool {
    if caller.policy(call).guard.is_none() {
        return false;
    }
    let opening = world.frames.extra(slot).hold == Hold::Opening;
    if opening && opened(caller, slot, call, outcome, world) {
        return true;
    }
    let hedged = caller.policy(call).is_hedged() && !opening;
    if hedged {
        hedge::put_first(slot, child, world);
    }
    attempt_ended(caller, slot, call, outcome, world);
    if !outcome.is_success() {
        world.disarm(slot);
        if let Some(data) = &mut world.data {
            data.failed_visit(child, slot);
            data.attempt_failed(slot, outcome);
        }
        return hedged && hedge::goes_on(slot, world);
    }
    if !hedged {
        return false;
    }
    let extra = world.frames.extra_mut(slot);
    let (slower, flight) = (std::mem::replace(&mut extra.hedge, NONE), extra.hedge_flight);
    if slower != NONE {
        caller.policy(call).let_go(slower, world);
        if let Some((guard, rules)) = guard(caller, slot, call, world) {
            guard.given_up(rules, flight, world);
        }
    }
    false
}

/// A message that was to open a connection was answered; whether the call goes on with it.
#[cold]
#[inline(never)]
fn opened<C: Caller>(
    caller: &mut C,
    slot: Slot,
    call: u16,
    outcome: Outcome,
    world: &mut World,
) -> bool {
    world.disarm(slot);
    world.frames[slot].next = NONE;
    let Some((guard, rules)) = guard(caller, slot, call, world) else { return false };
    if !outcome.is_success() {
        guard.opens_no_more(rules, slot, world);
        return false;
    }
    if guard.greeted(rules, slot, world) {
        next_attempt(caller, slot, call, world);
    }
    true
}

/// A connection was not opened in time.
#[cold]
#[inline(never)]
fn opening_is_due<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    let child = std::mem::replace(&mut world.frames[slot].next, NONE);
    world.give_up(child);
    note(slot, Cause::ConnectTimeout, world);
    happens(slot, world, |window| window.timed_out += 1);
    if let Some((guard, rules)) = guard(caller, slot, call, world) {
        guard.opens_no_more(rules, slot, world);
    }
    attempt_ended(caller, slot, call, Outcome::Timeout, world);
    failed(caller, slot, call, Outcome::Timeout, world);
}

/// An attempt failed: there is another one, or the call has failed.
#[cold]
pub fn failed<C: Caller>(
    caller: &mut C,
    slot: Slot,
    call: u16,
    outcome: Outcome,
    world: &mut World,
) {
    if let Some(data) = &mut world.data {
        data.attempt_failed(slot, outcome);
    }
    if !backs_off(caller, slot, call, outcome, world) {
        if let Some(data) = &mut world.data {
            data.gave_up(slot);
        }
        caller.gave_up(slot, call, outcome, world);
    }
}

/// A call is called off: on its way or waiting to be sent.
pub fn called_off<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    if let Some((guard, rules)) = guard(caller, slot, call, world) {
        guard.called_off(rules, slot, world);
        if let Keeps::Uses(pool) = caller.policy(call).keeps {
            world.used_kept(slot, pool, world.frames[slot].next != NONE);
        }
        let copy = std::mem::replace(&mut world.frames.extra_mut(slot).hedge, NONE);
        if copy != NONE {
            world.call_off(copy);
        }
    }
    let child = std::mem::replace(&mut world.frames[slot].next, NONE);
    if child != NONE && world.frames[child].op == CONNECT {
        world.give_up(child);
    } else if child != NONE {
        world.call_off(child);
    }
}

/// Arms the timer of an attempt: its time-out or the call's deadline, whichever is first, or that of a
/// second copy.
#[inline(always)]
pub fn arm<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    let policy = caller.policy(call);
    if policy.tracks {
        arm_tracked(caller, slot, call, world);
    } else if let Some((_, span)) = policy.timeout {
        world.arm(slot, span);
    }
}

#[inline(never)]
fn arm_tracked<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    if caller.policy(call).elsewhere.is_some() {
        world.went(slot, world.frames[slot].next, call);
    }
    let (deadline, now) = (deadline(caller, slot, call, world), world.now());
    let timeout = caller.policy(call).timeout;
    if caller.policy(call).is_hedged()
        && let Some((guard, rules)) = guard(caller, slot, call, world)
    {
        let at = guard.hedge_at(rules, now);
        let extra = world.frames.extra_mut(slot);
        (extra.flight.due, extra.hedge_at) = (due(timeout, deadline, now), at);
        return hedge::arm(slot, world);
    }
    let left = deadline.saturating_sub(now);
    match timeout {
        Some((timeout, span)) if timeout <= left => world.arm(slot, span),
        _ if deadline != u64::MAX => world.arm(slot, Span::of(left)),
        _ => {}
    }
}

/// When a copy that is sent now ends at the latest.
fn due(timeout: Option<(u64, Span)>, deadline: u64, now: u64) -> u64 {
    timeout.map_or(u64::MAX, |(timeout, _)| now.saturating_add(timeout)).min(deadline)
}

/// The guard of a call's edge, with its rules; a fallback has none.
#[inline(always)]
fn guard<'c, C: Caller>(
    caller: &'c mut C,
    slot: Slot,
    call: u16,
    world: &World,
) -> Option<(&'c mut Guard, &'c GuardPolicy)> {
    let Edge { policy, state, .. } = caller.edge(slot, call, world);
    let rules = policy.guard.as_deref().filter(|_| !world.frames.extra(slot).fell_back)?;
    Some((state.guard(), rules))
}

/// Sends an attempt, if it may go now: so many were before it.
#[inline(always)]
fn attempt<C: Caller>(caller: &mut C, slot: Slot, call: u16, before: u16, world: &mut World) {
    let policy = caller.policy(call);
    if policy.tracks {
        let guarded = policy.guard.is_some();
        world.frames.extra_mut(slot).attempt = before + 1;
        if guarded && !admitted(caller, slot, call, world) {
            return;
        }
    }
    if before > 0 {
        again(caller.policy(call), slot, call, world);
    }
    let shift = ATTEMPT.wrapping_mul(u64::from(before));
    world.frames[slot].next = caller.send(slot, call, shift, world);
    arm(caller, slot, call, world);
}

/// A further attempt is sent.
#[cold]
#[inline(never)]
fn again(policy: &EdgePolicy, slot: Slot, call: u16, world: &mut World) {
    happens(slot, world, |window| window.resent += 1);
    if policy.elsewhere.retries {
        world.avoid(slot, call);
    }
}

/// Whether the guard of an edge lets an attempt go now.
#[inline(never)]
fn admitted<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) -> bool {
    let deadline = deadline(caller, slot, call, world);
    let mut to = (0, 0);
    if caller.policy(call).is_wired() && !world.frames.extra(slot).fell_back {
        let before = u64::from(world.frames.extra(slot).attempt) - 1;
        to = caller.target(slot, call, ATTEMPT.wrapping_mul(before), world);
    }
    let Some((guard, rules)) = guard(caller, slot, call, world) else { return true };
    let admitted = guard.admits(rules, (slot, to), deadline, world);
    match caller.policy(call).keeps {
        Keeps::Takes(pool) if admitted => {
            caller.took(slot, pool, world);
            false
        }
        Keeps::Uses(pool) if admitted => {
            world.uses_kept(slot, pool);
            true
        }
        _ => admitted,
    }
}

/// The time of the next attempt of a call has come, or the end of one that was not sent.
fn next_attempt<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    let deadline = deadline(caller, slot, call, world);
    let mut before = world.frames.extra(slot).attempt;
    if let Some((guard, rules)) = guard(caller, slot, call, world) {
        // One that was held up goes on under its own number.
        before -= u16::from(world.frames.extra(slot).hold != Hold::Start);
        if let Due::Failed(outcome) = guard.due(rules, slot, deadline, world) {
            world.frames.extra_mut(slot).surplus -= 1;
            return failed(caller, slot, call, outcome, world);
        }
    }
    attempt(caller, slot, call, before, world);
}

/// The timer of a call under way fired: for a second copy, or the attempt timed out.
fn attempt_is_due<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    if caller.policy(call).is_wired() && world.frames.extra(slot).hold == Hold::Opening {
        return opening_is_due(caller, slot, call, world);
    }
    let hedged = caller.policy(call).is_hedged();
    if hedged && hedge::is_due(slot, world) {
        world.frames.extra_mut(slot).hedge_at = u64::MAX;
        send_second(caller, slot, call, world);
        return hedge::arm(slot, world);
    }
    let child = std::mem::replace(&mut world.frames[slot].next, NONE);
    if world.letters.is_some() {
        world.doubts_leader(child);
    }
    note(slot, Cause::CallTimeout, world);
    happens(slot, world, |window| window.timed_out += 1);
    world.overdue = true;
    caller.policy(call).let_go(child, world);
    world.overdue = false;
    attempt_ended(caller, slot, call, Outcome::Timeout, world);
    if let Some(data) = &mut world.data {
        data.attempt_failed(slot, Outcome::Timeout);
    }
    if !(hedged && hedge::goes_on(slot, world)) {
        failed(caller, slot, call, Outcome::Timeout, world);
    }
}

/// Sends a second copy, if it is paid for and may go at once.
fn send_second<C: Caller>(caller: &mut C, slot: Slot, call: u16, world: &mut World) {
    let due = due(caller.policy(call).timeout, deadline(caller, slot, call, world), world.now());
    let Edge { policy, state, .. } = caller.edge(slot, call, world);
    let paid = policy.retry.as_ref().is_some_and(|retry| retry.budget.is_some());
    if paid && !state.budget.withdraw() {
        return;
    }
    let Some((guard, rules)) = guard(caller, slot, call, world) else { return };
    let Some(mut flight) = guard.admits_copy(rules, slot, world) else { return };
    flight.due = due;
    let attempt = u64::from(world.frames.extra(slot).attempt);
    let shift = COPY.wrapping_add(ATTEMPT.wrapping_mul(attempt));
    if caller.policy(call).elsewhere.copies {
        world.avoid(slot, call);
    }
    // It goes by a connection of its own.
    let wire = std::mem::replace(&mut world.frames.extra_mut(slot).flight.wire, flight.wire);
    let copy = caller.send(slot, call, shift, world);
    if caller.policy(call).elsewhere.is_some() {
        world.went(slot, copy, call);
    }
    let extra = world.frames.extra_mut(slot);
    extra.flight.wire = wire;
    (extra.hedge, extra.hedge_flight) = (copy, flight);
    extra.surplus += 1;
    note(slot, Cause::Hedged, world);
    happens(slot, world, |window| window.resent += 1);
}

/// The first copy of a call ended.
#[inline(always)]
fn attempt_ended<C: Caller>(
    caller: &mut C,
    slot: Slot,
    call: u16,
    outcome: Outcome,
    world: &mut World,
) {
    if let Some((guard, rules)) = guard(caller, slot, call, world) {
        guard.ended(rules, slot, outcome, world);
        if let Keeps::Uses(pool) = caller.policy(call).keeps {
            world.used_kept(slot, pool, outcome == Outcome::Timeout);
        }
    }
}

/// Whether a call whose attempt failed waits for another one.
fn backs_off<C: Caller>(
    caller: &mut C,
    slot: Slot,
    call: u16,
    outcome: Outcome,
    world: &mut World,
) -> bool {
    let deadline = deadline(caller, slot, call, world);
    let Edge { policy, state, jitter: (stream, salt) } = caller.edge(slot, call, world);
    let Some(retry) = &policy.retry else { return false };
    let extra = world.frames.extra(slot);
    if extra.fell_back || !retry.wants(extra.attempt, outcome) {
        return false;
    }
    let id = world.frames[slot].id.wrapping_add(salt);
    let index = id.wrapping_add(ATTEMPT.wrapping_mul(u64::from(extra.attempt)));
    let wait = retry.wait(extra.attempt, extra.remaining, &mut stream.draw(index));
    // A retry that comes too late anyway is not paid for.
    let may = world.now().saturating_add(wait) < deadline
        && (retry.budget.is_none() || state.budget.withdraw())
        && policy.guard.as_deref().is_none_or(|rules| state.guard().may_retry(rules, slot, world));
    if may {
        world.frames.extra_mut(slot).remaining = wait;
        world.record.between.backoff += u128::from(wait);
        world.arm(slot, Span::of(wait));
    }
    may
}
