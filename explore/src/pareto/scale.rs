//! Objectives brought to one scale, on which points and fronts are measured.

use super::{Goal, beats, hypervolume};

/// The best and the worst value of every objective among some points.
#[derive(Clone, PartialEq, Debug)]
pub struct Scale {
    best: Vec<f64>,
    worst: Vec<f64>,
}

impl Scale {
    /// Of all `points`, one value for each of `goals`. Values must be finite.
    pub fn of<'p>(points: impl Iterator<Item = &'p Vec<f64>> + Clone, goals: &[Goal]) -> Scale {
        let value = |objective: usize| points.clone().filter_map(move |p| p.get(objective).copied());
        let most = |objective: usize| value(objective).fold(f64::NEG_INFINITY, f64::max);
        let least = |objective: usize| value(objective).fold(f64::INFINITY, f64::min);
        let (mut best, mut worst) = (Vec::new(), Vec::new());
        for (objective, goal) in goals.iter().enumerate() {
            let (good, bad) = match goal {
                Goal::Minimise => (least(objective), most(objective)),
                Goal::Maximise => (most(objective), least(objective)),
            };
            best.push(good);
            worst.push(bad);
        }
        Scale { best, worst }
    }

    /// Costs from 0 for the best value to 1 for the worst; 0 where all points are alike.
    pub fn costs(&self, point: &[f64]) -> Vec<f64> {
        let cost = |(value, (best, worst)): (&f64, (&f64, &f64))| {
            if best == worst { 0.0 } else { (value - best) / (worst - best) }
        };
        point.iter().zip(self.best.iter().zip(&self.worst)).map(cost).collect()
    }

    /// The share of the box between the best and the worst values that `points` dominate, from 0 to 1.
    pub fn hypervolume<'p>(&self, points: impl Iterator<Item = &'p Vec<f64>>) -> f64 {
        hypervolume(&points.map(|point| self.costs(point)).collect::<Vec<_>>())
    }

    /// How far a point is from the best values of all objectives together: the straight distance of its costs, squared.
    pub fn distance(&self, point: &[f64]) -> f64 {
        self.costs(point).iter().map(|cost| cost * cost).sum()
    }

    /// Position of the knee: the point of the least [`Scale::distance`]; the first of equal ones, `None` without points.
    pub fn knee<'p>(&self, points: impl Iterator<Item = &'p Vec<f64>>) -> Option<usize> {
        let distances: Vec<f64> = points.map(|point| self.distance(point)).collect();
        (0..distances.len()).min_by(|&a, &b| distances[a].total_cmp(&distances[b]))
    }

    /// How many of `b` some point of `a` is at least as good as in every objective (the set coverage of Zitzler and
    /// Thiele, IEEE TEVC 1999, as a count).
    pub fn covered<'p>(&self, a: &[&'p Vec<f64>], b: &[&'p Vec<f64>]) -> usize {
        let costs =
            |points: &[&Vec<f64>]| points.iter().map(|point| self.costs(point)).collect::<Vec<Vec<f64>>>();
        let (a, b) = (costs(a), costs(b));
        b.iter().filter(|point| a.iter().any(|other| other == *point || beats(other, point))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOALS: [Goal; 2] = [Goal::Minimise, Goal::Maximise];

    #[test]
    fn costs_volumes_and_the_knee_do_not_depend_on_units() {
        let points = [vec![1.0, 10.0], vec![2.0, 60.0], vec![5.0, 110.0], vec![5.0, 20.0]];
        let scaled: Vec<Vec<f64>> = points.iter().map(|p| vec![p[0] * 1e-6, p[1] * 1e3 + 7.0]).collect();
        for points in [points.to_vec(), scaled] {
            let scale = Scale::of(points.iter(), &GOALS);
            assert_eq!(scale.knee(points[..3].iter()), Some(1), "costs 0.25 and 0.5");
            // One box of 3/4 by 1/2; the other two points lie on its edges.
            assert!((scale.hypervolume(points.iter()) - 0.375).abs() < 1e-9);
        }
    }

    #[test]
    fn what_all_points_share_costs_nothing() {
        let points = [vec![3.0, 1.0], vec![3.0, 2.0]];
        let scale = Scale::of(points.iter(), &GOALS);
        assert_eq!((scale.costs(&points[0]), scale.knee(points.iter())), (vec![0.0, 1.0], Some(1)));
        assert_eq!(Scale::of([].iter(), &GOALS).knee([].iter()), None);
    }

    #[test]
    fn coverage_counts_equals_and_beaten() {
        let (a, b) = ([vec![1.0, 5.0]], [vec![1.0, 5.0], vec![2.0, 4.0], vec![0.5, 1.0]]);
        let scale = Scale::of(a.iter().chain(&b), &GOALS);
        let [a, b] = [a.iter().collect::<Vec<_>>(), b.iter().collect()];
        assert_eq!((scale.covered(&a, &b), scale.covered(&b, &a)), (2, 1));
    }
}
