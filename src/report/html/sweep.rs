//! The page of a sweep: what its cells say, in words, pictures and a table.

use std::fmt::Write;

use super::{
    begin, pictures,
    table::{Cell, Table},
};
use crate::{
    report::{
        plots::Plot,
        sweep::{grid, headline, sentences, settings},
        text::{escape, plural},
    },
    results::{Status, Sweep, SweptCell},
};

/// Rows of the table at most; `cells.csv` has all.
const ROWS: usize = 500;

/// The page; the plots are put into it as they are.
pub(crate) fn page(sweep: &Sweep, plots: &[Plot]) -> String {
    let mut out = String::new();
    begin(&mut out, &format!("{}: sweep", escape(&sweep.plan.scenario)), "", &[]);
    let partial = if sweep.status == Status::Complete { "" } else { " partial" };
    let _ = writeln!(
        out,
        "<p><span class=\"status{partial}\">{}</span> {}.</p>",
        sweep.status,
        escape(&headline(sweep))
    );
    out.push_str("<h2>What the cells say</h2>\n<ul>\n");
    for sentence in sentences(sweep, usize::MAX) {
        let _ = writeln!(out, "<li>{}</li>", escape(&sentence));
    }
    out.push_str("</ul>\n");
    pictures(&mut out, plots);
    cells(&mut out, sweep);
    same_again(&mut out, sweep);
    out.push_str("</main>\n</body>\n</html>\n");
    out
}

fn cells(out: &mut String, sweep: &Sweep) {
    let shown: Vec<&SweptCell> = sweep.done.iter().take(ROWS).collect();
    if shown.is_empty() {
        return;
    }
    let grid = grid(sweep, &shown, true);
    let header: Vec<String> = grid.header().iter().map(|name| escape(name)).collect();
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    let mut table = Table::new("The cells", &header);
    for row in &grid.rows {
        table.row(&row.iter().map(|text| Cell::plain(text.clone())).collect::<Vec<_>>());
    }
    out.push_str(&table.finish());
    let more = sweep.done.len().saturating_sub(ROWS) as u64;
    if more > 0 {
        let _ = writeln!(
            out,
            "<p class=\"muted\">{} more in <code>cells.csv</code>.</p>",
            plural(more, "cell")
        );
    }
}

fn same_again(out: &mut String, sweep: &Sweep) {
    let plan = &sweep.plan;
    let example = sweep.findings.best.unwrap_or_default();
    let example = sweep.done.iter().find(|cell| cell.cell == example).or(sweep.done.first());
    let Some(cell) = example else { return };
    let mut typed = "windtunnel run FILE".to_owned();
    for (path, value) in &cell.settings {
        if path == "variant" {
            if value != "base" {
                let _ = write!(typed, " --variant {value}");
            }
            continue;
        }
        for path in path.split('+') {
            let set = format!("{}={value}", path.trim()).replace('\'', r"'\''");
            let _ = write!(typed, " --set '{set}'");
        }
    }
    let _ = write!(typed, " --replications {} --seed {}", cell.replications, plan.seed);
    let _ = write!(
        out,
        "<h2>One of them alone</h2>\n<pre>{}</pre>\n<p class=\"muted\">simulates cell {} ({}) again, with \
         all that is measured of it. Windtunnel {}, semantics {}, sweep <code>{}</code>, fingerprint of that cell \
         <code>{}</code>. All figures: <code>cells.csv</code> and <code>cells.json</code>, of each replication in \
         <code>journal.jsonl</code>.</p>\n",
        escape(&typed),
        cell.cell,
        escape(&settings(sweep, &cell.settings)),
        escape(&plan.windtunnel_version),
        plan.semantics_version,
        escape(&plan.sweep),
        escape(&cell.fingerprint),
    );
}
