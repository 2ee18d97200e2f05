//! Values good and bad, and every value printed and read back.

use std::{fmt, str::FromStr};

use super::*;

fn code<T: FromStr<Err = ValueError> + fmt::Debug>(text: &str) -> &'static str {
    text.parse::<T>().expect_err(text).code
}

#[test]
fn durations_are_exact() {
    for (text, nanos, printed) in [
        ("250us", 250_000, "250us"),
        ("0.25ms", 250_000, "250us"),
        ("1.5s", 1_500_000_000, "1.5s"),
        ("90s", 90_000_000_000, "90s"),
        ("120s", 120_000_000_000, "2m"),
        ("0s", 0, "0s"),
        ("0.000000001s", 1, "1ns"),
        ("7d", 604_800_000_000_000, "7d"),
    ] {
        let d: SimDuration = text.parse().unwrap();
        assert_eq!((d.0, d.to_string().as_str()), (nanos, printed), "{text}");
    }
}

#[test]
fn strange_forms_are_refused_with_their_code() {
    for (text, want) in [
        ("5", "E-UNIT"),
        ("5 ms", "E-UNIT"),
        ("5 m", "E-UNIT"),
        ("5sec", "E-UNIT"),
        ("0.1ns", "E-RESOLUTION"),
        ("1:30", "E-NUM-FORM"),
        ("-5ms", "E-RANGE"),
        ("nan", "E-NONFINITE"),
        (".inf", "E-NONFINITE"),
        ("010ms", "E-NUM-FORM"),
        ("1_000s", "E-NUM-FORM"),
        ("99999999999999d", "E-OVERFLOW"),
        ("", "E-TYPE"),
    ] {
        assert_eq!(code::<SimDuration>(text), want, "{text}");
    }
    for (text, want) in [
        ("0x2A", "E-NUM-FORM"),
        ("1e3", "E-NUM-FORM"),
        ("010", "E-NUM-FORM"),
        ("1_000", "E-NUM-FORM"),
        ("1.5", "E-TYPE"),
        ("-1", "E-RANGE"),
        ("10K", "E-UNIT"),
        ("99999999999999999999", "E-OVERFLOW"),
    ] {
        assert_eq!(code::<Count>(text), want, "{text}");
    }
    assert_eq!(code::<Size>("2kB"), "E-UNIT");
    assert!("2kB".parse::<Size>().unwrap_err().help.unwrap().contains("2KB"));
    assert!("1:30".parse::<SimDuration>().unwrap_err().help.unwrap().contains("90s"));
    assert_eq!(code::<Fraction>("150%"), "E-RANGE");
    assert_eq!(code::<Fraction>("50"), "E-RANGE");
    assert_eq!(code::<Rate>("0/s"), "E-RANGE");
    assert_eq!(code::<Rate>("5"), "E-UNIT");
    for name in ["no", "123", "1e3", "Api", "", "a b", "0x1f", "-a"] {
        assert_eq!(code::<Name>(name), "E-NAME", "{name}");
    }
}

#[test]
fn values_print_as_they_parse() {
    assert_eq!(
        "5M/day".parse::<Rate>().unwrap().to_string().parse::<Rate>().unwrap().0,
        5e6 / 86_400.0
    );
    assert_eq!("10k".parse::<Count>().unwrap().to_string(), "10k");
    assert_eq!("99.9%".parse::<Fraction>().unwrap(), "0.999".parse::<Fraction>().unwrap());
    assert_eq!("99.9%".parse::<Fraction>().unwrap().to_string(), "99.9%");
    assert_eq!("1Gbps".parse::<Bandwidth>().unwrap().0, 125e6);
    assert_eq!("1Gbps".parse::<Bandwidth>().unwrap().to_string(), "1Gbps");
    for text in ["5kbps", "5Kbps"] {
        assert_eq!(text.parse::<Bandwidth>().unwrap().0, 625.0);
        assert_eq!(text.parse::<Bandwidth>().unwrap().to_string(), "5kbps");
    }
    assert_eq!("2KiB".parse::<Size>().unwrap().0, 2048);
}

#[test]
fn the_help_says_what_to_write() {
    fn help<T: FromStr<Err = ValueError> + fmt::Debug>(text: &str) -> String {
        text.parse::<T>().expect_err(text).help.unwrap_or_default()
    }
    for (text, want) in [
        ("5", "`5s` or `5ms`"),
        ("5 m", "`5m`"),
        ("1:30", "`90s`"),
        ("1:00:00", "`3600s`"),
        ("1e3s", "`1000s`"),
        ("1.5e-3s", "`0.0015s`"),
        ("010s", "`10s`"),
        ("1_000s", "`1000s`"),
        ("1,000s", "`1000s`"),
        (".5s", "`0.5s`"),
        ("+5s", "`5s`"),
        ("5sec", "`5s`"),
        ("5min", "`5m`"),
        ("5mS", "`5ms`"),
        ("5.s", "both sides"),
    ] {
        assert!(help::<SimDuration>(text).contains(want), "{text}: {}", help::<SimDuration>(text));
    }
    for (text, want) in [("0x2A", "`42`"), ("0b11", "`3`"), ("00", "`0`"), ("10K", "`10k`")] {
        assert!(help::<Count>(text).contains(want), "{text}: {}", help::<Count>(text));
    }
    assert!(help::<Size>("2kB").contains("`2KB`"));
    assert!(help::<Size>("2Kb").contains("`2KB`"));
    assert!(help::<Bandwidth>("2gbps").contains("`2Gbps`"));
    assert!(help::<Rate>("5").contains("`5/s`"));
    assert!(help::<Rate>("5/m").contains("`5/min`"), "{}", help::<Rate>("5/m"));
    assert!(help::<Fraction>("50").contains("`50%`"));
    assert!(help::<Name>("Api Server").contains("`api-server`"));
}

#[test]
fn values_are_printed_short() {
    fn print<T: FromStr<Err = ValueError> + fmt::Display>(text: &str) -> String {
        text.parse::<T>().unwrap_or_else(|e| panic!("{text}: {e}")).to_string()
    }
    for text in ["1.5s", "250us", "90s", "100ms", "1ns", "7d", "36h", "20000s", "1234567ns"] {
        assert_eq!(print::<SimDuration>(text), text);
    }
    assert_eq!(print::<SimDuration>("86400s"), "1d");
    for text in ["1200/s", "5M/day", "90/min", "0.001/s"] {
        let rate: Rate = text.parse().unwrap();
        assert_eq!(print::<Rate>(text).parse::<Rate>().unwrap().0.to_bits(), rate.0.to_bits());
    }
    assert_eq!(print::<Rate>("1200/s"), "1200/s");
    assert_eq!(print::<Bandwidth>("100MB/s"), "100MB/s");
    assert_eq!(print::<Bandwidth>("10Gbps"), "10Gbps");
    for text in ["2KB", "2KiB", "10GB", "0B", "512B", "1500B"] {
        assert_eq!(print::<Size>(text), text);
    }
    for text in ["8", "10k", "1M", "1500", "12345", "0"] {
        assert_eq!(print::<Count>(text), text);
    }
    for text in ["99.9%", "0.001%", "29%", "0%", "100%"] {
        assert_eq!(print::<Fraction>(text), text);
    }
}

#[test]
fn serde_carries_the_code_and_the_advice() {
    let error = serde_json::from_str::<SimDuration>("\"5\"").unwrap_err().to_string();
    assert!(error.starts_with("[E-UNIT] `5` has no unit\u{1f}did you mean"), "{error}");
    assert_eq!(serde_json::from_str::<Count>("8").unwrap(), Count(8));
    assert_eq!(serde_json::from_str::<Fraction>("0.2").unwrap(), Fraction(0.2));
    assert_eq!(serde_json::from_str::<Name>("true").unwrap_err().to_string()[..8], *"[E-NAME]");
    let error = serde_json::from_str::<SimDuration>("[1]").unwrap_err().to_string();
    assert!(error.contains("expected a duration such as"), "{error}");
    assert_eq!(serde_json::to_string(&SimDuration(5_000_000)).unwrap(), "\"5ms\"");
}

mod properties {
    use proptest::prelude::*;

    use super::super::*;

    fn back<T>(value: &T) -> T
    where
        T: std::str::FromStr<Err = ValueError> + std::fmt::Display,
    {
        let text = value.to_string();
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    proptest! {
        #[test]
        fn whole_values_read_back(x in prop_oneof![0..1_000_000_u64, 0..=u64::MAX / 2]) {
            prop_assert_eq!(back(&SimDuration(x)), SimDuration(x));
            prop_assert_eq!(back(&Size(x)), Size(x));
            prop_assert_eq!(back(&Count(x)), Count(x));
        }

        #[test]
        fn real_values_read_back(x in prop_oneof![1e-9..1e12_f64, 0.0..f64::MAX]) {
            prop_assert_eq!(back(&Number(x)).0.to_bits(), x.to_bits());
            prop_assert_eq!(plain(&plain_text(x)).unwrap().to_bits(), x.to_bits());
            if x > 0.0 {
                prop_assert_eq!(back(&Rate(x)).0.to_bits(), x.to_bits());
                prop_assert_eq!(back(&Bandwidth(x)).0.to_bits(), x.to_bits());
            }
            let text = coefficient_text::<SimDuration>(x);
            prop_assert_eq!(coefficient::<SimDuration>(&text).unwrap().to_bits(), x.to_bits());
        }

        #[test]
        fn fractions_read_back(x in 0.0..=1.0_f64) {
            prop_assert_eq!(back(&Fraction(x)).0.to_bits(), x.to_bits());
        }

        #[test]
        fn percentages_are_exact(hundredths in 0..=10_000_u32) {
            let text = format!("{}.{:02}%", hundredths / 100, hundredths % 100);
            let fraction: Fraction = text.parse().unwrap();
            let same: Fraction = format!("{}", f64::from(hundredths) / 1e4).parse().unwrap();
            prop_assert_eq!(fraction, same);
        }

        #[test]
        fn names_read_back(text in "[a-z0-9][a-z0-9_-]{0,63}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(back(&name), name);
            }
        }

        #[test]
        fn nothing_panics(text in prop_oneof![
            any::<String>(),
            "[-+.]?[0-9_.,:]{0,6}[eExkMKGn%]?[-+]?[0-9]{0,3} ?[a-zA-Z/%µ]{0,4}",
        ]) {
            let _ = text.parse::<SimDuration>();
            let _ = text.parse::<Rate>();
            let _ = text.parse::<Size>();
            let _ = text.parse::<Bandwidth>();
            let _ = text.parse::<Count>();
            let _ = text.parse::<Fraction>();
            let _ = text.parse::<Number>();
            let _ = text.parse::<Name>();
            let _ = plain(&text);
        }
    }
}
