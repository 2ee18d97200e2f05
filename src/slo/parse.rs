//! The grammar of SLO expressions -> a syntax tree with places; names are looked up later.
//!
//! ```text
//! expr     := metric op value [of metric] [in F of runs]
//! metric   := path | name(selectors) | stat(metric selectors)
//!           | fraction(path op literal selectors)
//! stat     := mean min max p50 .. p999 p99.99
//! selector := name=value | value
//! value    := literal | baseline [+|- literal]
//! ```
//!
//! **Invariant.** Every part knows the bytes of the text it came from.

use std::ops::Range;

use crate::expr::percentile;

/// A part of the text.
pub(super) type Span = Range<usize>;

/// One expression as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) metric: Metric,
    pub(super) op: Op,
    pub(super) value: Value,
    pub(super) of: Option<Metric>,
    pub(super) runs: Option<Word>,
}

/// A piece of text and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) span: Span,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) stat: Option<Word>,
    pub(super) path: Word,
    pub(super) selectors: Vec<Selector>,
    /// Of `fraction(latency <= 300ms)`: what is counted.
    pub(super) within: Option<(Op, Word)>,
    pub(super) span: Span,
}

/// `client=gold`, or a bare value such as the fault of `metastable(blip)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) name: Option<Word>,
    pub(super) value: Word,
}

/// The comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    AtLeast,
    Above,
    AtMost,
    Below,
    Equal,
    NotEqual,
}

impl Op {
    /// Whether a value is so compared with a limit.
    pub(super) fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::AtLeast => value >= limit,
            Self::Above => value > limit,
            Self::AtMost => value <= limit,
            Self::Below => value < limit,
            Self::Equal => (value - limit).abs() == 0.0,
            Self::NotEqual => (value - limit).abs() > 0.0,
        }
    }
}

/// What it is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Literal(Word),
    /// `baseline + 5%`: how far from it, and on which side.
    Baseline {
        below: bool,
        by: Option<Word>,
    },
}

/// What is wrong with the text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) message: String,
    pub(super) at: Span,
}

type Parsed<T> = Result<T, SyntaxError>;

/// `p99(latency) <= baseline + 5%`
const BASELINE: &str = "baseline";
/// `fraction(latency <= 300ms)`
pub(super) const FRACTION: &str = "fraction";

/// Whether a name is that of a statistic: `mean`, `min`, `max` or a percentile.
pub(super) fn is_stat(name: &str) -> bool {
    matches!(name, "mean" | "min" | "max") || percentile(name).is_some()
}

/// Reads one expression.
pub(super) fn parse(text: &str) -> Parsed<Expression> {
    let mut reader = Reader { text, at: 0 };
    let metric = reader.metric()?;
    let op = reader.op()?;
    let value = reader.value()?;
    let mut of = None;
    let mut runs = None;
    if reader.keyword("of") {
        of = Some(reader.metric()?);
    }
    if reader.keyword("in") {
        runs = Some(reader.literal("a fraction such as `99%`")?);
        if !(reader.keyword("of") && reader.keyword("runs")) {
            return Err(reader.error("`in 99%` must go on with `of runs`"));
        }
    }
    reader.blanks();
    if reader.at < text.len() {
        let end = text.len();
        let rest = text[reader.at..].trim_end();
        let message = format!("`{rest}` is left over after the comparison");
        return Err(SyntaxError { message, at: reader.at..end });
    }
    Ok(Expression { metric, op, value, of, runs })
}

/// Reads a metric alone, and what it is divided by.
pub(super) fn metric(text: &str) -> Parsed<(Metric, Option<Metric>)> {
    let mut reader = Reader { text, at: 0 };
    let metric = reader.metric()?;
    let of = if reader.keyword("of") { Some(reader.metric()?) } else { None };
    reader.blanks();
    if reader.at < text.len() {
        let rest = text[reader.at..].trim_end();
        let message = format!("`{rest}` is left over after the metric");
        return Err(SyntaxError { message, at: reader.at..text.len() });
    }
    Ok((metric, of))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn metric(&mut self) -> Parsed<Metric> {
        self.metric_inside(false)
    }

    /// A metric, by itself or inside a statistic.
    fn metric_inside(&mut self, in_stat: bool) -> Parsed<Metric> {
        self.blanks();
        let start = self.at;
        let name = self.word("a metric such as `availability` or `p99(latency)`", is_path)?;
        if !self.eat('(') {
            let span = start..self.at;
            let selectors = Vec::new();
            return Ok(Metric { stat: None, path: name, selectors, within: None, span });
        }
        let fraction = name.text == FRACTION;
        let mut metric = if fraction || is_stat(&name.text) {
            if in_stat {
                let message = format!("`{}(..)` stands inside another statistic", name.text);
                return Err(SyntaxError { message, at: name.span });
            }
            let inner = if fraction { self.counted()? } else { self.metric_inside(true)? };
            Metric { stat: Some(name), ..inner }
        } else {
            let selectors = Vec::new();
            Metric { stat: None, path: name, selectors, within: None, span: start..start }
        };
        if fraction {
            let op = self.op()?;
            self.blanks();
            metric.within = Some((op, self.word("a duration such as `300ms`", is_value)?));
        }
        self.selectors(&mut metric.selectors)?;
        metric.span = start..self.at;
        Ok(metric)
    }

    /// What stands before the comparison in `fraction(..)`.
    fn counted(&mut self) -> Parsed<Metric> {
        self.blanks();
        if self.text[self.at..].starts_with(')') {
            return Err(self.error("`fraction(..)` counts what is compared: `latency <= 300ms`"));
        }
        self.metric_inside(true)
    }

    fn selectors(&mut self, selectors: &mut Vec<Selector>) -> Parsed<()> {
        loop {
            self.blanks();
            self.eat(',');
            self.blanks();
            if self.eat(')') {
                return Ok(());
            }
            if self.at == self.text.len() {
                return Err(self.error("a `)` is missing"));
            }
            let first = self.word("a selector such as `client=gold`", is_value)?;
            let selector = if self.eat('=') {
                let value = self.word("a value after `=`", is_value)?;
                Selector { name: Some(first), value }
            } else {
                Selector { name: None, value: first }
            };
            selectors.push(selector);
        }
    }

    fn op(&mut self) -> Parsed<Op> {
        self.blanks();
        let rest = &self.text[self.at..];
        let signs = [
            (">=", Op::AtLeast),
            ("<=", Op::AtMost),
            ("==", Op::Equal),
            ("!=", Op::NotEqual),
            (">", Op::Above),
            ("<", Op::Below),
        ];
        for (sign, op) in signs {
            if rest.starts_with(sign) {
                self.at += sign.len();
                return Ok(op);
            }
        }
        let hint = if rest.starts_with('=') { "; `=` is written `==`" } else { "" };
        Err(self.error(&format!("expected one of >= <= > < == !={hint}")))
    }

    fn value(&mut self) -> Parsed<Value> {
        self.blanks();
        if !self.baseline() {
            let literal = self.literal("a value such as `99.9%` or `400ms`")?;
            self.blanks();
            if self.text[self.at..].starts_with(['+', '-']) {
                let message = format!("`{}` has no distance, `{BASELINE} + 5%` has", literal.text);
                return Err(SyntaxError { message, at: literal.span });
            }
            return Ok(Value::Literal(literal));
        }
        self.blanks();
        let below = self.eat('-');
        let by = below || self.eat('+');
        let by = by.then(|| self.literal("a distance such as `5%`")).transpose()?;
        Ok(Value::Baseline { below, by })
    }

    /// Takes the word `baseline`; a sign may follow at once.
    fn baseline(&mut self) -> bool {
        let Some(rest) = self.text[self.at..].strip_prefix(BASELINE) else { return false };
        let ends = rest.chars().next().is_none_or(|c| c.is_whitespace() || "+-".contains(c));
        self.at += if ends { BASELINE.len() } else { 0 };
        ends
    }

    fn literal(&mut self, expected: &str) -> Parsed<Word> {
        self.blanks();
        self.word(expected, |c| !c.is_whitespace())
    }

    fn word(&mut self, expected: &str, belongs: fn(char) -> bool) -> Parsed<Word> {
        let rest = &self.text[self.at..];
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self.error(&format!("expected {expected}")));
        }
        let span = self.at..self.at + length;
        self.at = span.end;
        Ok(Word { text: self.text[span.clone()].to_owned(), span })
    }

    /// Takes this word, if it comes next as a whole.
    fn keyword(&mut self, keyword: &str) -> bool {
        self.blanks();
        let rest = &self.text[self.at..];
        let next = rest.split_whitespace().next();
        if next == Some(keyword) {
            self.at += keyword.len();
        }
        next == Some(keyword)
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.text[self.at..].starts_with(sign);
        if found {
            self.at += sign.len_utf8();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
    }

    /// An error at the next word.
    fn error(&self, message: &str) -> SyntaxError {
        let rest = &self.text[self.at..];
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let found = if length == 0 && rest.is_empty() {
            ", but the text ends".to_owned()
        } else {
            format!(", found `{}`", rest.split_whitespace().next().unwrap_or_default())
        };
        SyntaxError { message: format!("{message}{found}"), at: self.at..self.at + length }
    }
}

fn is_path(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':')
}

fn is_value(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '(' | ')' | '=' | ',' | '<' | '>' | '!')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_itself_is_within_or_not() {
        for (op, held) in [
            (Op::AtLeast, [false, true, true]),
            (Op::Above, [false, false, true]),
            (Op::AtMost, [true, true, false]),
            (Op::Below, [true, false, false]),
            (Op::Equal, [false, true, false]),
            (Op::NotEqual, [true, false, true]),
        ] {
            assert_eq!([1.0, 2.0, 3.0].map(|value| op.holds(value, 2.0)), held, "{op:?}");
        }
    }

    fn shown(metric: &Metric) -> String {
        let stat = metric.stat.as_ref().map_or("-", |s| s.text.as_str());
        let selectors: Vec<String> = metric
            .selectors
            .iter()
            .map(|s| {
                let name = s.name.as_ref().map_or("", |n| n.text.as_str());
                format!("{name}={}", s.value.text)
            })
            .collect();
        let within = metric.within.as_ref();
        let within = within.map_or(String::new(), |(op, at)| format!(" ({op:?} {})", at.text));
        format!("{stat} {} [{}]{within}", metric.path.text, selectors.join(" "))
    }

    #[test]
    fn every_form_of_the_grammar() {
        for (text, expected) in [
            ("availability >= 99.5%", "- availability [] AtLeast 99.5%"),
            ("p99(latency) <= 400ms", "p99 latency [] AtMost 400ms"),
            (
                "p99( latency operation=browse )<=350ms",
                "p99 latency [operation=browse] AtMost 350ms",
            ),
            ("lost_acked_writes == 0", "- lost_acked_writes [] Equal 0"),
            ("time_to_recover(az-loss) <= 30s", "- time_to_recover [=az-loss] AtMost 30s"),
            (
                "availability(client=gold during=az-loss) >= 99%",
                "- availability [client=gold during=az-loss] AtLeast 99%",
            ),
            ("min(availability window=1m) >= 95%", "min availability [window=1m] AtLeast 95%"),
            (
                "min(availability(client=a) window=1m) > 95%",
                "min availability [client=a window=1m] Above 95%",
            ),
            (
                "p99(latency client=chat to=first_token) <= 1.5s",
                "p99 latency [client=chat to=first_token] AtMost 1.5s",
            ),
            (
                "max(nodes.api.utilisation window=1m) <= 80%",
                "max nodes.api.utilisation [window=1m] AtMost 80%",
            ),
            ("metastable(blip) == false", "- metastable [=blip] Equal false"),
            ("lost_acked_writes == 0 in 99% of runs", "- lost_acked_writes [] Equal 0 in 99%"),
            (
                "read_your_writes_violations <= 1% of reads",
                "- read_your_writes_violations [] AtMost 1% of - reads []",
            ),
            (
                "requests.timeout < 1% of requests.issued in 90% of runs",
                "- requests.timeout [] Below 1% of - requests.issued [] in 90%",
            ),
            ("p99(latency) <= baseline + 5%", "p99 latency [] AtMost baseline+5%"),
            ("availability >= baseline-0.1%", "- availability [] AtLeast baseline-0.1%"),
            ("cost.per_month <= baseline", "- cost.per_month [] AtMost baseline+0"),
            (
                "requests.timeout <= baseline +1% of requests.issued",
                "- requests.timeout [] AtMost baseline+1% of - requests.issued []",
            ),
            ("fraction(latency <= 300ms) >= 95%", "fraction latency [] (AtMost 300ms) AtLeast 95%"),
            (
                "fraction( latency<300ms client=gold ) >= 95% in 9% of runs",
                "fraction latency [client=gold] (Below 300ms) AtLeast 95% in 9%",
            ),
            ("p99.99(latency client=gold) <= 1s", "p99.99 latency [client=gold] AtMost 1s"),
            ("cost.per_month <= $900", "- cost.per_month [] AtMost $900"),
        ] {
            let e = parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            let value = match &e.value {
                Value::Literal(word) => word.text.clone(),
                Value::Baseline { below, by } => {
                    let by = by.as_ref().map_or("0", |word| word.text.as_str());
                    format!("baseline{}{by}", if *below { '-' } else { '+' })
                }
            };
            let of = e.of.as_ref().map_or(String::new(), |m| format!(" of {}", shown(m)));
            let runs = e.runs.as_ref().map_or(String::new(), |r| format!(" in {}", r.text));
            assert_eq!(format!("{} {:?} {value}{of}{runs}", shown(&e.metric), e.op), expected);
            assert_eq!(text[e.metric.path.span.clone()], e.metric.path.text, "{text}");
        }
    }

    #[test]
    fn mistakes_are_placed() {
        for (text, message, at) in [
            ("", "expected a metric", 0..0),
            ("availability", "expected one of >=", 12..12),
            ("availability = 99%", "written `==`", 13..14),
            ("availability >=", "expected a value", 15..15),
            ("p99(latency <= 400ms", "selector", 12..14),
            ("p99(latency", "`)` is missing", 11..11),
            ("p99(p50(latency)) <= 1s", "inside another", 4..7),
            ("availability >= 99% of the time", "left over", 27..31),
            ("availability >= 99% in 99%", "of runs", 26..26),
            ("p99(latency client=) <= 1s", "after `=`", 19..20),
            ("p99(latency) <= baseline +", "a distance such as `5%`", 26..26),
            ("p99(latency) <= baseline * 2", "left over", 25..28),
            ("p99(latency) <= baselin + 5%", "`baselin` has no distance", 16..23),
            ("fraction(latency) >= 95%", "expected one of >=", 16..17),
            ("fraction() >= 95%", "counts what is compared", 9..10),
            ("fraction(latency <= ) >= 95%", "expected a duration", 20..21),
            ("fraction(p99(latency) <= 1s) >= 95%", "inside another", 9..12),
            ("§ >= 1", "expected a metric", 0..2),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert_eq!(error.at, at, "{text}");
        }
    }

    #[test]
    fn percentiles() {
        for (name, quantile) in [
            ("p50", Some(0.5)),
            ("p90", Some(0.9)),
            ("p999", Some(0.999)),
            ("p9999", Some(0.9999)),
            ("p99.99", Some(0.9999)),
            ("p99.9999", Some(0.999_999)),
            ("p50.0", Some(0.5)),
            ("p99.", None),
            ("p9.9", None),
            ("p.99", None),
            ("p100.0", None),
            ("p5", None),
            ("p00", None),
            ("p", None),
            ("px9", None),
            ("p123456", None),
        ] {
            assert_eq!(percentile(name), quantile, "{name}");
        }
    }
}
