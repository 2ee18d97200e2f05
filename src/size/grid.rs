//! The settings of several knobs: all that their positions can be together.
//!
//! **Invariant.** A setting is a number below `len`; the last knob changes fastest.

/// What costs more along a knob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The later position.
    Rising,
    /// The earlier position.
    Falling,
    /// Neither, or now this and now that.
    Unknown,
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    lengths: Vec<usize>,
}

impl Grid {
    /// Of knobs with so many positions, each at least one.
    #[must_use]
    pub fn new(lengths: Vec<usize>) -> Self {
        Self { lengths }
    }

    /// How many knobs.
    #[must_use]
    pub fn knobs(&self) -> usize {
        self.lengths.len()
    }

    /// How many settings; none if that is beyond all counting.
    #[must_use]
    pub fn count(lengths: &[usize]) -> Option<usize> {
        lengths.iter().try_fold(1usize, |all, length| all.checked_mul(*length))
    }

    /// How many settings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lengths.iter().product()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How far apart neighbours along a knob are.
    fn stride(&self, knob: usize) -> usize {
        self.lengths[knob + 1..].iter().product()
    }

    /// Where a knob stands in a setting.
    #[must_use]
    pub fn position(&self, setting: usize, knob: usize) -> usize {
        setting / self.stride(knob) % self.lengths[knob]
    }

    /// Where all knobs stand.
    #[must_use]
    pub fn positions(&self, setting: usize) -> Vec<usize> {
        (0..self.knobs()).map(|knob| self.position(setting, knob)).collect()
    }

    /// The setting one position later or earlier along a knob.
    #[must_use]
    pub fn step(&self, setting: usize, knob: usize, later: bool) -> Option<usize> {
        let at = self.position(setting, knob);
        match later {
            true if at + 1 < self.lengths[knob] => Some(setting + self.stride(knob)),
            false if at > 0 => Some(setting - self.stride(knob)),
            _ => None,
        }
    }

    /// What costs more along each knob: the same at every place, or it is unknown.
    #[must_use]
    pub fn directions(&self, costs: &[f64]) -> Vec<Direction> {
        let of = |knob: usize| {
            let steps = (0..self.len()).filter_map(|at| Some((at, self.step(at, knob, true)?)));
            let (mut up, mut down) = (false, false);
            for (here, there) in steps {
                up |= costs[there] > costs[here];
                down |= costs[there] < costs[here];
            }
            match (up, down) {
                (true, false) => Direction::Rising,
                (false, true) => Direction::Falling,
                _ => Direction::Unknown,
            }
        };
        (0..self.knobs()).map(of).collect()
    }

    /// Of a number of each setting, the sums over all settings that are not above it.
    pub(super) fn sums_below(&self, mut of: Vec<usize>, directions: &[Direction]) -> Vec<usize> {
        for (knob, direction) in directions.iter().enumerate() {
            let add = |of: &mut Vec<usize>, at: usize, later: bool| {
                if let Some(before) = self.step(at, knob, later) {
                    of[at] += of[before];
                }
            };
            match direction {
                Direction::Rising => (0..self.len()).for_each(|at| add(&mut of, at, false)),
                Direction::Falling => (0..self.len()).rev().for_each(|at| add(&mut of, at, true)),
                Direction::Unknown => {}
            }
        }
        of
    }

    /// Whether a setting has no more of anything than another; knobs of which nobody knows what is more must stand alike.
    pub(super) fn is_below(&self, a: usize, b: usize, directions: &[Direction]) -> bool {
        directions.iter().enumerate().all(|(knob, direction)| {
            let (a, b) = (self.position(a, knob), self.position(b, knob));
            match direction {
                Direction::Rising => a <= b,
                Direction::Falling => a >= b,
                Direction::Unknown => a == b,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_numbered_and_know_their_neighbours() {
        let grid = Grid::new(vec![3, 2]);
        assert_eq!(grid.len(), 6);
        let all: Vec<_> = (0..6).map(|at| grid.positions(at)).collect();
        assert_eq!(all, [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0], [2, 1]]);
        assert_eq!((grid.step(2, 0, true), grid.step(2, 0, false)), (Some(4), Some(0)));
        assert_eq!((grid.step(2, 1, true), grid.step(2, 1, false)), (Some(3), None));
    }

    #[test]
    fn what_costs_more_is_known_where_it_is_so_everywhere() {
        let grid = Grid::new(vec![2, 2, 2]);
        // The first costs more, the second less, the third nothing.
        let costs: Vec<f64> =
            (0..8).map(|at| (3 * grid.position(at, 0) + 5 - grid.position(at, 1)) as f64).collect();
        let directions = grid.directions(&costs);
        assert_eq!(directions, [Direction::Rising, Direction::Falling, Direction::Unknown]);
        assert!(grid.is_below(0b010, 0b100, &directions));
        assert!(!grid.is_below(0b010, 0b101, &directions));
        assert!(!grid.is_below(0b000, 0b110, &directions));
        let sums = grid.sums_below(vec![1; 8], &directions);
        let by_hand = |b| (0..8).filter(|a| grid.is_below(*a, b, &directions)).count();
        assert_eq!(sums, (0..8).map(by_hand).collect::<Vec<_>>());
        // Now this and now that.
        assert_eq!(Grid::new(vec![3]).directions(&[1.0, 2.0, 1.5]), [Direction::Unknown]);
    }
}
