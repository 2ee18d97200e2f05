//! When a figure over time leaves the level it had, and when it comes back.
//!
//! **Invariant.** Nothing is said of a single window that is not far beyond what the quiet time had, so that
//! noise tells no story.

use std::ops::Range;

/// Windows of quiet time without which there is no level.
pub(super) const LEAST_WINDOWS: usize = 3;

/// How far a window may be from the mean of a spell that stays where it is, as a share of how far that went.
const NEAR: f64 = 0.25;

/// What a figure was in the quiet time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Level {
    /// Mean over its windows.
    pub(crate) mean: f64,
    /// Lowest window.
    pub(crate) least: f64,
    /// Highest window.
    pub(crate) most: f64,
}

/// A stretch of windows away from the level.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spell {
    /// Its first window.
    pub(super) from: usize,
    /// The first window after it; none: it lasts to the end.
    pub(super) to: Option<usize>,
    /// Its value in the first window.
    pub(super) first: f64,
    /// The value farthest from the level.
    pub(super) extreme: f64,
    /// The window in which it is that.
    pub(super) farthest: usize,
    /// Mean of its values.
    pub(super) mean: f64,
    /// It goes so far that it needs no cause nearby to be believed.
    pub(super) strong: bool,
}

impl Level {
    /// The level of the quiet windows; none if too few have a value.
    pub(crate) fn of(values: &[Option<f64>], quiet: &Range<usize>) -> Option<Self> {
        let known: Vec<f64> = values.get(quiet.clone())?.iter().flatten().copied().collect();
        if known.len() < LEAST_WINDOWS {
            return None;
        }
        Some(Self {
            mean: known.iter().sum::<f64>() / known.len() as f64,
            least: known.iter().copied().fold(f64::INFINITY, f64::min),
            most: known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        })
    }

    /// The other way round, for figures that fall.
    fn negated(self) -> Self {
        Self { mean: -self.mean, least: -self.most, most: -self.least }
    }
}

impl Spell {
    /// What is told of it: its mean, where it is about there all the time, which says more than its farthest window.
    pub(super) fn told(&self, level: Level) -> f64 {
        let near = |one: f64| (one - self.mean).abs() <= NEAR * (self.mean - level.mean).abs();
        if near(self.first) && near(self.extreme) { self.mean } else { self.extreme }
    }

    /// The same windows of another figure, which is highest where it is farthest.
    pub(super) fn of(&self, values: &[f64]) -> Self {
        let windows = &values[self.from..self.to.unwrap_or(values.len())];
        let (farthest, extreme) = windows
            .iter()
            .enumerate()
            .fold((0, windows[0]), |a, b| if *b.1 > a.1 { (b.0, *b.1) } else { a });
        let mean = windows.iter().sum::<f64>() / windows.len() as f64;
        Self { first: windows[0], extreme, farthest: self.from + farthest, mean, ..*self }
    }

    /// Whether it shares a window with another one.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let end = |spell: &Self| spell.to.unwrap_or(usize::MAX);
        self.from < end(other) && other.from < end(self)
    }
}

/// The spells in which a figure is at `limit` or above from window `from` on: for two windows on end, or for
/// one that is three times as far from the mean. They end with two windows that are back near the level.
pub(super) fn rises(values: &[Option<f64>], from: usize, level: Level, limit: f64) -> Vec<Spell> {
    let strong = level.mean + 3.0 * (limit - level.mean);
    let calm = level.most.max(level.mean + (limit - level.mean) / 2.0);
    let at = |w: usize| values.get(w).copied().flatten();
    let mut spells = Vec::new();
    let mut w = from;
    while w < values.len() {
        let high = at(w).is_some_and(|v| v >= limit);
        let stays = at(w).is_some_and(|v| v >= strong) || at(w + 1).is_some_and(|v| v >= limit);
        if !(high && stays) {
            w += 1;
            continue;
        }
        // What is not known is not calm.
        let is_calm = |w: usize| at(w).is_some_and(|v| v <= calm);
        let last = w + 1 == values.len();
        let back = (w + 1..values.len())
            .find(|&w| is_calm(w) && (w + 1 == values.len() || is_calm(w + 1)))
            .filter(|_| !last);
        let end = back.unwrap_or(values.len());
        let known: Vec<(usize, f64)> = (w..end).filter_map(|w| Some((w, at(w)?))).collect();
        let first = known[0].1;
        let (farthest, extreme) =
            known.iter().copied().fold((w, first), |a, b| if b.1 > a.1 { b } else { a });
        let mean = known.iter().map(|(_, value)| value).sum::<f64>() / known.len() as f64;
        let strong = extreme >= strong;
        spells.push(Spell { from: w, to: back, first, extreme, farthest, mean, strong });
        w = end;
    }
    spells
}

/// The same for a figure that falls to `limit` or below.
pub(super) fn falls(values: &[Option<f64>], from: usize, level: Level, limit: f64) -> Vec<Spell> {
    let negated: Vec<Option<f64>> = values.iter().map(|v| v.map(|v| -v)).collect();
    let mut spells = rises(&negated, from, level.negated(), -limit);
    for spell in &mut spells {
        spell.first = -spell.first;
        spell.extreme = -spell.extreme;
        spell.mean = -spell.mean;
    }
    spells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Vec<Option<f64>> {
        values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect()
    }

    const LEVEL: Level = Level { mean: 1.0, least: 0.8, most: 1.2 };

    fn spans(values: &[f64]) -> Vec<(usize, Option<usize>)> {
        rises(&series(values), 0, LEVEL, 2.0).into_iter().map(|s| (s.from, s.to)).collect()
    }

    #[test]
    fn one_window_is_noise_unless_it_is_far_off() {
        assert_eq!(spans(&[1.0, 2.5, 1.0, 1.0]), []);
        assert_eq!(spans(&[1.0, 4.0, 1.0, 1.0]), [(1, Some(2))]);
        assert_eq!(spans(&[1.0, 2.0, 2.0, 1.0, 1.0]), [(1, Some(3))]);
    }

    #[test]
    fn a_spell_ends_with_two_calm_windows_or_never() {
        assert_eq!(spans(&[2.0, 2.0, 1.0, 2.0, 1.0, 1.0, 1.0]), [(0, Some(4))]);
        assert_eq!(spans(&[1.0, 2.0, 2.0, 1.8]), [(1, None)]);
        assert_eq!(spans(&[3.0, 3.0, f64::NAN, f64::NAN]), [(0, None)]);
        assert_eq!(spans(&[2.0, 2.0, 1.0, 1.0, 3.0, 3.0, 1.0]), [(0, Some(2)), (4, Some(6))]);
    }

    #[test]
    fn what_falls_is_what_rises_upside_down() {
        let found = falls(&series(&[1.0, 0.1, 0.2, 1.0, 1.0]), 0, LEVEL, 0.5);
        let [spell] = found[..] else { panic!("{found:?}") };
        assert_eq!((spell.from, spell.to, spell.extreme), (1, Some(3), 0.1));
        assert_eq!((spell.first, spell.farthest), (0.1, 1));
        let deeper = falls(&series(&[1.0, 0.4, 0.2, 1.0, 1.0]), 0, LEVEL, 0.5);
        assert_eq!((deeper[0].first, deeper[0].extreme, deeper[0].farthest), (0.4, 0.2, 2));
        assert!((spell.mean - 0.15).abs() < 1e-12 && !spell.strong, "{spell:?}");
    }

    #[test]
    fn a_level_needs_windows() {
        let values = series(&[f64::NAN, 1.0, 2.0, 3.0]);
        assert_eq!(Level::of(&values, &(0..3)), None);
        let level = Level { mean: 2.0, least: 1.0, most: 3.0 };
        assert_eq!(Level::of(&values, &(0..4)), Some(level));
        assert_eq!(Level::of(&values, &(0..9)), None);
    }
}
