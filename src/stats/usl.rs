//! The Universal Scalability Law: how throughput grows with the number that works (Gunther, Guerrilla Capacity Planning, 2007).
//!
//! **Invariant.** No coefficient is negative: what does not contend at all has zero, not less.

/// `X(N) = gamma N / (1 + sigma (N - 1) + kappa N (N - 1))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Throughput of one.
    pub gamma: f64,
    /// Contention: the share that only one can do at a time.
    pub sigma: f64,
    /// Coherence: what it takes that each agrees with each.
    pub kappa: f64,
}

/// Steps of the search; it ends where no step makes the error smaller.
const STEPS: usize = 500;

impl Usl {
    /// Throughput of `n`.
    #[must_use]
    pub fn at(&self, n: f64) -> f64 {
        self.gamma * n / self.delay(n)
    }

    fn delay(&self, n: f64) -> f64 {
        1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0)
    }

    /// How many do most; none where more always do more.
    #[must_use]
    pub fn peak(&self) -> Option<f64> {
        let peak = libm::sqrt((1.0 - self.sigma).max(0.0) / self.kappa);
        (self.kappa > 0.0 && peak >= 1.0).then_some(peak)
    }

    /// That of least squared error through points of (number, throughput); none of fewer than four numbers.
    #[must_use]
    pub fn fit(points: &[(f64, f64)]) -> Option<Self> {
        let mut numbers: Vec<f64> = points.iter().map(|p| p.0).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.dedup();
        let sound = points.iter().all(|(n, x)| *n >= 1.0 && *x > 0.0 && x.is_finite());
        if numbers.len() < 4 || !sound {
            return None;
        }
        let largest = *numbers.last()?;
        // Levenberg and Marquardt over what the coefficients do to the largest number, which is of the size of 1.
        let scale = [1.0 / largest, 1.0 / (largest * largest)];
        let mut best = Self { gamma: 1.0, sigma: 0.0, kappa: 0.0 }.with_gamma(points);
        let mut error = best.error(points);
        let mut damping = 1e-3;
        for _ in 0..STEPS {
            let Some(step) = best.step(points, scale, damping) else { break };
            let next = Self {
                gamma: best.gamma,
                sigma: (best.sigma + step[0]).clamp(0.0, 1.0),
                kappa: (best.kappa + step[1]).max(0.0),
            }
            .with_gamma(points);
            let next_error = next.error(points);
            if next_error < error {
                let small = error - next_error <= 1e-14 * error;
                (best, error) = (next, next_error);
                damping = (damping * 0.3).max(1e-12);
                if small {
                    break;
                }
            } else {
                damping *= 4.0;
                if damping > 1e12 {
                    break;
                }
            }
        }
        Some(best)
    }

    /// Share of the variance of the throughputs that it explains.
    #[must_use]
    pub fn r2(&self, points: &[(f64, f64)]) -> f64 {
        let mean = points.iter().map(|p| p.1).sum::<f64>() / points.len() as f64;
        let total: f64 = points.iter().map(|p| (p.1 - mean) * (p.1 - mean)).sum();
        1.0 - self.error(points) / total
    }

    fn error(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|&(n, x)| (x - self.at(n)) * (x - self.at(n))).sum()
    }

    /// The same shape, of the best height.
    fn with_gamma(self, points: &[(f64, f64)]) -> Self {
        let shape = |n: f64| n / self.delay(n);
        let top: f64 = points.iter().map(|&(n, x)| x * shape(n)).sum();
        let bottom: f64 = points.iter().map(|&(n, _)| shape(n) * shape(n)).sum();
        Self { gamma: top / bottom, ..self }
    }

    /// What makes the error of the linearised law least, damped; a coefficient held at zero does not move below it.
    fn step(&self, points: &[(f64, f64)], scale: [f64; 2], damping: f64) -> Option<[f64; 2]> {
        let (mut a, mut b) = ([[0.0; 3]; 3], [0.0; 3]);
        for &(n, x) in points {
            let (at, delay) = (self.at(n), self.delay(n));
            let by = [
                at / self.gamma,
                -at * (n - 1.0) / delay * scale[0],
                -at * n * (n - 1.0) / delay * scale[1],
            ];
            for i in 0..3 {
                b[i] += by[i] * (x - at);
                for j in 0..3 {
                    a[i][j] += by[i] * by[j];
                }
            }
        }
        let held = [false, self.sigma <= 0.0 && b[1] < 0.0, self.kappa <= 0.0 && b[2] < 0.0];
        for i in 0..3 {
            a[i][i] *= 1.0 + damping;
            if held[i] {
                a[i] = [0.0; 3];
                for row in &mut a {
                    row[i] = 0.0;
                }
                (a[i][i], b[i]) = (1.0, 0.0);
            }
        }
        let x = solve(a, b)?;
        Some([x[1] * scale[0], x[2] * scale[1]])
    }
}

/// Gauss, with the largest pivot.
fn solve(mut a: [[f64; 3]; 3], mut b: [f64; 3]) -> Option<[f64; 3]> {
    for i in 0..3 {
        let pivot = (i..3).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs()))?;
        a.swap(i, pivot);
        b.swap(i, pivot);
        if a[i][i] == 0.0 {
            return None;
        }
        for row in i + 1..3 {
            let factor = a[row][i] / a[i][i];
            for column in i..3 {
                a[row][column] -= factor * a[i][column];
            }
            b[row] -= factor * b[i];
        }
    }
    let mut x = [0.0; 3];
    for i in (0..3).rev() {
        let known: f64 = (i + 1..3).map(|j| a[i][j] * x[j]).sum();
        x[i] = (b[i] - known) / a[i][i];
    }
    x.iter().all(|x| x.is_finite()).then_some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, relative: f64) {
        assert!((a - b).abs() <= relative * b.abs(), "{a} is not {b}");
    }

    #[test]
    fn published_data_give_the_published_fit() {
        let load = [1.0, 18.0, 36.0, 72.0, 108.0, 144.0, 216.0];
        let throughput = [64.9, 995.9, 1652.4, 1853.2, 1828.9, 1775.0, 1702.2];
        let points: Vec<_> = load.into_iter().zip(throughput).collect();
        let fit = Usl::fit(&points).unwrap();
        close(fit.gamma, 89.995_199_61, 1e-3);
        close(fit.sigma, 0.027_728_455_68, 1e-3);
        close(fit.kappa, 0.000_104_365_485_3, 1e-3);
        close(fit.peak().unwrap(), 96.519_561_27, 1e-3);
        assert!(fit.r2(&points) > 0.98);
    }

    #[test]
    fn exact_points_give_their_law_back() {
        for (gamma, sigma, kappa) in [
            (1.0, 0.03, 0.0001),
            (40.0, 0.1, 0.001),
            (7.0, 0.0, 0.0),
            (2.0, 0.3, 0.0),
            (5.0, 0.0, 0.01),
        ] {
            let law = Usl { gamma, sigma, kappa };
            let points: Vec<_> =
                [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0].map(|n| (n, law.at(n))).into();
            let fit = Usl::fit(&points).unwrap();
            close(fit.gamma, gamma, 1e-6);
            assert!(
                (fit.sigma - sigma).abs() < 1e-6 && (fit.kappa - kappa).abs() < 1e-7,
                "{fit:?} {law:?}"
            );
        }
    }

    #[test]
    fn values_of_the_law_are_those_of_the_book() {
        // Oracle: usl-0.03-0.0001, usl-0.1-0.001 and usl-0.0-0.0.
        let law = Usl { gamma: 1.0, sigma: 0.03, kappa: 0.0001 };
        let of = [
            (1.0, 1.0),
            (2.0, 1.941_370_608),
            (8.0, 6.581_112_208),
            (32.0, 15.769_761_48),
            (128.0, 19.889_365_4),
        ];
        for (n, x) in of {
            close(law.at(n), x, 1e-8);
        }
        close(law.peak().unwrap(), 98.488_578_02, 1e-8);
        let law = Usl { gamma: 1.0, sigma: 0.1, kappa: 0.001 };
        close(law.at(128.0), 4.272_933_636, 1e-8);
        close(law.peak().unwrap(), 30.0, 1e-8);
        assert_eq!(Usl { gamma: 1.0, sigma: 0.0, kappa: 0.0 }.peak(), None);
    }

    #[test]
    fn too_few_numbers_have_no_fit() {
        assert_eq!(Usl::fit(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]), None);
        assert_eq!(Usl::fit(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (3.0, 3.1)]), None);
        assert_eq!(Usl::fit(&[(0.5, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 3.1)]), None);
    }
}
