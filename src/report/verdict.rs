//! What a run comes to, in a few sentences: what happened first, then what was asked of it, then what is nearest to its limit.
//!
//! **Invariant.** A design that stays down never begins with good news: what happened is told before what was asked.

use super::{
    explain::bottleneck,
    table::slo_measured,
    text::{Quantity, clean, duration, plural, value},
};
use crate::results::{Aftermath, Estimate, FaultResults, Judgement, Results, SloResult};

/// Faults told of at most.
const FAULTS: usize = 3;
/// Objectives named at most.
const NAMED: usize = 2;
/// Less availability than this is lost is none: a hundredth of a point.
const NOTHING: f64 = 1e-4;

/// The sentences, the first about what happened.
pub(crate) fn verdict(results: &Results) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let came = |fault: &&FaultResults| fault.occurrences.value.unwrap_or_default() > 0.0;
    let mut faults: Vec<&FaultResults> = results.faults.iter().filter(came).collect();
    // Those that the design does not come back from, then those that cost most.
    faults.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    lines.extend(faults.iter().take(FAULTS).filter_map(|fault| of_fault(fault)));
    let more = faults.len().saturating_sub(FAULTS) as u64;
    if more > 0 {
        lines.push(format!("{} did less harm.", plural(more, "other fault")));
    }
    if faults.is_empty() {
        lines.push(calm(results));
    }
    lines.extend(data(results));
    lines.extend(objectives(&results.slos));
    lines.extend(shown(&results.expect));
    lines.extend(bottleneck(results).map(|line| match line.strip_prefix("none: ") {
        Some(rest) => capital(rest),
        None => format!("Nearest to its limit is {line}"),
    }));
    lines
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// How much is to be said of a fault before others.
fn weight(fault: &FaultResults) -> f64 {
    let down = fault.metastable == Some(true) || fault.aftermath == Some(Aftermath::Draining);
    let lost = fault.availability_before.value.unwrap_or(1.0)
        - fault.availability_during.value.unwrap_or(1.0);
    f64::from(u8::from(down)) + lost
}

fn of_fault(fault: &FaultResults) -> Option<String> {
    let share = |v: f64| value(Quantity::Share, v);
    // A title may be a sentence of its own.
    let id = match &fault.title {
        Some(title) => format!("{}: it", clean(title)),
        None => clean(&fault.id),
    };
    let before = fault.availability_before.value;
    let during = fault.availability_during.value?;
    let lost = before.is_none_or(|before| before - during > NOTHING);
    let mut text = match before {
        Some(before) if lost => {
            format!("{id} takes availability from {} to {}", share(before), share(during))
        }
        Some(_) if fault.at_once => {
            format!("{id} costs no availability ({} from then on)", share(during))
        }
        Some(_) => format!("{id} costs no availability ({} during it)", share(during)),
        None => format!("{id} leaves an availability of {}", share(during)),
    };
    let after = fault.availability_after.value.map(share);
    let left = after.as_ref().map_or_else(String::new, |after| format!(": {after} after it"));
    match (fault.aftermath, fault.time_to_recover.value) {
        (Some(Aftermath::Metastable), _) => {
            text += &format!(", and the design stays down though its cause is gone{left}");
        }
        (Some(Aftermath::Draining), _) => {
            text += &format!(", and what has piled up still drains when the run ends{left}");
        }
        (Some(Aftermath::CauseRemains), _) => {
            text += &format!(", and another cause keeps it down{left}");
        }
        (_, Some(time)) if time > 0.0 && lost => {
            text += &format!("; it is back {} after its end", duration(time));
        }
        (_, Some(time)) if time <= 0.0 && lost => text += "; all is well as soon as it ends",
        (Some(_), None) if lost => text += &format!("; it is not seen to be back for good{left}"),
        _ => {}
    }
    text.push('.');
    Some(text)
}

/// What is to be said where nothing went wrong by plan.
fn calm(results: &Results) -> String {
    let figures = &results.summary.figures;
    let Some(availability) = figures.availability.value else {
        return "No request was decided.".to_owned();
    };
    let p99 = figures.latency.p99.value;
    let p99 = p99.map_or_else(String::new, |p99| format!(", with a p99 of {}", duration(p99)));
    format!("{} of all requests are answered well{p99}.", value(Quantity::Share, availability))
}

/// What became of data, where it was not what callers take it for.
fn data(results: &Results) -> Option<String> {
    let data = results.consistency.as_ref()?;
    let seen = |figure: &Estimate| figure.value.filter(|value| *value > 0.0);
    let each = if results.replications.len() > 1 { " of a run" } else { "" };
    let lost = seen(&data.lost_acked_writes);
    let old = seen(&data.stale_read_fraction);
    let told: Vec<String> = [
        lost.map(|n| {
            let n = value(Quantity::Number, n);
            format!("{n} acknowledged writes{each} are lost")
        }),
        old.map(|share| format!("{} of what is read is old", value(Quantity::Share, share))),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!told.is_empty()).then(|| format!("{}.", capital(&told.join("; "))))
}

fn of(slos: &[SloResult], verdict: Judgement) -> Vec<&SloResult> {
    slos.iter().filter(|slo| slo.verdict == verdict).collect()
}

fn named(slos: &[&SloResult]) -> String {
    let told = slos.iter().take(NAMED);
    let told = told.map(|slo| format!("{} ({})", clean(&slo.expression), slo_measured(slo)));
    let more = if slos.len() > NAMED { ", .." } else { "" };
    format!("{}{more}", told.collect::<Vec<_>>().join(", "))
}

fn objectives(slos: &[SloResult]) -> Option<String> {
    let n = slos.len();
    let (missed, met) = (of(slos, Judgement::Missed), of(slos, Judgement::Met));
    let open = n - missed.len() - met.len();
    let all = match n {
        1 => "its objective".to_owned(),
        2 => "both objectives".to_owned(),
        n => format!("all {n} objectives"),
    };
    let open_too = match open {
        0 => String::new(),
        1 => "; one is not decided".to_owned(),
        open => format!("; {open} are not decided"),
    };
    match (n, missed.len()) {
        (0, _) => None,
        (_, 0) if open == 0 => Some(format!("Meets {all}.")),
        (_, 0) => {
            Some(format!("Meets {} of {}{open_too}.", met.len(), plural(n as u64, "objective")))
        }
        (_, m) if m == n => Some(format!("Misses {all}: {}.", named(&missed))),
        (_, m) => {
            let of = plural(n as u64, "objective");
            Some(format!("Misses {m} of {of}: {}{open_too}.", named(&missed)))
        }
    }
}

/// What an experiment is to show is no success of its design.
fn shown(expect: &[SloResult]) -> Option<String> {
    let not = of(expect, Judgement::NotAsExpected);
    match (expect.len(), not.len()) {
        (0, _) => None,
        (n, 0) if of(expect, Judgement::AsExpected).len() == n => {
            Some("What this experiment is to show is seen.".to_owned())
        }
        (_, 0) => {
            Some("Whether what this experiment is to show is seen is not decided.".to_owned())
        }
        _ => Some(format!("What this experiment is to show is not seen: {}.", named(&not))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(value: f64) -> Estimate {
        Estimate { value: Some(value), ..Estimate::default() }
    }

    fn fault(id: &str, [before, during, after]: [f64; 3]) -> FaultResults {
        FaultResults {
            id: id.to_owned(),
            occurrences: at(1.0),
            availability_before: at(before),
            availability_during: at(during),
            availability_after: at(after),
            ..FaultResults::default()
        }
    }

    fn slo(expression: &str, verdict: Judgement, measured: f64) -> SloResult {
        SloResult {
            expression: expression.to_owned(),
            estimate: at(measured),
            verdict,
            reason: None,
            margin: None,
            unit: None,
        }
    }

    #[test]
    fn what_happened_is_told_first_and_the_worst_of_it_first() {
        let mut results = Results { duration: 100.0, ..Results::default() };
        let down = FaultResults {
            aftermath: Some(Aftermath::Metastable),
            metastable: Some(true),
            ..fault("blink", [1.0, 0.767, 0.034])
        };
        let mild = FaultResults { time_to_recover: at(0.0), ..fault("mild", [1.0, 0.9, 1.0]) };
        let none = FaultResults { time_to_recover: at(0.0), ..fault("none", [1.0, 1.0, 1.0]) };
        let slow = FaultResults { time_to_recover: at(12.0), ..fault("slow", [1.0, 0.1, 1.0]) };
        let never = FaultResults { occurrences: at(0.0), ..fault("never", [1.0, 0.0, 0.0]) };
        results.faults = vec![never, none, mild, slow, down];
        results.slos = vec![
            slo("availability >= 99%", Judgement::Missed, 0.5),
            slo("goodput >= 1/s", Judgement::Met, 2.0),
        ];
        results.expect = vec![slo("metastable(blink) == true", Judgement::AsExpected, 1.0)];
        assert_eq!(
            verdict(&results),
            [
                "blink takes availability from 100 % to 76.7 %, and the design stays down though its cause is gone: 3.40 % after it.",
                "slow takes availability from 100 % to 10 %; it is back 12 s after its end.",
                "mild takes availability from 100 % to 90 %; all is well as soon as it ends.",
                "1 other fault did less harm.",
                "Misses 1 of 2 objectives: availability >= 99% (50 %).",
                "What this experiment is to show is seen.",
            ]
        );
    }

    #[test]
    fn each_way_it_went_on_has_its_end_of_the_sentence() {
        let told = |aftermath, time_to_recover| {
            let went =
                FaultResults { time_to_recover, aftermath, ..fault("cut", [1.0, 0.5, 0.25]) };
            verdict(&Results { duration: 100.0, faults: vec![went], ..Results::default() })[0]
                .clone()
        };
        let begins = "cut takes availability from 100 % to 50 %";
        for (aftermath, time, ends) in [
            (
                Some(Aftermath::Metastable),
                None,
                ", and the design stays down though its cause is gone: 25 % after it.",
            ),
            (
                Some(Aftermath::Draining),
                None,
                ", and what has piled up still drains when the run ends: 25 % after it.",
            ),
            (
                Some(Aftermath::CauseRemains),
                None,
                ", and another cause keeps it down: 25 % after it.",
            ),
            (Some(Aftermath::Recovered), Some(3.0), "; it is back 3 s after its end."),
            (None, Some(0.0), "; all is well as soon as it ends."),
        ] {
            let time = time.map_or_else(Estimate::default, at);
            assert_eq!(told(aftermath, time), format!("{begins}{ends}"), "{aftermath:?}");
        }
    }

    #[test]
    fn a_title_is_followed_by_what_it_did_and_what_is_over_at_once_by_what_came_then() {
        let told = |fault: FaultResults| of_fault(&fault).unwrap();
        let quiet = || fault("rot", [1.0, 1.0, 1.0]);
        let titled = FaultResults {
            title: Some("a disk dies".to_owned()),
            ..fault("disk", [1.0, 0.5, 1.0])
        };
        assert_eq!(told(titled), "a disk dies: it takes availability from 100 % to 50 %.");
        assert_eq!(told(quiet()), "rot costs no availability (100 % during it).");
        let struck = FaultResults { at_once: true, ..quiet() };
        assert_eq!(told(struck), "rot costs no availability (100 % from then on).");
        let from_the_start = FaultResults { availability_before: Estimate::default(), ..quiet() };
        assert_eq!(told(from_the_start), "rot leaves an availability of 100 %.");
    }

    #[test]
    fn sentences_about_objectives_count_right() {
        let told = |verdicts: &[Judgement]| {
            let all: Vec<SloResult> =
                verdicts.iter().map(|verdict| slo("availability >= 99%", *verdict, 0.5)).collect();
            objectives(&all)
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[Judgement::Met]).unwrap(), "Meets its objective.");
        assert_eq!(told(&[Judgement::Met, Judgement::Met]).unwrap(), "Meets both objectives.");
        assert_eq!(
            told(&[Judgement::Met, Judgement::Inconclusive]).unwrap(),
            "Meets 1 of 2 objectives; one is not decided."
        );
        assert_eq!(
            told(&[Judgement::Missed]).unwrap(),
            "Misses its objective: availability >= 99% (50 %)."
        );
        assert!(told(&[Judgement::Missed; 3]).unwrap().starts_with("Misses all 3 objectives: "));
        assert!(told(&[Judgement::Missed; 3]).unwrap().ends_with(", ..."));
        assert!(
            told(&[Judgement::Missed, Judgement::Undecided, Judgement::Undecided])
                .unwrap()
                .ends_with("; 2 are not decided.")
        );
        let seen = |verdict| shown(&[slo("availability <= 9%", verdict, 0.5)]).unwrap();
        assert!(seen(Judgement::NotAsExpected).contains("is not seen: availability <= 9% (50 %)"));
        assert!(seen(Judgement::Undecided).contains("is not decided"));
    }

    #[test]
    fn a_quiet_run_says_how_it_went() {
        let results = crate::report::fixture::nothing_decided();
        assert_eq!(calm(&results), "No request was decided.");
        let lines = verdict(&crate::report::fixture::shop());
        assert!(!lines.is_empty() && lines.iter().all(|line| line.ends_with('.')), "{lines:?}");
    }
}
