//! Results in, bytes out: the files of a result folder and the summary on the terminal.
//!
//! Sees [`Results`] only, so a folder can be rendered again without simulating.
//!
//! **Invariant.** Pure: the same results give the same bytes; nothing here reads a clock or writes a
//! file, and text that came from outside is escaped for the place it goes to.

mod csv;
#[cfg(test)]
mod fixture;
mod html;
mod json;
mod plots;
mod table;
mod text;
mod topology;

use crate::results::{Results, SampledRequest};

/// Every file of the result folder that follows from the results, as `(relative path, bytes)`.
pub fn write_all(results: &Results) -> Vec<(String, Vec<u8>)> {
    let topology = topology::draw(&results.design);
    let plots = plots::all(results);
    let html = html::page(results, &topology, &plots);
    let mut files = vec![
        ("results.json".into(), json::results(results)),
        ("timeseries.csv".into(), csv::time_series(results)),
        ("topology.svg".into(), topology.into_bytes()),
        ("report.html".into(), html.into_bytes()),
    ];
    for plot in plots {
        files.push((format!("plots/{}.svg", plot.name), plot.svg.into_bytes()));
    }
    files
}

/// `requests.csv`: the sampled requests, which results do not hold.
pub fn requests_csv(samples: &[SampledRequest]) -> Vec<u8> {
    csv::requests(samples)
}

/// `results.json` alone, for `--format json`.
pub fn results_json(results: &Results) -> Vec<u8> {
    json::results(results)
}

/// The summary for a terminal `width` columns wide (at least 80 are used).
pub fn summary_text(results: &Results, width: u16) -> String {
    table::summary(results, width)
}
