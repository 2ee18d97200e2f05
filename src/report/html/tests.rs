//! Pages of small results.

use sha2::{Digest as _, Sha256};

use super::{table::kept_together, *};
use crate::{
    report::{figures, fixture, plots, topology},
    results::{InstanceSeries, Status, Vertex},
};

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
    page(results, &Watched::default(), &topology::draw(results), &plots::all(results))
}

/// The page without its pictures, scripts and styles, which have tests of their own.
fn text_of(results: &Results) -> String {
    let page = page(results, &Watched::default(), "<!-- topology -->\n", &[]);
    let (text, _) = apart(&page);
    let without = |text: &str, from: &str, to: &str| {
        let begin = text.find(from).unwrap() + from.len();
        let end = begin + text[begin..].find(to).unwrap();
        format!("{}{}", &text[..begin], &text[end..])
    };
    let text = without(&text, "<figure id=\"picture\">\n", "</figure>");
    let text = without(&text, "script-src ", ";");
    without(&text, "<style>\n", "</style>")
}

#[test]
fn the_text_of_a_run() {
    insta::assert_snapshot!(text_of(&fixture::shop()));
}

#[test]
fn one_page_holds_everything_and_asks_for_nothing() {
    let html = of(&fixture::shop());
    // The design, as it is and as it moves, six charts, and a bar for each objective that was measured.
    assert_eq!(html.matches("<svg ").count(), 10);
    assert!(html.contains("content=\"default-src 'none'; script-src 'sha256-"));
    assert!(html.contains("require-trusted-types-for 'script'; style-src"));
    let (text, scripts) = apart(&html);
    assert_eq!(scripts.len(), 3);
    for foreign in ["<script", "<link", "src=", "href=", "@import", "url(", "javascript:"] {
        assert!(!text.contains(foreign), "{foreign}");
    }
    let addresses = text.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http:") && !addresses.contains("https:"));
    for code in &scripts[1..] {
        let code = code.replace("http://www.w3.org/2000/svg", "");
        for way_out in
            ["fetch(", "XMLHttpRequest", "import(", "innerHTML", "eval(", ".src", "Worker("]
        {
            assert!(!code.contains(way_out), "{way_out}");
        }
    }
}

/// The page without what its scripts hold, and that.
fn apart(html: &str) -> (String, Vec<&str>) {
    let (mut text, mut scripts) = (String::new(), Vec::new());
    let mut rest = html;
    while let Some(begin) = rest.find("<script") {
        let inside = begin + rest[begin..].find('>').unwrap() + 1;
        let end = inside + rest[inside..].find("</script>").unwrap();
        text.push_str(&rest[..begin]);
        scripts.push(&rest[inside..end]);
        rest = &rest[end + "</script>".len()..];
    }
    text.push_str(rest);
    (text, scripts)
}

#[test]
fn the_policy_names_the_scripts_that_are_there() {
    let html = of(&fixture::shop());
    let (_, scripts) = apart(&html);
    let policy = &html[html.find("script-src ").unwrap()..];
    let policy = &policy[..policy.find(';').unwrap()];
    assert_eq!(policy.matches("'sha256-").count(), scripts.len() - 1, "data is no code");
    for script in &scripts[1..] {
        let hash = live::base64(&Sha256::digest(script));
        assert_eq!(hash.len(), 44);
        assert!(policy.contains(&format!("'sha256-{hash}'")), "{policy}");
    }
}

#[test]
fn base64_is_that_of_its_standard() {
    // RFC 4648, section 10.
    for (bytes, text) in
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
    {
        assert_eq!(live::base64(bytes.as_bytes()), text);
    }
}

#[test]
fn what_others_wrote_is_as_they_published_it() {
    let sums = include_str!("../../../assets/vendor/SHA256SUMS");
    let files = [
        ("uplot/LICENSE", include_str!("../../../assets/vendor/uplot/LICENSE")),
        ("uplot/uPlot.iife.min.js", include_str!("../../../assets/vendor/uplot/uPlot.iife.min.js")),
        ("uplot/uPlot.min.css", include_str!("../../../assets/vendor/uplot/uPlot.min.css")),
    ];
    assert_eq!(sums.lines().count(), files.len());
    for (name, text) in files {
        let sum: String = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(sums.contains(&format!("{sum}  {name}\n")), "{name}: {sum}");
    }
}

/// What the script is given.
fn given(html: &str) -> serde_json::Value {
    serde_json::from_str(apart(html).1[0]).unwrap()
}

#[test]
fn the_replay_holds_each_part_window_by_window() {
    let mut results = fixture::shop();
    let windows = results.series.start.len();
    let api = results.series.nodes.get_mut("api").unwrap();
    api.per_instance = vec![InstanceSeries::default(); 8];
    api.per_instance[3].in_queue = (0..windows).map(|w| w as f64).collect();
    api.per_instance[3].struck = vec![1.0; windows];
    let data = given(&of(&results));
    let parts = data["parts"].as_array().unwrap();
    assert_eq!(parts.len(), results.design.vertices.len());
    let api = parts.iter().find(|part| part["name"] == "api").unwrap();
    assert_eq!(api["waiting"][7], figures::number(results.series.nodes["api"].in_queue[7]));
    assert_eq!(api["cells"][3]["waiting"][7], 7);
    assert_eq!(api["cells"][3]["struck"], 1, "what never changes is said once");
    assert_eq!(api["cells"][4], serde_json::json!({}));
    let shoppers = parts.iter().find(|part| part["name"] == "shoppers").unwrap();
    let series = &results.series.clients["shoppers"];
    assert_eq!(shoppers["p99"][9], figures::number(series.p99[9].unwrap()));
    assert_eq!(data["starts"][9], results.series.start[9] as i64);
    let events = data["events"].as_array().unwrap();
    assert_eq!(events.len(), results.timeline.events.len());
    assert_eq!(events[1][0], 352.5);
}

#[test]
fn a_page_that_would_be_too_large_shows_windows_together_and_says_so() {
    let mut results = fixture::shop();
    let windows = results.series.start.len();
    let noise = |n: usize| 0.1 + 0.8 * (n as f64 * 0.618_034).fract();
    let of_one = |i: usize| InstanceSeries {
        utilisation: (0..windows).map(|w| Some(noise(i * 7 + w * 3))).collect(),
        in_queue: (0..windows).map(|w| 1000.0 * noise(i * 3 + w * 5)).collect(),
        ..InstanceSeries::default()
    };
    for node in 0..40 {
        let mut series = results.series.nodes["api"].clone();
        series.per_instance = (0..50).map(|i| of_one(node * 50 + i)).collect();
        let name = format!("tier-{node}");
        results.series.nodes.insert(name.clone(), series);
        let like = results.design.vertices.iter().find(|v| v.name == "api").unwrap().clone();
        results.design.vertices.push(Vertex { name, instances: 50, ..like });
    }
    let html = of(&results);
    assert!(html.len() <= live::MOST, "{}", html.len());
    assert!(html.contains("To keep the page small 2 windows are shown as one"), "{}", html.len());
    let data = given(&html);
    assert_eq!(data["starts"].as_array().unwrap().len(), windows / 2);
    let cell = &data["parts"].as_array().unwrap().last().unwrap()["cells"][49];
    assert_eq!(cell["busy"].as_array().unwrap().len(), windows / 2);
    // More than any page could show: the picture stands still, and all figures are there.
    let like = results.design.vertices.last().unwrap().clone();
    for n in 0..1000 {
        results.design.vertices.push(Vertex { name: format!("more-{n}"), ..like.clone() });
    }
    let html = of(&results);
    assert!(html.len() <= live::MOST && !html.contains("<script"), "{}", html.len());
    assert!(html.contains("A replay of so many parts would make the page too large"));
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
    results.status = Status::Interrupted;
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
        let (text, scripts) = apart(&html);
        assert_eq!(scripts.len(), 3, "{payload:?}");
        for harm in ["<script", "<img", "' onload", "]]>", "<!--"] {
            assert!(!text.contains(harm), "{harm} of {payload:?}");
        }
        assert!(!scripts[0].contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{payload:?}");
        assert!(!html.contains(|c: char| c.is_control() && c != '\n'), "{payload:?}");
        // The script shows it as the text it is.
        let parts = given(&html)["parts"].clone();
        let last = parts.as_array().unwrap().last().unwrap();
        assert_eq!(last["name"], crate::report::text::clean(payload));
    }
}
