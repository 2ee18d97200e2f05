//! Designs under a cut: who is answered on which side, how old that is, and what each costs without any fault.
//!
//! **Invariant.** A label says what was measured of its own rows, and nothing where there is none.

use crate::{
    results::{
        Cap, CapDesign, CapLatency, CapNormal, CapSide, Estimate, Evidence, FaultResults, Results,
        SEMANTICS_VERSION, Samples, Selection, SideResults,
    },
    stats::Histogram,
    units::show::{Quantity, value},
};

/// A share below which nobody is answered.
const NOBODY: f64 = 0.005;

/// What is known of one design.
#[derive(Clone, Debug)]
pub struct CutDesign<'r> {
    /// What it is called.
    pub name: String,
    /// Its results.
    pub results: &'r Results,
    /// What it is like without its faults.
    pub normal: Option<CapNormal>,
}

/// What reads and writes of a design take, gathered while replications come in.
pub(super) struct Times {
    /// Client and operation, and whether it may write.
    does: Vec<(String, String, bool)>,
    /// Of reads, of writes.
    samples: [Samples; 2],
}

impl Times {
    /// Of these operations, and no replication yet.
    pub(super) fn new(does: Vec<(String, String, bool)>) -> Self {
        Self { does, samples: [Samples::default(), Samples::default()] }
    }

    /// Takes in the next replication.
    pub(super) fn push(&mut self, one: &dyn Evidence) {
        let mut each = [Histogram::default(), Histogram::default()];
        for (client, operation, writes) in &self.does {
            let (client, operation) = (Some(client.clone()), Some(operation.clone()));
            let selection = Selection { client, operation, ..Selection::default() };
            each[usize::from(*writes)].merge(&one.requests(&selection).latency);
        }
        self.samples.iter_mut().zip(&each).for_each(|(all, one)| all.push(one));
    }

    /// What they come to in the run with these results; none where no replication finished.
    pub(super) fn normal(&self, results: &Results) -> Option<CapNormal> {
        let latency = |times: &Samples| {
            let all = times.distribution(results.confidence);
            CapLatency { p50: all.p50, p99: all.p99 }
        };
        let stale = results.consistency.as_ref().map(|of| of.stale_read_fraction);
        (!results.seeds.is_empty()).then(|| CapNormal {
            read: latency(&self.samples[0]),
            write: latency(&self.samples[1]),
            stale_read_fraction: stale.unwrap_or_default(),
        })
    }
}

/// Designs under cuts; none where no design has both a side and data.
#[must_use]
pub fn cap(designs: &[CutDesign<'_>]) -> Option<Cap> {
    let first = designs.first()?;
    let rows: Vec<CapDesign> = designs.iter().filter_map(design).collect();
    (!rows.is_empty()).then(|| Cap {
        windtunnel_version: env!("CARGO_PKG_VERSION").to_owned(),
        semantics_version: SEMANTICS_VERSION,
        scenario: first.results.scenario.clone(),
        confidence: first.results.confidence,
        status: designs.iter().map(|one| one.results.status).max().unwrap_or_default(),
        designs: rows,
    })
}

fn design(of: &CutDesign<'_>) -> Option<CapDesign> {
    let data = of.results.consistency.as_ref()?;
    let cuts = of.results.faults.iter();
    let sides: Vec<CapSide> =
        cuts.flat_map(|cut| cut.sides.iter().filter_map(|side| seen(cut, side))).collect();
    (!sides.is_empty()).then(|| CapDesign {
        name: of.name.clone(),
        lost_acked_writes: data.lost_acked_writes,
        rpo: data.rpo,
        rto: data.rto,
        convergence_time: data.convergence_time,
        linearizable: data.linearizable,
        normal: of.normal.clone(),
        label: label(&sides),
        sides,
    })
}

/// None where no read and no write was decided.
fn seen(cut: &FaultResults, side: &SideResults) -> Option<CapSide> {
    let during = |does: &str| {
        side.operations.get(does).map_or_else(Estimate::default, |of| of.availability_during)
    };
    let side = CapSide {
        cut: cut.id.clone(),
        side: side.side.clone(),
        names: side.names.clone(),
        read_availability: during("read"),
        write_availability: during("write"),
        stale_read_fraction: side.stale_read_fraction.unwrap_or_default(),
        lost_acked_writes: side.lost_acked_writes.unwrap_or_default(),
    };
    let decided = side.read_availability.value.or(side.write_availability.value).is_some();
    decided.then_some(side)
}

/// `side a: 100 % of reads answered, 41 % old; writes refused. Side b: ..`; of several cuts each side with its own.
fn label(sides: &[CapSide]) -> Option<String> {
    let several = sides.iter().any(|side| side.cut != sides[0].cut);
    let share = |of: f64| value(Quantity::Share, of);
    let one = |side: &CapSide| {
        let reads = side.read_availability.value.map(|answered| {
            if answered < NOBODY {
                return "reads refused".to_owned();
            }
            let old = match side.stale_read_fraction.value {
                Some(0.0) => ", none old".to_owned(),
                Some(old) => format!(", {} old", share(old)),
                None => String::new(),
            };
            format!("{} of reads answered{old}", share(answered))
        });
        let writes = side.write_availability.value.map(|answered| match answered {
            answered if answered < NOBODY => "writes refused".to_owned(),
            answered => format!("{} of writes answered", share(answered)),
        });
        let said: Vec<String> = [reads, writes].into_iter().flatten().collect();
        let cut = if several { format!(" of {}", side.cut) } else { String::new() };
        (!said.is_empty()).then(|| format!("{}{cut}: {}", side.side, said.join("; ")))
    };
    let mut label = String::new();
    for said in sides.iter().filter_map(one) {
        label += if label.is_empty() { "side " } else { ". Side " };
        label += &said;
    }
    (!label.is_empty()).then_some(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::{SideOperations, Status};

    fn known(value: f64) -> Estimate {
        Estimate { value: Some(value), ..Estimate::default() }
    }

    fn design(results: &Results) -> CutDesign<'_> {
        CutDesign { name: "base".into(), results, normal: None }
    }

    fn side(name: &str, reads: f64, writes: f64, old: f64) -> CapSide {
        CapSide {
            cut: "cut".into(),
            side: name.into(),
            read_availability: known(reads),
            write_availability: known(writes),
            stale_read_fraction: known(old),
            ..CapSide::default()
        }
    }

    #[test]
    fn a_label_says_what_was_measured() {
        let mut sides = vec![side("a", 1.0, 0.0, 0.41), side("b", 0.97, 0.9632, 0.0)];
        assert_eq!(
            label(&sides).unwrap(),
            "side a: 100 % of reads answered, 41 % old; writes refused. \
             Side b: 97 % of reads answered, none old; 96.3 % of writes answered"
        );
        sides[0].read_availability = known(0.0);
        assert!(label(&sides).unwrap().starts_with("side a: reads refused; writes refused. Side"));
        sides[1].cut = "other".into();
        assert!(label(&sides).unwrap().contains(". Side b of other: "));
        // Nobody asked.
        sides.truncate(1);
        sides[0] = CapSide { side: "a".into(), ..CapSide::default() };
        assert_eq!(label(&sides), None);
        assert_eq!(label(&[]), None);
    }

    #[test]
    fn the_worst_status_counts_and_nothing_is_said_without_sides() {
        let of = |status| Results { status, ..Results::default() };
        let (fine, cut) = (of(Status::Complete), of(Status::Interrupted));
        assert_eq!(cap(&[design(&fine), design(&cut)]), None);
        assert_eq!(cap(&[]), None);
        let mut sided = of(Status::Complete);
        sided.consistency = Some(crate::results::ConsistencyResults::default());
        let with = |operations| {
            let side = SideResults { side: "a".into(), operations, ..SideResults::default() };
            vec![FaultResults { sides: vec![side], ..FaultResults::default() }]
        };
        // Nobody on it reads or writes.
        sided.faults = with([].into());
        assert_eq!(cap(&[design(&sided)]), None);
        let refused = SideOperations { availability_during: known(0.0), ..Default::default() };
        sided.faults = with([("write".to_owned(), refused)].into());
        let found = cap(&[design(&sided), design(&cut)]).unwrap();
        assert_eq!((found.status, found.designs.len()), (Status::Interrupted, 1));
        assert_eq!(found.designs[0].label.as_deref(), Some("side a: writes refused"));
    }
}
