//! Estimates worked out by hand.

use super::*;

fn required(text: &str) -> RequirementsSpec {
    serde_yaml::from_str(text).unwrap()
}

fn shop() -> RequirementsSpec {
    required(
        "{users: 5M, actions: {browse: {rate: 40/day, in: 1KB, out: 20KB, reads: 3}, buy: {rate: 0.5/day, in: 2KB, writes: 1}}, \
         peak: 3, keep: {order: {per: buy, size: 2KB, for: 5y, replicas: 3, backups: 2, compression: 2}}, growth: 40%/year, \
         cache: {keys: uniform(n=10M), hit_ratio: 80%, size: 2KB}}",
    )
}

fn found(lines: &[Line], name: &str) -> Line {
    lines
        .iter()
        .find(|line| line.name == name)
        .unwrap_or_else(|| panic!("{name}: {lines:?}"))
        .clone()
}

#[test]
fn users_of_a_day_become_requests_bytes_and_items() {
    let lines = plan(&shop(), None);
    let close = |name: &str, expected: f64, formula: &str| {
        let line = found(&lines, name);
        assert!(
            (line.value / expected - 1.0).abs() < 1e-9,
            "{name}: {}, not {expected}",
            line.value
        );
        assert_eq!(line.formula, formula, "{name}");
    };
    let day = 86_400.0;
    close("average", 5e6 * 40.5 / day, "5M x (40 + 0.5) / 86,400 s");
    close("peak", 3.0 * 5e6 * 40.5 / day, "2,344 x 3");
    close("browse at the peak", 3.0 * 5e6 * 40.0 / day, "5M x 40 / 86,400 s x 3");
    close("reads at the peak", 9.0 * 5e6 * 40.0 / day, "6,944 x 3");
    close("writes at the peak", 3.0 * 5e6 * 0.5 / day, "86.8 x 1");
    close("order a day", 5e9, "5M x 0.5 x 2KB");
    close("order in year one", 5e9 * 365.0 * 5.0 / 2.0, "5 GB x 365 x (3 + 2) / 2");
    let grown: f64 = (0..5).map(|i| 1.4_f64.powi(i)).sum();
    close("order after 5y", 5e9 * 365.0 * 2.5 * grown, "4.56 TB x (1 + 1.4 + .. + 3.84)");
    close("in at the peak", 3.0 * 5e6 * (40.0 * 1e3 + 0.5 * 2e3) / day, "6,944 x 1KB + 86.8 x 2KB");
    close("out at the peak", 3.0 * 5e6 * 40.0 * 20e3 / day, "6,944 x 20KB");
    close("items", 8e6, "for 80% of uniform(n=10M), least recently used (Che)");
    close("working set", 16e9, "8,000,000 x 2KB");
}

#[test]
fn what_is_kept_for_less_than_a_year_is_that_share_of_it() {
    let text = "{users: {monthly: 40M, daily: 12.5%}, actions: {send: 8/day}, keep: {message: {per: send, size: 100B, for: 73d}}}";
    let lines = plan(&required(text), None);
    assert_eq!(found(&lines, "users a day").value, 5e6);
    let daily = 5e6 * 8.0 * 100.0;
    let end = found(&lines, "message after 73d");
    assert!((end.value - daily * 73.0).abs() < 1.0, "{end:?}");
    // Of one action and without a peak there is nothing more to say.
    assert_eq!(lines.iter().filter(|line| line.group == Group::Traffic).count(), 3);
}
