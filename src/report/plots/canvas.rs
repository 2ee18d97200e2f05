//! The drawing surface: plotters' SVG backend with the few strokes that charts need.
//!
//! **Invariant.** Every text is cleaned here and escaped by the backend; coordinates are whole
//! numbers, so that pictures are the same bytes on every platform.

use plotters::{
    coord::Shift,
    element::{Drawable, PointCollection},
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::report::text::clean;

/// Coordinates are this many times finer than shown pixels, because the backend rounds to whole ones.
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

/// Dash patterns of lines, in shown pixels. The backend has none, so each is drawn with a stroke
/// width of its own (in fine pixels) that is exchanged for the pattern in the finished text.
const DASHES: [(i32, &str); 4] = [(8, ""), (9, "8 4"), (10, "2 3"), (11, "14 4 3 4")];

/// How a text looks.
#[derive(Clone, Copy)]
pub(super) struct Look {
    size: i32,
    bold: bool,
    colour: Colour,
    across: HPos,
    upright: bool,
}

impl Look {
    /// 12 pixels, from its left end.
    pub(super) fn plain() -> Self {
        Self { size: 12, bold: false, colour: INK, across: HPos::Left, upright: false }
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
        Self { across: HPos::Center, ..self }
    }

    /// The text ends where it is put.
    pub(super) fn to_the_left(self) -> Self {
        Self { across: HPos::Right, ..self }
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
pub(super) struct Canvas<'a>(DrawingArea<SVGBackend<'a>, Shift>);

impl<'a> Canvas<'a> {
    /// The SVG of what `paint` draws on `width` x `height` shown pixels.
    pub(super) fn draw(width: i32, height: i32, paint: impl FnOnce(&Canvas<'_>)) -> String {
        let mut svg = String::new();
        let size = ((width * FINE) as u32, (height * FINE) as u32);
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let canvas = Canvas(area);
            canvas.rectangle((0, 0), (width, height), WHITE);
            paint(&canvas);
            canvas.0.present().expect("a string takes everything");
        }
        let drawn = format!("width=\"{}\" height=\"{}\"", size.0, size.1);
        svg = svg.replacen(&drawn, &format!("width=\"{width}\" height=\"{height}\""), 1);
        for (key, pattern) in DASHES.into_iter().skip(1) {
            let fine: Vec<String> = pattern
                .split(' ')
                .filter_map(|length| length.parse().ok())
                .map(|length: i32| (length * FINE).to_string())
                .collect();
            let dashed = format!("stroke-width=\"8\" stroke-dasharray=\"{}\"", fine.join(" "));
            svg = svg.replace(&format!("stroke-width=\"{key}\""), &dashed);
        }
        svg
    }

    /// A line in the style of its number; fine pixels.
    pub(super) fn stroke(&self, points: &[(i32, i32)], style: usize) {
        let (width, _) = DASHES[style % DASHES.len()];
        let colour = rgb(COLOURS[style % COLOURS.len()]);
        self.put(&PathElement::new(points.to_vec(), colour.stroke_width(width as u32)));
    }

    /// A dashed line; fine pixels.
    pub(super) fn dashed(&self, points: &[(i32, i32)], colour: Colour) {
        let (width, _) = DASHES[1];
        self.put(&PathElement::new(points.to_vec(), rgb(colour).stroke_width(width as u32)));
    }

    /// The marker of a line's style; fine pixels.
    pub(super) fn marker(&self, (x, y): (i32, i32), style: usize) {
        let colour = COLOURS[style % COLOURS.len()];
        let size = 3 * FINE + 2;
        let square = |size: i32| [(x - size, y - size), (x + size, y + size)];
        match style % 8 {
            0 => self.put(&Circle::new((x, y), size, rgb(colour).filled())),
            1 => self.polygon(
                &[(x, y - size - 4), (x + size + 3, y + size), (x - size - 3, y + size)],
                colour,
            ),
            2 => {
                self.put(&Rectangle::new(square(size), rgb(colour).filled()));
                self.put(&Rectangle::new(square(size - 6), rgb(WHITE).filled()));
            }
            3 => {
                self.path(&[(x - size, y - size), (x + size, y + size)], colour, 2);
                self.path(&[(x - size, y + size), (x + size, y - size)], colour, 2);
            }
            4 => self.put(&Rectangle::new(square(size), rgb(colour).filled())),
            5 => {
                self.put(&Circle::new((x, y), size + 2, rgb(colour).filled()));
                self.put(&Circle::new((x, y), size - 4, rgb(WHITE).filled()));
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
        let style = rgb(colour).stroke_width((width * FINE) as u32);
        self.put(&PathElement::new(points.to_vec(), style));
    }

    /// A filled polygon; fine pixels.
    pub(super) fn polygon(&self, points: &[(i32, i32)], colour: Colour) {
        self.put(&Polygon::new(points.to_vec(), rgb(colour).filled()));
    }

    /// A filled rectangle; shown pixels.
    pub(super) fn rectangle(&self, from: (i32, i32), to: (i32, i32), colour: Colour) {
        let corners = [from, to].map(|(x, y)| (x * FINE, y * FINE));
        self.put(&Rectangle::new(corners, rgb(colour).filled()));
    }

    /// A text; shown pixels.
    pub(super) fn text(&self, text: &str, (x, y): (i32, i32), look: Look) {
        self.text_fine(text, (x * FINE, y * FINE), look);
    }

    /// A text; fine pixels.
    pub(super) fn text_fine(&self, text: &str, at: (i32, i32), look: Look) {
        if text.is_empty() {
            return;
        }
        // The backend divides sizes by 1.24.
        let size = f64::from(look.size * FINE) * 1.24;
        let weight = if look.bold { FontStyle::Bold } else { FontStyle::Normal };
        let mut font: FontDesc<'_> = ("sans-serif", size, weight).into();
        if look.upright {
            font = font.transform(FontTransform::Rotate270);
        }
        let place = Pos::new(look.across, VPos::Center);
        let colour = rgb(look.colour);
        let style = TextStyle::from(font).color(&colour).pos(place);
        self.put(&Text::new(clean(text), at, style));
    }

    fn put<E>(&self, element: &E)
    where
        for<'e> &'e E: PointCollection<'e, (i32, i32)>,
        E: Drawable<SVGBackend<'a>>,
    {
        self.0.draw(element).expect("a string takes everything");
    }
}

fn rgb((red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
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
