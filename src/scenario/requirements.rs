//! What a design is to serve: how many users do what how often, what of it is kept, and what follows for clients.
//!
//! **Invariant.** Rates are exact sums of what the file says; nothing here knows a design.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spec::ScenarioSpec;
use crate::{
    model::client::{Arrivals, KeyLaw, Moment},
    problem::{Problems, near},
    units::{
        Count, Fraction, Name, Number, Rate, SimDuration, Size, ValueError, short_form, text_value,
    },
};

/// Seconds of a day.
pub const DAY: f64 = 86_400.0;
/// Days of a year.
pub const YEAR: f64 = 365.0;

/// What a design is to serve: the first lines of a capacity estimate. `windtunnel plan` works the others out, and
/// `arrivals: requirements(peak)` has clients send as much.
///
/// ```yaml
/// requirements:
///   users: 5M
///   actions:
///     browse: {rate: 40/day, in: 1KB, out: 20KB, reads: 3}
///     buy: {rate: 0.5/day, in: 2KB, writes: 1}
///   peak: 3
///   keep: {order: {per: buy, size: 2KB, for: 5y, replicas: 3, backups: 2, compression: 2}}
///   growth: 40%/year
///   cache: {keys: zipf(n=10M s=1), hit_ratio: 80%, size: 2KB}
///   target: 60%
/// ```
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequirementsSpec {
    /// Users of a day: `5M`, or `{monthly: 40M, daily: 12.5%}`.
    pub users: UsersSpec,
    /// What each of them does, and how often: `buy: 0.5/day` is short for `buy: {rate: 0.5/day}`.
    pub actions: BTreeMap<Name, ActionSpec>,
    /// How many times as many requests come in the busiest second as on average; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Number>,
    /// What is kept, and for how long.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: BTreeMap<Name, KeepSpec>,
    /// How much more there is each year: `40%/year`; no more when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<GrowthSpec>,
    /// A cache in front of what is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<PlannedCacheSpec>,
    /// How busy machines are to be at the peak; 60 % when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Fraction>,
}

/// Users of a day.
#[derive(Clone, Debug)]
pub struct UsersSpec(pub UsersFields);

/// Users of a day, as a share of those of a month.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsersFields {
    /// Users of a month.
    pub monthly: Count,
    /// What share of them comes on a day.
    pub daily: Fraction,
}

short_form!(
    UsersSpec,
    UsersFields,
    Count,
    "users of a day such as `5M`, or `{monthly: 40M, daily: 12.5%}`",
    |users| UsersFields { monthly: users, daily: Fraction(1.0) },
    |users| users.is_of_a_day().then_some(&users.monthly)
);

impl UsersSpec {
    /// Users of a day.
    pub fn daily(&self) -> f64 {
        self.0.monthly.0 as f64 * self.0.daily.0
    }
}

impl UsersFields {
    /// All of them come each day.
    pub fn is_of_a_day(&self) -> bool {
        (self.daily.0 - 1.0).abs() < 1e-12
    }
}

/// What a user does.
#[derive(Clone, Debug)]
pub struct ActionSpec(pub ActionFields);

/// What a user does, how often, and what it takes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActionFields {
    /// How often each user does it: `40/day`.
    pub rate: Rate,
    /// Bytes of a request; 0 when absent.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    pub in_: Option<Size>,
    /// Bytes of its answer; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<Size>,
    /// Reads of data that it takes; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Number>,
    /// Writes of data that it takes; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Number>,
}

short_form!(
    ActionSpec,
    ActionFields,
    Rate,
    "a rate such as `40/day`, or `{rate, in, out, reads, writes}`",
    |rate| ActionFields { rate, in_: None, out: None, reads: None, writes: None },
    |action| action.is_short().then_some(&action.rate)
);

impl ActionFields {
    fn is_short(&self) -> bool {
        self.in_.is_none() && self.out.is_none() && self.reads.is_none() && self.writes.is_none()
    }
}

/// What is kept of each action.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeepSpec {
    /// The action of which one is kept each time.
    pub per: Name,
    /// Bytes of one.
    pub size: Size,
    /// For how long: `5y` (of 365 days) or a duration such as `30d`.
    #[serde(rename = "for")]
    pub for_: KeptForSpec,
    /// Copies that are served; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Count>,
    /// Copies besides; 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<Count>,
    /// How many times smaller they are stored; 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Number>,
}

impl KeepSpec {
    /// All copies.
    pub fn copies(&self) -> u64 {
        self.replicas.map_or(1, |n| n.0) + self.backups.map_or(0, |n| n.0)
    }
}

/// How long something is kept, in days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KeptForSpec {
    /// Days.
    pub days: f64,
    years: Option<f64>,
}

impl FromStr for KeptForSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if let Some(years) = text.strip_suffix('y').and_then(|number| number.parse::<Number>().ok())
        {
            return Ok(Self { days: years.0 * YEAR, years: Some(years.0) });
        }
        let help = |error: ValueError| error.help("such as `5y` (of 365 days) or `30d`");
        let span: SimDuration = text.parse().map_err(help)?;
        Ok(Self { days: span.0 as f64 / 1e9 / DAY, years: None })
    }
}

impl fmt::Display for KeptForSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.years {
            Some(years) => write!(f, "{}y", Number(years)),
            None => SimDuration((self.days * DAY * 1e9).round() as u64).fmt(f),
        }
    }
}

text_value!(
    KeptForSpec,
    "KeptFor",
    "a time such as `5y` (of 365 days) or `30d`",
    ["5y", "30d"],
    r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d|y)$"
);

/// How much more there is each year.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GrowthSpec(pub Fraction);

impl FromStr for GrowthSpec {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let share = text.strip_suffix("/year").ok_or_else(|| {
            ValueError::new("E-UNIT", format!("`{}` is no growth", crate::expr::clip(text)))
                .help("such as `40%/year`")
        })?;
        share.parse().map(Self)
    }
}

impl fmt::Display for GrowthSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/year", self.0)
    }
}

text_value!(
    GrowthSpec,
    "Growth",
    "a growth such as `40%/year`",
    ["40%/year"],
    r"^[0-9]+(\.[0-9]+)?(%|ppm)?/year$"
);

/// A cache in front of what is read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannedCacheSpec {
    /// Which keys are read: `zipf(n=10M s=1)`, `uniform(n=1M)`, `hot(n=1M hot=1% share=80%)`.
    pub keys: KeyLaw,
    /// The share of reads it is to answer.
    pub hit_ratio: Fraction,
    /// Bytes of an item.
    pub size: Size,
}

impl RequirementsSpec {
    /// Requests of a user and day: the sum over actions.
    pub fn per_user(&self) -> f64 {
        self.actions.values().map(|action| action.0.rate.0 * DAY).sum()
    }

    /// Requests per second on average, of these actions.
    pub fn average(&self, of: impl Fn(&str) -> bool) -> f64 {
        let rates = self.actions.iter().filter(|(name, _)| of(&name.0));
        rates.map(|(_, action)| action.0.rate.0).sum::<f64>() * self.users.daily()
    }

    /// Busiest second over average.
    pub fn peak(&self) -> f64 {
        self.peak.map_or(1.0, |peak| peak.0)
    }

    /// How busy machines are to be.
    pub fn target(&self) -> f64 {
        self.target.map_or(0.6, |target| target.0)
    }

    /// What can be wrong with them beyond types.
    pub fn check(&self, problems: &mut Problems) {
        let at = |key: &str| format!("requirements.{key}");
        let range = |wrong: bool, key: String, message: &str, problems: &mut Problems| {
            if wrong {
                problems.error("E-RANGE", key, message);
            }
        };
        range(self.users.daily() <= 0.0, at("users"), "nobody comes", problems);
        if self.actions.is_empty() {
            problems.error("E-MISSING", at("actions"), "nobody does anything");
        }
        range(
            self.peak() < 1.0,
            at("peak"),
            "the busiest second is no quieter than the average",
            problems,
        );
        let target = self.target();
        range(
            target <= 0.0 || target > 1.0,
            at("target"),
            "must be above 0 % and at most 100 %",
            problems,
        );
        for (name, keep) in &self.keep {
            let at = |key: &str| format!("requirements.keep.{}.{key}", name.0);
            if !self.actions.contains_key(&keep.per) {
                let close = near(&keep.per.0, self.actions.keys().map(|name| name.0.as_str()));
                let help =
                    close.map_or_else(String::new, |close| format!("did you mean `{close}`?"));
                let message = format!("no action is called `{}`", keep.per.0);
                problems.error_help("E-REF", at("per"), message, help);
            }
            range(keep.for_.days <= 0.0, at("for"), "must be above 0", problems);
            range(keep.copies() == 0, at("replicas"), "no copy is kept", problems);
            let small = keep.compression.is_some_and(|by| by.0 <= 0.0);
            range(small, at("compression"), "must be above 0", problems);
        }
        if let Some(cache) = &self.cache {
            let at = |key: &str| format!("requirements.cache.{key}");
            let hit = cache.hit_ratio.0;
            range(
                hit <= 0.0 || hit >= 1.0,
                at("hit_ratio"),
                "must be between 0 % and 100 %",
                problems,
            );
            if matches!(cache.keys, KeyLaw::Sequential { .. } | KeyLaw::Trace { .. }) {
                let help = "zipf(n=10M s=1), uniform(n=1M) or hot(n=1M hot=1% share=80%)";
                let message = "no formula says what such keys hit";
                problems.error_help("E-UNSUPPORTED", at("keys"), message, help);
            }
        }
    }
}

impl ScenarioSpec {
    /// Has clients send what is required, where they say so: as a Poisson process, their operations by the shares of the
    /// actions of the same names.
    pub(super) fn follow_requirements(&mut self, problems: &mut Problems) {
        if let Some(requirements) = &self.requirements {
            requirements.check(problems);
        }
        for (name, client) in &mut self.clients {
            let Arrivals::Requirements(moment) = client.arrivals else { continue };
            let at = format!("clients.{}", name.0);
            let Some(required) = &self.requirements else {
                client.arrivals = Arrivals::Poisson { rate: Rate(1.0), batch: 1 };
                let help = "requirements: {users: 5M, actions: {browse: 40/day}, peak: 3}";
                let message = "nothing is required";
                problems.error_help("E-MISSING", format!("{at}.arrivals"), message, help);
                continue;
            };
            let own = |action: &str| {
                client.operations.is_empty() || client.operations.contains_key(action)
            };
            let rate = required.average(own);
            for (operation, spec) in &mut client.operations {
                let Some(action) = required.actions.get(operation) else {
                    let close =
                        near(&operation.0, required.actions.keys().map(|name| name.0.as_str()));
                    let help = close.map_or_else(
                        || "operations are named like actions".to_owned(),
                        |close| format!("did you mean `{close}`?"),
                    );
                    let message =
                        format!("no action of `requirements` is called `{}`", operation.0);
                    problems.error_help(
                        "E-REF",
                        format!("{at}.operations.{}", operation.0),
                        message,
                        help,
                    );
                    continue;
                };
                if spec.share.is_none() && rate > 0.0 {
                    let share = action.0.rate.0 * required.users.daily() / rate;
                    spec.share = Some(Fraction(share));
                }
            }
            let rate = match moment {
                Moment::Average => rate,
                Moment::Peak => rate * required.peak(),
            };
            client.arrivals = Arrivals::Poisson { rate: Rate(rate), batch: 1 };
        }
    }
}
