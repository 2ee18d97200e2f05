//! How many must work beside one another so that few wait for long: Erlang's formula for M/M/c.
//!
//! **Invariant.** Shares are in 0..=1.

/// The share of arrivals that wait where `c` work and are kept busy as `offered` of them would be (Erlang C); 1 from there on.
pub(super) fn waits(c: u64, offered: f64) -> f64 {
    if offered >= c as f64 {
        return 1.0;
    }
    // By the shares that find all busy with fewer (Erlang B).
    let blocked = (1..=c).fold(1.0, |blocked, k| {
        let busy = offered * blocked;
        busy / (k as f64 + busy)
    });
    let c = c as f64;
    c * blocked / (c - offered * (1.0 - blocked))
}

/// The share of arrivals that wait for longer than `limit`, if work takes so long on average.
pub(super) fn waits_longer(c: u64, offered: f64, (limit, work): (f64, f64)) -> f64 {
    waits(c, offered) * libm::exp(-(c as f64 - offered) * limit / work)
}

/// The mean wait.
pub(super) fn mean_wait(c: u64, offered: f64, work: f64) -> f64 {
    waits(c, offered) * work / (c as f64 - offered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_those_of_the_books() {
        // M/M/1: rho; M/M/2 at rho: 2 rho^2 / (1 + rho).
        assert!((waits(1, 0.7) - 0.7).abs() < 1e-12);
        assert!((waits(2, 1.6) - 2.0 * 0.64 / 1.8).abs() < 1e-12);
        assert!((mean_wait(1, 0.7, 0.01) - 0.7 * 0.01 / 0.3).abs() < 1e-12);
        assert!((waits_longer(1, 0.5, (0.02, 0.01)) - 0.5 * libm::exp(-1.0)).abs() < 1e-12);
        assert_eq!(waits(3, 3.0), 1.0);
    }
}
