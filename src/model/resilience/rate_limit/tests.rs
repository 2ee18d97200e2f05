use super::*;

fn limit(text: &str) -> RateLimit {
    RateLimit::new(&text.parse().unwrap(), None, None)
}

fn passed(text: &str, times: impl Iterator<Item = u64>) -> usize {
    let (limit, mut limiter) = (limit(text), Limiter::default());
    times.filter(|&t| limiter.take(&limit, 7, t, false).is_some()).count()
}

#[test]
fn what_was_printed_reads_back() {
    for text in [
        "token_bucket(rate=100/s burst=200)",
        "token_bucket(rate=100/s burst=200 wait=1s per=client scope=shared)",
        "leaky_bucket(rate=5/s queue=0)",
        "fixed_window(limit=10 window=1s per=tier)",
        "fixed_window(limit=10 window=1s wait=5s)",
        "sliding_window(limit=10 window=1m)",
    ] {
        assert_eq!(text.parse::<RateLimitSpec>().unwrap().to_string(), text);
    }
    for (text, message) in [
        ("token_bucket(rate=100/s)", "burst"),
        ("token_bucket(rate=0/s burst=1)", "above 0"),
        ("token_bucket(rate=1/s burst=0)", "1..="),
        ("sliding_window(limit=1 window=0s)", "above 0"),
        ("bucket(rate=1/s)", "unknown rate limit"),
        ("token_bucket(rate=1/s burst=1 scope=all)", "unknown scope"),
        ("sliding_window(limit=1 window=1s wait=1s)", "no argument `wait`"),
    ] {
        let error = text.parse::<RateLimitSpec>().unwrap_err();
        assert!(error.message.contains(message), "{text}: {}", error.message);
    }
}

#[test]
fn a_token_bucket_passes_what_arithmetic_says() {
    // Oracle `tb-deterministic`: 50 of a burst of 200; 50 + 100/s of 150/s for 60 s.
    let bucket = "token_bucket(rate=100/s burst=50)";
    assert_eq!(passed(bucket, std::iter::repeat_n(0, 200)), 50);
    let constant = |k: u64| k * 1_000_000_000 / 150;
    let n = passed(bucket, (1..=9000).map(constant));
    assert!((6049..=6051).contains(&n), "{n}");
}

#[test]
fn those_who_wait_pass_at_the_rate() {
    let (limit, mut limiter) = (limit("leaky_bucket(rate=10/s queue=2)"), Limiter::default());
    let mut take = |now, at_once| limiter.take(&limit, 0, now, at_once);
    assert_eq!(take(0, false), Some(0));
    assert_eq!(take(0, true), None);
    assert_eq!(take(0, false), Some(100_000_000));
    assert_eq!(take(0, false), Some(200_000_000));
    assert_eq!(take(0, false), None);
    assert_eq!(take(100_000_000, false), Some(200_000_000));
    assert_eq!(take(1_000_000_000, false), Some(0));
}

#[test]
fn who_waits_for_a_window_takes_room_in_it() {
    let limit = limit("fixed_window(limit=2 window=1s wait=1500ms)");
    let mut limiter = Limiter::default();
    let mut take = |ms: u64, at_once| {
        limiter.take(&limit, 0, ms * 1_000_000, at_once).map(|wait| wait / 1_000_000)
    };
    // Two at once, two in the next window; the one after that is farther away than anybody waits.
    let all = [0, 0, 400, 400, 400].map(|at| take(at, false));
    assert_eq!(all, [Some(0), Some(0), Some(600), Some(600), None]);
    // Half a second before that it is not; nobody else has room in the window that is taken.
    assert_eq!(
        [take(600, false), take(1200, true), take(1200, false)],
        [Some(1400), None, Some(800)]
    );
    // What nobody took is not kept.
    assert_eq!([5000, 5000, 5000].map(|at| take(at, false)), [Some(0), Some(0), Some(1000)]);
}

#[test]
fn windows_differ_at_their_edges() {
    // Ten just before and ten just after the end of a window: a fixed one passes all.
    let times = || (0..20).map(|k| if k < 10 { 999_999_999 } else { 1_000_000_001 });
    assert_eq!(passed("fixed_window(limit=10 window=1s)", times()), 20);
    assert_eq!(passed("sliding_window(limit=10 window=1s)", times()), 10);
    assert_eq!(
        passed("sliding_window(limit=1 window=1s)", [0, 999_999_999, 1_000_000_000].into_iter()),
        2
    );
}

#[test]
fn a_short_limit_is_a_window_that_slides() {
    for (text, long) in [
        ("10/s", "sliding_window(limit=10 window=1s)"),
        ("100/min", "sliding_window(limit=100 window=1m)"),
        ("5k/h", "sliding_window(limit=5k window=1h)"),
    ] {
        assert_eq!(text.parse::<RateLimitSpec>().unwrap().to_string(), long);
    }
    for text in ["0/s", "10/week", "10", "2M/s", "1.5/s"] {
        assert!(text.parse::<RateLimitSpec>().is_err(), "{text}");
    }
}

#[test]
fn who_asks_is_told_what_who_takes_gets() {
    for text in [
        "token_bucket(rate=7/s burst=3)",
        "token_bucket(rate=7/s burst=3 wait=300ms)",
        "leaky_bucket(rate=9/s queue=2)",
        "fixed_window(limit=3 window=500ms)",
        "fixed_window(limit=3 window=500ms wait=700ms)",
        "sliding_window(limit=4 window=600ms)",
    ] {
        let (limit, mut limiter) = (limit(text), Limiter::default());
        let mut refused = 0;
        for k in 0..400_u64 {
            // About ten a second for each of three ids.
            let now = k * 31_000_000 + k * k % 7 * 4_000_000;
            let at_once = k % 5 == 0;
            let told = limiter.asks(&limit, k % 3, now, at_once);
            assert_eq!(told, limiter.take(&limit, k % 3, now, at_once), "{text}: {k}");
            refused += u64::from(told.is_none());
        }
        assert!(refused > 0, "{text}");
    }
}

#[test]
fn several_limits_are_charged_together() {
    let limits = [limit("10/s"), limit("12/min")];
    let mut limiters = [Limiter::default(), Limiter::default()];
    let mut by = [0, 0];
    let mut passed = Vec::new();
    // 20 a second for three seconds.
    for k in 0..60_u64 {
        let now = k * 50_000_000;
        let each = |at: usize, takes: bool| {
            let (limit, limiter) = (&limits[at], &mut limiters[at]);
            if takes {
                limiter.take(limit, 0, now, false)
            } else {
                limiter.asks(limit, 0, now, false)
            }
        };
        if take_all(2, each, |at| by[at] += 1).is_some() {
            passed.push(k);
        }
    }
    // Ten in the first second; two more when that lets them, and then the minute is full: those the first limit refused
    // were not counted by it.
    assert_eq!(passed, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21]);
    assert_eq!(by, [10, 38]);
}

#[test]
fn what_is_over_is_forgotten() {
    let limit = limit("token_bucket(rate=1/s burst=1)");
    let mut limiter = Limiter::default();
    for id in 0..100_000 {
        assert_eq!(limiter.take(&limit, id, id * 1_000_000, false), Some(0));
    }
    assert!(limiter.seen.len() < 4000, "{}", limiter.seen.len());
}
