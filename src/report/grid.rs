//! Tables as wide as the terminal, and lines of text.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A table without lines, names to the left and figures to the right.
pub(super) struct Grid {
    header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    /// Everything to the left.
    pub(super) left: bool,
}

impl Grid {
    pub(super) fn new(header: &[&str]) -> Self {
        let header = header.iter().map(|name| (*name).to_owned()).collect();
        Self { header, rows: Vec::new(), left: false }
    }

    pub(super) fn header(&self) -> &[String] {
        &self.header
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(&self.header);
        for row in &self.rows {
            table.add_row(row);
        }
        for (i, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            let left = i == 0 || self.left;
            let alignment = if left { CellAlignment::Left } else { CellAlignment::Right };
            column.set_cell_alignment(alignment);
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Characters a column needs.
    pub(super) fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| &row[column]).chain([&self.header[column]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    }

    /// Characters the longest line needs.
    pub(super) fn span(&self) -> usize {
        self.lines().iter().map(|line| line.chars().count()).max().unwrap_or_default()
    }

    /// The columns of as few tables as possible, each with the first column and none wider than `width` if
    /// that can be.
    pub(super) fn parts(&self, width: usize) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        let mut used = usize::MAX;
        for column in 1..self.header.len() {
            let wide = self.width(column) + 2;
            if used.saturating_add(wide) > width {
                parts.push(vec![0]);
                used = self.width(0);
            }
            used += wide;
            parts.last_mut().expect("a part was begun").push(column);
        }
        parts
    }

    /// Such tables, about as wide as one another.
    pub(super) fn split(&self, width: usize) -> Vec<Self> {
        let number = self.parts(width).len();
        let narrowest = (0..=width).find(|w| self.parts(*w).len() == number).unwrap_or(width);
        let parts = self.parts(narrowest);
        let pick = |row: &[String], part: &[usize]| part.iter().map(|&c| row[c].clone()).collect();
        let of = |part: &Vec<usize>| Self {
            header: pick(&self.header, part),
            rows: self.rows.iter().map(|row| pick(row, part)).collect(),
            left: self.left,
        };
        parts.iter().map(of).collect()
    }
}

/// Lines of at most `width` characters.
pub(crate) struct Lines {
    pub(crate) width: usize,
    pub(crate) text: String,
}

impl Lines {
    pub(crate) fn blank(&mut self) {
        self.text.push('\n');
    }

    pub(super) fn pair(&mut self, name: &str, value: &str) {
        self.wrapped("              ", &format!("{name:<14}{value}"));
    }

    /// Breaks at spaces; lines after the first are indented.
    pub(crate) fn wrapped(&mut self, indent: &str, paragraph: &str) {
        let mut used = 0;
        for (i, word) in paragraph.split(' ').enumerate() {
            let length = word.chars().count();
            if i > 0 && used + 1 + length > self.width {
                self.text.push('\n');
                self.text.push_str(indent);
                used = indent.len();
            } else if i > 0 {
                self.text.push(' ');
                used += 1;
            }
            self.text.push_str(word);
            used += length;
        }
        self.text.push('\n');
    }

    /// A table with intervals, in two if it would be too wide; without them where two are not enough.
    pub(super) fn table(&mut self, build: impl Fn(bool) -> Grid) {
        let whole = build(true);
        let fits = whole.span() <= self.width;
        let parts = if fits { vec![whole] } else { whole.split(self.width) };
        let close = |parts: &[Grid]| parts.iter().all(|part| part.span() <= self.width);
        let parts =
            if parts.len() <= 2 && close(&parts) { parts } else { build(false).split(self.width) };
        for part in parts {
            self.lines(part.lines());
        }
    }

    pub(super) fn lines(&mut self, lines: Vec<String>) {
        for line in lines {
            self.text.push_str(&line);
            self.text.push('\n');
        }
    }
}
