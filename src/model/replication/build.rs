//! Replicas made: their processes, what they draw from, the way to them.

use super::{
    AckSpec, AntiEntropySpec, CandidatesSpec, ConflictSpec, ContactSpec, Contacted, CrdtSpec,
    DurabilitySpec, FailoverSpec, LeaderFollowerSpec, ModeSpec, MultiLeaderSpec, QuorumSpec,
    RaftReadsSpec, RaftSpec, ReadsSpec, ReplicationSpec, StampSpec,
    group::{Draws, Group, Parts, Value},
};
use crate::{
    engine::law::DurationLaw,
    model::{
        build::Assembly,
        ids::{NodeId, Zone},
        kind::{Kind, Verb},
        names::Names,
        store::StoreSpec,
    },
    replication::{
        AntiEntropy, Law, Peer, disk, leader_follower, multi_leader, process::Process, quorum, raft,
    },
    units::{Rate, SimDuration},
};

impl DurabilitySpec {
    fn mode(&self) -> disk::Mode {
        match self.mode.unwrap_or_default() {
            ModeSpec::Each => disk::Mode::Each,
            ModeSpec::Group(after) => disk::Mode::Group(after.0),
            ModeSpec::Every(period) => disk::Mode::Every(period.0),
            ModeSpec::Never => disk::Mode::Never,
        }
    }
}

impl StoreSpec {
    /// The replicas of the store, if it has any.
    pub fn group(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Option<Group> {
        let spec = self.replication.as_deref()?;
        let facts = self.facts();
        let replicas = facts.replicas?;
        let value = self.size_of_value(path, assembly);
        Some(Group::new(Parts {
            node: (id, Assembly::site(path)),
            shards: self.most_shards() as usize,
            each: replicas.each as u16,
            led: replicas.led,
            processes: {
                let mut all = self.processes(spec, id, assembly.names);
                // Whoever is asked to promise something knows whether that is over.
                if assembly.names.tracked.once || assembly.names.tracked.transactions.contains(&id)
                {
                    all = all.into_iter().map(Process::remembering).collect();
                }
                if assembly.names.rolls_back(id) {
                    all.iter_mut().for_each(Process::look_back);
                }
                if self.is_backed_up() {
                    all.iter_mut().for_each(Process::backed_up);
                }
                all
            },
            draws: {
                let durability = self.durability.as_ref();
                spec.draws(durability.and_then(|own| own.fsync.clone()), path, assembly)
            },
            value: value.map_or(Value::Nothing, Value::Of),
            deletes: assembly.names.ops.iter().map(|op| op.1 == Some(Verb::Delete)).collect(),
            callers: assembly.names.callers(id),
            measured_from: assembly.names.design.warm_up,
        }))
    }

    fn processes(&self, spec: &ReplicationSpec, id: NodeId, names: &Names) -> Vec<Process> {
        let facts = self.facts();
        let mode = self.durability.as_ref().map_or(disk::Mode::Each, DurabilitySpec::mode);
        let lanes = self.apply_cores.map_or(1, |n| n.0) as u8;
        let serving = 0..facts.serving() as Peer;
        if let Some(spec) = &spec.leader_follower {
            let config = spec.config((id, &facts), (mode, lanes), names);
            let observers = facts.serving() as Peer..facts.instances as Peer;
            let shards = self.most_shards() as u16;
            let replica =
                |me| Process::Replica(Box::new(leader_follower::Replica::new(config.clone(), me)));
            let observer = |me| {
                let observer = leader_follower::Observer::new(config.clone(), me, shards);
                Process::Observer(Box::new(observer))
            };
            return serving.map(replica).chain(observers.map(observer)).collect();
        }
        if let Some(spec) = &spec.quorum {
            let config = spec.config(self.shard_count() as u16, mode);
            let places = names.places_of_processes(id);
            let near = |me: Peer| {
                let zone = places[usize::from(me)];
                let here = serving.clone().filter(|peer| places[usize::from(*peer)] == zone);
                here.collect::<Vec<Peer>>()
            };
            let process = |me: Peer| {
                let holds = serving.contains(&me);
                Process::Quorum(Box::new(quorum::Quorum::new(config, me, holds).near(near(me))))
            };
            // Who keeps backups comes behind them.
            let all = places.len() - usize::from(self.is_backed_up());
            return (0..all as Peer).map(process).collect();
        }
        if let Some(spec) = &spec.multi_leader {
            let config = spec.config(self.shard_count() as u16, mode, lanes);
            let leader =
                |me| Process::MultiLeader(Box::new(multi_leader::MultiLeader::new(config, me)));
            return serving.map(leader).collect();
        }
        let Some(spec) = &spec.raft else { return Vec::new() };
        let config = spec.config(mode, lanes);
        let replica = |me| Process::Raft(Box::new(raft::Raft::new(config, me)));
        serving.map(replica).collect()
    }
}

impl ReplicationSpec {
    /// What its processes draw from, where their disks take so long.
    pub fn draws(&self, fsync: Option<DurationLaw>, path: &str, assembly: &Assembly<'_>) -> Draws {
        let leader = self.leader_follower.as_ref();
        let failover = leader.and_then(|leader| leader.failover.as_ref());
        let raft = self.raft.as_ref();
        let fsync = fsync.or_else(|| raft.and_then(|raft| raft.fsync.clone()));
        let law = |law: Law| match law {
            Law::Lag => leader
                .and_then(|leader| leader.lag.clone())
                .or_else(|| self.multi_leader.as_ref().and_then(|own| own.lag.clone())),
            Law::Fsync => fsync.clone(),
            Law::Election => raft.map(RaftSpec::election),
            Law::Promote => failover.and_then(|failover| failover.promote.clone()),
            Law::Rebuild => failover.and_then(|one| one.rebuild.as_ref()?.takes().cloned()),
        };
        let one = |which: Law| {
            let stream = assembly.stream(path, &format!("{which:?}"));
            law(which).map(|law| (assembly.sampler(&law), stream))
        };
        Draws { laws: Law::ALL.map(one), choices: assembly.stream(path, "choices") }
    }
}

impl LeaderFollowerSpec {
    fn config(
        &self,
        (id, facts): (NodeId, &crate::model::kind::Facts<'_>),
        (disk, apply_lanes): (disk::Mode, u8),
        names: &Names,
    ) -> leader_follower::Config {
        let replicas = self.replicas() as u16;
        let places = names.places(id);
        let failover = |failover: &FailoverSpec| leader_follower::Failover {
            detect: failover.detect.0,
            observers: (facts.serving() as Peer..facts.instances as Peer).collect(),
            candidates: failover.candidates(&places[..facts.serving() as usize], replicas, names),
            fencing: failover.fencing == Some(true),
        };
        leader_follower::Config {
            replicas,
            ack: match self.ack.unwrap_or_default() {
                AckSpec::Async => leader_follower::Ack::Async,
                AckSpec::Sync => leader_follower::Ack::Sync,
                AckSpec::SemiSync { timeout, acks } => {
                    leader_follower::Ack::SemiSync { timeout: timeout.0, acks: acks.0 as u16 }
                }
            },
            has_lag: self.lag.is_some(),
            apply_lanes,
            reads_at_leader: self.reads.unwrap_or_default() == ReadsSpec::Leader,
            max_lag: self.max_lag.map(|lag| lag.0),
            disk,
            failover: self.failover.as_ref().map(failover),
            paced: self.paced(names.store(id)),
        }
    }
}

impl LeaderFollowerSpec {
    /// How the data of a store are copied key by key, if they are.
    fn paced(&self, store: Option<&StoreSpec>) -> Option<leader_follower::Paced> {
        let rate = self.failover.as_ref()?.rebuild.as_ref()?.keys()?;
        let all = store.and_then(|store| store.keys).map_or(0, |keys| keys.0);
        let keys = all / store.map_or(1, StoreSpec::shard_count).max(1);
        Some(leader_follower::Paced { every: (1e9 / rate.0).max(1.0) as u64, keys, all })
    }
}

impl FailoverSpec {
    /// The replicas that may take over, of those that stand in these zones, so many of each shard, its first leader first.
    fn candidates(&self, zones: &[Zone], each: u16, names: &Names) -> Vec<Peer> {
        let may = |home: Zone, zone: Zone| match &self.candidates {
            None | Some(CandidatesSpec::Any) => true,
            Some(CandidatesSpec::SameZone) => zone == home,
            Some(CandidatesSpec::SameRegion) => names.region(home) == names.region(zone),
            Some(CandidatesSpec::These(places)) => places
                .iter()
                .filter_map(|place| names.zones_of(&place.0))
                .any(|z| z.contains(&zone)),
        };
        let shards = zones
            .chunks(usize::from(each))
            .flat_map(|shard| shard.iter().map(move |zone| may(shard[0], *zone)));
        let all = shards.enumerate().filter(|(_, may)| *may);
        all.map(|(replica, _)| replica as Peer).collect()
    }
}

impl QuorumSpec {
    fn config(&self, shards: u16, disk: disk::Mode) -> quorum::Config {
        let contact = |who: Contacted| match who {
            Contacted::All => quorum::Contact::All,
            Contacted::Quorum => quorum::Contact::Quorum,
        };
        let ContactSpec(who) = self.contact.unwrap_or_default();
        quorum::Config {
            replicas: self.replicas.0 as u16,
            shards,
            read: self.reads() as u16,
            write: self.writes() as u16,
            contact_read: contact(who.read),
            contact_write: contact(who.write),
            timeout: self.timeout.map_or(quorum::Config::DEFAULT.timeout, |timeout| timeout.0),
            read_repair: self.read_repair.map_or(1.0, |share| share.0),
            write_back: self.write_back == Some(true),
            stamp: match self.stamp.unwrap_or_default() {
                StampSpec::Clock => quorum::Stamp::Clock,
                StampSpec::Query => quorum::Stamp::Query,
            },
            sloppy: (self.sloppy == Some(true)).then(|| {
                let own = self.hinted_handoff;
                let time = |of: Option<SimDuration>, default: u64| of.map_or(default, |of| of.0);
                quorum::Handoff {
                    after: time(own.and_then(|own| own.after), 100_000_000),
                    keep: time(own.and_then(|own| own.keep), 3 * 3_600_000_000_000),
                    rate: per_second(own.and_then(|own| own.rate)),
                }
            }),
            anti_entropy: self.anti_entropy.map(AntiEntropySpec::config),
            tombstones: self.tombstones.map(|time| time.0),
            disk,
        }
    }
}

impl AntiEntropySpec {
    fn config(self) -> AntiEntropy {
        AntiEntropy {
            every: self.every.map_or(600_000_000_000, |every| every.0),
            rate: per_second(self.rate),
        }
    }
}

impl MultiLeaderSpec {
    fn config(&self, shards: u16, disk: disk::Mode, apply_lanes: u8) -> multi_leader::Config {
        multi_leader::Config {
            leaders: self.leaders.len() as u16,
            shards,
            conflict: match self.conflict.unwrap_or_default() {
                ConflictSpec::Lww | ConflictSpec::Crdt(CrdtSpec::Register) => {
                    multi_leader::Conflict::Lww
                }
                ConflictSpec::VersionVector => multi_leader::Conflict::Vectors,
                ConflictSpec::Crdt(CrdtSpec::Counter) => multi_leader::Conflict::Counter,
                ConflictSpec::Crdt(CrdtSpec::Set) => multi_leader::Conflict::Set,
            },
            has_lag: self.lag.is_some(),
            apply_lanes,
            anti_entropy: self.anti_entropy.map(AntiEntropySpec::config),
            tombstones: self.tombstones.map(|time| time.0),
            disk,
        }
    }
}

/// So many per second, 1,000 where the file does not say it.
fn per_second(rate: Option<Rate>) -> u64 {
    rate.map_or(1000, |rate| (rate.0.round() as u64).max(1))
}

/// How far the speeds of two clocks are apart, where the file does not say it.
const MAX_DRIFT: f64 = 500e-6;

impl RaftSpec {
    /// How much too fast or slow a clock may go without harm to leases.
    pub(super) fn allowed_drift(&self) -> f64 {
        self.max_drift.map_or(MAX_DRIFT, |drift| drift.0)
    }

    /// How its replicas are set.
    pub fn config(&self, disk: disk::Mode, apply_lanes: u8) -> raft::Config {
        raft::Config {
            replicas: self.replicas() as u16,
            pre_vote: self.pre_vote != Some(false),
            check_quorum: self.check_quorum != Some(false),
            reads: match self.reads.unwrap_or_default() {
                RaftReadsSpec::Leader => raft::Reads::Leader,
                RaftReadsSpec::Lease => raft::Reads::Lease,
                RaftReadsSpec::ReadIndex => raft::Reads::ReadIndex,
                RaftReadsSpec::Follower => raft::Reads::Follower,
            },
            heartbeat: self.heartbeat(),
            election_min: self.election().min_value() as u64,
            max_drift: self.allowed_drift(),
            disk,
            apply_lanes,
            keeps: true,
            leader: 0,
        }
    }
}
