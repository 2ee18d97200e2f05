//! What stands between an attempt and its message: throttle, breaker, rate limit, bulkhead, pool, in this order
//! (`semantics.md` 44).
//!
//! An attempt that is refused ends by a zero-delay event of its own, as many refusals in a row would
//! recurse; one that waits has its timer armed for whatever ends the wait. Where a frame stands is its
//! [`Hold`].
//!
//! **Invariant.** An attempt gives back what it got once: when it ends, is refused further on, or is called off.

mod copies;
mod wires;

use super::{
    breaker::{Breaker, BreakerPolicy},
    budget::{BudgetPolicy, Spent},
    charge::charge,
    hedge::Latencies,
    permits::{Permit, PermitPolicy, Permits},
    rate_limit::{Limiter, RateLimit},
    throttle::{Throttle, ThrottleSpec},
};
use crate::engine::random::mix;
use crate::{
    cause::Cause,
    model::{
        connection::near::WirePolicy,
        ids::{Host, NONE, Slot},
        probe::HappenedWindow,
        resilience::{
            flight::{Flight, Hold, Line},
            specs::AfterSpec,
        },
        span::Span,
        world::World,
    },
    outcome::Outcome,
};

/// The rules of an edge between its attempts and their messages.
#[derive(Clone, Debug, Default)]
pub struct GuardPolicy {
    /// Refuses attempts while too few are accepted.
    pub throttle: Option<ThrottleSpec>,
    /// Refuses attempts while too many fail.
    pub breaker: Option<BreakerPolicy>,
    /// Lets so many pass in so much time.
    pub rate_limit: Option<Box<[RateLimit]>>,
    /// So many at once.
    pub bulkhead: Option<PermitPolicy>,
    /// So many connections.
    pub pool: Option<PermitPolicy>,
    /// How its connections are opened, where they have two ends; the pool counts the calls on them.
    pub wires: Option<WirePolicy>,
    /// When a second copy is sent.
    pub hedge: Option<AfterSpec>,
    /// How many retries there may be, by what is in flight or how attempts end.
    pub budget: Option<BudgetPolicy>,
}

impl GuardPolicy {
    /// Whether a closed breaker is not all there is to ask.
    fn asks_more(&self) -> bool {
        self.rate_limit.is_some()
            || self.bulkhead.is_some()
            || self.pool.is_some()
            || self.budget.is_some()
            || self.throttle.is_some()
    }

    /// Whether there is any rule.
    pub fn is_some(&self) -> bool {
        self.breaker.is_some()
            || self.throttle.is_some()
            || self.rate_limit.is_some()
            || self.bulkhead.is_some()
            || self.pool.is_some()
            || self.hedge.is_some()
            || self.budget.is_some()
    }
}

/// What one calling instance keeps in mind of an edge's guards.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    breaker: Breaker,
    limiters: Box<[Limiter]>,
    bulkhead: Permits,
    pool: Permits,
    latencies: Latencies,
    spent: Spent,
    throttle: Option<Box<Throttle>>,
}

/// What the timer of an attempt that has not been sent means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It goes on.
    GoOn,
    /// It failed.
    Failed(Outcome),
}

impl Guard {
    /// Integrals of what is held of the bulkhead and of the pool from time 0.
    pub fn held(&self, now: u64) -> [u128; 2] {
        [self.bulkhead.until(now), self.pool.until(now)]
    }

    /// The process is gone, with all it knew; what was held is remembered.
    pub fn restart(&mut self, now: u64) {
        let Self { mut bulkhead, mut pool, .. } = std::mem::take(self);
        bulkhead.clear(now);
        pool.clear(now);
        (self.bulkhead, self.pool) = (bulkhead, pool);
    }

    /// Takes the attempt of a frame as far as it gets now; whether it may be sent. If not, the frame
    /// waits: for its timer or in line, no longer than to `deadline`.
    #[inline(always)]
    pub fn admits(
        &mut self,
        policy: &GuardPolicy,
        (slot, to): (Slot, Host),
        deadline: u64,
        world: &mut World,
    ) -> bool {
        let now = world.now();
        let extra = world.frames.extra_mut(slot);
        // Most often there is a breaker, and it is closed.
        if extra.hold == Hold::Start
            && !policy.asks_more()
            && let Some(breaker) = &policy.breaker
            && let Some(epoch) = self.breaker.admit(breaker, now)
        {
            extra.flight = Flight { epoch, wire: NONE, sent: now, first: now, due: u64::MAX };
            return true;
        }
        self.admits_in_turn(policy, (slot, to), deadline, world)
    }

    /// The same past all guards, one after the other.
    fn admits_in_turn(
        &mut self,
        policy: &GuardPolicy,
        (slot, to): (Slot, Host),
        deadline: u64,
        world: &mut World,
    ) -> bool {
        let now = world.now();
        let hold = std::mem::take(&mut world.frames.extra_mut(slot).hold);
        if hold == Hold::Start {
            let mut flight = Flight { first: now, ..Flight::NONE };
            if let Some(throttle) = &policy.throttle
                && !self.throttle.get_or_insert_default().lets(throttle, draw(slot, world), now)
            {
                return refuse(slot, (Outcome::RateLimited, Cause::SelfThrottled), world);
            }
            if let Some(breaker) = &policy.breaker {
                match self.breaker.admit(breaker, now) {
                    Some(epoch) => flight.epoch = epoch,
                    None => return refuse(slot, (Outcome::BreakerOpen, Cause::BreakerOpen), world),
                }
            }
            world.frames.extra_mut(slot).flight = flight;
            if let Some(limits) = &policy.rate_limit {
                match self.token(limits, slot, false, world) {
                    Some(0) => {}
                    Some(wait) => {
                        note(slot, Cause::Throttled, world);
                        return hold_until(slot, Hold::Token, now + wait, deadline, world);
                    }
                    None => {
                        self.withdraw(slot, world);
                        return refuse(slot, (Outcome::RateLimited, Cause::RateLimited), world);
                    }
                }
            }
        }
        if matches!(hold, Hold::Start | Hold::Token)
            && let Some(bulkhead) = &policy.bulkhead
            && self.bulkhead.get(bulkhead, slot, world).is_none()
        {
            return self.stand_in_line(policy, Line::Bulkhead, (slot, deadline), world);
        }
        if !is_past_line(hold)
            && let Some(pool) = &policy.pool
        {
            world.frames.extra_mut(slot).flight.sent = now;
            match self.pool.get(pool, slot, world) {
                Some(Permit::Ready) => {}
                Some(Permit::After(span)) => {
                    world.record.pools[pool.number as usize].setups += 1;
                    let at = now.saturating_add(span.nanos());
                    return hold_until(slot, Hold::Setup, at, deadline, world);
                }
                None => return self.stand_in_line(policy, Line::Pool, (slot, deadline), world),
            }
        }
        if let Some(wires) = &policy.wires
            && hold != Hold::Wired
            && !self.wires_up((policy, wires), (slot, hold, to), deadline, world)
        {
            return false;
        }
        if let Some(pool) = &policy.pool {
            let since = world.frames.extra(slot).flight.sent;
            world.record.pools[pool.number as usize].asked(now - since);
        }
        if policy.budget.is_some() {
            self.spent.sent();
        }
        // How long the reply takes is judged from here, not from where the waits began.
        self.waited(slot, world);
        let flight = &mut world.frames.extra_mut(slot).flight;
        (flight.sent, flight.first) = (now, now);
        true
    }

    /// An attempt has its turn, or gives up waiting for it.
    fn waited(&self, slot: Slot, world: &mut World) {
        let since = world.frames.extra(slot).flight.first;
        world.record.between.permits += u128::from(world.now() - since);
    }

    /// Waits, or is refused where nobody waits.
    fn stand_in_line(
        &mut self,
        policy: &GuardPolicy,
        line: Line,
        (slot, deadline): (Slot, u64),
        world: &mut World,
    ) -> bool {
        let wait = self.permits(policy, line).1.wait;
        if wait == 0 {
            self.forget(policy, slot, Hold::Line(line), world);
            return refuse(slot, (Outcome::Rejected, full(line)), world);
        }
        note(slot, waits(line), world);
        self.permits(policy, line).0.join(slot);
        let until = world.now().saturating_add(wait);
        world.frames.extra_mut(slot).flight.due = deadline;
        hold_until(slot, Hold::Line(line), until, deadline, world)
    }

    /// The timer of an attempt that has not been sent fired.
    pub fn due(
        &mut self,
        policy: &GuardPolicy,
        slot: Slot,
        deadline: u64,
        world: &mut World,
    ) -> Due {
        let hold = world.frames.extra(slot).hold;
        let late = world.now() >= deadline;
        let failed = match hold {
            Hold::Refused(outcome) => outcome,
            Hold::Line(line) => {
                self.permits(policy, line).0.leave(slot);
                note(slot, full(line), world);
                if late { Outcome::Timeout } else { Outcome::Rejected }
            }
            // It waits for the one who has the connection opened.
            Hold::Opening => {
                note(slot, Cause::ConnectTimeout, world);
                Outcome::Timeout
            }
            Hold::Start => return Due::GoOn,
            _ if late => Outcome::Timeout,
            _ => return Due::GoOn,
        };
        // Who is refused at once has no flight, and did not wait.
        if !matches!(hold, Hold::Refused(_)) {
            self.waited(slot, world);
        }
        if let (Some(pool), true) = (&policy.pool, is_at_pool(hold)) {
            let since = world.frames.extra(slot).flight.sent;
            let waited = world.now() - since;
            world.record.pools[pool.number as usize].asked(waited);
        }
        self.retry_is_over(slot, world);
        self.forget(policy, slot, hold, world);
        Due::Failed(failed)
    }

    /// The first copy of an attempt that was sent ended.
    #[inline(always)]
    pub fn ended(&mut self, policy: &GuardPolicy, slot: Slot, outcome: Outcome, world: &mut World) {
        let (now, flight) = (world.now(), world.frames.extra(slot).flight);
        let took = now - flight.sent;
        if let Some(breaker) = &policy.breaker
            && self.breaker.ended(breaker, (flight.epoch, took), !breaker.fails(outcome), now)
        {
            opened(slot, world);
        }
        // From the first copy on: the quantile of the faster one of two would sink with each copy sent.
        if policy.hedge.is_some()
            && (outcome.is_success() || world.frames.extra(slot).hedge == NONE)
        {
            self.latencies.saw(now - flight.first, now);
        }
        if let Some(throttle) = &policy.throttle {
            self.throttle.get_or_insert_default().heard(throttle, outcome, now);
        }
        if let Some(budget) = &policy.budget {
            self.spent.over();
            self.spent.heard(budget, outcome);
            self.retry_is_over(slot, world);
        }
        if policy.wires.is_some() {
            self.unwires(policy, (slot, flight.wire), outcome, world);
        }
        self.put_back(policy, outcome != Outcome::Timeout, world);
    }

    /// Whether a call that failed may be tried again; then that counts until it is over.
    pub fn may_retry(&mut self, policy: &GuardPolicy, slot: Slot, world: &mut World) -> bool {
        let Some(budget) = &policy.budget else { return true };
        let may = self.spent.retry(budget);
        world.frames.extra_mut(slot).retries = may;
        may
    }

    /// The retry a frame was at, if any, is over.
    fn retry_is_over(&mut self, slot: Slot, world: &mut World) {
        if std::mem::take(&mut world.frames.extra_mut(slot).retries) {
            self.spent.retried();
        }
    }

    /// A copy that was sent is given up without having ended.
    pub fn given_up(&mut self, policy: &GuardPolicy, flight: Flight, world: &mut World) {
        if policy.budget.is_some() {
            self.spent.over();
        }
        self.breaker.withdrawn(flight.epoch);
        if policy.wires.is_some() {
            world.leave_connection(flight.wire, NONE, false);
        }
        self.put_back(policy, false, world);
    }

    /// A call is called off, wherever it stands.
    pub fn called_off(&mut self, policy: &GuardPolicy, slot: Slot, world: &mut World) {
        let extra = world.frames.extra(slot);
        let (flight, hedge, hold) = (extra.flight, extra.hedge, extra.hold);
        self.retry_is_over(slot, world);
        if world.frames[slot].next == NONE {
            if let Hold::Line(line) = hold {
                self.permits(policy, line).0.leave(slot);
            }
            return self.forget(policy, slot, hold, world);
        }
        if hold == Hold::Opening {
            self.opens_no_more(policy, slot, world);
            self.unwires(policy, (slot, flight.wire), Outcome::Timeout, world);
            return self.given_up(policy, Flight { wire: NONE, ..flight }, world);
        }
        self.given_up(policy, flight, world);
        world.frames.extra_mut(slot).flight.wire = NONE;
        if hedge != NONE {
            let flight = world.frames.extra(slot).hedge_flight;
            self.given_up(policy, flight, world);
        }
    }

    /// An attempt that was not sent gives back what it got where it stood.
    fn forget(&mut self, policy: &GuardPolicy, slot: Slot, hold: Hold, world: &mut World) {
        world.frames.extra_mut(slot).hold = Hold::Start;
        let (in_bulkhead, in_pool) = match hold {
            Hold::Start | Hold::Refused(_) => return,
            Hold::Token | Hold::Line(Line::Bulkhead) => (false, false),
            Hold::Granted(Line::Bulkhead) | Hold::Line(Line::Pool) => (true, false),
            Hold::Granted(Line::Pool) => (true, true),
            Hold::Opening | Hold::Wired | Hold::Unwired => {
                let usable = if hold == Hold::Wired { Outcome::Ok } else { Outcome::Timeout };
                let wire = world.frames.extra(slot).flight.wire;
                self.unwires(policy, (slot, wire), usable, world);
                (true, true)
            }
            // It is closed before it is open.
            Hold::Setup => {
                let wire = world.frames.extra(slot).flight.wire;
                self.unwires(policy, (slot, wire), Outcome::Timeout, world);
                self.put_back(policy, false, world);
                (false, false)
            }
        };
        self.withdraw(slot, world);
        if in_bulkhead {
            self.put(policy, Line::Bulkhead, true, world);
        }
        if in_pool {
            self.put(policy, Line::Pool, true, world);
        }
    }

    fn withdraw(&mut self, slot: Slot, world: &World) {
        self.breaker.withdrawn(world.frames.extra(slot).flight.epoch);
    }

    /// Room and connection come back.
    #[inline(always)]
    fn put_back(&mut self, policy: &GuardPolicy, usable: bool, world: &mut World) {
        if policy.pool.is_some() {
            self.put(policy, Line::Pool, usable, world);
        }
        if policy.bulkhead.is_some() {
            self.put(policy, Line::Bulkhead, usable, world);
        }
    }

    fn put(&mut self, policy: &GuardPolicy, line: Line, usable: bool, world: &mut World) {
        let (permits, policy) = match (line, &policy.bulkhead, &policy.pool) {
            (Line::Bulkhead, Some(policy), _) => (&mut self.bulkhead, policy),
            (Line::Pool, _, Some(policy)) => (&mut self.pool, policy),
            _ => return,
        };
        let Some((next, permit)) = permits.put(policy, usable, world) else { return };
        world.disarm(next);
        let (hold, span) = match permit {
            Permit::Ready => (Hold::Granted(line), Span::ZERO),
            Permit::After(span) => {
                world.record.pools[policy.number as usize].setups += 1;
                let due = world.frames.extra(next).flight.due;
                (Hold::Setup, Span::of(span.nanos().min(due.saturating_sub(world.now()))))
            }
        };
        world.frames.extra_mut(next).hold = hold;
        world.arm(next, span);
    }

    fn permits<'p>(
        &mut self,
        policy: &'p GuardPolicy,
        line: Line,
    ) -> (&mut Permits, &'p PermitPolicy) {
        match line {
            Line::Bulkhead => {
                (&mut self.bulkhead, policy.bulkhead.as_ref().expect("there is a bulkhead"))
            }
            Line::Pool => (&mut self.pool, policy.pool.as_ref().expect("there is a pool")),
        }
    }

    /// Time until a call passes the rate limits; `None`: it does not.
    #[cold]
    #[inline(never)]
    fn token(
        &mut self,
        limits: &[RateLimit],
        slot: Slot,
        at_once: bool,
        world: &mut World,
    ) -> Option<u64> {
        if self.limiters.len() < limits.len() {
            self.limiters = vec![Limiter::default(); limits.len()].into();
        }
        let refused = |cause, world: &mut World| note(slot, cause, world);
        charge(limits, &mut self.limiters, (slot, at_once), world, refused)
    }
}

/// Tells draws of throttles from others by the same identity.
const SALT: u64 = 0x7f4a_7c15_9e37_79b9;

/// A uniform draw of the present attempt of a frame.
fn draw(slot: Slot, world: &World) -> f64 {
    let tries = u64::from(world.frames.extra(slot).attempt);
    let id = world.frames[slot].id.wrapping_add(SALT.wrapping_mul(tries + 1));
    (mix(id ^ world.route_salt) >> 11) as f64 / (1u64 << 53) as f64
}

/// Cause of a refusal for want of a permit.
const fn full(line: Line) -> Cause {
    match line {
        Line::Bulkhead => Cause::BulkheadFull,
        Line::Pool => Cause::PoolExhausted,
    }
}

/// Tally of those who wait for one.
const fn waits(line: Line) -> Cause {
    match line {
        Line::Bulkhead => Cause::BulkheadWait,
        Line::Pool => Cause::PoolWait,
    }
}

/// Tallies a cause at the calling node; what stops a client's requests is their outcome.
pub(super) fn note(slot: Slot, cause: Cause, world: &mut World) {
    let node = world.frames[slot].node;
    if node < world.first_client {
        world.record.node(node).cause(cause);
    }
}

/// Tallies that the breaker of a frame's edge opened.
fn opened(slot: Slot, world: &mut World) {
    note(slot, Cause::BreakerOpened, world);
    happens(slot, world, |window| window.breakers_opened += 1);
}

/// Counts what happened to a client's request.
#[cold]
pub(super) fn happens(slot: Slot, world: &mut World, note: impl Fn(&mut HappenedWindow)) {
    let f = &world.frames[slot];
    if f.node >= world.first_client {
        let row = world.record.first_row[usize::from(f.node - world.first_client)];
        world.record.happens(row + usize::from(f.op), note);
    }
}

/// Whether whoever stands there holds a part of a pool.
const fn is_past_line(hold: Hold) -> bool {
    matches!(hold, Hold::Granted(Line::Pool) | Hold::Setup | Hold::Wired | Hold::Unwired)
}

/// Whether whoever stands there has asked a pool.
const fn is_at_pool(hold: Hold) -> bool {
    is_past_line(hold) || matches!(hold, Hold::Line(Line::Pool) | Hold::Opening)
}

fn refuse(slot: Slot, (outcome, cause): (Outcome, Cause), world: &mut World) -> bool {
    note(slot, cause, world);
    world.frames.extra_mut(slot).hold = Hold::Refused(outcome);
    world.arm(slot, Span::ZERO);
    false
}

fn hold_until(slot: Slot, hold: Hold, at: u64, deadline: u64, world: &mut World) -> bool {
    world.frames.extra_mut(slot).hold = hold;
    let at = at.min(deadline);
    if at != u64::MAX {
        let left = at.saturating_sub(world.now());
        world.arm(slot, Span::of(left));
    }
    false
}
