//! Tables of the page.

use crate::report::text::{clean, escape};
use std::fmt::Write;

/// A cell: text and its class.
pub(super) struct Cell {
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// The class of a picture, which is put there as it is.
const PICTURE: &str = "picture";

impl Cell {
    pub(super) fn plain(text: String) -> Self {
        Self { class: "", text }
    }

    /// A picture of our own making, or nothing.
    pub(super) fn picture(svg: String) -> Self {
        Self { class: PICTURE, text: svg }
    }
}

/// A table with its heading.
pub(super) struct Table(String);

impl Table {
    /// Columns of text begin with `<`: their heads stand to the left.
    pub(super) fn new(heading: &str, header: &[&str]) -> Self {
        let mut out = format!("<h2>{heading}</h2>\n<div class=\"wide\"><table>\n<thead><tr>");
        for name in header {
            let _ = match name.strip_prefix('<') {
                Some(name) => write!(out, "<th scope=\"col\" class=\"left\">{name}</th>"),
                None => write!(out, "<th scope=\"col\">{name}</th>"),
            };
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        Self(out)
    }

    pub(super) fn row(&mut self, cells: &[Cell]) {
        self.0.push_str("<tr>");
        for Cell { class, text } in cells {
            if *class == PICTURE {
                let _ = write!(self.0, "<td>{text}</td>");
                continue;
            }
            let text = escape(&clean(text));
            let _ = match *class {
                "" => write!(self.0, "<td>{}</td>", kept_together(&text)),
                class => write!(self.0, "<td class=\"{class}\">{text}</td>"),
            };
        }
        self.0.push_str("</tr>\n");
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</tbody></table></div>\n");
        self.0
    }
}

/// A figure in a narrow column breaks before its interval, not before its unit.
pub(super) fn kept_together(text: &str) -> String {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return text.to_owned();
    }
    let whole = text.replace(' ', "\u{a0}");
    ["±", "[", "to\u{a0}", "of\u{a0}", "(", "after\u{a0}"]
        .into_iter()
        .fold(whole, |text, part| text.replace(&format!("\u{a0}{part}"), &format!(" {part}")))
}
