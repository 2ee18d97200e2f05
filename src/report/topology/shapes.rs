//! Shapes of the kinds: each differs in outline and has its own sign.
//!
//! **Invariant.** Each kind is drawn.

use crate::node_kind::NodeKind;
use std::fmt::Write;

/// The outline of a box; `many` puts copies behind it.
pub(super) fn shape(
    out: &mut String,
    kind: NodeKind,
    (x, y, width, height): (f64, f64, f64, f64),
    many: bool,
) {
    let (fill, dash) = match kind {
        NodeKind::Client => ("#eef4fb", ""),
        NodeKind::LoadBalancer => ("#fff6e3", ""),
        NodeKind::Dns => ("#f4effb", ""),
        NodeKind::Store => ("#eef6ee", ""),
        NodeKind::Queue | NodeKind::Topic => ("#fdf1ee", ""),
        NodeKind::Function => ("#fbf7ea", ""),
        NodeKind::External => ("#f6f6f6", " stroke-dasharray=\"5 3\""),
        NodeKind::Service | NodeKind::Cache => ("#ffffff", ""),
    };
    let copies: &[f64] = if many { &[8.0, 4.0, 0.0] } else { &[0.0] };
    for shift in copies {
        let path = outline(kind, (x + shift, y - shift, width, height));
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"{fill}\" stroke=\"#333\" stroke-width=\"1.2\"{dash}/>"
        );
    }
}

fn outline(kind: NodeKind, (x, y, width, height): (f64, f64, f64, f64)) -> String {
    let (right, bottom) = (x + width, y + height);
    match kind {
        NodeKind::Client | NodeKind::External => {
            let r = if kind == NodeKind::Client { 20.0 } else { 10.0 };
            format!(
                "M{:.1} {y:.1}H{:.1}a{r} {r} 0 0 1 {r} {r}V{:.1}a{r} {r} 0 0 1 -{r} {r}H{:.1}\
                 a{r} {r} 0 0 1 -{r} -{r}V{:.1}a{r} {r} 0 0 1 {r} -{r}z",
                x + r,
                right - r,
                bottom - r,
                x + r,
                y + r,
            )
        }
        // A cylinder: the lid bulges up, the bottom down.
        NodeKind::Store => {
            let half = width / 2.0;
            let bulge = 7.0;
            format!(
                "M{x:.1} {:.1}a{half:.1} {bulge} 0 0 1 {width:.1} 0V{:.1}\
                 a{half:.1} {bulge} 0 0 1 -{width:.1} 0zM{x:.1} {:.1}\
                 a{half:.1} {bulge} 0 0 0 {width:.1} 0",
                y + bulge,
                bottom - bulge,
                y + bulge,
            )
        }
        // Pointed at both ends.
        NodeKind::LoadBalancer => {
            let tip = 10.0;
            let middle = f64::midpoint(y, bottom);
            format!(
                "M{:.1} {y:.1}H{:.1}L{right:.1} {middle:.1}L{:.1} {bottom:.1}H{:.1}\
                 L{x:.1} {middle:.1}z",
                x + tip,
                right - tip,
                right - tip,
                x + tip,
            )
        }
        // Two of its corners are cut off.
        NodeKind::Function => {
            let cut = 12.0;
            format!(
                "M{x:.1} {y:.1}H{:.1}L{right:.1} {:.1}V{bottom:.1}H{:.1}L{x:.1} {:.1}z",
                right - cut,
                y + cut,
                x + cut,
                bottom - cut,
            )
        }
        // A pipe: its ends are round.
        NodeKind::Queue => {
            let (half, bulge) = (height / 2.0, 7.0);
            format!(
                "M{:.1} {y:.1}H{:.1}a{bulge} {half:.1} 0 0 1 0 {height:.1}H{:.1}\
                 a{bulge} {half:.1} 0 0 1 0 -{height:.1}zM{:.1} {y:.1}a{bulge} {half:.1} 0 0 0 0 {height:.1}",
                x + bulge,
                right - bulge,
                x + bulge,
                right - bulge,
            )
        }
        NodeKind::Dns | NodeKind::Service | NodeKind::Cache | NodeKind::Topic => {
            format!("M{x:.1} {y:.1}H{right:.1}V{bottom:.1}H{x:.1}z")
        }
    }
}

/// A sign of 18 x 18 pixels with its corner at (x, y).
pub(super) fn glyph(out: &mut String, kind: NodeKind, x: f64, y: f64) {
    let strokes = match kind {
        // A person.
        NodeKind::Client => "M9 1a4 4 0 1 1 0 8a4 4 0 1 1 0 -8zM1.5 17.5c0 -9 15 -9 15 0z",
        // One line becomes three.
        NodeKind::LoadBalancer => {
            "M1 9H6M6 9C10 9 9 3 13 3H17M6 9H17M6 9C10 9 9 15 13 15H17\
             M14.5 1l2.5 2l-2.5 2M14.5 7l2.5 2l-2.5 2M14.5 13l2.5 2l-2.5 2"
        }
        // A signpost.
        NodeKind::Dns => "M9 1v17M3 3h10l3 2.5l-3 2.5h-10zM15 9.5h-9l-3 2.5l3 2.5h9z",
        // Disks.
        NodeKind::Store => {
            "M2 4.5a7 2.5 0 0 1 14 0v9a7 2.5 0 0 1 -14 0zM2 4.5a7 2.5 0 0 0 14 0\
             M2 9a7 2.5 0 0 0 14 0"
        }
        // Letters in a row.
        NodeKind::Queue => {
            "M1 6h4.5v6h-4.5zM6.75 6h4.5v6h-4.5zM12.5 6h4.5v6h-4.5zM1 6l2.25 3l2.25 -3M6.75 6l2.25 3l2.25 -3\
             M12.5 6l2.25 3l2.25 -3"
        }
        // Something said to all around.
        NodeKind::Topic => {
            "M3 9a2 2 0 1 1 4 0a2 2 0 1 1 -4 0zM9.5 5c3 2.2 3 5.8 0 8M12.5 2.5c5 3.8 5 9.2 0 13"
        }
        // Lambda.
        NodeKind::Function => "M4 2h2.5l6 14M8 7l-5 9M12.5 16h2.5",
        // A globe.
        NodeKind::External => {
            "M9 1.5a7.5 7.5 0 1 1 0 15a7.5 7.5 0 1 1 0 -15zM1.5 9h15M9 1.5c-4.5 4 -4.5 11 0 15\
             c4.5 -4 4.5 -11 0 -15"
        }
        // Two servers in a rack.
        _ => "M1.5 2h15v6h-15zM1.5 10h15v6h-15zM4 5h1M4 13h1M8 5h6M8 13h6",
    };
    let _ = writeln!(
        out,
        "<path transform=\"translate({x:.1} {y:.1})\" d=\"{strokes}\" fill=\"none\" \
         stroke=\"#333\" stroke-width=\"1.4\" stroke-linejoin=\"round\"/>"
    );
}
