//! Tables for spreadsheets: `timeseries.csv` and `requests.csv`.
//!
//! **Invariant.** No cell of text can start a formula: `= + - @`, tab and return at its start get an
//! apostrophe (OWASP ASVS 1.2.10); numbers are left alone.

use crate::{
    outcome::Outcome,
    results::{ClientSeries, NodeSeries, Results, SampledRequest},
};

/// One row per window and client or node, one column per metric; what does not apply is empty.
/// `all` is every client together.
pub(crate) fn time_series(results: &Results) -> Vec<u8> {
    let series = &results.series;
    let mut table = Table::new();
    let mut header: Vec<String> =
        ["start_s", "length_s", "kind", "name", "offered_per_s", "goodput_per_s", "availability"]
            .map(String::from)
            .into();
    header.extend(Outcome::NAMES.iter().map(|outcome| format!("{outcome}_per_s")));
    header.extend(["p50", "p95", "p99", "p999"].map(|p| format!("latency_{p}_s")));
    // 1: requests of the window are on their way as the run ends.
    header.push("undecided".into());
    header.extend(["utilisation", "in_system", "in_queue", "throughput_per_s"].map(String::from));
    table.row(header);
    for (i, start) in series.start.iter().enumerate() {
        let window = [number(Some(start)), number(series.length.get(i))];
        for (name, client) in &series.clients {
            let mut row = window.to_vec();
            row.extend(["client".into(), text(name)]);
            row.extend(client_cells(client, i));
            row.extend(std::iter::repeat_n(String::new(), 4));
            table.row(row);
        }
        for (name, node) in &series.nodes {
            let mut row = window.to_vec();
            row.extend(["node".into(), text(name)]);
            row.extend(std::iter::repeat_n(String::new(), 3 + Outcome::NAMES.len() + 4 + 1));
            row.extend(node_cells(node, i));
            table.row(row);
        }
    }
    table.bytes()
}

/// The sampled requests, one row each.
pub(crate) fn requests(samples: &[SampledRequest]) -> Vec<u8> {
    let mut table = Table::new();
    table.row([
        "replication",
        "client",
        "operation",
        "number",
        "intended_s",
        "latency_s",
        "key",
        "attempts",
        "outcome",
    ]);
    for sample in samples {
        table.row([
            sample.replication.to_string(),
            text(&sample.client),
            text(&sample.operation),
            sample.number.to_string(),
            number(Some(&sample.intended)),
            number(Some(&sample.latency)),
            sample.key.map(|key| key.to_string()).unwrap_or_default(),
            sample.attempts.to_string(),
            text(&sample.outcome),
        ]);
    }
    table.bytes()
}

fn client_cells(client: &ClientSeries, i: usize) -> Vec<String> {
    let mut cells = vec![
        number(client.offered.get(i)),
        number(client.goodput.get(i)),
        optional(&client.availability, i),
    ];
    for outcome in Outcome::NAMES {
        // An outcome that never happened has no vector: its rate is 0.
        let rate = client.outcomes.get(outcome).map_or(Some(&0.0), |rates| rates.get(i));
        cells.push(number(rate));
    }
    for quantile in [&client.p50, &client.p95, &client.p99, &client.p999] {
        cells.push(optional(quantile, i));
    }
    let open = client.undecided.get(i).copied().unwrap_or_default();
    cells.push(u8::from(open).to_string());
    cells
}

fn node_cells(node: &NodeSeries, i: usize) -> [String; 4] {
    [
        optional(&node.utilisation, i),
        number(node.in_system.get(i)),
        number(node.in_queue.get(i)),
        number(node.throughput.get(i)),
    ]
}

pub(super) fn number(value: Option<&f64>) -> String {
    value.filter(|v| v.is_finite()).map(f64::to_string).unwrap_or_default()
}

fn optional(values: &[Option<f64>], i: usize) -> String {
    number(values.get(i).and_then(Option::as_ref))
}

/// A cell of text that no spreadsheet takes for a formula.
pub(super) fn text(value: &str) -> String {
    if value.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']) {
        return format!("'{value}");
    }
    value.into()
}

/// Rows of CSV in memory.
pub(super) struct Table(csv::Writer<Vec<u8>>);

impl Table {
    pub(super) fn new() -> Self {
        Self(csv::Writer::from_writer(Vec::new()))
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = impl AsRef<[u8]>>) {
        self.0.write_record(cells).expect("every row of a table has the header's cells");
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().expect("writing to memory does not fail")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn lines(bytes: Vec<u8>) -> Vec<String> {
        String::from_utf8(bytes).unwrap().lines().map(String::from).collect()
    }

    #[test]
    fn one_row_per_window_and_entity() {
        let results = fixture::shop();
        let rows = lines(time_series(&results));
        let entities = results.series.clients.len() + results.series.nodes.len();
        assert_eq!(rows.len(), 1 + results.series.start.len() * entities);
        let cells = rows[0].split(',').count();
        assert!(rows.iter().all(|row| row.split(',').count() == cells));
        assert!(rows[1].starts_with("0,5,client,all,"), "{}", rows[1]);
        let node = rows.iter().find(|row| row.contains(",node,api,")).unwrap();
        assert!(node.contains(",,,,"), "client columns of a node are empty: {node}");
    }

    #[test]
    fn each_figure_stands_under_its_name() {
        let mut results = fixture::shop();
        let client = results.series.clients.get_mut("all").unwrap();
        for (place, outcome) in Outcome::NAMES.iter().enumerate() {
            let rates = vec![(place + 1) as f64; client.offered.len()];
            client.outcomes.insert((*outcome).to_owned(), rates);
        }
        client.undecided = vec![false; client.offered.len()];
        client.undecided[1] = true;
        let rows = lines(time_series(&results));
        let header: Vec<&str> = rows[0].split(',').collect();
        let all: Vec<&str> =
            rows.iter().filter(|r| r.contains(",client,all,")).map(String::as_str).collect();
        let cell = |row: &str, name: &str| {
            let place = header.iter().position(|h| *h == name).unwrap();
            row.split(',').nth(place).unwrap().to_owned()
        };
        for (name, value) in [
            ("ok_per_s", "1"),
            ("degraded_per_s", "2"),
            ("timeout_per_s", "3"),
            ("error_per_s", "4"),
            ("rejected_per_s", "5"),
            ("shed_per_s", "6"),
            ("rate_limited_per_s", "7"),
            ("breaker_open_per_s", "8"),
            ("unavailable_per_s", "9"),
        ] {
            assert_eq!(cell(all[0], name), value, "{name}");
        }
        assert_eq!(
            (cell(all[0], "undecided"), cell(all[1], "undecided")),
            ("0".into(), "1".into())
        );
        let node = rows.iter().find(|row| row.contains(",node,api,")).unwrap();
        let api = &results.series.nodes["api"];
        assert_eq!(cell(node, "utilisation"), number(api.utilisation[0].as_ref()));
        assert_eq!(cell(node, "throughput_per_s"), number(api.throughput.first()));
    }

    #[test]
    fn no_column_holds_the_figure_of_another() {
        let mut results = fixture::shop();
        let one = |value: f64| vec![Some(value)];
        let outcomes =
            Outcome::NAMES.iter().zip(1..).map(|(o, n)| ((*o).to_owned(), vec![f64::from(n)]));
        results.series.start = vec![100.0];
        results.series.length = vec![101.0];
        let client = ClientSeries {
            offered: vec![20.0],
            goodput: vec![21.0],
            availability: one(22.0),
            outcomes: outcomes.collect(),
            p50: one(23.0),
            p95: one(24.0),
            p99: one(25.0),
            p999: one(26.0),
            undecided: vec![true],
            ..ClientSeries::default()
        };
        results.series.clients = [("users".to_owned(), client)].into();
        let node = NodeSeries {
            utilisation: one(30.0),
            in_system: vec![31.0],
            in_queue: vec![32.0],
            throughput: vec![33.0],
            ..NodeSeries::default()
        };
        results.series.nodes = [("api".to_owned(), node)].into();
        // The header in words of its own, not in those of the list that fills it.
        let rows = lines(time_series(&results));
        assert_eq!(
            rows[0],
            "start_s,length_s,kind,name,offered_per_s,goodput_per_s,availability,ok_per_s,\
             degraded_per_s,timeout_per_s,error_per_s,rejected_per_s,shed_per_s,rate_limited_per_s,\
             breaker_open_per_s,unavailable_per_s,latency_p50_s,latency_p95_s,latency_p99_s,\
             latency_p999_s,undecided,utilisation,in_system,in_queue,throughput_per_s"
        );
        assert_eq!(rows[1], "100,101,client,users,20,21,22,1,2,3,4,5,6,7,8,9,23,24,25,26,1,,,,");
        assert_eq!(rows[2], "100,101,node,api,,,,,,,,,,,,,,,,,,30,31,32,33");
        assert_eq!(rows.len(), 3);
        let sample = SampledRequest {
            replication: 1,
            client: "users".into(),
            operation: "read".into(),
            number: 2,
            intended: 3.5,
            latency: 4.5,
            key: Some(5),
            attempts: 6,
            outcome: "shed".into(),
        };
        assert_eq!(
            lines(requests(&[sample])),
            [
                "replication,client,operation,number,intended_s,latency_s,key,attempts,outcome",
                "1,users,read,2,3.5,4.5,5,6,shed"
            ]
        );
    }

    #[test]
    fn formulas_are_disarmed_and_numbers_left_alone() {
        for start in ["=HYPERLINK(\"x\")", "+1", "-1", "@a", "\ta", "\ra", "\0a"] {
            assert_eq!(text(start), format!("'{start}"));
        }
        assert_eq!(text("a=b"), "a=b");
        assert_eq!(number(Some(&-1.5)), "-1.5");
        assert_eq!(number(Some(&f64::NAN)), "");
        let rows = lines(requests(&[SampledRequest {
            replication: 0,
            client: "c".into(),
            operation: "=HYPERLINK(\"a\",\"b\")".into(),
            number: 7,
            intended: 1.25,
            latency: 0.5,
            key: None,
            attempts: 2,
            outcome: "ok".into(),
        }]));
        assert_eq!(rows[1], "0,c,\"'=HYPERLINK(\"\"a\"\",\"\"b\"\")\",7,1.25,0.5,,2,ok");
    }
}
