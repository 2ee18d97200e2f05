//! Pages of small results.

use super::{table::kept_together, *};
use crate::report::{fixture, plots, topology};

#[test]
fn figures_break_before_their_interval() {
    let kept = |text| kept_together(text).replace('\u{a0}', "_");
    assert_eq!(kept("12.3 ± 0.2 ms"), "12.3 ±_0.2_ms");
    assert_eq!(kept("12.3 [12.0, 12.5] ms"), "12.3 [12.0,_12.5]_ms");
    assert_eq!(kept("4 min to 5 min"), "4_min to_5_min");
    assert_eq!(kept("45.9 % memory"), "45.9_%_memory");
    assert_eq!(kept("edge of the world"), "edge of the world");
}

fn of(results: &Results) -> String {
    page(results, &[], &topology::draw(results), &plots::all(results))
}

/// The page without its pictures, which have tests of their own.
fn text_of(results: &Results) -> String {
    page(results, &[], "<!-- topology -->\n", &[])
}

#[test]
fn the_text_of_a_run() {
    insta::assert_snapshot!(text_of(&fixture::shop()));
}

#[test]
fn one_page_holds_everything_and_asks_for_nothing() {
    let html = of(&fixture::shop());
    // The design, six charts, and a bar for each objective that was measured.
    assert_eq!(html.matches("<svg ").count(), 9);
    assert!(html.contains("default-src 'none'; style-src 'unsafe-inline'; img-src data:"));
    for foreign in ["<script", "<link", "src=", "href=", "@import", "url("] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    let addresses = html.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http:") && !addresses.contains("https:"));
}

#[test]
fn tags_are_balanced() {
    let html = of(&fixture::shop());
    for tag in ["table", "tr", "td", "h2", "p", "figure", "svg", "div", "ul", "li", "text"] {
        let opened =
            html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn partial_and_empty_runs_say_so() {
    let mut results = fixture::nothing_decided();
    results.status = "interrupted".into();
    results.status_reason = Some("stopped after 3 of 10 replications".into());
    results.replications.truncate(1);
    let html = of(&results);
    for text in [
        "status partial\">interrupted",
        "stopped after 3 of 10",
        "No request was decided",
        "one replication has none",
    ] {
        assert!(html.contains(text), "{text}");
    }
    assert!(of(&Results::default()).ends_with("</html>\n"));
}

#[test]
fn payloads_stay_text() {
    for payload in fixture::PAYLOADS {
        let html = of(&fixture::hostile(payload));
        for harm in ["<script", "<img", "' onload", "]]>", "<!--"] {
            assert!(!html.contains(harm), "{harm} of {payload:?}");
        }
        assert!(!html.contains(|c: char| c.is_control() && c != '\n'), "{payload:?}");
    }
}
