//! Charts over simulated time for the script of the page: the same figures as are drawn, as data.
//!
//! **Invariant.** A chart says what its drawing says; texts are cleaned, and the script only ever shows them as text.

use serde_json::{Value, json};

use super::{
    Plot,
    frame::{Figure, Panel, Span},
};
use crate::report::{
    figures::{Together, merged, number, values},
    text::{Quantity, clean},
};

/// What many charts have in common is said once, and named by its place.
#[derive(Debug, Default)]
struct Said(Vec<Value>);

impl Said {
    fn place(&mut self, value: Value) -> usize {
        let known = self.0.iter().position(|one| *one == value);
        known.unwrap_or_else(|| {
            self.0.push(value);
            self.0.len() - 1
        })
    }
}

/// The charts over simulated time among these, of every `windows` windows together.
pub(crate) fn charts(plots: &[Plot], windows: usize) -> Value {
    let (mut times, mut spans) = (Said::default(), Said::default());
    let figures = plots.iter().filter_map(|plot| plot.timed.as_ref());
    let charts: Vec<Value> =
        figures.map(|figure| chart(figure, windows, (&mut times, &mut spans))).collect();
    json!({ "times": times.0, "spans": spans.0, "charts": charts })
}

fn chart(figure: &Figure, windows: usize, (times, spans): (&mut Said, &mut Said)) -> Value {
    let one = |panel: &Panel| {
        let points = panel.lines.iter().map(|line| line.points.len());
        let lines = panel.lines.iter().map(|line| (line.name.as_str(), line.points.clone()));
        let bands = panel.bands.iter().map(|band| {
            (band.name, band.points.iter().map(|(at, v)| (*at, Some(*v))).collect::<Vec<_>>())
        });
        let longest = points.chain(panel.bands.iter().map(|band| band.points.len())).max();
        let all: Vec<(&str, Vec<(f64, Option<f64>)>)> = lines.chain(bands).collect();
        let time = all.iter().find(|(_, points)| Some(points.len()) == longest);
        let time = time.map(|(_, points)| points.iter().map(|(at, _)| Some(*at)).collect());
        let time: Vec<Option<f64>> = time.unwrap_or_default();
        let time = merged(&time, windows, Together::Mean);
        let (quantity, logarithmic) = panel.y.measures();
        let (low, high) = panel.y.range();
        let how = if quantity == Quantity::Duration { Together::Most } else { Together::Mean };
        let line = |(name, points): &(&str, Vec<(f64, Option<f64>)>)| {
            let points: Vec<Option<f64>> = points.iter().map(|(_, v)| *v).collect();
            json!([clean(name), values(merged(&points, windows, how))])
        };
        let colour = |(red, green, blue)| format!("#{red:02x}{green:02x}{blue:02x}");
        let shown: Vec<Value> = panel.spans.iter().map(span).collect();
        let time = json!(time.into_iter().flatten().map(number).collect::<Vec<_>>());
        json!({
            "name": panel.name,
            "unit": quantity.unit(),
            "log": logarithmic,
            "low": number(low),
            "high": number(high),
            "time": times.place(time),
            "spans": spans.place(Value::Array(shown)),
            "limits": panel.limits.iter().map(|(at, name)| json!([number(*at), clean(name)]))
                .collect::<Vec<_>>(),
            "lines": all.iter().map(line).collect::<Vec<_>>(),
            // Stacked, from the bottom up.
            "colours": panel.bands.iter().map(|band| colour(band.colour)).collect::<Vec<_>>(),
        })
    };
    let panels: Vec<Value> = figure.panels.iter().map(one).collect();
    json!({ "title": clean(&figure.title), "note": clean(&figure.subtitle), "panels": panels })
}

fn span(span: &Span) -> Value {
    json!([number(span.from), number(span.to), clean(&span.label), u8::from(span.fault)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{fixture, plots::all};

    #[test]
    fn charts_hold_what_the_drawings_show() {
        let results = fixture::shop();
        let data = charts(&all(&results), 1);
        let titles: Vec<&str> = data["charts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c["title"].as_str().unwrap())
            .collect();
        assert_eq!(
            titles,
            [
                "Latency over time",
                "Availability and outcomes over time",
                "Throughput against offered load",
                "Utilisation per node",
                "Queue length per node",
            ]
        );
        let latency = &data["charts"][0]["panels"][0];
        let all = &results.series.clients["all"];
        assert_eq!(latency["lines"][2][0], "p99");
        assert_eq!(latency["lines"][2][1][60], number(all.p99[60].unwrap()));
        assert_eq!(latency["unit"], "s");
        assert_eq!(data["times"][0][60], json!(302.5));
        assert_eq!(data["times"].as_array().unwrap().len(), 1, "all go by the same windows");
        let outcomes = &data["charts"][1]["panels"][1];
        let names: Vec<&Value> =
            outcomes["lines"].as_array().unwrap().iter().map(|line| &line[0]).collect();
        assert_eq!(names, ["ok", "rejected", "timeout"]);
        assert_eq!(outcomes["colours"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn windows_together_keep_the_worst_latency() {
        let results = fixture::shop();
        let data = charts(&all(&results), 4);
        let latency = &data["charts"][0]["panels"][0]["lines"][2][1];
        let most = results.series.clients["all"].p99[60..64].iter().flatten().copied();
        assert_eq!(latency[15], number(most.fold(0.0, f64::max)));
        assert_eq!(data["times"][0].as_array().unwrap().len(), 30);
    }
}
