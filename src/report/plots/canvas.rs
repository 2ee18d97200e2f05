//! The drawing surface: SVG, with the few strokes that charts need.
//!
//! **Invariant.** Every text is cleaned and escaped here; coordinates are whole numbers, so that pictures are the
//! same bytes on every platform.

use std::{
    cell::RefCell,
    fmt::{Display, Write as _},
};

use crate::report::text::escape;

/// Coordinates are this many times finer than shown pixels, because they are whole numbers.
pub(super) const FINE: i32 = 4;

/// Red, green, blue.
pub(super) type Colour = (u8, u8, u8);

const INK: Colour = (34, 34, 34);
pub(super) const FAINT: Colour = (96, 96, 96);
pub(super) const GRID: Colour = (222, 222, 222);
pub(super) const SHADE: Colour = (236, 236, 240);
/// Ground of the time in which a fault is at work.
pub(super) const FAULT: Colour = (250, 226, 222);
pub(super) const LIMIT: Colour = (163, 38, 42);
pub(super) const WHITE: Colour = (255, 255, 255);

/// Colours of lines: apart in hue for most eyes and in lightness for all.
const COLOURS: [Colour; 8] = [
    (0, 90, 160),
    (200, 80, 0),
    (0, 135, 100),
    (30, 30, 30),
    (170, 70, 130),
    (190, 140, 0),
    (70, 160, 215),
    (130, 130, 130),
];

/// Dash patterns of lines, in shown pixels: dash, gap, dash, gap.
const DASHES: [&[i32]; 4] = [&[], &[8, 4], &[2, 3], &[14, 4, 3, 4]];

/// How wide lines are, in shown pixels.
const LINE: i32 = 2;

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Look {
    size: i32,
    bold: bool,
    colour: Colour,
    /// `text-anchor`.
    across: &'static str,
    upright: bool,
}

impl Look {
    /// 12 pixels, from its left end.
    pub(super) fn plain() -> Self {
        Self { size: 12, bold: false, colour: INK, across: "start", upright: false }
    }

    /// The same in grey.
    pub(super) fn faint() -> Self {
        Self { colour: FAINT, ..Self::plain() }
    }

    pub(super) fn size(self, size: i32) -> Self {
        Self { size, ..self }
    }

    pub(super) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(super) fn centred(self) -> Self {
        Self { across: "middle", ..self }
    }

    /// The text ends where it is put.
    pub(super) fn to_the_left(self) -> Self {
        Self { across: "end", ..self }
    }

    pub(super) fn coloured(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    /// Turned to read from below.
    pub(super) fn upright(self) -> Self {
        Self { upright: true, ..self }
    }
}

/// A white picture to draw on.
pub(super) struct Canvas(RefCell<String>);

impl Canvas {
    /// The SVG of what `paint` draws on `width` x `height` shown pixels.
    pub(super) fn draw(width: i32, height: i32, paint: impl FnOnce(&Self)) -> String {
        let canvas = Self(RefCell::default());
        let (fine, high) = (width * FINE, height * FINE);
        canvas.put(format_args!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {fine} {high}\" \
             xmlns=\"http://www.w3.org/2000/svg\">"
        ));
        canvas.rectangle((0, 0), (width, height), WHITE);
        paint(&canvas);
        canvas.put("</svg>");
        canvas.0.into_inner()
    }

    /// A line in the style of its number; fine pixels.
    pub(super) fn stroke(&self, points: &[(i32, i32)], style: usize) {
        let dash = DASHES[style % DASHES.len()];
        self.line(points, COLOURS[style % COLOURS.len()], LINE, dash);
    }

    /// A dashed line; fine pixels.
    pub(super) fn dashed(&self, points: &[(i32, i32)], colour: Colour) {
        self.line(points, colour, LINE, DASHES[1]);
    }

    /// The marker of a line's style; fine pixels.
    pub(super) fn marker(&self, (x, y): (i32, i32), style: usize) {
        let colour = COLOURS[style % COLOURS.len()];
        let size = 3 * FINE + 2;
        match style % 8 {
            0 => self.circle((x, y), size, colour),
            1 => self.polygon(
                &[(x, y - size - 4), (x + size + 3, y + size), (x - size - 3, y + size)],
                colour,
            ),
            2 => {
                self.square((x, y), size, colour);
                self.square((x, y), size - 6, WHITE);
            }
            3 => {
                self.path(&[(x - size, y - size), (x + size, y + size)], colour, 2);
                self.path(&[(x - size, y + size), (x + size, y - size)], colour, 2);
            }
            4 => self.square((x, y), size, colour),
            5 => {
                self.circle((x, y), size + 2, colour);
                self.circle((x, y), size - 4, WHITE);
            }
            6 => {
                let far = size + 5;
                self.polygon(&[(x, y - far), (x + far, y), (x, y + far), (x - far, y)], colour);
            }
            _ => {
                self.path(&[(x - size, y), (x + size, y)], colour, 2);
                self.path(&[(x, y - size), (x, y + size)], colour, 2);
            }
        }
    }

    /// A solid line `width` shown pixels wide; points in fine pixels.
    pub(super) fn path(&self, points: &[(i32, i32)], colour: Colour, width: i32) {
        self.line(points, colour, width, &[]);
    }

    /// A filled polygon; fine pixels.
    pub(super) fn polygon(&self, points: &[(i32, i32)], colour: Colour) {
        let (fill, points) = (hex(colour), listed(points));
        self.put(format_args!("<polygon opacity=\"1\" fill=\"{fill}\" points=\"{points}\"/>"));
    }

    /// A filled rectangle; shown pixels.
    pub(super) fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: Colour) {
        let [from, to] = [from, to].map(|(x, y)| (x * FINE, y * FINE));
        self.filled(from, to, colour);
    }

    /// A text; shown pixels.
    pub(super) fn text(&self, text: &str, (x, y): (i32, i32), look: Look) {
        self.text_fine(text, (x * FINE, y * FINE), look);
    }

    /// A text; fine pixels.
    pub(super) fn text_fine(&self, text: &str, (x, y): (i32, i32), look: Look) {
        if text.is_empty() {
            return;
        }
        let (size, across, fill) = (look.size * FINE, look.across, hex(look.colour));
        let bold = if look.bold { " font-weight=\"bold\"" } else { "" };
        let turned = format!(" transform=\"rotate(270, {x}, {y})\"");
        let turned = if look.upright { turned.as_str() } else { "" };
        self.put(format_args!(
            "<text x=\"{x}\" y=\"{y}\" dy=\"0.5ex\" text-anchor=\"{across}\" font-family=\"sans-serif\" \
             font-size=\"{size}\" opacity=\"1\" fill=\"{fill}\"{bold}{turned}>\n{}\n</text>",
            escape(text)
        ));
    }

    fn line(&self, points: &[(i32, i32)], colour: Colour, width: i32, dash: &[i32]) {
        let (stroke, points, width) = (hex(colour), listed(points), width * FINE);
        let fine: Vec<String> = dash.iter().map(|length| (length * FINE).to_string()).collect();
        let dash = format!(" stroke-dasharray=\"{}\"", fine.join(" "));
        let dash = if fine.is_empty() { "" } else { dash.as_str() };
        self.put(format_args!(
            "<polyline fill=\"none\" opacity=\"1\" stroke=\"{stroke}\" stroke-width=\"{width}\"{dash} points=\"{points}\"/>"
        ));
    }

    /// Fine pixels.
    fn filled(&self, (x, y): (i32, i32), (right, bottom): (i32, i32), colour: Colour) {
        let (left, top) = (x.min(right), y.min(bottom));
        let (width, height) = ((right - x).abs(), (bottom - y).abs());
        self.put(format_args!(
            "<rect x=\"{left}\" y=\"{top}\" width=\"{width}\" height=\"{height}\" opacity=\"1\" fill=\"{}\" stroke=\"none\"/>",
            hex(colour)
        ));
    }

    fn square(&self, (x, y): (i32, i32), size: i32, colour: Colour) {
        self.filled((x - size, y - size), (x + size, y + size), colour);
    }

    fn circle(&self, (x, y): (i32, i32), radius: i32, colour: Colour) {
        self.put(format_args!(
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\" opacity=\"1\" fill=\"{}\" stroke=\"none\" stroke-width=\"1\"/>",
            hex(colour)
        ));
    }

    fn put(&self, element: impl Display) {
        writeln!(self.0.borrow_mut(), "{element}").expect("a string takes everything");
    }
}

fn hex((red, green, blue): Colour) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Points as SVG writes them.
fn listed(points: &[(i32, i32)]) -> String {
    points.iter().map(|(x, y)| format!("{x},{y} ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_are_patterns_and_sizes_are_shown_pixels() {
        let svg = Canvas::draw(100, 50, |canvas| {
            for style in 0..4 {
                canvas.stroke(&[(0, 0), (40, 40)], style);
            }
            canvas.text("a<b & \"c\"\u{1b}", (5, 5), Look::plain());
        });
        assert!(svg.contains("width=\"100\" height=\"50\" viewBox=\"0 0 400 200\""), "{svg}");
        assert_eq!(svg.matches("stroke-dasharray").count(), 3);
        assert_eq!(svg.matches("stroke-width=\"8\"").count(), 4);
        assert!(svg.contains("a&lt;b &amp; &quot;c&quot;"), "{svg}");
        assert!(svg.contains("font-size=\"48\""), "{svg}");
    }
}
