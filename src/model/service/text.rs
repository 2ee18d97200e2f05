//! Text forms of disciplines, speed-ups, conditions and calls.
//!
//! **Invariant.** Parsing what was printed gives the same value.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{
    BranchSpec, CallFields, CallSpec, Comparator, Comparison, Condition, Discipline, Literal,
    ReadFields, ReadSpec, Speedup, StepSpec, Tiers, WriteFields, WriteSpec,
    parts::{Limits, LimitsSpec, SagaFields, SagaPartSpec, SagaSpec},
};
use crate::{
    expr::{Expr, Taker, clip, unknown},
    model::resilience::rate_limit::RateLimitsSpec,
    units::{Count, Name, Number, SimDuration, Size, ValueError, plain, short_form, text_value},
};

const DISCIPLINES: [(&str, Discipline); 10] = [
    ("fifo", Discipline::Fifo),
    ("lifo", Discipline::Lifo),
    ("random", Discipline::Random),
    ("priority", Discipline::Priority),
    ("shortest_job", Discipline::ShortestJob),
    ("shared", Discipline::Shared),
    ("lifo_preemptive", Discipline::LifoPreemptive),
    ("priority_preemptive", Discipline::PriorityPreemptive),
    ("srpt", Discipline::Srpt),
    ("adaptive_lifo", Discipline::AdaptiveLifo),
];

impl FromStr for Discipline {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        if expr.name == "codel" {
            let mut t = Taker::new(&expr, "codel(target=5ms interval=100ms)")?;
            let target = t.read("target")?.unwrap_or(SimDuration(5_000_000));
            let interval = t.read("interval")?.unwrap_or(SimDuration(100_000_000));
            t.finish()?;
            if interval.0 == 0 {
                return Err(ValueError::new("E-RANGE", "`interval` must be above 0"));
            }
            return Ok(Self::Codel { target, interval });
        }
        if let Some((name, discipline)) = DISCIPLINES.iter().find(|d| d.0 == expr.name) {
            // A known name, so what is left are arguments it does not have.
            Taker::new(&expr, name)?.finish()?;
            return Ok(discipline.clone());
        }
        let mut known: Vec<&str> = DISCIPLINES.iter().map(|d| d.0).collect();
        known.push("codel(target=5ms interval=100ms)");
        Err(unknown("discipline", &expr.name, &known))
    }
}

impl fmt::Display for Discipline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Codel { target, interval } = self {
            return write!(f, "codel(target={target} interval={interval})");
        }
        let found = DISCIPLINES.iter().find(|d| d.1 == *self).expect("every other one is listed");
        f.write_str(found.0)
    }
}

impl FromStr for Speedup {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let expr = Expr::parse(text)?;
        let usage = "table(1=1 8=6 32=14)";
        let wrong = |m: &str| ValueError::new("E-EXPR", m).help(format!("write `{usage}`"));
        if expr.name != "table" || expr.args.is_none() {
            return Err(wrong("a speed-up is a table of n=speed"));
        }
        let mut points = Vec::new();
        for arg in expr.args.iter().flat_map(|a| a.parts.iter()).flatten() {
            let n: Count = arg.key.as_deref().unwrap_or_default().parse()?;
            points.push((n.0, arg.value.read::<Number>()?.0));
        }
        let rising = points.windows(2).all(|w| w[0].0 < w[1].0);
        if points.is_empty() || points[0].0 == 0 || !rising || points.iter().any(|p| p.1 <= 0.0) {
            return Err(wrong("n must rise from 1 and every speed be above 0"));
        }
        Ok(Self(points))
    }
}

impl fmt::Display for Speedup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("table(")?;
        for (i, (n, speed)) in self.0.iter().enumerate() {
            write!(f, "{}{n}={}", if i == 0 { "" } else { " " }, Number(*speed))?;
        }
        f.write_str(")")
    }
}

const COMPARATORS: [(&str, Comparator); 6] = [
    ("==", Comparator::Equal),
    ("!=", Comparator::NotEqual),
    ("<=", Comparator::LessOrEqual),
    (">=", Comparator::GreaterOrEqual),
    ("<", Comparator::Less),
    (">", Comparator::Greater),
];

impl FromStr for Condition {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        text.split(" and ").map(|part| part.trim().parse()).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Comparison {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let name = |s: &str| -> Result<String, ValueError> {
            s.trim().parse::<Name>().map(|n| n.0).map_err(|e| {
                e.help("write `tier == gold`, `not poison`, `size > 1000`, joined by `and`")
            })
        };
        for (symbol, operator) in COMPARATORS {
            if let Some((left, right)) = text.split_once(symbol) {
                let value = literal(right.trim())?;
                return Ok(Self { attribute: name(left)?, operator, value });
            }
        }
        let (attribute, operator) = match text.strip_prefix("not ") {
            Some(rest) => (name(rest)?, Comparator::Equal),
            None => (name(text)?, Comparator::NotEqual),
        };
        Ok(Self { attribute, operator, value: Literal::Number(0.0) })
    }
}

fn literal(text: &str) -> Result<Literal, ValueError> {
    match text {
        "true" => return Ok(Literal::Number(1.0)),
        "false" => return Ok(Literal::Number(0.0)),
        _ => {}
    }
    if let Ok(x) = plain(text) {
        return Ok(Literal::Number(x));
    }
    if let Ok(size) = text.parse::<Size>() {
        return Ok(Literal::Number(size.0 as f64));
    }
    if let Ok(d) = text.parse::<SimDuration>() {
        return Ok(Literal::Number(d.0 as f64));
    }
    // Besides names of the scenario, what columns of a trace hold: `GET`, `/home`.
    let inside = |b: u8| b.is_ascii_alphanumeric() || b"_-./".contains(&b);
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    if word && text.len() <= 64 && text.bytes().all(inside) {
        return Ok(Literal::Name(text.to_owned()));
    }
    text.parse::<Name>().map(|n| Literal::Name(n.0)).map_err(|_| {
        ValueError::new("E-EXPR", format!("`{}` is neither a number nor a name", clip(text)))
    })
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, c) in self.0.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { " and " })?;
            let (symbol, _) =
                COMPARATORS.iter().find(|x| x.1 == c.operator).expect("every operator is listed");
            match &c.value {
                Literal::Number(x) => write!(f, "{} {symbol} {}", c.attribute, Number(*x))?,
                Literal::Name(name) => write!(f, "{} {symbol} {name}", c.attribute)?,
            }
        }
        Ok(())
    }
}

text_value!(
    Discipline,
    "Discipline",
    "order of service",
    ["fifo", "shared", "codel(target=5ms interval=100ms)"]
);
text_value!(Speedup, "Speedup", "total speed with n inside", ["table(1=1 8=6 32=14)"]);
text_value!(
    Condition,
    "Condition",
    "comparisons of attributes joined by `and`",
    ["tier == gold", "not poison"]
);

short_form!(
    CallSpec,
    CallFields,
    Name,
    "a node's name, or `{to, operation, key, size}`",
    |name| CallFields { to: name, operation: None, key: None, size: None },
    |c| (c.operation.is_none() && c.key.is_none() && c.size.is_none()).then_some(&c.to)
);
short_form!(
    ReadSpec,
    ReadFields,
    Name,
    "a store's name, or `{from, key, count, shards, need, cache, reads, quorum}`",
    |name| ReadFields {
        from: name,
        key: None,
        count: None,
        shards: None,
        need: None,
        cache: None,
        reads: None,
        quorum: None,
    },
    |r| (r.key.is_none()
        && r.count.is_none()
        && r.shards.is_none()
        && r.need.is_none()
        && r.cache.is_none()
        && r.reads.is_none()
        && r.quorum.is_none())
    .then_some(&r.from)
);
short_form!(
    WriteSpec,
    WriteFields,
    Name,
    "a store's name, or `{to, key, size, count, cache, mode, quorum, outbox}`",
    |name| WriteFields {
        to: name,
        key: None,
        size: None,
        count: None,
        cache: None,
        mode: None,
        quorum: None,
        outbox: None,
    },
    |w| (w.key.is_none()
        && w.size.is_none()
        && w.count.is_none()
        && w.cache.is_none()
        && w.mode.is_none()
        && w.quorum.is_none()
        && w.outbox.is_none())
    .then_some(&w.to)
);

impl<'de> Deserialize<'de> for Tiers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = Tiers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a cache or a list of caches")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Tiers, E> {
                v.parse().map(|name| Tiers(vec![name])).map_err(E::custom)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tiers, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = seq.next_element()? {
                    names.push(name);
                }
                Ok(Tiers(names))
            }
        }
        deserializer.deserialize_any(Names)
    }
}

impl Serialize for Tiers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            names => names.serialize(serializer),
        }
    }
}

impl JsonSchema for Tiers {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tiers".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let name = g.subschema_for::<Name>();
        json_schema!({"anyOf": [name.clone(), {"type": "array", "items": name}]})
    }
}

impl<'de> Deserialize<'de> for SagaSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = SagaSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of parts, or `{log, steps}`")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SagaSpec, A::Error> {
                let SagaFields { log, steps } =
                    SagaFields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(SagaSpec { log: Some(log), parts: steps })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<SagaSpec, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(SagaSpec { log: None, parts })
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl Serialize for SagaSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.log {
            None => self.parts.serialize(serializer),
            Some(log) => {
                let (log, steps) = (log.clone(), self.parts.clone());
                SagaFields { log, steps }.serialize(serializer)
            }
        }
    }
}

impl JsonSchema for SagaSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Saga".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let part = g.subschema_for::<SagaPartSpec>();
        let logged = g.subschema_for::<SagaFields>();
        json_schema!({"anyOf": [{"type": "array", "items": part}, logged]})
    }
}

impl<'de> Deserialize<'de> for BranchSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Branch;
        impl<'de> Visitor<'de> for Branch {
            type Value = BranchSpec;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a step or a list of steps")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BranchSpec, A::Error> {
                StepSpec::deserialize(MapAccessDeserializer::new(map)).map(|s| BranchSpec(vec![s]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<BranchSpec, A::Error> {
                let mut steps = Vec::new();
                while let Some(step) = seq.next_element()? {
                    steps.push(step);
                }
                Ok(BranchSpec(steps))
            }
        }
        deserializer.deserialize_any(Branch)
    }
}

impl Serialize for BranchSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            steps => steps.serialize(serializer),
        }
    }
}

impl JsonSchema for BranchSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Branch".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let step = g.subschema_for::<StepSpec>();
        json_schema!({"anyOf": [step.clone(), {"type": "array", "items": step}]})
    }
}

impl<'de> Deserialize<'de> for LimitsSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Door;
        impl<'de> Visitor<'de> for Door {
            type Value = Result<RateLimitsSpec, Limits>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rate limit, a list of them, or a map from clients or values of an attribute to them")
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Self::Value, E> {
                RateLimitsSpec::deserialize(de::value::StrDeserializer::new(v)).map(Ok)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                RateLimitsSpec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Ok)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Limits::deserialize(MapAccessDeserializer::new(map)).map(Err)
            }
        }
        let all = |limits| LimitsSpec(Limits::from([(Name("default".to_owned()), limits)]));
        Ok(deserializer.deserialize_any(Door)?.map_or_else(LimitsSpec, all))
    }
}

impl Serialize for LimitsSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.get(&Name("default".to_owned())).filter(|_| self.0.len() == 1) {
            Some(limits) => limits.serialize(serializer),
            None => self.0.serialize(serializer),
        }
    }
}

impl JsonSchema for LimitsSpec {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LimitsSpec".into()
    }
    fn json_schema(g: &mut SchemaGenerator) -> Schema {
        let (limits, by_name) = (g.subschema_for::<RateLimitsSpec>(), g.subschema_for::<Limits>());
        json_schema!({"anyOf": [limits, by_name]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_print_as_they_parse() {
        for text in ["fifo", "shared", "srpt", "codel(target=5ms interval=100ms)"] {
            assert_eq!(text.parse::<Discipline>().unwrap().to_string(), text);
        }
        assert_eq!(
            "table(1=1 8=6 32=14)".parse::<Speedup>().unwrap().to_string(),
            "table(1=1 8=6 32=14)"
        );
        for text in ["tier == gold", "tier == gold and size > 1000", "poison != 0"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
        assert_eq!("not poison".parse::<Condition>().unwrap().to_string(), "poison == 0");
        assert!("tier = gold".parse::<Condition>().is_err());
        assert_eq!("fiffo".parse::<Discipline>().unwrap_err().code, "E-ENUM");
        assert!("table(8=1 4=2)".parse::<Speedup>().is_err());
    }
}
