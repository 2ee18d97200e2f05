//! Text forms of arrivals.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use super::{
    Arrivals, Moment, ReadFromFields, ReadFromSpec, Spread, TraceSpec, TraceStart, TraceUnit,
    WriteToFields, WriteToSpec, schedule::schedule,
};
use crate::{
    engine::law::{DurationLaw, Table},
    expr::{Expr, Taker, clip, unknown},
    units::{Count, Name, Number, Rate, SimDuration, ValueError, instant, short_form, text_value},
};

/// A rate that may be 0 (a silent state of an mmpp).
fn rate_or_zero(expr: &Expr) -> Result<Rate, ValueError> {
    crate::units::rate_or_zero(expr.need_word()?)
}

pub(super) const ARRIVALS: [&str; 8] =
    ["poisson", "constant", "renewal", "mmpp", "closed", "trace", "schedule", "requirements"];

impl FromStr for Arrivals {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.args.is_none() {
            return Err(ValueError::new(
                "E-EXPR",
                format!("`{}` is no kind of arrivals", clip(text)),
            )
            .help("such as poisson(100/s), constant(100/s), closed(users=50 think=1s)"));
        }
        match expr.name.as_str() {
            "poisson" => {
                let mut t = Taker::new(&expr, "poisson(20/s batch=4)")?;
                let rate = t.need_plain()?.read()?;
                let batch: Count = t.read("batch")?.unwrap_or(Count(1));
                t.finish()?;
                if batch.0 == 0 || batch.0 > 1_000_000 {
                    return Err(ValueError::new("E-RANGE", "`batch` must be in 1..=1000000"));
                }
                Ok(Self::Poisson { rate, batch: batch.0 })
            }
            "constant" => {
                let mut t = Taker::new(&expr, "constant(100/s)")?;
                let rate = t.need_plain()?.read()?;
                t.finish()?;
                Ok(Self::Constant(rate))
            }
            "renewal" => {
                let mut t = Taker::new(&expr, "renewal(erlang(k=3 mean=10ms))")?;
                let law: DurationLaw = t.need_plain()?.read()?;
                t.finish()?;
                Ok(Self::Renewal(law))
            }
            "mmpp" => mmpp(&expr),
            "closed" => {
                let mut t = Taker::new(&expr, "closed(users=50 think=exp(mean=1s))")?;
                let users: Count = t.need_read("users")?;
                let think = t.read("think")?;
                let requests = t.read::<Count>("requests")?.map(|n| n.0);
                t.finish()?;
                let zero = || "0s".parse().expect("0s is a law");
                let think = think.unwrap_or_else(zero);
                Ok(Self::Closed { users: users.0, think, requests })
            }
            "trace" => trace(&expr),
            "schedule" => schedule(&expr),
            "requirements" => {
                let mut t = Taker::new(&expr, "requirements(peak)")?;
                let moment = match t.need_plain()?.word() {
                    Some("peak") => Moment::Peak,
                    Some("average") => Moment::Average,
                    _ => return Err(t.error("`peak` or `average`")),
                };
                t.finish()?;
                Ok(Self::Requirements(moment))
            }
            "curve" => {
                let message = "a curve says by what arrivals are multiplied, not how they come";
                let help = format!("write `arrivals: poisson(1/s)` and `load: {}`", clip(text));
                Err(ValueError::new("E-EXPR", message).help(help))
            }
            other => Err(unknown("kind of arrivals", other, &ARRIVALS)),
        }
    }
}

fn mmpp(expr: &Expr) -> Result<Arrivals, ValueError> {
    let usage = "mmpp(0.2/s for 100s; 1.6/s for 50s)";
    let parts = expr.args.as_ref().map_or(&[] as &[_], |a| a.parts.as_slice());
    let mut states = Vec::new();
    for part in parts {
        let mut t = Taker::of_part(&expr.name, part, usage);
        let rate = rate_or_zero(t.need_plain()?)?;
        if t.plain().and_then(Expr::word) != Some("for") {
            return Err(t.error("a state is a rate, `for`, and its mean length"));
        }
        let stay: SimDuration = t.need_plain()?.read()?;
        t.finish()?;
        if stay.0 == 0 {
            return Err(ValueError::new("E-RANGE", "a state must last longer than 0"));
        }
        states.push((rate, stay));
    }
    if states.len() < 2 || states.iter().all(|s| s.0.0 <= 0.0) {
        return Err(ValueError::new(
            "E-DIST",
            "`mmpp` needs at least two states, one with a rate above 0",
        )
        .help(format!("write `{usage}`")));
    }
    Ok(Arrivals::Mmpp(states))
}

fn trace(expr: &Expr) -> Result<Arrivals, ValueError> {
    let mut t = Taker::new(expr, "trace(file=f.csv.gz column=t unit=s speed=2 at_end=repeat)")?;
    let table = Table::take(&mut t)?;
    let count = t.key("count").map(Expr::need_word).transpose()?.map(str::to_owned);
    let column = match (t.key("column"), table.time_column()) {
        (Some(column), _) => column.need_word()?.to_owned(),
        (None, Some(column)) => column.to_owned(),
        (None, None) => return Err(t.error("`trace` needs `column=`")),
    };
    let of_log = table.time_column().is_some();
    let usual = if of_log { TraceUnit::Datetime } else { TraceUnit::Nanoseconds(1_000_000_000) };
    let unit = t.read("unit")?.unwrap_or(usual);
    let speed = t.read::<Number>("speed")?.map_or(1.0, |n| n.0);
    let repeat = match t.key("at_end").map(Expr::need_word).transpose()? {
        None | Some("stop") => false,
        Some("repeat") => true,
        Some(other) => return Err(unknown("value of `at_end`", other, &["stop", "repeat"])),
    };
    let start = t.key("start").map(|e| start(e.need_word()?, unit)).transpose()?;
    let sort = match t.key("sort").map(Expr::need_word).transpose()? {
        None | Some("false") => false,
        Some("true") => true,
        Some(other) => return Err(unknown("value of `sort`", other, &["true", "false"])),
    };
    let spread = match t.key("spread") {
        None => Spread::Auto,
        Some(word) if word.word() == Some("none") => Spread::Over(0),
        Some(span) => Spread::Over(span.read::<SimDuration>()?.0),
    };
    t.finish()?;
    if speed <= 0.0 {
        return Err(ValueError::new("E-RANGE", "`speed` must be above 0"));
    }
    if matches!(spread, Spread::Over(span) if span > MAX_SPREAD) {
        return Err(ValueError::new(
            "E-RANGE",
            "`spread` is the resolution of a clock: 1d at most",
        ));
    }
    let start = start.unwrap_or(TraceStart::Earliest);
    let spec = TraceSpec { table, column, unit, count, speed, repeat, start, sort, spread };
    Ok(Arrivals::Trace(Box::new(spec)))
}

/// Coarsest stamps, ns: a day.
const MAX_SPREAD: u64 = 86_400_000_000_000;

/// A date and time, a number in the unit of the trace, or `first`.
fn start(text: &str, unit: TraceUnit) -> Result<TraceStart, ValueError> {
    if text == "first" {
        return Ok(TraceStart::First);
    }
    let nanos = instant_of(text, unit)?;
    Ok(TraceStart::At { text: text.to_owned(), nanos })
}

/// A date and time, or a number in the unit of a file's times, ns.
pub(super) fn instant_of(text: &str, unit: TraceUnit) -> Result<i128, ValueError> {
    let number = match unit {
        TraceUnit::Nanoseconds(unit) => instant::exact(text, unit),
        TraceUnit::Filetime => instant::filetime(text),
        TraceUnit::Datetime => None,
    };
    number.or_else(|| instant::datetime(text)).ok_or_else(|| {
        ValueError::new("E-TYPE", format!("`{}` is no time of a trace", crate::expr::clip(text)))
            .help("such as `start=2024-05-01T10:00:00Z`, a number in the trace's unit, or `first`")
    })
}

impl fmt::Display for TraceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let q = crate::expr::quoted;
        let Self { table, column, unit, .. } = self;
        write!(f, "trace(file={} column={} unit={unit}", q(&table.file), q(column))?;
        table.print_options(f)?;
        if let Some(count) = &self.count {
            write!(f, " count={}", q(count))?;
        }
        if self.speed.to_bits() != 1f64.to_bits() {
            write!(f, " speed={}", Number(self.speed))?;
        }
        match &self.start {
            TraceStart::Earliest => {}
            TraceStart::First => f.write_str(" start=first")?,
            TraceStart::At { text, .. } => write!(f, " start={}", q(text))?,
        }
        f.write_str(if self.sort { " sort=true" } else { "" })?;
        match self.spread {
            Spread::Auto => {}
            Spread::Over(0) => f.write_str(" spread=none")?,
            Spread::Over(span) => write!(f, " spread={}", SimDuration(span))?,
        }
        f.write_str(if self.repeat { " at_end=repeat)" } else { ")" })
    }
}

impl FromStr for TraceUnit {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        match text {
            "datetime" => Ok(Self::Datetime),
            "filetime" => Ok(Self::Filetime),
            "ns" => Ok(Self::Nanoseconds(1)),
            "us" => Ok(Self::Nanoseconds(1000)),
            "ms" => Ok(Self::Nanoseconds(1_000_000)),
            "s" => Ok(Self::Nanoseconds(1_000_000_000)),
            other => Err(unknown(
                "unit of a trace",
                other,
                &["ns", "us", "ms", "s", "datetime", "filetime"],
            )),
        }
    }
}

impl fmt::Display for TraceUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Datetime => "datetime",
            Self::Filetime => "filetime",
            Self::Nanoseconds(1) => "ns",
            Self::Nanoseconds(1000) => "us",
            Self::Nanoseconds(1_000_000) => "ms",
            Self::Nanoseconds(_) => "s",
        })
    }
}

impl fmt::Display for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisson { rate, batch: 1 } => write!(f, "poisson({rate})"),
            Self::Poisson { rate, batch } => write!(f, "poisson({rate} batch={batch})"),
            Self::Constant(rate) => write!(f, "constant({rate})"),
            Self::Renewal(law) => write!(f, "renewal({law})"),
            Self::Mmpp(states) => {
                f.write_str("mmpp(")?;
                for (i, (rate, stay)) in states.iter().enumerate() {
                    write!(f, "{}{rate} for {stay}", if i == 0 { "" } else { "; " })?;
                }
                f.write_str(")")
            }
            Self::Closed { users, think, requests } => {
                write!(f, "closed(users={users} think={think}")?;
                requests.map_or(Ok(()), |n| write!(f, " requests={n}"))?;
                f.write_str(")")
            }
            Self::Trace(trace) => write!(f, "{trace}"),
            Self::Schedule(schedule) => write!(f, "{schedule}"),
            Self::Requirements(Moment::Peak) => f.write_str("requirements(peak)"),
            Self::Requirements(Moment::Average) => f.write_str("requirements(average)"),
        }
    }
}

text_value!(
    Arrivals,
    "Arrivals",
    "when requests or sessions start",
    ["poisson(100/s)", "closed(users=50 think=exp(mean=1s))"]
);
short_form!(
    ReadFromSpec,
    ReadFromFields,
    Name,
    "a store's name, or `{from, reads, quorum}`",
    |name| ReadFromFields { from: name, reads: None, quorum: None },
    |r| (r.reads.is_none() && r.quorum.is_none()).then_some(&r.from)
);
short_form!(
    WriteToSpec,
    WriteToFields,
    Name,
    "a store's name, or `{to, quorum}`",
    |name| WriteToFields { to: name, quorum: None },
    |w| w.quorum.is_none().then_some(&w.to)
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::client::{AttributeSpec, KeyLaw};

    #[test]
    fn arrivals_keys_and_attributes_print_as_they_parse() {
        for text in [
            "poisson(100/s)",
            "poisson(20/s batch=4)",
            "constant(100/s)",
            "renewal(erlang(k=3 mean=10ms))",
            "closed(users=50 think=exp(mean=1s))",
            "trace(file=f.csv.gz column=t unit=s speed=2 at_end=repeat)",
            "trace(file=f.csv column=\"latency (ms)\" unit=ms)",
            "schedule(every=1d at=2h batch=50k over=10m)",
            "schedule(every=1h)",
        ] {
            assert_eq!(text.parse::<Arrivals>().unwrap().to_string(), text);
        }
        let mmpp = "mmpp(0.2/s for 100s; 1.6/s for 50s)".parse::<Arrivals>().unwrap();
        assert_eq!(mmpp, mmpp.to_string().parse().unwrap());
        for text in
            ["zipf(n=1M s=0.99)", "uniform(n=10k)", "hot(n=1M hot=1% share=80%)", "sequential(n=5)"]
        {
            assert_eq!(text.parse::<KeyLaw>().unwrap().to_string(), text);
        }
        for text in
            ["choice(gold=20% free=80%)", "0.01%", "column(ContextTokens)", "exp(mean=5)", "3"]
        {
            assert_eq!(text.parse::<AttributeSpec>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn wrong_ones_say_what_is_wrong() {
        for (text, code) in [
            ("poison(100/s)", "E-ENUM"),
            ("poisson(100)", "E-UNIT"),
            ("poisson(100/s burst=2)", "E-EXPR"),
            ("mmpp(1/s for 5s)", "E-DIST"),
            ("closed(think=1s)", "E-EXPR"),
            ("trace(file=x column=t at_end=loop)", "E-ENUM"),
            ("100/s", "E-EXPR"),
            ("schedule(at=2h)", "E-EXPR"),
            ("schedule(every=0s)", "E-RANGE"),
            ("schedule(every=1h at=1h)", "E-RANGE"),
            ("schedule(every=1h over=61m)", "E-RANGE"),
            ("schedule(every=1h batch=0)", "E-RANGE"),
            ("schedule(every=1h batch=2M)", "E-RANGE"),
        ] {
            assert_eq!(text.parse::<Arrivals>().unwrap_err().code, code, "{text}");
        }
        assert_eq!("zipf(n=0 s=1)".parse::<KeyLaw>().unwrap_err().code, "E-RANGE");
        assert_eq!("choice(a=50% b=20%)".parse::<AttributeSpec>().unwrap_err().code, "E-DIST");
    }
}
