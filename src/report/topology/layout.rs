//! A layered layout from left to right: longest-path layers, few crossings by barycentres, heights by
//! isotonic regression.
//!
//! **Invariant.** Boxes of a layer keep their order and never overlap; the same graph gives the same
//! places.

/// Sweeps that look for an order with fewer crossings.
const ORDER_SWEEPS: usize = 12;
/// Sweeps that pull boxes towards their neighbours.
const PLACE_SWEEPS: usize = 16;
/// Height kept free for an edge that passes a layer.
const PASSING: f64 = 14.0;

/// What is laid out: sizes of the boxes and who points to whom.
#[derive(Debug)]
pub(super) struct Graph {
    /// Height of each box.
    pub(super) heights: Vec<f64>,
    /// Boxes that stand in the first layer.
    pub(super) first: Vec<bool>,
    /// `(from, to)`; without self-loops.
    pub(super) edges: Vec<(usize, usize)>,
    /// Free height between two boxes of a layer.
    pub(super) gap: f64,
}

/// Where everything goes: layers for x, heights for y.
#[derive(Debug)]
pub(super) struct Layout {
    /// Layer of each box.
    pub(super) layer: Vec<usize>,
    /// Middle of each box.
    pub(super) middle: Vec<f64>,
    /// Per edge, the height at which it passes each layer between its ends.
    pub(super) passes: Vec<Vec<f64>>,
    /// Lowest point of all.
    pub(super) height: f64,
}

/// A box, or an edge on its way through a layer.
#[derive(Clone, Debug)]
struct Item {
    layer: usize,
    height: f64,
    /// Neighbours in the layer before.
    before: Vec<usize>,
    /// Neighbours in the layer after.
    after: Vec<usize>,
    middle: f64,
}

/// Places all boxes.
pub(super) fn layout(graph: &Graph) -> Layout {
    let layer = layers(graph);
    let (mut items, passing) = items(graph, &layer);
    let mut rows = vec![Vec::new(); layer.iter().max().map_or(0, |most| most + 1)];
    for (i, item) in items.iter().enumerate() {
        rows[item.layer].push(i);
    }
    order(&mut rows, &items);
    place(&rows, &mut items, graph.gap);
    let top = items.iter().map(|i| i.middle - i.height / 2.0).fold(f64::INFINITY, f64::min);
    for item in &mut items {
        item.middle -= top;
    }
    let height = items.iter().map(|i| i.middle + i.height / 2.0).fold(0.0, f64::max);
    let middle = items[..graph.heights.len()].iter().map(|item| item.middle).collect();
    let passes = passing.iter().map(|on| on.iter().map(|i| items[*i].middle).collect()).collect();
    Layout { layer, middle, passes, height }
}

/// Longest path from the left; edges that close a circle are left out of account.
fn layers(graph: &Graph) -> Vec<usize> {
    let n = graph.heights.len();
    let least = usize::from(graph.first.iter().any(|first| *first));
    let mut layer: Vec<usize> =
        graph.first.iter().map(|first| if *first { 0 } else { least }).collect();
    // A longest path has fewer than n edges: more rounds would only follow circles.
    for _ in 0..n {
        let mut changed = false;
        for &(from, to) in &graph.edges {
            if layer[to] <= layer[from] && !graph.first[to] && layer[from] + 1 < n {
                layer[to] = layer[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    // No empty layers, whatever circles did.
    let mut used: Vec<usize> = layer.clone();
    used.sort_unstable();
    used.dedup();
    layer.iter().map(|l| used.binary_search(l).unwrap_or(0)).collect()
}

/// Boxes first, then one item per layer that an edge passes; and those items by edge.
fn items(graph: &Graph, layer: &[usize]) -> (Vec<Item>, Vec<Vec<usize>>) {
    let item = |layer, height| Item { layer, height, before: vec![], after: vec![], middle: 0.0 };
    let mut items: Vec<Item> =
        layer.iter().zip(&graph.heights).map(|(layer, height)| item(*layer, *height)).collect();
    let mut passing = Vec::new();
    for &(from, to) in &graph.edges {
        let mut on_the_way = Vec::new();
        if layer[to] > layer[from] {
            let mut last = from;
            for passed in layer[from] + 1..layer[to] {
                items.push(item(passed, PASSING));
                let new = items.len() - 1;
                items[last].after.push(new);
                items[new].before.push(last);
                on_the_way.push(new);
                last = new;
            }
            items[last].after.push(to);
            items[to].before.push(last);
        }
        passing.push(on_the_way);
    }
    (items, passing)
}

/// Orders each layer by the mean place of its neighbours, forth and back, and keeps the best.
fn order(rows: &mut Vec<Vec<usize>>, items: &[Item]) {
    let mut best = (crossings(rows, items), rows.clone());
    for sweep in 0..ORDER_SWEEPS {
        let forth = sweep % 2 == 0;
        let count = rows.len();
        for step in 1..count {
            let (at, fixed) =
                if forth { (step, step - 1) } else { (count - 1 - step, count - step) };
            let mut place = vec![None; items.len()];
            for (i, item) in rows[fixed].iter().enumerate() {
                place[*item] = Some(i as f64);
            }
            let mut keyed: Vec<(f64, usize)> = Vec::new();
            for (i, item) in rows[at].iter().enumerate() {
                let near = if forth { &items[*item].before } else { &items[*item].after };
                let places: Vec<f64> = near.iter().filter_map(|n| place[*n]).collect();
                keyed.push((crate::stats::mean(&places).unwrap_or(i as f64), *item));
            }
            // Stable: equals keep their order.
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[at] = keyed.into_iter().map(|(_, item)| item).collect();
        }
        let crossings = crossings(rows, items);
        if crossings < best.0 {
            best = (crossings, rows.clone());
        }
    }
    *rows = best.1;
}

/// Pairs of edges between neighbouring layers that cross.
fn crossings(rows: &[Vec<usize>], items: &[Item]) -> usize {
    let mut place = vec![0; items.len()];
    for row in rows {
        for (i, item) in row.iter().enumerate() {
            place[*item] = i;
        }
    }
    let mut total = 0;
    for row in rows {
        let mut edges: Vec<(usize, usize)> = Vec::new();
        for item in row {
            edges.extend(items[*item].after.iter().map(|to| (place[*item], place[*to])));
        }
        for (i, a) in edges.iter().enumerate() {
            total += edges[i + 1..]
                .iter()
                .filter(|b| (a.0 < b.0 && a.1 > b.1) || (a.0 > b.0 && a.1 < b.1))
                .count();
        }
    }
    total
}

/// Pulls every item towards the mean of its neighbours, keeping order and distances.
fn place(rows: &[Vec<usize>], items: &mut [Item], gap: f64) {
    for row in rows {
        let wanted = vec![0.0; row.len()];
        settle(row, &wanted, items, gap);
    }
    for sweep in 0..PLACE_SWEEPS {
        for step in 0..rows.len() {
            let row = if sweep % 2 == 0 { &rows[step] } else { &rows[rows.len() - 1 - step] };
            let wanted: Vec<f64> = row
                .iter()
                .map(|i| {
                    let item = &items[*i];
                    let near = item.before.iter().chain(&item.after);
                    let places: Vec<f64> = near.map(|n| items[*n].middle).collect();
                    crate::stats::mean(&places).unwrap_or(item.middle)
                })
                .collect();
            settle(row, &wanted, items, gap);
        }
    }
}

/// The places nearest to `wanted` (least squares) at which the items of a layer do not touch.
fn settle(row: &[usize], wanted: &[f64], items: &mut [Item], gap: f64) {
    // With the least distances taken off, places need only not decrease: pool adjacent violators.
    let mut offset = 0.0;
    let mut offsets = Vec::new();
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (i, item) in row.iter().enumerate() {
        if i > 0 {
            offset += f64::midpoint(items[row[i - 1]].height, items[*item].height) + gap;
        }
        offsets.push(offset);
        let mut pool = (wanted[i] - offset, 1);
        while let Some(last) = pools.pop() {
            if last.0 <= pool.0 {
                pools.push(last);
                break;
            }
            let n = last.1 + pool.1;
            pool = ((last.0 * last.1 as f64 + pool.0 * pool.1 as f64) / n as f64, n);
        }
        pools.push(pool);
    }
    let places = pools.iter().flat_map(|(place, n)| std::iter::repeat_n(*place, *n));
    for ((item, place), offset) in row.iter().zip(places).zip(offsets) {
        items[*item].middle = place + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(n: usize, first: usize, edges: &[(usize, usize)]) -> Graph {
        Graph {
            heights: vec![40.0; n],
            first: (0..n).map(|i| i < first).collect(),
            edges: edges.to_vec(),
            gap: 20.0,
        }
    }

    fn assert_apart(graph: &Graph, layout: &Layout) {
        let n = graph.heights.len();
        for a in 0..n {
            for b in a + 1..n {
                let least = f64::midpoint(graph.heights[a], graph.heights[b]) + graph.gap - 1e-6;
                let apart = (layout.middle[a] - layout.middle[b]).abs() >= least;
                assert!(layout.layer[a] != layout.layer[b] || apart, "{a} and {b}: {layout:?}");
            }
        }
    }

    #[test]
    fn a_chain_is_straight() {
        let graph = graph(4, 1, &[(0, 1), (1, 2), (2, 3)]);
        let layout = layout(&graph);
        assert_eq!(layout.layer, [0, 1, 2, 3]);
        assert!(layout.middle.iter().all(|y| (y - 20.0).abs() < 1e-9), "{layout:?}");
    }

    #[test]
    fn the_longest_path_decides_and_short_cuts_pass_between() {
        let graph = graph(4, 1, &[(0, 1), (1, 2), (2, 3), (0, 3)]);
        let layout = layout(&graph);
        assert_eq!(layout.layer[3], 3);
        assert_eq!(layout.passes[3].len(), 2);
        assert!((layout.passes[3][0] - layout.middle[1]).abs() >= 20.0 + PASSING / 2.0);
    }

    #[test]
    fn avoidable_crossings_are_avoided() {
        let graph = graph(6, 2, &[(0, 5), (1, 2), (0, 4), (1, 3)]);
        let layout = layout(&graph);
        let of = |i: usize| layout.middle[i];
        assert_eq!(of(0) < of(1), of(4).max(of(5)) < of(2).min(of(3)), "{layout:?}");
        assert_apart(&graph, &layout);
    }

    #[test]
    fn circles_end() {
        let graph = graph(4, 1, &[(0, 1), (1, 2), (2, 3), (3, 1)]);
        let layout = layout(&graph);
        assert!(layout.layer.iter().all(|l| *l < 4));
        assert_apart(&graph, &layout);
    }

    #[test]
    fn nothing_and_much() {
        assert!(layout(&graph(0, 0, &[])).height < 1.0);
        let edges: Vec<(usize, usize)> =
            (0..40).flat_map(|i| [(i, (i * 7) % 40), (i / 3, i)]).filter(|(a, b)| a < b).collect();
        let graph = graph(40, 2, &edges);
        assert_apart(&graph, &layout(&graph));
    }
}
