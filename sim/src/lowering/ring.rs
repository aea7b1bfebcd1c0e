//! A scratchpad of weights or parameters as a ring: each chunk's lines follow those of the chunk before, so that
//! loads run ahead as far as there is room.

use std::collections::VecDeque;
use std::ops::Range;

pub(super) struct Ring {
    lines: u32,
    next: u32,
    /// Lines of chunks that may not have been computed on, oldest first.
    living: VecDeque<(Range<u32>, usize)>,
}

impl Ring {
    pub fn new(lines: u32) -> Ring {
        Ring { lines, next: 0, living: VecDeque::new() }
    }

    /// The first of `count` lines for `chunk`, and the latest chunk that must have been computed on before they
    /// are loaded. `count` is at most the ring.
    pub fn place(&mut self, count: u32, chunk: usize) -> (u32, Option<usize>) {
        if self.next + count > self.lines {
            self.next = 0;
        }
        let place = self.next..self.next + count;
        let meets = |other: &Range<u32>| other.start < place.end && place.start < other.end;
        let last = self.living.iter().rposition(|(lines, _)| meets(lines));
        let freed = last.and_then(|last| self.living.drain(..=last).next_back());
        self.next = place.end;
        self.living.push_back((place.clone(), chunk));
        (place.start, freed.map(|(_, chunk)| chunk))
    }
}

#[cfg(test)]
mod tests {
    use super::Ring;

    #[test]
    fn lines_are_used_again_when_their_chunk_has_been_computed_on() {
        let mut ring = Ring::new(10);
        let places: Vec<_> = [4, 0, 5, 2, 3, 10, 1]
            .into_iter()
            .enumerate()
            .map(|(chunk, count)| ring.place(count, chunk))
            .collect();
        // The third chunk ends at line 9; the fourth does not fit behind it and takes the place of the first.
        assert_eq!(places[..4], [(0, None), (4, None), (4, None), (0, Some(0))]);
        // The next one meets the first's last lines, which are free, and the third's first.
        assert_eq!(places[4..], [(2, Some(2)), (0, Some(4)), (0, Some(5))]);
    }
}
