//! Designs under a cut: `cap.json`, its two pictures, and what stands on the terminal.
//!
//! **Invariant.** Nothing is shown of a design but what was measured of it; no design is given a letter.

use super::{
    costs::over,
    designs::LONGEST,
    grid::{Grid, Lines},
    plots,
    sides::side_name,
    table::{LEAST_WIDTH, cell},
    text::{Quantity, clean, shorten},
};
use crate::results::{Cap, CapDesign, CapSide, Estimate};

/// The files of the folder `cap`, as file name and bytes.
pub fn cap_files(cap: &Cap) -> Vec<(String, Vec<u8>)> {
    let mut bytes = serde_json::to_vec_pretty(cap).expect("maps have text keys");
    bytes.push(b'\n');
    let plots = plots::cap(cap).into_iter();
    let plots = plots.map(|plot| (format!("{}.svg", plot.name), plot.svg.into_bytes()));
    std::iter::once(("cap.json".to_owned(), bytes)).chain(plots).collect()
}

/// Three tables and a sentence for each design, for a terminal `width` columns wide.
pub fn cap_text(cap: &Cap, width: u16) -> String {
    let mut out = Lines { width: usize::from(width).max(LEAST_WIDTH), text: String::new() };
    out.blank();
    out.table(|intervals| under(cap, intervals));
    out.blank();
    out.table(|intervals| after(cap, intervals));
    out.blank();
    if cap.designs.iter().any(|design| design.normal.is_some()) {
        out.table(|intervals| without(cap, intervals));
        out.blank();
    }
    for design in &cap.designs {
        if let Some(label) = &design.label {
            let name = shorten(&design.name, LONGEST);
            out.wrapped("  ", &format!("{name}: {}.", clean(label)));
        }
    }
    out.text
}

/// The name of a side; of several cuts with its cut.
pub(super) fn named(design: &CapDesign, side: &CapSide) -> String {
    let name = side_name(&side.side, &side.names);
    let several = design.sides.iter().any(|other| other.cut != side.cut);
    if several { format!("{}: {name}", shorten(&side.cut, 16)) } else { name }
}

fn under(cap: &Cap, intervals: bool) -> Grid {
    let mut grid = Grid::new(&[
        "Under the cut",
        "reads answered",
        "old",
        "writes answered",
        "lost writes",
        "linearizable",
    ]);
    let share = |of: &Estimate| cell(Quantity::Share, of, intervals);
    for design in &cap.designs {
        for (i, side) in design.sides.iter().enumerate() {
            let first = |text: String| if i == 0 { text } else { String::new() };
            grid.rows.push(vec![
                format!("{}, side {}", shorten(&design.name, LONGEST), named(design, side)),
                share(&side.read_availability),
                share(&side.stale_read_fraction),
                share(&side.write_availability),
                cell(Quantity::Number, &side.lost_acked_writes, intervals),
                first(
                    match design.linearizable {
                        Some(true) => "yes",
                        Some(false) => "no",
                        None => "not known",
                    }
                    .to_owned(),
                ),
            ]);
        }
    }
    grid
}

fn after(cap: &Cap, intervals: bool) -> Grid {
    let mut grid = Grid::new(&[
        "After the cut",
        "lost writes within",
        "reads again after",
        "writes again after",
        "copies alike after",
    ]);
    for design in &cap.designs {
        let time = |of: &Estimate| cell(Quantity::Duration, of, intervals);
        grid.rows.push(vec![
            shorten(&design.name, LONGEST),
            time(&design.rpo),
            over(Some(&design.rto.read), time),
            over(Some(&design.rto.write), time),
            over(design.convergence_time.as_ref(), time),
        ]);
    }
    grid
}

fn without(cap: &Cap, intervals: bool) -> Grid {
    let mut grid = Grid::new(&[
        "Without faults",
        "reads p50",
        "reads p99",
        "writes p50",
        "writes p99",
        "old reads",
    ]);
    for design in &cap.designs {
        let Some(normal) = &design.normal else { continue };
        let time = |of: &Estimate| cell(Quantity::Duration, of, intervals);
        grid.rows.push(vec![
            shorten(&design.name, LONGEST),
            time(&normal.read.p50),
            time(&normal.read.p99),
            time(&normal.write.p50),
            time(&normal.write.p99),
            cell(Quantity::Share, &normal.stale_read_fraction, intervals),
        ]);
    }
    grid
}
