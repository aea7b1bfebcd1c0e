//! A part of a sweep: every n-th point, for one of n machines.

use std::fmt;
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

    /// The shard that the point at `position` belongs to, among as many shards.
    pub fn of(self, position: usize) -> Shard {
        Shard { index: position % self.count + 1, ..self }
    }

    /// Whether the point at `position` is one of its points.
    pub fn holds(self, position: usize) -> bool {
        self.of(position) == self
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
        for position in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.holds(position)).count(), 1, "{position}");
        }
        assert!((0..5).all(|position| Shard::WHOLE.holds(position)));
        assert_eq!(shards[1].to_string(), "2/3");
        for wrong in ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
