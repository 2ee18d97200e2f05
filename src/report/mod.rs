//! Results in, bytes out: the files of a result folder and the summary on the terminal.
//!
//! Sees [`Results`] only, so a folder can be rendered again without simulating.
//!
//! **Invariant.** Pure: the same results give the same bytes; nothing here reads a clock or writes a
//! file, and text that came from outside is escaped for the place it goes to.

mod budgets;
mod cap;
mod compare;
mod consistency;
mod cost;
mod costs;
mod csv;
mod designs;
mod environments;
mod explain;
mod figures;
#[cfg(test)]
mod fixture;
mod gate;
mod grid;
mod html;
mod jepsen;
mod json;
mod lost;
mod mermaid;
mod openmetrics;
mod otlp;
mod perfetto;
mod plan;
mod plots;
mod precision;
mod queues;
mod replicas;
mod sagas;
mod sides;
mod size;
mod steady;
mod sweep;
mod table;
mod text;
mod tiers;
mod topology;
mod transactions;
mod variants;
mod verdict;
mod waterfall;

pub use cap::{cap_files, cap_text};
pub use compare::{compared_json, compared_markdown, compared_text, label};
pub use designs::{Named, designs_text};
pub use gate::{JudgedBeside, JudgedFile, gated, judged_markdown, judged_text, verdict};
pub use jepsen::{exported, jepsen};
pub use lost::{lost_markdown, lost_text};
pub use mermaid::mermaid;
pub use openmetrics::openmetrics;
pub use otlp::otlp;
pub use perfetto::perfetto;
pub use plan::{bias_text, plan_json, plan_markdown, plan_text};
pub use precision::precision;
pub use size::{
    load_doubled, load_head, load_json, load_step, load_text, size_contradiction, size_head,
    size_json, size_step, size_text,
};
pub use sweep::{sweep_json, sweep_text};
pub use waterfall::{waterfalls_json, waterfalls_text};

use crate::results::{Comparison, Results, SampledRequest, Sweep, Watched};

/// Every file of the result folder that follows from the results and what was seen as a replication was watched, as
/// `(relative path, bytes)`.
pub fn write_all(results: &Results, watched: &Watched) -> Vec<(String, Vec<u8>)> {
    let topology = topology::draw(results);
    let plots = plots::all(results);
    let html = html::page(results, watched, &topology, &plots);
    let mut files = vec![
        ("results.json".into(), json::results(results)),
        ("timeseries.csv".into(), csv::time_series(results)),
        ("topology.svg".into(), topology.into_bytes()),
        ("report.html".into(), html.into_bytes()),
    ];
    if !watched.waterfalls.is_empty() {
        files.push(("watched.json".into(), json::compact(&watched.waterfalls)));
    }
    if let Some(closely) = &watched.closely {
        files.push(("closely.json".into(), json::compact(closely)));
    }
    for plot in plots {
        files.push((format!("plots/{}.svg", plot.name), plot.svg.into_bytes()));
    }
    files
}

/// Every file that follows from a sweep, as `(name, bytes)`.
#[must_use]
pub fn sweep_files(sweep: &Sweep) -> Vec<(String, Vec<u8>)> {
    let plots = plots::swept(sweep);
    let page = html::sweep::page(sweep, &plots);
    let mut files = vec![
        ("cells.csv".to_owned(), sweep::sweep_csv(sweep)),
        ("cells.json".to_owned(), sweep_json(sweep)),
        ("report.html".to_owned(), page.into_bytes()),
    ];
    files.extend(
        plots.into_iter().map(|plot| (format!("{}.svg", plot.name), plot.svg.into_bytes())),
    );
    files
}

/// The pictures of a comparison, as file name and bytes.
pub fn compared_plots(comparison: &Comparison) -> Vec<(String, Vec<u8>)> {
    let plots = plots::compared(comparison).into_iter();
    plots.map(|plot| (format!("{}.svg", plot.name), plot.svg.into_bytes())).collect()
}

/// `requests.csv`: the sampled requests, which results do not hold.
pub fn requests_csv(samples: &[SampledRequest]) -> Vec<u8> {
    csv::requests(samples)
}

/// `results.json` alone, for `--format json`.
pub fn results_json(results: &Results) -> Vec<u8> {
    json::results(results)
}

/// Why it went as it did, for a terminal `width` columns wide.
pub fn explain_text(results: &Results, width: u16) -> String {
    explain::text(results, width)
}

/// The same for programs: the part of `results.json` that says why.
pub fn explain_json(results: &Results, variants: &[String]) -> Vec<u8> {
    json::explanation(results, variants)
}

/// What a variant changes, in one sentence; it sets these paths.
pub fn variant_text(results: &Results, variant: &Results, paths: &[String]) -> String {
    variants::sentence(results, variant, paths)
}

/// What `explain` says of a file's variants: their names, or what each changes.
pub fn variants_text(names: &[&str], told: &[String], width: u16) -> String {
    variants::text(names, told, width)
}

/// The summary for a terminal `width` columns wide (at least 80 are used).
pub fn summary_text(results: &Results, width: u16) -> String {
    table::summary(results, width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_written_once_and_alike() {
        let results = fixture::shop();
        let files = write_all(&results, &Watched::default());
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "results.json",
                "timeseries.csv",
                "topology.svg",
                "report.html",
                "plots/latency_over_time.svg",
                "plots/latency_distribution.svg",
                "plots/outcomes.svg",
                "plots/load.svg",
                "plots/utilisation.svg",
                "plots/queue_length.svg",
            ]
        );
        assert!(files.iter().all(|(_, bytes)| !bytes.is_empty()));
        assert!(
            write_all(&results, &Watched::default()) == files,
            "the same results give the same bytes"
        );
    }

    #[test]
    fn a_folder_read_back_renders_the_same() {
        let files = write_all(&fixture::shop(), &Watched::default());
        let read: Results = serde_json::from_slice(&files[0].1).unwrap();
        assert!(
            write_all(&read, &Watched::default()) == files,
            "`report` on a folder changes nothing"
        );
    }

    #[test]
    fn payloads_stay_text_in_every_file() {
        for payload in fixture::PAYLOADS {
            for (name, bytes) in write_all(&fixture::hostile(payload), &Watched::default()) {
                let text = String::from_utf8(bytes).unwrap();
                match name.as_str() {
                    "results.json" => {
                        let read: Results = serde_json::from_str(&text).unwrap();
                        assert_eq!(read.scenario, payload);
                    }
                    "timeseries.csv" => {
                        assert!(!text.contains(",=") && !text.contains(",\"="), "{payload:?}");
                    }
                    _ => {
                        // Of a page: but for its own.
                        let own =
                            text.replace("<script type=\"application/json\" id=\"data\">", "");
                        let own = own.replace("<script>/*! https://github.com/leeoniya/uPlot", "");
                        let own = own.replace("<script>// What moves on the page", "");
                        assert!(!own.contains("<script") && !own.contains("<img"), "{name}");
                        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{name}");
                    }
                }
            }
        }
    }
}
