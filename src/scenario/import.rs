//! `slos: [{import: checkout.yaml, as: {..}}]`: objectives of an OpenSLO file in place of the item.
//!
//! **Invariant.** What takes its place are expressions that stand where `as` names their figure, so that everything after
//! this knows expressions only, and the resolved scenario needs no other file.

use super::{
    load::Loader,
    openslo::{self, Objective, Slo},
    paths::{folder, inside},
    places::head,
    problems::{Found, shown, suggest},
    render::Source,
    tree::{self, Entry, Kind, Node, Span},
};
use crate::{
    expr::{Expr, percentile},
    units::SimDuration,
};

/// Largest file that may be imported.
const MOST_BYTES: usize = 1 << 20;
/// Units of `value`.
const UNITS: [&str; 4] = ["s", "ms", "us", "ns"];

/// Ours for the figure of an SLO.
enum Figure {
    /// Good requests of these selectors.
    Availability(String),
    /// Requests of these selectors by their time, in this unit.
    Latency(String, &'static str),
}

impl Loader<'_> {
    /// Puts objectives in place of every `import` of a file and its variants.
    pub(super) fn import(&mut self, tree: &mut Node) {
        let run = tree.get("duration").and_then(Node::text).and_then(|text| text.parse().ok());
        let Kind::Map(entries) = &mut tree.kind else { return };
        for entry in entries {
            match (entry.key.as_str(), &mut entry.value.kind) {
                ("slos", _) => self.expand(&mut entry.value, "slos", run),
                ("variants", Kind::Map(variants)) => {
                    for variant in variants {
                        let Kind::Map(values) = &mut variant.value.kind else { continue };
                        let path = format!("variants.{}.slos", variant.key);
                        let slos = values.iter_mut().filter(|e| e.key == "slos");
                        slos.for_each(|e| self.expand(&mut e.value, &path, run));
                    }
                }
                _ => {}
            }
        }
    }

    fn expand(&mut self, list: &mut Node, path: &str, run: Option<SimDuration>) {
        let Kind::List(items) = &mut list.kind else { return };
        if items.iter().all(|item| item.get("import").is_none()) {
            return;
        }
        for (i, item) in std::mem::take(items).into_iter().enumerate() {
            if item.get("import").is_none() {
                items.push(item);
                continue;
            }
            let mut found = Vec::new();
            items.extend(self.imported(&item, run, &mut found));
            let path = format!("{path}[{i}]");
            self.found.extend(found.into_iter().map(|f| f.path(path.as_str())));
        }
    }

    /// The objectives that one item stands for.
    fn imported(
        &mut self,
        item: &Node,
        run: Option<SimDuration>,
        found: &mut Vec<Found>,
    ) -> Vec<Node> {
        let Kind::Map(entries) = &item.kind else { return Vec::new() };
        let known = ["import", "as"];
        for other in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let message = format!("unknown key `{}`", shown(&other.key));
            let mut one = Found::error("E-UNKNOWN-KEY", other.key_span, message);
            one.problem.help = suggest(&other.key, known);
            found.push(one);
        }
        let Some(Kind::Map(figures)) = item.get("as").map(|map| &map.kind) else {
            let help =
                "`as: {checkout-ok: availability(operation=buy)}` names the figure of each SLO";
            found
                .push(Found::error("E-MISSING", entries[0].key_span, "`as` is missing").help(help));
            return Vec::new();
        };
        let file = item.get("import").expect("it was looked for");
        let documents = match self.open_slo(file, found) {
            Ok(documents) => documents,
            Err(one) => {
                found.push(one);
                return Vec::new();
            }
        };
        let before = found.len();
        let slos: Vec<Slo<'_>> = documents.iter().filter_map(|d| openslo::slo(d, found)).collect();
        // What could not be read may be what is looked for.
        let all = found.len() == before;
        unmatched(&slos, figures, all, found);
        let mut all = Vec::new();
        for slo in &slos {
            let Some(of) = figures.iter().find(|e| e.key == slo.name) else { continue };
            if of.value.is_none() {
                continue;
            }
            let (objectives, figure) = (slo.objectives(run, found), figure(&of.value));
            let texts = figure.and_then(|figure| {
                objectives.iter().map(|one| expression(one, &figure, of.value.span)).collect()
            });
            let texts: Vec<String> = texts.unwrap_or_else(|one| {
                found.push(one);
                Vec::new()
            });
            let node = |text| Node::new(Kind::Scalar { text, quoted: true }, of.value.span);
            all.extend(texts.into_iter().map(node));
        }
        all
    }

    /// Reads the file of an `import`.
    fn open_slo(&mut self, file: &Node, found: &mut Vec<Found>) -> Result<Vec<Node>, Found> {
        let refuse = |why: String| Found::error("E-INCLUDE", file.span, why);
        let Some(path) = file.text() else {
            return Err(refuse(format!("expected the path of a file, found {}", file.describe())));
        };
        let from = folder(&self.sources[usize::from(file.span.source)].name);
        let path = inside(&self.root, &from, path).map_err(refuse)?;
        let too_large = || refuse(format!("`{}` is larger than {MOST_BYTES} bytes", shown(&path)));
        if self.files.size(&path).is_some_and(|size| size > MOST_BYTES as u64) {
            return Err(too_large());
        }
        let read = self.files.read(&path);
        let bytes = read.map_err(|why| refuse(format!("`{}` {why}", shown(&path))))?;
        if bytes.len() > MOST_BYTES {
            return Err(too_large());
        }
        let text = match tree::decode(&bytes) {
            Ok(text) => text.to_owned(),
            Err(one) => return Err(refuse(format!("`{}`: {}", shown(&path), one.problem.message))),
        };
        let documents = openslo::documents(&text, self.sources.len() as u16, found);
        self.sources.push(Source { name: path, text });
        Ok(documents)
    }
}

/// SLOs and figures go together one by one.
fn unmatched(slos: &[Slo<'_>], figures: &[Entry], all: bool, found: &mut Vec<Found>) {
    for (i, slo) in slos.iter().enumerate() {
        let name = shown(slo.name);
        if let Some(first) = slos[..i].iter().find(|other| other.name == slo.name) {
            let message = format!("two SLOs are called `{name}`");
            found.push(Found::error("E-DUP-NAME", slo.at, message).also(first.at, "the first one"));
        } else if figures.iter().all(|e| e.key != slo.name) {
            let message = format!("the SLO `{name}` has no entry in `as`");
            let help = format!("`as: {{{name}: availability}}`, or `{name}: none` to leave it out");
            found.push(Found::error("E-MISSING", slo.at, message).help(help));
        }
    }
    let missing = |e: &&Entry| all && slos.iter().all(|slo| slo.name != e.key);
    for entry in figures.iter().filter(missing) {
        let message = format!("the file has no SLO `{}`", shown(&entry.key));
        let mut one = Found::error("E-REF", entry.key_span, message);
        one.problem.help = suggest(&entry.key, slos.iter().map(|slo| slo.name));
        found.push(one);
    }
}

/// `availability(operation=buy)` or `latency(operation=buy unit=ms)`
fn figure(node: &Node) -> Result<Figure, Found> {
    let help = "`availability(..)`, `latency(.. unit=ms)`, or `none` to leave it out";
    let wrong = |message: String| Found::error("E-SLO", head(node), message).help(help);
    let Some(text) = node.text() else {
        return Err(wrong(format!("expected a figure, found {}", node.describe())));
    };
    let expr = Expr::parse(text).map_err(|e| wrong(e.message))?;
    let args = expr.args.unwrap_or_default().parts;
    let mut selectors = Vec::new();
    let mut unit = None;
    for arg in args.iter().flatten() {
        match arg.key.as_deref() {
            Some("unit") => unit = Some(arg.value.to_string()),
            Some(key) => selectors.push(format!("{key}={}", arg.value)),
            None => selectors.push(arg.value.to_string()),
        }
    }
    let selectors = selectors.join(" ");
    match (expr.name.as_str(), unit) {
        ("availability", None) => Ok(Figure::Availability(selectors)),
        ("availability", Some(_)) => Err(wrong("availability has no `unit`".to_owned())),
        ("latency", Some(unit)) => match UNITS.iter().find(|known| **known == unit) {
            Some(unit) => Ok(Figure::Latency(selectors, unit)),
            None => Err(wrong(format!("`unit={}` is none of {}", shown(&unit), UNITS.join(", ")))),
        },
        ("latency", None) => Err(wrong(
            "a latency needs the unit of the SLO's `value`: `unit=s` or `unit=ms`".to_owned(),
        )),
        (other, _) => Err(wrong(format!("an SLO cannot be about `{}`", shown(other)))),
    }
}

/// What must hold, as an expression.
fn expression(objective: &Objective<'_>, figure: &Figure, at: Span) -> Result<String, Found> {
    let Objective { target, op, value, slices } = objective;
    match (figure, op, value, slices) {
        (Figure::Availability(selectors), None, None, None) if selectors.is_empty() => {
            Ok(format!("availability >= {target}%"))
        }
        (Figure::Availability(selectors), None, None, None) => {
            Ok(format!("availability({selectors}) >= {target}%"))
        }
        (Figure::Availability(selectors), None, None, Some((good, window))) => {
            let selectors = spaced(selectors);
            Ok(format!("fraction(availability >= {good}%{selectors} window={window}) >= {target}%"))
        }
        (Figure::Availability(_), ..) => {
            let at = op.map_or_else(|| value.map_or(at, |value| value.span), |(_, span)| span);
            let message = "`op` and `value` compare a time, and the SLO is mapped to availability";
            let help = "`latency(.. unit=ms)` in `as`";
            Err(Found::error("E-CONFLICT", at, message).help(help))
        }
        (Figure::Latency(..), _, _, Some(_)) => {
            let message = "`Timeslices` of a latency are not measured";
            let help = "they go with `availability(..)`; `none` leaves the SLO out";
            Err(Found::error("E-UNSUPPORTED", at, message).help(help))
        }
        (Figure::Latency(selectors, unit), Some((op, _)), Some(value), None) => {
            let number = value.text().filter(|text| text.parse::<f64>().is_ok());
            let Some(number) = number else {
                let message = format!("expected a number, found {}", value.describe());
                return Err(Found::error("E-TYPE", head(value), message));
            };
            let limit = format!("{number}{unit}");
            limit
                .parse::<SimDuration>()
                .map_err(|e| Found::error(e.code, value.span, format!("`value`: {}", e.message)))?;
            let selectors = spaced(selectors);
            let quantile = format!("p{target}");
            if op.starts_with('<') && percentile(&quantile).is_some() {
                return Ok(format!("{quantile}(latency{selectors}) {op} {limit}"));
            }
            Ok(format!("fraction(latency {op} {limit}{selectors}) >= {target}%"))
        }
        (Figure::Latency(..), op, ..) => {
            let key = if op.is_none() { "op" } else { "value" };
            let message = format!("the SLO has no `{key}`, and is mapped to a latency");
            Err(Found::error("E-MISSING", at, message).help("`availability(..)` in `as`"))
        }
    }
}

fn spaced(selectors: &str) -> String {
    if selectors.is_empty() { String::new() } else { format!(" {selectors}") }
}
