//! NSGA-II (Deb, Pratap, Agarwal, Meyarivan, IEEE TEVC 2002): a genetic search for a front.
//!
//! A genome is the index of a value for each key that varies. Parents win tournaments of two: the one on the earlier front
//! wins, of one front the one with more room around it (the crowding distance). A child takes each key from either parent and changes about
//! one of them, to a neighbour or to any value. Of parents and children together the best survive, by the same order.
//! A child that is known already changes until it is new, so that the whole budget is spent on distinct points.

use std::collections::HashSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{Costs, Evaluate, distinct};
use crate::pareto::{Goal, front};

/// Members of a population, by the budget: about ten generations, within what tells fronts apart.
const MEMBERS: std::ops::RangeInclusive<usize> = 8..=64;
const GENERATIONS: usize = 10;
/// How often a child that is known changes once more, before any new point takes its place.
const CHANGES: usize = 32;

struct Member {
    position: usize,
    costs: Costs,
    /// The front that it is on, 0 for what nothing beats.
    front: usize,
    crowding: f64,
}

/// Evaluates `count` points, as many as there are at most, of a space of that shape.
pub(super) fn run<E>(
    shape: &[usize],
    count: usize,
    mut random: ChaCha8Rng,
    evaluate: &mut Evaluate<'_, E>,
) -> Result<(), E> {
    let members = (count / GENERATIONS).clamp(*MEMBERS.start(), *MEMBERS.end());
    let mut next = distinct(&mut random, shape.iter().product(), members.min(count));
    let mut known = HashSet::new();
    let mut population: Vec<Member> = Vec::new();
    loop {
        known.extend(next.iter().copied());
        let costs = evaluate(&next)?;
        let new = next.iter().zip(costs).map(|(&position, costs)| (position, costs));
        let old = population.into_iter().map(|member| (member.position, member.costs));
        population = ranked(old.chain(new).collect());
        population.truncate(members);
        if known.len() == count {
            return Ok(());
        }
        next = children(shape, &population, &known, members.min(count - known.len()), &mut random);
    }
}

/// Members from the best to the worst.
fn ranked(found: Vec<(usize, Costs)>) -> Vec<Member> {
    let (legal, refused): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, costs)| costs.is_some());
    let mut rest: Vec<(usize, Vec<f64>)> =
        legal.into_iter().filter_map(|(position, costs)| Some((position, costs?))).collect();
    let mut members = Vec::new();
    let mut number = 0;
    while !rest.is_empty() {
        let costs: Vec<Vec<f64>> = rest.iter().map(|(_, costs)| costs.clone()).collect();
        let goals = vec![Goal::Minimise; costs[0].len()];
        // What is not a number is beaten by all that is.
        let on_front: HashSet<usize> =
            front(&costs, &goals).unwrap_or_else(|_| (0..costs.len()).collect()).into_iter().collect();
        let (mut this, mut behind) = (Vec::new(), Vec::new());
        for (index, entry) in rest.into_iter().enumerate() {
            if on_front.contains(&index) { &mut this } else { &mut behind }.push(entry);
        }
        let crowding = crowding(&this);
        let of_front = this.into_iter().zip(crowding);
        let mut of_front: Vec<Member> = of_front
            .map(|((position, costs), crowding)| Member {
                position,
                costs: Some(costs),
                front: number,
                crowding,
            })
            .collect();
        of_front.sort_by(|a, b| b.crowding.total_cmp(&a.crowding).then(a.position.cmp(&b.position)));
        members.extend(of_front);
        rest = behind;
        number += 1;
    }
    let last = |(position, costs)| Member { position, costs, front: usize::MAX, crowding: 0.0 };
    members.extend(refused.into_iter().map(last));
    members
}

/// How much room each member of one front has: the distance between its neighbours, summed over objectives, each on a scale of
/// the front's; without end at the ends.
fn crowding(members: &[(usize, Vec<f64>)]) -> Vec<f64> {
    let objectives = members.first().map_or(0, |(_, costs)| costs.len());
    let mut room = vec![0.0; members.len()];
    for objective in 0..objectives {
        let cost = |index: usize| members[index].1[objective];
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| cost(a).total_cmp(&cost(b)));
        let (first, last) = (order[0], order[order.len() - 1]);
        let extent = cost(last) - cost(first);
        for neighbours in order.windows(3).filter(|_| extent > 0.0) {
            room[neighbours[1]] += (cost(neighbours[2]) - cost(neighbours[0])) / extent;
        }
        (room[first], room[last]) = (f64::INFINITY, f64::INFINITY);
    }
    room
}

/// So many new points.
fn children(
    shape: &[usize],
    parents: &[Member],
    known: &HashSet<usize>,
    count: usize,
    random: &mut ChaCha8Rng,
) -> Vec<usize> {
    let points: usize = shape.iter().product();
    let mut born: Vec<usize> = Vec::with_capacity(count);
    while born.len() < count {
        let [a, b] = [tournament(parents, random), tournament(parents, random)].map(|p| genome(shape, p));
        let mut child: Vec<usize> =
            a.into_iter().zip(b).map(|(a, b)| if random.random_bool(0.5) { a } else { b }).collect();
        let is_new =
            |position: usize, born: &[usize]| !known.contains(&position) && !born.contains(&position);
        let mut place = None;
        for _ in 0..CHANGES {
            change(shape, &mut child, random);
            place = Some(position(shape, &child)).filter(|&place| is_new(place, &born));
            if place.is_some() {
                break;
            }
        }
        // Where all around is known: the first new point from anywhere on.
        let start = random.random_range(0..points);
        let mut all = (start..points).chain(0..start);
        born.extend(place.or_else(|| all.find(|&place| is_new(place, &born))));
    }
    born
}

/// The position of the better of two members.
fn tournament(members: &[Member], random: &mut ChaCha8Rng) -> usize {
    let [a, b] = std::array::from_fn(|_| &members[random.random_range(0..members.len())]);
    let is_better = a.front < b.front || a.front == b.front && a.crowding >= b.crowding;
    if is_better { a.position } else { b.position }
}

/// Changes each key with a chance that makes one change the rule: half of the time to a neighbouring value, else to any.
fn change(shape: &[usize], genome: &mut [usize], random: &mut ChaCha8Rng) {
    for (gene, &values) in genome.iter_mut().zip(shape) {
        if !random.random_bool(1.0 / shape.len() as f64) {
            continue;
        }
        *gene = match (random.random_bool(0.5), random.random_bool(0.5)) {
            (true, true) if *gene + 1 < values => *gene + 1,
            (true, _) if *gene > 0 => *gene - 1,
            _ => random.random_range(0..values),
        };
    }
}

fn genome(shape: &[usize], position: usize) -> Vec<usize> {
    let mut rest = position;
    let mut genome: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&values| {
            let gene = rest % values;
            rest /= values;
            gene
        })
        .collect();
    genome.reverse();
    genome
}

fn position(shape: &[usize], genome: &[usize]) -> usize {
    genome.iter().zip(shape).fold(0, |position, (gene, values)| position * values + gene)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genomes_are_positions() {
        let shape = [3, 1, 4];
        for place in 0..12 {
            assert_eq!(position(&shape, &genome(&shape, place)), place);
        }
        assert_eq!(genome(&shape, 7), [1, 0, 3]);
    }

    #[test]
    fn members_are_ranked_by_front_and_by_room() {
        let found = [
            (0, Some(vec![0.0, 4.0])),
            (1, Some(vec![1.0, 3.0])),
            (2, Some(vec![3.5, 0.5])),
            (3, Some(vec![4.0, 0.0])),
            (4, None),
            (5, Some(vec![4.0, 4.0])),
            (6, Some(vec![1.5, 3.5])),
        ];
        let members = ranked(found.to_vec());
        let order: Vec<(usize, usize)> = members.iter().map(|m| (m.position, m.front)).collect();
        assert_eq!(order, [(0, 0), (3, 0), (1, 0), (2, 0), (6, 1), (5, 2), (4, usize::MAX)]);
        // Between (0, 4) and (3.5, 0.5) of an extent of 4 both ways; between (1, 3) and (4, 0).
        assert_eq!((members[2].crowding, members[3].crowding), (1.75, 1.5));
    }
}
