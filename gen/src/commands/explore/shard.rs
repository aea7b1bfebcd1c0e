//! A part of a sweep, for one of n machines: neighbouring points, which share the most work.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Shard `index` of `count`, from 1; the whole sweep is 1 of 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole sweep.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Whether it is the whole sweep.
    pub fn is_whole(self) -> bool {
        self.count == 1
    }

    /// Positions of its points among `points`.
    pub fn part_of(self, points: usize) -> Range<usize> {
        // The product may need twice the bits.
        let begin = |index: usize| (index as u128 * points as u128 / self.count as u128) as usize;
        begin(self.index - 1)..begin(self.index)
    }

    /// The shard among as many that the point at `position` of `points` belongs to.
    pub fn of(self, position: usize, points: usize) -> Shard {
        let mut all = (1..=self.count).map(|index| Shard { index, ..self });
        all.find(|shard| shard.part_of(points).contains(&position)).unwrap_or(self)
    }

    /// What its file is called beside the sweep's folder.
    pub fn suffix(self) -> String {
        if self.is_whole() {
            ".partial.jsonl".to_owned()
        } else {
            format!(".shard{}of{}.jsonl", self.index, self.count)
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        numbers
            .filter(|&(index, count): &(usize, usize)| (1..=count).contains(&index))
            .map(|(index, count)| Shard { index, count })
            .ok_or_else(|| "a shard is written i/n, with i from 1 to n: 2/4".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_points_among_them() {
        let shards: Vec<Shard> = ["1/3", "2/3", "3/3"].map(|text| text.parse().unwrap()).into();
        for points in 0..10 {
            let parts: Vec<usize> = shards.iter().flat_map(|shard| shard.part_of(points)).collect();
            assert_eq!(parts, (0..points).collect::<Vec<usize>>());
            assert!(shards.iter().all(|s| s.part_of(points).all(|position| s.of(position, points) == *s)));
            assert_eq!(Shard::WHOLE.part_of(points), 0..points);
        }
        assert_eq!(shards[1].to_string(), "2/3");
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
