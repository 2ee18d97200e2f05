//! Why, more finely than an outcome says.
//!
//! **Invariant.** Whatever a node counts besides outcomes has its name here, and whoever tells of it has to say how it
//! tells of each.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The causes, each with its name in results and what it counts, in the order of their names.
macro_rules! causes {
    ($($cause:ident $name:literal $means:literal)+) => {
        /// What a node counts besides outcomes: why a visit or a call went otherwise than asked for, or waited.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Cause {
            $(#[doc = $means] #[serde(rename = $name)] $cause,)+
        }

        impl Cause {
            /// All of them, in the order of their names.
            pub const ALL: &[Self] = &[$(Self::$cause),+];

            /// Its name in results.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$cause => $name),+ }
            }

            /// What it counts.
            #[must_use]
            pub const fn means(self) -> &'static str {
                match self { $(Self::$cause => $means),+ }
            }
        }
    };
}

causes! {
    Abandoned "abandoned" "Visits whose patience ended while they waited for a worker."
    Aborted "aborted" "Transactions given up because somebody who takes part did not answer, or was not there any more."
    BackgroundFailed "background_failed" "Runs of background work that did not end well."
    Behind "behind" "Reads for a session by a replica that is behind what the session has seen."
    Blocked "blocked" "Publishers that a full queue held back."
    BreakerOpen "breaker_open" "Calls refused by an open circuit breaker."
    BreakerOpened "breaker_opened" "Circuit breakers that opened."
    BulkheadFull "bulkhead_full" "Calls refused because the bulkhead had no place."
    BulkheadWait "bulkhead_wait" "Calls that waited for a place of the bulkhead."
    CallTimeout "call_timeout" "Attempts of calls that ran into their time-out."
    Cancelled "cancelled" "Visits that were cancelled: nobody waits for their answer any more."
    Codel "codel" "Visits that CoDel dropped from the queue."
    Conflict "conflict" "Writes that expected another version than they found."
    ConnectTimeout "connect_timeout" "Connections that were not opened in time."
    ConnectionRefused "connection_refused" "Calls to an instance that is down and whose host says so, or that takes no new ones."
    ConnectionReset "connection_reset" "Calls on a connection that was closed at the other end."
    Corrupt "corrupt" "Accesses that found damaged data and no whole copy."
    Crashed "crashed" "Visits inside an instance as it died."
    Deadline "deadline" "Visits that were not begun because their deadline was over."
    DoorWait "door_wait" "Visits that waited at the door for their turn by a rate limit."
    Dropped "dropped" "Messages of a topic that a subscriber did not take."
    Ejected "ejected" "Instances that an outlier detection took out."
    FailedCall "failed_call" "Visits that failed because a call of theirs did."
    FailedFetch "failed_fetch" "Visits that waited for somebody else's fetch, which failed or took too long."
    FailedStep "failed_step" "Visits that failed by a `fail` of their steps, or by their error rate."
    Fallback "fallback" "Calls that failed and for which the fallback was taken."
    Fault "fault" "Visits that an `errors` fault made fail."
    Fenced "fenced" "Writes refused because of a later holder of their lock."
    FillRefused "fill_refused" "Values a cache did not take: their lease was gone."
    Hedged "hedged" "Second attempts that were sent while the first was on its way."
    Held "held" "Visits that waited at the door of a service scaled to zero."
    LeadershipLost "leadership_lost" "Writes whose leader lost its place before it knew how they ended."
    LeaseLost "lease_lost" "Holders of a lock whose lease ran out while they worked."
    LockRetry "lock_retry" "Failed accesses to the record of a lock, which are tried again."
    LostAtDeadHost "lost_at_dead_host" "Calls to an instance whose host says nothing any more."
    MarkedDown "marked_down" "Instances that health checks took for dead."
    MarkedUp "marked_up" "Instances that health checks took for alive again."
    Moving "moving" "Writes refused because their key is being handed over to another shard."
    Negative "negative" "Lookups answered by what a cache remembers not to exist."
    NoFreePort "no_free_port" "Connections that could not be opened: all ports were taken or lingered."
    NoLeader "no_leader" "Accesses for which no leader was found."
    NoLease "no_lease" "Visits to an instance that does not hold the lease it needs to serve."
    NoLiveTarget "no_live_target" "Requests for which no target was taken for alive."
    NoVersion "no_version" "Writes to a view that name no version of what it is a view of."
    NobodyThere "nobody_there" "Calls to a node that has no instance at all."
    OutOfDescriptors "out_of_descriptors" "Visits an instance had no descriptors for."
    OutOfMemory "out_of_memory" "Visits an instance had no memory for."
    OutOfThreads "out_of_threads" "Visits an instance had no threads for."
    OverQuota "over_quota" "Works that waited for the next period of their processor quota."
    PoolExhausted "pool_exhausted" "Calls refused because no connection of the pool was free."
    PoolWait "pool_wait" "Calls that waited for a connection of the pool."
    PushedOut "pushed_out" "Visits that had to leave the queue for more urgent ones."
    QueueFull "queue_full" "Visits turned away because the queue was full."
    QuorumTimeout "quorum_timeout" "Accesses that not enough replicas had answered in time."
    RateLimited "rate_limited" "Visits or calls refused by a rate limit."
    RateLimitedBy1 "rate_limited_by_1" "Those refused by the first limit of a list."
    RateLimitedBy2 "rate_limited_by_2" "Those refused by the second."
    RateLimitedBy3 "rate_limited_by_3" "Those refused by the third."
    RateLimitedBy4 "rate_limited_by_4" "Those refused by the fourth."
    RateLimitedBy5 "rate_limited_by_5" "Those refused by the fifth."
    RateLimitedBy6 "rate_limited_by_6" "Those refused by the sixth."
    RateLimitedBy7 "rate_limited_by_7" "Those refused by the seventh."
    RateLimitedBy8 "rate_limited_by_8" "Those refused by the eighth."
    Restoring "restoring" "Accesses to a shard that is being restored from its backup."
    SagaLog "saga_log" "Failed accesses to the log of a saga, which are tried again."
    SelfThrottled "self_throttled" "Calls that the caller itself did not send (`throttle`)."
    SentOn "sent_on" "Visits that went on to another replica."
    ShedConcurrency "shed_concurrency" "Visits shed by the limit of concurrency."
    ShedQueue "shed_queue" "Visits shed because the queue was too long."
    ShedReserve "shed_reserve" "Visits shed because the room left is kept for others."
    ShedWait "shed_wait" "Visits shed because whoever was begun last had waited too long."
    TargetDown "target_down" "Requests a balancer had passed on to a target that it then took for dead."
    TargetTimeout "target_timeout" "Requests passed on that a balancer waited for in vain."
    Throttled "throttled" "Calls that waited for a token of their rate limit; of functions, starts that the limit of environments refused."
    TooFewReplicas "too_few_replicas" "Accesses for which not enough replicas could be reached."
    TooManyConnections "too_many_connections" "Connections refused because an instance had as many as it takes."
    Unauthorized "unauthorized" "Visits that the authorizer did not let in."
    Unreachable "unreachable" "Calls that the network refused at once."
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_in_the_order_of_their_names() {
        let names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert!(names.is_sorted(), "results list them by name: {names:?}");
    }
}
