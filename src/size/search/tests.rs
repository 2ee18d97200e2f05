use super::*;

/// The cheapest that passes, by looking at all.
fn brute(costs: &[f64], passes: &[bool]) -> Option<usize> {
    let all = (0..costs.len()).filter(|s| passes[*s]);
    all.reduce(|best, other| if costs[other] < costs[best] { other } else { best })
}

struct Found {
    best: Option<usize>,
    steps: usize,
    contradiction: Option<Contradiction>,
    search: Search,
}

fn searched(mut search: Search, told: impl Fn(usize) -> (Outcome, f64)) -> Found {
    let most = search.grid().len();
    while let Some(setting) = search.asks() {
        assert_eq!(search.outcome(setting), None, "asked twice");
        let (outcome, cost) = told(setting);
        search.tell(setting, outcome, cost);
        assert!(search.steps() <= most);
    }
    let (best, steps, contradiction) = (search.best(), search.steps(), search.contradiction());
    Found { best, steps, contradiction, search }
}

const fn outcome(passes: bool) -> Outcome {
    if passes { Outcome::Pass } else { Outcome::Fail }
}

/// Small random numbers, the same each time.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// A grid of two knobs with prices, and what passes: all that has enough of each, where less of one may be made up for by
/// more of the other.
fn random_grid(draws: &mut Draws) -> (Grid, Vec<f64>, Vec<bool>) {
    let (a, b) = (2 + draws.below(30) as usize, 1 + draws.below(15) as usize);
    let grid = Grid::new(vec![a, b]);
    let prices = [1 + draws.below(50), 1 + draws.below(50)];
    let floors = [draws.below(a as u64 + 2), draws.below(b as u64 + 1)];
    // How far above the first floor one must be, the less the nearer one is to the second.
    let trade = draws.below(12);
    let costs = (0..grid.len()).map(|s| {
        let [x, y] = [grid.position(s, 0) as u64, grid.position(s, 1) as u64];
        (x * prices[0] + y * prices[1]) as f64
    });
    let passes = (0..grid.len()).map(|s| {
        let [x, y] = [grid.position(s, 0) as u64, grid.position(s, 1) as u64];
        x >= floors[0] && y >= floors[1] && (x - floors[0]) * (y - floors[1] + 1) >= trade
    });
    (grid.clone(), costs.clone().collect(), passes.collect())
}

#[test]
fn along_one_knob_it_is_bisection() {
    for n in [1usize, 2, 3, 39, 200, 1000] {
        let costs: Vec<f64> = (0..n).map(|i| i as f64).collect();
        for edge in (0..=n).step_by(1 + n / 60) {
            let search =
                Search::new(Grid::new(vec![n]), Costs::Known(costs.clone()), vec![false; n]);
            let found = searched(search, |s| (outcome(s >= edge), s as f64));
            assert_eq!(found.best, (edge < n).then_some(edge));
            // The neighbour of the answer is the last that failed; where none passes, the first is looked at too.
            assert!(found.steps <= n.ilog2() as usize + 2, "{n} {edge}: {}", found.steps);
        }
    }
}

#[test]
fn thousands_of_monotone_grids_are_searched_as_by_brute_force() {
    let mut draws = Draws(1);
    let (mut steps, mut settings, mut grids, mut over) = (0, 0, 0, 0);
    for round in 0..5000 {
        let (grid, costs, passes) = random_grid(&mut draws);
        // Right, wrong and half-right doubts change the way, not the end.
        let doubted: Vec<bool> = match round % 4 {
            0 => vec![false; grid.len()],
            1 => passes.iter().map(|passes| !passes).collect(),
            2 => passes.clone(),
            _ => passes.iter().map(|_| draws.below(2) == 0).collect(),
        };
        let search = Search::new(grid.clone(), Costs::Known(costs.clone()), doubted);
        let found = searched(search, |s| (outcome(passes[s]), costs[s]));
        let wanted = brute(&costs, &passes);
        // Of equally cheap ones the first in the order of numbers.
        assert_eq!(found.best.map(|b| costs[b]), wanted.map(|b| costs[b]), "round {round}");
        assert_eq!(found.best, wanted, "round {round}");
        assert_eq!(found.contradiction, None);
        for less in found.best.map_or(Vec::new(), |best| found.search.one_less(best)) {
            assert!(less.is_none_or(|less| found.search.outcome(less) == Some(Outcome::Fail)));
        }
        if grid.len() >= 200 && round % 4 < 2 {
            steps += found.steps;
            settings += grid.len();
            grids += 1;
            over += usize::from(found.steps * 10 > grid.len());
        }
    }
    let share = steps as f64 / settings as f64;
    assert!(
        share < 0.05 && grids > 500 && over == 0,
        "{share} of the settings; {over} of {grids} over a tenth"
    );
}

#[test]
fn what_speaks_against_the_order_is_noticed_and_the_grid_searched() {
    let mut draws = Draws(2);
    let mut noticed = 0;
    for round in 0..4000 {
        let (grid, costs, mut passes) = random_grid(&mut draws);
        // Some settings do otherwise than they should.
        for _ in 0..=draws.below(6) {
            let at = draws.below(grid.len() as u64) as usize;
            passes[at] = !passes[at];
        }
        let none = vec![false; grid.len()];
        let search = Search::new(grid, Costs::Known(costs.clone()), none);
        let found = searched(search, |s| (outcome(passes[s]), costs[s]));
        if let Some(Contradiction::Larger(small, large)) = found.contradiction {
            noticed += 1;
            assert!(passes[small] && !passes[large]);
            assert_eq!(found.best, brute(&costs, &passes), "round {round}");
        }
        assert!(found.best.is_none_or(|best| passes[best]));
        // Nothing that has one less of something passes, whatever was noticed.
        for less in found.best.map_or(Vec::new(), |best| found.search.one_less(best)) {
            assert!(less.is_none_or(|less| !passes[less]), "round {round}");
        }
    }
    assert!(noticed > 50, "{noticed}");
}

#[test]
fn where_nothing_passes_less_is_tried() {
    let costs: Vec<f64> = (0..50).map(f64::from).collect();
    let search = Search::new(Grid::new(vec![50]), Costs::Known(costs.clone()), vec![false; 50]);
    let found = searched(search, |s| (outcome(s < 3), costs[s]));
    assert_eq!(found.best, Some(0));
    assert!(matches!(found.contradiction, Some(Contradiction::Larger(0, _))));
}

#[test]
fn a_knob_that_costs_nothing_rules_nothing_out() {
    // Of the second knob only the middle does, and no price says which way is up.
    let grid = Grid::new(vec![10, 5]);
    let costs: Vec<f64> = (0..50).map(|s| grid.position(s, 0) as f64).collect();
    let passes = |s: usize| grid.position(s, 0) >= 6 && grid.position(s, 1) == 2;
    let search = Search::new(grid.clone(), Costs::Known(costs.clone()), vec![false; 50]);
    let found = searched(search, |s| (outcome(passes(s)), costs[s]));
    assert_eq!(found.best.map(|best| grid.positions(best)), Some(vec![6, 2]));
    assert_eq!(found.contradiction, None);
    assert!(found.steps < 25, "{}", found.steps);
}

#[test]
fn what_only_a_simulation_knows_the_cost_of_is_simulated_whole() {
    let cost = |s: usize| [5.0, 3.0, 1.0, 2.0, 4.0][s];
    let search = Search::new(Grid::new(vec![5]), Costs::Simulated(vec![0.0; 5]), vec![false; 5]);
    let found = searched(search, |s| (outcome(s != 2), cost(s)));
    assert_eq!((found.best, found.steps), (Some(3), 5));
    // All but those that have less of what costs more than one that failed.
    let search = Search::new(
        Grid::new(vec![5]),
        Costs::Simulated((0..5).map(f64::from).collect()),
        vec![false; 5],
    );
    let found = searched(search, |s| (outcome(s >= 3), cost(s)));
    assert_eq!(found.best, Some(3));
}

#[test]
fn what_is_paid_by_use_may_turn_the_order() {
    // Eight settings cost 1 to 8 without use.
    let without: Vec<f64> = (1..=8).map(f64::from).collect();
    let run = |used: fn(usize) -> f64| {
        let costs = Costs::Without(without.clone());
        let search = Search::new(Grid::new(vec![8]), costs, vec![false; 8]);
        searched(search, |s| (outcome(s >= 1), without[s] + used(s)))
    };
    let same = run(|_| 7.0);
    assert_eq!((same.best, same.contradiction), (Some(1), None));
    // The larger, the less is used.
    let turned = run(|s| 30.0 - 3.0 * s.min(5) as f64);
    assert!(matches!(turned.contradiction, Some(Contradiction::Costs(..))));
    assert_eq!((turned.best, turned.steps), (Some(5), 8));
}

#[test]
fn what_nobody_can_decide_is_not_counted_on_and_told() {
    let costs: Vec<f64> = (0..40).map(f64::from).collect();
    let at = |s: usize| match s {
        0..=19 => Outcome::Fail,
        20..=22 => Outcome::Undecided,
        _ => Outcome::Pass,
    };
    let search = Search::new(Grid::new(vec![40]), Costs::Known(costs.clone()), vec![false; 40]);
    let found = searched(search, |s| (at(s), costs[s]));
    assert_eq!(found.best, Some(23));
    assert_eq!(found.search.undecided().last(), Some(&22));
    assert_eq!(found.contradiction, None);
    // One that is undecided beside smaller ones that pass hides none of them.
    let at = |s: usize| match s {
        0..=9 => Outcome::Fail,
        15..=24 => Outcome::Undecided,
        _ => Outcome::Pass,
    };
    let search = Search::new(Grid::new(vec![40]), Costs::Known(costs.clone()), vec![false; 40]);
    assert_eq!(searched(search, |s| (at(s), costs[s])).best, Some(10));
}
