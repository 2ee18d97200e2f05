//! Money and prices: US dollars, alone or for an hour, calls, bytes, bytes kept for a month.
//!
//! **Invariant.** No currency and no unit is guessed: a price without either is an error that shows how it is
//! written.

use std::{
    fmt::{Display, Formatter, Result as Printed},
    str::FromStr,
};

use super::{
    Text, ValueError,
    decimal::{Decimal, clip, split},
    text_value,
};

/// US dollars (written `$900`).
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Money(pub f64);
/// US dollars for an hour of an instance (written `$0.17/h`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct HourPrice(pub f64);
/// US dollars for a million calls (written `$0.20/1M`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct CallPrice(pub f64);
/// US dollars for a gigabyte (10^9 bytes) kept for a month (written `$0.023/GB/month`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct StoragePrice(pub f64);
/// US dollars for a gigabyte (10^9 bytes) of memory for a second (written `$0.0000166667/GB-s`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct MemoryPrice(pub f64);
/// US dollars for a gigabyte (10^9 bytes) sent (written `$0.09/GB`).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct TrafficPrice(pub f64);

text_value!(Money, "Money", "money such as `$900`", ["$900", "$0.50"], r"^\$[0-9]+(\.[0-9]+)?$");
text_value!(
    HourPrice,
    "HourPrice",
    "a price of an instance such as `$0.17/h`",
    ["$0.17/h"],
    r"^\$[0-9]+(\.[0-9]+)?/h$"
);
text_value!(
    CallPrice,
    "CallPrice",
    "a price of calls such as `$0.20/1M`",
    ["$0.20/1M"],
    r"^\$[0-9]+(\.[0-9]+)?/1[kM]?$"
);
text_value!(
    StoragePrice,
    "StoragePrice",
    "a price of storage such as `$0.023/GB/month`",
    ["$0.023/GB/month"],
    r"^\$[0-9]+(\.[0-9]+)?/GB/month$"
);
text_value!(
    MemoryPrice,
    "MemoryPrice",
    "a price of memory in use such as `$0.0000166667/GB-s`",
    ["$0.0000166667/GB-s"],
    r"^\$[0-9]+(\.[0-9]+)?/GB-s$"
);
text_value!(
    TrafficPrice,
    "TrafficPrice",
    "a price of traffic such as `$0.09/GB`",
    ["$0.09/GB"],
    r"^\$[0-9]+(\.[0-9]+)?/GB$"
);

/// How one sort of amount is written.
struct Form {
    /// What is expected.
    expected: &'static str,
    /// A right one.
    example: &'static str,
    /// What may stand behind the number, and by which power of ten it is multiplied; the first is printed.
    units: &'static [(&'static str, i32)],
    /// Other spellings of the first.
    aliases: &'static [&'static str],
}

const MONEY: Form =
    Form { expected: Money::EXPECTED, example: "$900", units: &[("", 0)], aliases: &[] };
const HOUR: Form = Form {
    expected: HourPrice::EXPECTED,
    example: "$0.17/h",
    units: &[("/h", 0)],
    aliases: &["/hour", "/hr", "/H", "/hours", "/1h", "ph"],
};
const CALL: Form = Form {
    expected: CallPrice::EXPECTED,
    example: "$0.20/1M",
    units: &[("/1M", 0), ("/1k", 3), ("/1", 6)],
    aliases: &["/M", "/1m", "/million", "/1000000"],
};
const STORAGE: Form = Form {
    expected: StoragePrice::EXPECTED,
    example: "$0.023/GB/month",
    units: &[("/GB/month", 0)],
    aliases: &["/GB-month", "/GB/mo", "/GB-mo", "/gb/month", "/GB/Month", "/month/GB"],
};
const MEMORY: Form = Form {
    expected: MemoryPrice::EXPECTED,
    example: "$0.0000166667/GB-s",
    units: &[("/GB-s", 0)],
    aliases: &["/GBs", "/GB/s", "/GB-second", "/GB-sec", "/gb-s", "/GBsecond", "/GB*s"],
};
const TRAFFIC: Form = Form {
    expected: TrafficPrice::EXPECTED,
    example: "$0.09/GB",
    units: &[("/GB", 0)],
    aliases: &["/gb", "/Gb", "/1GB"],
};

/// Currencies that are not the one in which everything is.
const OTHERS: [&str; 12] =
    ["€", "£", "¥", "₹", "eur", "gbp", "jpy", "chf", "inr", "cny", "cad", "aud"];
/// How else people write dollars.
const DOLLARS: [&str; 5] = ["us$", "usd", "dollars", "dollar", "$"];

/// Reads an amount of one sort.
fn read(text: &str, form: &Form) -> Result<f64, ValueError> {
    let text = text.trim();
    let such = || format!("prices are in US dollars, such as `{}`", form.example);
    let unsigned = text.trim_start_matches('$').trim_start_matches(['-', '\u{2212}']);
    let signed = text.trim_start_matches('$').len() > unsigned.len();
    if signed && unsigned.starts_with(|c: char| c == '$' || c.is_ascii_digit()) {
        let message = format!("`{}` is negative", clip(text));
        return Err(ValueError::new("E-RANGE", message).help(such()));
    }
    let Some(rest) = text.strip_prefix('$') else { return Err(not_dollars(text, form)) };
    let (number, unit) = split(rest, form.expected).map_err(|error| ValueError {
        // The sign belongs to what is to be written.
        help: error.help.map(|help| help.replacen("write `", "write `$", 1)),
        ..error
    })?;
    let Some((_, shift)) = form.units.iter().find(|known| known.0 == unit) else {
        return Err(bad_unit(text, number, unit, form));
    };
    let amount = number.shift(*shift).to_f64();
    if amount.is_finite() {
        return Ok(amount);
    }
    Err(ValueError::new("E-OVERFLOW", format!("`{}` is too large", clip(text))))
}

/// The error for a unit that is not there, or another one.
fn bad_unit(text: &str, number: Decimal, unit: &str, form: &Form) -> ValueError {
    let right = format!("${number}{}", form.units[0].0);
    if unit.is_empty() {
        let message = format!("`{}` does not say for what", clip(text));
        return ValueError::new("E-UNIT", message).help(format!("write `{right}`"));
    }
    let message = format!("`{}` is not what this price is for", clip(unit));
    let help = if form.units[0].0.is_empty() {
        format!("write `{right}`: here it is money alone")
    } else if form.aliases.contains(&unit) {
        format!("write `{right}`")
    } else {
        format!("expected {}", form.expected)
    };
    ValueError::new("E-UNIT", message).help(help)
}

/// The error for a text that does not begin with the sign of dollars.
fn not_dollars(text: &str, form: &Form) -> ValueError {
    let lower = text.to_lowercase();
    let such = format!("prices are in US dollars, such as `{}`", form.example);
    if OTHERS.iter().any(|other| lower.contains(other)) {
        let message = format!("`{}` is not in US dollars", clip(text));
        return ValueError::new("E-UNIT", message).help(such);
    }
    let dollars = DOLLARS.iter().find(|word| lower.contains(*word));
    let bare = dollars.map_or(lower.clone(), |word| lower.replacen(word, "", 1));
    let bare: String = bare.split_whitespace().collect();
    let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
    let (number, unit) = bare.split_at(end);
    if number.is_empty() {
        let found =
            if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", clip(text)) };
        return ValueError::new("E-TYPE", format!("expected {}, found {found}", form.expected));
    }
    // Small letters by now, as they were compared.
    let known = form.units.iter().find(|known| known.0.to_lowercase() == unit);
    let known = known.or_else(|| unit.is_empty().then_some(&form.units[0]));
    let help = known.map_or(such, |(unit, _)| format!("write `${number}{unit}`"));
    let what = if dollars.is_some() { "does not begin with `$`" } else { "has no currency" };
    ValueError::new("E-UNIT", format!("`{}` {what}", clip(text))).help(help)
}

/// Gives each sort its reading and printing.
macro_rules! amounts {
    ($($type:ident $form:ident),+) => {$(
        impl FromStr for $type {
            type Err = ValueError;
            fn from_str(text: &str) -> Result<Self, ValueError> {
                read(text, &$form).map(Self)
            }
        }

        impl Display for $type {
            fn fmt(&self, f: &mut Formatter<'_>) -> Printed {
                write!(f, "${}{}", Decimal::of(self.0), $form.units[0].0)
            }
        }
    )+};
}

amounts!(Money MONEY, HourPrice HOUR, CallPrice CALL, StoragePrice STORAGE, MemoryPrice MEMORY, TrafficPrice TRAFFIC);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_read_and_printed() {
        assert_eq!("$900".parse::<Money>().unwrap(), Money(900.0));
        for (text, printed) in [("$0.17/h", "$0.17/h"), ("$3/h", "$3/h"), ("$0/h", "$0/h")] {
            let price: HourPrice = text.parse().unwrap();
            assert_eq!(price.to_string(), printed);
            assert_eq!(price.to_string().parse::<HourPrice>().unwrap(), price);
        }
        for (text, printed) in
            [("$0.20/1M", "$0.2/1M"), ("$0.0002/1k", "$0.2/1M"), ("$0.0000002/1", "$0.2/1M")]
        {
            assert_eq!(text.parse::<CallPrice>().unwrap().to_string(), printed, "{text}");
        }
        assert_eq!("$0.023/GB/month".parse::<StoragePrice>().unwrap(), StoragePrice(0.023));
        assert_eq!("$0.09/GB".parse::<TrafficPrice>().unwrap().to_string(), "$0.09/GB");
    }

    #[test]
    fn what_is_no_price_is_told_how_it_is_written() {
        for (text, code, message, help) in [
            ("$0.17", "E-UNIT", "does not say for what", "write `$0.17/h`"),
            ("0.17", "E-UNIT", "has no currency", "write `$0.17/h`"),
            ("0.17/h", "E-UNIT", "has no currency", "write `$0.17/h`"),
            ("€0.17/h", "E-UNIT", "not in US dollars", "such as `$0.17/h`"),
            ("0.17 EUR/h", "E-UNIT", "not in US dollars", "such as `$0.17/h`"),
            ("0.17 USD/h", "E-UNIT", "does not begin with `$`", "write `$0.17/h`"),
            ("US$0.17/h", "E-UNIT", "does not begin with `$`", "write `$0.17/h`"),
            ("0.17$/h", "E-UNIT", "does not begin with `$`", "write `$0.17/h`"),
            ("$0.17/hour", "E-UNIT", "`/hour` is not what", "write `$0.17/h`"),
            ("$0.17/min", "E-UNIT", "`/min` is not what", "such as `$0.17/h`"),
            ("$0.17/GB", "E-UNIT", "`/GB` is not what", "such as `$0.17/h`"),
            ("$0.17 /h", "E-UNIT", "a blank", "write `$0.17/h`"),
            ("-$0.17/h", "E-RANGE", "is negative", "such as `$0.17/h`"),
            ("$-0.17/h", "E-RANGE", "is negative", "such as `$0.17/h`"),
            ("$.17/h", "E-NUM-FORM", "plain decimal", "write `$0.17/h`"),
            ("$0,17/h", "E-NUM-FORM", "plain decimal", "write `$0.17/h`"),
            ("cheap", "E-TYPE", "expected a price of an instance", ""),
        ] {
            let error = text.parse::<HourPrice>().expect_err(text);
            assert_eq!(error.code, code, "{text}");
            assert!(error.message.contains(message), "{text}: {}", error.message);
            assert!(error.help.unwrap_or_default().contains(help), "{text}");
        }
        let help = "$900/month".parse::<Money>().unwrap_err().help.unwrap();
        assert!(help.contains("write `$900`"), "{help}");
        let help = "$0.023/GB".parse::<StoragePrice>().unwrap_err().help.unwrap();
        assert!(help.contains("`$0.023/GB/month`"), "{help}");
        let help = "$0.20/M".parse::<CallPrice>().unwrap_err().help.unwrap();
        assert_eq!(help, "write `$0.2/1M`");
    }
}
