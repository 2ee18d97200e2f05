//! When faults come, again and again.

use crate::{
    bad_input::check_in,
    design::{number, results},
    faults::{FAULTY, close},
};

#[test]
fn what_comes_every_so_often_comes_so_often() {
    // Ten requests a second for 60 s; all that come in 5 .. 6 s, 15 .. 16 s, ... fail.
    let run = |when: &str| {
        let fault = format!("{{id: f, {when}, for: 1s, errors: {{node: db, fraction: 100%}}}}");
        results(
            "60.05s",
            "arrivals: constant(10/s), to: db",
            "db: {external: {latency: 1ms}}",
            &fault,
        )
    };
    let found = run("every: 10s, at: 4950ms");
    assert_eq!(number(&found, "summary.requests.error"), 6.0 * 10.0);
    assert_eq!(number(&found, "faults.0.occurrences"), 6.0);
    close(number(&found, "faults.0.started"), 4.95);
    close(number(&found, "faults.0.availability_during"), 0.0);
    close(number(&found, "faults.0.availability_after"), 1.0);
    // Without `at` after one period.
    assert_eq!(number(&run("every: 25s"), "faults.0.occurrences"), 2.0);
}

#[test]
fn periods_are_checked() {
    const WHEN: &str = "at: 1s, for: 1s";
    const C: &str = "for: 1s, crash: {node: a}";
    check_in(
        FAULTY,
        &[
            ("B55", WHEN, "every: 0s, for: 1s", "13:20 E-FAULT-TIME", "above 0"),
            ("B55", WHEN, "every: 1s, for: 1s", "13:20 E-FAULT-TIME", "before it is over"),
            ("B55", WHEN, "every: 1s, at: 1s", "13:20 E-FAULT-TIME", "never ends"),
            ("B55", WHEN, "every: 100s, for: 1s", "13:20 E-FAULT-TIME", "when the run is over"),
            ("B55", "at: 1s", "every: 9s, mtbf: 1s, mttr: 1s", "13:6 E-FAULT-TIME", "again"),
            ("B53", WHEN, "every: 2ns, for: 1ns", "13:20 E-BUDGET", "more than"),
            (
                "B55",
                C,
                "every: 5s, for: 1s, load: {client: load, factor: 2}",
                "13:28 E-FAULT-TIME",
                "comes once",
            ),
        ],
    );
}
