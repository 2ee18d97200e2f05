//! The picture of designs of any size.

use super::*;
use crate::node_kind::NodeKind;
use crate::{report::fixture, results::Edge};

#[test]
fn the_shop() {
    let svg = draw(&fixture::shop());
    insta::assert_snapshot!(svg);
    for text in ["20 users", "3 shards", "× 8", "browse 80 %, buy 20 %", "us-east-1b", "A ×3"] {
        assert!(svg.contains(text), "{text}");
    }
}

#[test]
fn nothing_to_draw() {
    assert!(draw(&Results::default()).contains("no parts"));
}

#[test]
fn calls_of_one_pair_share_an_arrow_and_strangers_have_none() {
    let mut design = fixture::shop().design;
    let edge = |from: &str, to: &str, label: &str| Edge {
        from: from.into(),
        to: to.into(),
        label: label.into(),
    };
    design.edges =
        vec![edge("api", "orders", "read"), edge("api", "orders", "write"), edge("api", "x", "")];
    let arrows = arrows(&design);
    assert_eq!(arrows.len(), 1);
    assert_eq!(arrows[0].label, "read, write");
}

#[test]
fn a_node_that_was_full_says_so_in_a_line_of_its_own() {
    let mut results = fixture::shop();
    let of = |results: &Results| {
        let boxes = Picture::new(&results.design, &BTreeMap::new(), None).boxes;
        let api = boxes.iter().position(|boxed| boxed.name == "api").unwrap();
        (boxes[api].height, draw(results))
    };
    results.series.nodes.get_mut("api").unwrap().utilisation[9] = Some(1.02);
    let (height, svg) = of(&results);
    let mean = value(Quantity::Share, results.nodes["api"].utilisation.value.unwrap());
    assert!(svg.contains(&format!("busy {mean}, at most 100 %")), "{svg}");
    assert!(svg.contains("in its busiest window"), "{svg}");
    let busy = [("api".to_owned(), Busy { mean: 0.5, most: 1.0 })].into();
    let picture = Picture::new(&results.design, &busy, None);
    assert!(picture.boxes.iter().any(|b| b.name == "api" && b.height == height + 15.0));
}

#[test]
fn labels_stand_beside_boxes_also_of_calls_that_go_back() {
    let mut design = fixture::shop().design;
    let back = Edge { from: "orders".into(), to: "api".into(), label: "a call back".into() };
    design.edges.push(back);
    let picture = Picture::new(&design, &BTreeMap::new(), None);
    let (mut out, mut labels) = (String::new(), Vec::new());
    for (i, arrow) in picture.arrows.iter().enumerate() {
        picture.arrow(&mut out, i, arrow, &mut labels);
    }
    for label in &labels {
        let left = label.at.0 - label.width() / 2.0;
        for &(from, to) in &picture.columns {
            assert!(to + 8.0 <= left || label.right() <= from, "{}", label.text);
        }
    }
    assert!(labels.iter().any(|label| label.text == "a call back"));
}

#[test]
fn forty_parts_do_not_overlap() {
    let mut design = Design::default();
    for i in 0..40 {
        let kind = [
            NodeKind::Client,
            NodeKind::LoadBalancer,
            NodeKind::Service,
            NodeKind::Store,
            NodeKind::External,
        ][i.min(4)];
        design.vertices.push(Vertex {
            name: format!("part-{i}"),
            kind,
            detail: "some words that are long enough to be wrapped".into(),
            ..Vertex::default()
        });
        if i > 0 {
            let from = format!("part-{}", (i - 1) / 3);
            design.edges.push(Edge { from, to: format!("part-{i}"), label: "call".into() });
        }
    }
    let picture = Picture::new(&design, &BTreeMap::new(), None);
    for a in 0..40 {
        for b in a + 1..40 {
            let (first, second) = (picture.frame(a), picture.frame(b));
            let apart_x = first.0 + first.2 <= second.0 || second.0 + second.2 <= first.0;
            let apart_y = first.1 + first.3 <= second.1 || second.1 + second.3 <= first.1;
            assert!(apart_x || apart_y, "{a} and {b} overlap");
        }
    }
}

#[test]
fn details_wrap_and_end() {
    assert_eq!(wrap("a b c", 3, 2), ["a b", "c"]);
    assert_eq!(wrap("aaa bbb ccc ddd", 7, 1), ["aaa b…"]);
    assert_eq!(wrap("", 3, 2), Vec::<String>::new());
}

#[test]
fn payloads_reach_no_picture() {
    for payload in fixture::PAYLOADS {
        let svg = draw(&fixture::hostile(payload));
        assert!(!svg.contains("<script") && !svg.contains("<img"));
        assert!(!svg.contains("' onload") && !svg.contains("\"]]>"));
        assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    }
}
