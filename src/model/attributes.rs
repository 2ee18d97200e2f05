//! Values of the requests' attributes.
//!
//! **Invariant.** A row is free again when the last frame that shares it is.

use crate::model::ids::NONE;

/// Values of the requests' attributes, one row per request, shared by its frames.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    /// Values per row.
    pub width: usize,
    values: Vec<f64>,
    shared_by: Vec<u32>,
    free: Vec<u32>,
}

impl Attributes {
    /// No rows yet, each of so many values.
    pub fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// A new row held by one frame.
    pub fn row(&mut self) -> u32 {
        if let Some(row) = self.free.pop() {
            self.shared_by[row as usize] = 1;
            return row;
        }
        self.values.resize(self.values.len() + self.width, 0.0);
        self.shared_by.push(1);
        (self.shared_by.len() - 1) as u32
    }

    /// A row's values.
    pub fn values_mut(&mut self, row: u32) -> &mut [f64] {
        let base = row as usize * self.width;
        &mut self.values[base..base + self.width]
    }

    /// The values of a row, if it is one.
    pub fn row_of(&self, row: u32) -> Option<&[f64]> {
        let base = row as usize * self.width;
        (row != NONE).then(|| &self.values[base..base + self.width])
    }

    /// One value; 0 for a frame without a row.
    #[inline(always)]
    pub fn get(&self, row: u32, attribute: u16) -> f64 {
        if row == NONE {
            0.0
        } else {
            self.values[row as usize * self.width + usize::from(attribute)]
        }
    }

    /// One more frame holds a row.
    pub fn share(&mut self, row: u32) {
        if row != NONE {
            self.shared_by[row as usize] += 1;
        }
    }

    /// One frame less does.
    pub fn drop_row(&mut self, row: u32) {
        if row != NONE {
            let n = &mut self.shared_by[row as usize];
            *n -= 1;
            if *n == 0 {
                self.free.push(row);
            }
        }
    }
}
