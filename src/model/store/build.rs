//! A store as a server.

use std::collections::BTreeSet;

use crate::{
    engine::{law::DurationFormula, random::hash_str},
    model::{
        build::{Assembly, Built},
        consistency::spec::Access,
        demand::Demand,
        ids::NodeId,
        kind::{Kind, Verb},
        node::Node,
        replication::{RebuildSpec, group::Group},
        service::{
            Discipline,
            build::Shape,
            compile::Compiler,
            instr::{Instr, Point},
            program::Program,
            server::Server,
        },
        store::{
            StoreSpec,
            backups::{Backups, Pace, Parts},
            copies::Copies,
            feed::{Feeding, Feeds},
            handing::Handing,
            intake::Intake,
            moving::Moving,
            promises::Promises,
            relays::Relays,
            shown::Shown,
        },
    },
};

/// Things relays do: they read, delete, and wait.
const RELAYS: usize = 3;
/// And who feeds views or is fed: entries are applied, and somebody waits; a view with replicas asks who leads besides.
const FEEDING: [usize; 2] = [2, 3];

impl StoreSpec {
    /// The size of a value, drawn once per key: the same whenever it is read or sent.
    pub fn size_of_value(&self, path: &str, assembly: &mut Assembly<'_>) -> Option<Demand> {
        let size = assembly.demand(self.value_size.as_ref()?, &format!("{path}/value_size"));
        Some(Demand { per_key: true, ..size })
    }
}

impl StoreSpec {
    /// Its keys, if they move.
    fn moving(&self, path: &str, server: &Server, assembly: &mut Assembly<'_>) -> Option<Moving> {
        let rate =
            self.shards.as_ref().and_then(|shards| shards.move_).filter(|_| self.moves_keys())?;
        let pace = ((1e9 / rate.0).max(1.0) as u64, self.keys.map_or(0, |keys| keys.0));
        let size = (self.shard_count(), server.instances.len());
        let value = self.size_of_value(path, assembly);
        let logs = self.facts().replicas.map(|replicas| {
            let shards = self.most_shards() as u16;
            Handing::new(shards, replicas.each as u16, assembly.names.tracked.once)
        });
        Some(Moving::new((hash_str(0, path), pace), size, value, logs))
    }

    /// Its backups, if it has some.
    fn backups(&self, (id, path): (NodeId, &str), assembly: &mut Assembly<'_>) -> Option<Backups> {
        let backup = self.backup.as_deref()?;
        let restore = backup.restore.as_ref();
        let pace = restore.map(|restore| match restore {
            RebuildSpec::Keys(rate) => Pace::Each(1e9 / rate.0),
            RebuildSpec::Takes(law) => {
                Pace::Takes(assembly.demand(&law.clone().into(), &format!("{path}/restore")))
            }
        });
        Some(Backups::new(Parts {
            site: Assembly::site(path),
            every: backup.every.0,
            log: backup.log.map(|log| log.0),
            pace,
            keys: self.keys.map_or(0, |keys| keys.0),
            value: self.size_of_value(path, assembly),
            shards: self.shard_count() as u16,
            each: self.facts().replicas.map_or(1, |replicas| replicas.each as u16),
            led: self.facts().replicas.is_some_and(|replicas| replicas.led),
            keeper: assembly.names.processes(id) as u16 - 1,
            remembers: assembly.names.tracked.once,
        }))
    }

    /// What it has to do with logs that feed views.
    fn feeding(
        &self,
        (id, path): (NodeId, &str),
        server: &Server,
        assembly: &mut Assembly<'_>,
    ) -> Option<Feeding> {
        let (names, site) = (assembly.names, Assembly::site(path));
        let fed = names.fed_by(id);
        let group = server.group.as_deref();
        let is_view = |group: &&Group| names.views().contains_key(&group.node);
        let shown = group
            .filter(is_view)
            .map(|group| Shown::new((self.shard_count() as usize, group.each), group.led));
        if fed.is_empty() && self.lag_of_view().is_none() && shown.is_none() {
            return None;
        }
        let lag = |view: NodeId| {
            let law = names.store(view)?.lag_of_view()?;
            Some((
                view,
                assembly.demand(&law.clone().into(), &format!("{path}/feeds/{}", names.name(view))),
            ))
        };
        let views: Vec<_> = fed.iter().copied().filter_map(lag).collect();
        let each = group.map(|group| group.each);
        let value = self.size_of_value(path, assembly);
        let shards = self.most_shards() as usize;
        let out = (!views.is_empty()).then(|| Feeds::new(site, (shards, each), views, value));
        let source = self.source().filter(|_| self.lag_of_view().is_some());
        let intake = source.and_then(|source| {
            let source = names.node(&source.0)?;
            let own = names.store(source)?;
            let each = names.kind(source).facts().replicas.map_or(1, |replicas| replicas.each);
            let of = (source, own.most_shards() as u16, each as u16);
            let cores = self.apply_cores.map_or(1, |cores| cores.0 as usize);
            Some(Intake::new(site, of, cores, shards))
        });
        let timer = server.program.own.len().saturating_sub(1);
        let [apply, asks] = [1, 2].map(|before| timer.saturating_sub(before));
        Some(Feeding { shown, out, intake, timer, apply, asks })
    }

    /// What shards do unasked: replicas, those whose keys move, those who take part in transactions, relays.
    fn unasked(
        &self,
        compiler: &mut Compiler<'_, '_>,
        (transacts, relays, feeds): (bool, bool, bool),
    ) {
        let write = self.write.as_ref().unwrap_or(&self.read);
        // Each version has its own.
        compiler.program.own.clear();
        if self.replication.is_some() || self.moves_keys() {
            // In the order `replication/group.rs` knows.
            let apply = self.apply.as_ref().unwrap_or(write);
            let works = [(&self.read, "/read"), (write, "/write"), (apply, "/apply")];
            works_and_timer(compiler, &works, Point::Told);
            if transacts {
                // In the order `service/promising.rs` knows.
                let demand = compiler.demand(write, "/write");
                let asked = compiler.emit(Instr::Point(Point::Entry)) as u16;
                compiler.emit(Instr::Point(Point::Asked));
                compiler.emit(Instr::Work(demand));
                let decided = compiler.emit(Instr::Point(Point::Entry)) as u16;
                compiler.emit(Instr::Point(Point::Entered));
                compiler.program.own.extend([asked, decided]);
            }
            if self.replication.is_some() && self.moves_keys() {
                // In the order `service/handing.rs` knows.
                let demand = compiler.demand(write, "/write");
                let asked = compiler.emit(Instr::Point(Point::Entry)) as u16;
                compiler.emit(Instr::Work(demand));
                compiler.emit(Instr::Point(Point::Entry));
                compiler.emit(Instr::Point(Point::Entered));
                compiler.program.own.push(asked);
            }
        } else if self.backup.is_some() {
            works_and_timer(compiler, &[], Point::Told);
        } else if transacts {
            let demand = compiler.demand(write, "/write");
            let asked = compiler.emit(Instr::Point(Point::Asked)) as u16;
            compiler.emit(Instr::Work(demand));
            compiler.emit(Instr::Point(Point::Told));
            let timer = compiler.emit(Instr::Point(Point::Timer)) as u16;
            compiler.program.own.extend([asked, timer]);
        }
        if relays {
            works_and_timer(compiler, &[(&self.read, "/read"), (write, "/write")], Point::Relayed);
        }
        if feeds || self.lag_of_view().is_some() {
            let apply = self.apply.as_ref().unwrap_or(write);
            if self.replication.is_some() && self.lag_of_view().is_some() {
                asks_and_enters(compiler, apply);
            } else {
                works_and_timer(compiler, &[(apply, "/apply")], Point::Told);
            }
        }
    }
}

/// Works that a shard does by itself and is told when they are done, and a timer.
fn works_and_timer(
    compiler: &mut Compiler<'_, '_>,
    works: &[(&DurationFormula, &str)],
    done: Point,
) {
    for (work, name) in works {
        let demand = compiler.demand(work, name);
        let start = compiler.emit(Instr::Work(demand)) as u16;
        compiler.program.own.push(start);
        compiler.emit(Instr::Point(done));
    }
    let timer = compiler.emit(Instr::Point(Point::Timer)) as u16;
    compiler.program.own.push(timer);
}

/// What a view with replicas does with an entry of a log that feeds it: it is asked whether it leads, and told; it applies it,
/// writes it down, and is told. And a timer.
fn asks_and_enters(compiler: &mut Compiler<'_, '_>, apply: &DurationFormula) {
    let asks = compiler.emit(Instr::Point(Point::Entry)) as u16;
    compiler.emit(Instr::Point(Point::Told));
    let demand = compiler.demand(apply, "/apply");
    let applies = compiler.emit(Instr::Work(demand)) as u16;
    compiler.emit(Instr::Point(Point::Entry));
    compiler.emit(Instr::Point(Point::Told));
    let timer = compiler.emit(Instr::Point(Point::Timer)) as u16;
    compiler.program.own.extend([asks, applies, timer]);
}

impl Built for StoreSpec {
    fn compile(&self, path: &str, program: Program, assembly: &mut Assembly<'_>) -> Program {
        let names = assembly.names;
        let none = std::collections::BTreeMap::new();
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_one =
            |these: &BTreeSet<NodeId>| names.node(name).is_some_and(|id| these.contains(&id));
        let (followed, transacts) =
            (is_one(&names.tracked.followed), is_one(&names.tracked.transactions));
        let protocol = self.replication.as_ref();
        let works = protocol.is_none_or(|spec| spec.quorum.is_none());
        let relays = names.node(name).is_some_and(|id| !names.outboxes(id).is_empty());
        let mut compiler = Compiler::new(assembly, path.to_owned(), &none);
        compiler.program = program;
        let mut endpoint = |access: Access, work: &DurationFormula| {
            let replies = access == Access::Read;
            let write = !replies;
            let start = compiler.here();
            compiler.emit(Instr::Begin);
            if protocol.is_some() {
                compiler.emit(Instr::Point(Point::Arrived { write }));
            } else if self.moves_keys() || self.backup.is_some() {
                compiler.emit(Instr::Point(Point::Home { write }));
            }
            let demand = compiler.demand(work, if replies { "/read" } else { "/write" });
            if works {
                compiler.emit(Instr::Work(demand));
            }
            if write && protocol.is_some() && transacts {
                compiler.emit(Instr::Point(Point::Locked));
            }
            if protocol.is_some() && works {
                compiler.emit(Instr::Point(Point::Worked { write }));
            } else if protocol.is_none() && (followed || transacts) {
                compiler.emit(Instr::Held(access));
            }
            if write && relays {
                compiler.emit(Instr::Point(Point::Row));
            }
            if let Some(size) = self.size_of_value(path, compiler.assembly).filter(|_| replies) {
                compiler.program.replies.push(size);
                let reply = compiler.program.replies.len() as u16 - 1;
                compiler.emit(Instr::Reply(reply));
            }
            compiler.emit(Instr::End);
            start
        };
        let read = endpoint(Access::Read, &self.read);
        let write = endpoint(Access::Write, self.write.as_ref().unwrap_or(&self.read));
        let feeds = names.node(name).is_some_and(|id| !names.fed_by(id).is_empty());
        self.unasked(&mut compiler, (transacts, relays, feeds));
        let mut program = compiler.program;
        // A plain call reads the request's key (`semantics.md` 52).
        program.entries = names
            .ops
            .iter()
            .map(|op| Some(if matches!(op.1, None | Some(Verb::Read)) { read } else { write }))
            .collect();
        program
    }

    fn build(&self, id: NodeId, path: &str, assembly: &mut Assembly<'_>) -> Box<dyn Node> {
        let shape = Shape {
            instances: assembly.names.processes(id),
            workers: None,
            cores: self.cores.map(|c| c.0),
            discipline: self.discipline.clone().unwrap_or(Discipline::Fifo),
            speedup: None,
            queue: self.queue.map(|q| q.0),
            batch: None,
            quota: self.quota,
        };
        let mut server = shape.server(id, path, assembly);
        let single = self.replication.is_none() && assembly.names.tracked.followed.contains(&id);
        server.copies = single.then(|| {
            let shards = server.instances.len();
            let mut copies = Copies::new(shards, assembly.names.tracked.once);
            if assembly.names.rolls_back(id) {
                copies.look_back();
            }
            Box::new(copies)
        });
        let transacts = assembly.names.tracked.transactions.contains(&id);
        server.promises = transacts.then(|| {
            let (from, replicas) = (assembly.names.design.warm_up, self.replication.is_some());
            Box::new(Promises::new(server.instances.len(), replicas, from))
        });
        server.backups = self.backups((id, path), assembly).map(Box::new);
        server.moving = self.moving(path, &server, assembly).map(Box::new);
        server.group = self.group(id, path, assembly).map(Box::new);
        server.feeding = self.feeding((id, path), &server, assembly).map(Box::new);
        let feeds =
            server.feeding.as_ref().is_some_and(|own| own.out.is_some() || own.intake.is_some());
        let asks = usize::from(self.replication.is_some() && self.lag_of_view().is_some());
        let others = if feeds { RELAYS + FEEDING[asks] } else { RELAYS };
        let own = (server.program.own.len().saturating_sub(others), Assembly::site(path));
        let each = server.group.as_ref().map(|group| group.each);
        let shards = server.group.as_ref().map(|group| group.serving / usize::from(group.each));
        let shards = (shards.unwrap_or(server.instances.len()), each);
        server.relays = Relays::new(id, shards, own, assembly.names).map(Box::new);
        server.overheard = server.relays.is_some()
            || server.promises.is_some()
            || server.feeding.is_some()
            || server.backups.is_some()
            || server.moving.is_some();
        Box::new(server)
    }
}
