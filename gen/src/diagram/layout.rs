//! Boxes in columns from left to right, after Sugiyama: layers by the longest path, fewest crossings by
//! barycentres. An arrow over several columns passes a place of its own in each.

use std::collections::BTreeMap;

use super::blocks::{Block, Graph};

/// Width of a box, gap between columns and between boxes of a column, in pixels.
pub(super) const BOX_WIDTH: f64 = 220.0;
const COLUMN_GAP: f64 = 170.0;
const ROW_GAP: f64 = 26.0;
/// Height of a line of text.
pub(super) const LINE_HEIGHT: f64 = 15.0;
const MARGIN: f64 = 20.0;
/// Characters of a title's line.
const TITLE_CHARACTERS: usize = 30;
/// Lines of a box below its title at most.
const MOST_LINES: usize = 8;

/// A placed box, or a place where an arrow passes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Place {
    pub x: f64,
    pub y: f64,
    pub height: f64,
}

/// The drawing.
pub(super) struct Layout {
    /// Of every block.
    pub boxes: Vec<Place>,
    /// Way points of every arrow between its boxes, by (from, to).
    pub ways: BTreeMap<(usize, usize), Vec<(f64, f64)>>,
    pub width: f64,
    pub height: f64,
}

/// The title in lines.
pub(super) fn title_lines(block: &Block) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in block.title.trim_end_matches('.').split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].len() + word.len() >= TITLE_CHARACTERS {
            lines.push(word.to_owned());
        } else {
            let gap = if lines[last].is_empty() { "" } else { " " };
            lines[last] += &format!("{gap}{word}");
        }
    }
    lines
}

/// The lines below the title; what is too much is counted.
pub(super) fn body_lines(block: &Block) -> Vec<String> {
    let mut lines = block.lines.clone();
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES + 1;
        lines.truncate(MOST_LINES - 1);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn height(block: &Block) -> f64 {
    let lines = title_lines(block).len() + body_lines(block).len() + usize::from(!block.place.is_empty());
    lines as f64 * LINE_HEIGHT + 16.0
}

/// Places every box and arrow.
pub(super) fn arrange(graph: &Graph) -> Layout {
    let layers = layers(graph);
    // Nodes: the blocks, then the places that arrows pass.
    let mut columns: Vec<Vec<usize>> = vec![vec![]; layers.iter().max().map_or(0, |last| last + 1)];
    for (block, &layer) in layers.iter().enumerate() {
        columns[layer].push(block);
    }
    let mut heights: Vec<f64> = graph.blocks.iter().map(height).collect();
    let mut chains: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for &(from, to) in graph.arrows.keys() {
        let mut chain = vec![from];
        for column in columns.iter_mut().take(layers[to]).skip(layers[from] + 1) {
            column.push(heights.len());
            chain.push(heights.len());
            heights.push(LINE_HEIGHT);
        }
        chain.push(to);
        chains.insert((from, to), chain);
    }
    let mut neighbours = vec![vec![]; heights.len()];
    for pair in chains.values().filter(|chain| layers[chain[0]] < layers[*chain.last().unwrap_or(&0)]) {
        for link in pair.windows(2) {
            neighbours[link[0]].push(link[1]);
            neighbours[link[1]].push(link[0]);
        }
    }
    order(&mut columns, &neighbours);
    place(graph, &columns, &heights, &chains)
}

/// Longest path from the inputs, along arrows that follow the order of description.
fn layers(graph: &Graph) -> Vec<usize> {
    let mut layers = vec![0; graph.blocks.len()];
    for to in 0..layers.len() {
        let before = graph.arrows.keys().filter(|(from, target)| *target == to && *from < to);
        layers[to] = before.map(|(from, _)| layers[*from] + 1).max().unwrap_or(0);
    }
    if let (Some(last), Some(most)) = (layers.len().checked_sub(1), layers.iter().max().copied()) {
        layers[last] = most;
    }
    layers
}

/// Sorts every column by the mean place of its nodes' neighbours, there and back.
fn order(columns: &mut [Vec<usize>], neighbours: &[Vec<usize>]) {
    for sweep in 0..12 {
        let mut rank = vec![0.0; neighbours.len()];
        for column in columns.iter() {
            for (index, &node) in column.iter().enumerate() {
                rank[node] = (index as f64 + 0.5) / column.len() as f64;
            }
        }
        let mut indices: Vec<usize> = (0..columns.len()).collect();
        if sweep % 2 == 1 {
            indices.reverse();
        }
        for index in indices {
            let mean = |node: usize| {
                let near = &neighbours[node];
                if near.is_empty() {
                    return rank[node];
                }
                near.iter().map(|&n| rank[n]).sum::<f64>() / near.len() as f64
            };
            let mut keyed: Vec<(f64, usize)> =
                columns[index].iter().map(|&node| (mean(node), node)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            columns[index] = keyed.into_iter().map(|(_, node)| node).collect();
            let count = columns[index].len() as f64;
            for (place, &node) in columns[index].iter().enumerate() {
                rank[node] = (place as f64 + 0.5) / count;
            }
        }
    }
}

fn place(
    graph: &Graph,
    columns: &[Vec<usize>],
    heights: &[f64],
    chains: &BTreeMap<(usize, usize), Vec<usize>>,
) -> Layout {
    let total =
        |column: &Vec<usize>| column.iter().map(|&node| heights[node] + ROW_GAP).sum::<f64>() - ROW_GAP;
    let tallest = columns.iter().map(total).fold(0.0, f64::max);
    let mut places = vec![Place { x: 0.0, y: 0.0, height: 0.0 }; heights.len()];
    for (index, column) in columns.iter().enumerate() {
        let x = MARGIN + index as f64 * (BOX_WIDTH + COLUMN_GAP);
        let mut y = MARGIN + (tallest - total(column)) / 2.0;
        for &node in column {
            places[node] = Place { x, y, height: heights[node] };
            y += heights[node] + ROW_GAP;
        }
    }
    let middle = |place: &Place| place.y + place.height / 2.0;
    let way = |chain: &Vec<usize>| {
        let (first, last) = (&places[chain[0]], &places[chain[chain.len() - 1]]);
        let mut way = vec![(first.x + BOX_WIDTH, middle(first))];
        for &node in &chain[1..chain.len() - 1] {
            let y = middle(&places[node]);
            way.extend([(places[node].x, y), (places[node].x + BOX_WIDTH, y)]);
        }
        way.push((last.x, middle(last)));
        way
    };
    Layout {
        ways: chains.iter().map(|(key, chain)| (*key, way(chain))).collect(),
        boxes: places[..graph.blocks.len()].to_vec(),
        width: 2.0 * MARGIN + columns.len() as f64 * (BOX_WIDTH + COLUMN_GAP) - COLUMN_GAP,
        height: 2.0 * MARGIN + tallest,
    }
}
