//! Sums, products and comparisons as Yosys builds them.

use super::{FALSE, Graph, Literal, Origin, TRUE};

/// Heights of columns, each of which full adders bring to the one before (Dadda, "Some schemes for parallel multipliers", 1965).
const DADDA: [usize; 20] =
    [2, 3, 4, 6, 9, 13, 19, 28, 42, 63, 94, 141, 211, 316, 474, 711, 1066, 1599, 2398, 3597];

/// Addends by column, lowest first.
#[derive(Default)]
pub(super) struct Columns {
    bits: Vec<Vec<Literal>>,
    constant: Vec<u32>,
}

impl Columns {
    pub fn new(width: usize) -> Columns {
        Columns { bits: vec![Vec::new(); width], constant: vec![0; width] }
    }

    fn push(&mut self, column: usize, bit: Literal) {
        if column < self.bits.len() {
            match bit {
                FALSE => {}
                TRUE => self.constant[column] += 1,
                _ => self.bits[column].push(bit),
            }
        }
    }

    /// Adds `word`, or subtracts it, from `column` on; the word is as wide as the sum needs it.
    pub fn add(&mut self, word: &[Literal], column: usize, subtract: bool) {
        for (k, &bit) in word.iter().enumerate() {
            self.push(column + k, bit ^ u32::from(subtract));
        }
        if subtract {
            self.push(column, TRUE);
        }
    }
}

impl Graph {
    /// Adds the product of `a` and `b`, both extended to the width of the sum; `signed` says of `b`'s top bit that
    /// it counts negative.
    pub fn add_product(
        &mut self,
        columns: &mut Columns,
        a: &[Literal],
        b: &[Literal],
        signed: bool,
        subtract: bool,
    ) {
        let width = columns.bits.len();
        for (k, &digit) in b.iter().enumerate().take(width) {
            let row: Vec<Literal> =
                (0..width - k).map(|i| self.and(a[i.min(a.len() - 1)], digit, Origin::Product)).collect();
            columns.add(&row, k, subtract != (signed && k + 1 == b.len()));
        }
    }

    /// The sum of all columns: full adders bring them to ever lower heights, and the two rows that are left are added.
    pub fn total(&mut self, mut columns: Columns) -> Vec<Literal> {
        // A one that is left over in the first column is the carry into the last sum: as a third bit there it would
        // ripple through all columns.
        let carry_in = Literal::from(columns.constant.first().is_some_and(|ones| ones & 1 == 1));
        if let Some(ones) = columns.constant.first_mut() {
            *ones -= carry_in;
        }
        let mut carry = 0;
        for (column, ones) in columns.constant.iter().enumerate() {
            let sum = ones + carry;
            if sum & 1 == 1 {
                columns.bits[column].push(TRUE);
            }
            carry = sum >> 1;
        }
        while let Some(&height) =
            columns.bits.iter().map(Vec::len).max().and_then(|most| DADDA.iter().rfind(|h| **h < most))
        {
            self.compress(&mut columns.bits, height);
        }
        let row = |k: usize| -> Vec<Literal> {
            columns.bits.iter().map(|bits| bits.get(k).copied().unwrap_or(FALSE)).collect()
        };
        self.carry_propagate(&row(0), &row(1), carry_in).0
    }

    /// Brings every column to at most `height` bits, by full and half adders side by side, no more than that takes.
    fn compress(&mut self, columns: &mut [Vec<Literal>], height: usize) {
        let mut carries: Vec<Literal> = Vec::new();
        for column in columns {
            let mut sums = std::mem::take(&mut carries);
            let mut bits = std::mem::take(column).into_iter();
            while bits.len() + sums.len() > height {
                let (Some(a), Some(b)) = (bits.next(), bits.next()) else { break };
                // One bit too many takes a half adder.
                let c = if bits.len() + 2 + sums.len() > height + 1 {
                    bits.next().unwrap_or(FALSE)
                } else {
                    FALSE
                };
                let half = self.xor(a, b, Origin::Tree);
                sums.push(self.xor(half, c, Origin::Tree));
                let both = self.and(a, b, Origin::Tree);
                let other = self.and(c, half, Origin::Tree);
                carries.push(self.or(both, other, Origin::Tree));
            }
            carries.retain(|&bit| bit != FALSE);
            sums.extend(bits);
            *column = sums;
        }
    }

    /// Sum and carry out of two words of one width.
    pub fn carry_propagate(
        &mut self,
        a: &[Literal],
        b: &[Literal],
        carry_in: Literal,
    ) -> (Vec<Literal>, Literal) {
        let width = a.len();
        if let Some(found) = self.chained(a, b, carry_in) {
            return found;
        }
        let half: Vec<Literal> = (0..width).map(|i| self.xor(a[i], b[i], Origin::Carry)).collect();
        let mut generate: Vec<Literal> = (0..width).map(|i| self.and(a[i], b[i], Origin::Carry)).collect();
        let mut propagate = half.clone();
        if width > 0 {
            let first = self.and(propagate[0], carry_in, Origin::Carry);
            generate[0] = self.or(generate[0], first, Origin::Carry);
        }
        // Brent and Kung's tree: up, then down.
        let mut combine = |graph: &mut Graph, i: usize, j: usize| {
            let through = graph.and(propagate[i], generate[j], Origin::Carry);
            generate[i] = graph.or(generate[i], through, Origin::Carry);
            propagate[i] = graph.and(propagate[i], propagate[j], Origin::Carry);
        };
        let mut reach = 1;
        while reach < width {
            (2 * reach - 1..width).step_by(2 * reach).for_each(|i| combine(self, i, i - reach));
            reach *= 2;
        }
        while reach > 1 {
            reach /= 2;
            (3 * reach - 1..width).step_by(2 * reach).for_each(|i| combine(self, i, i - reach));
        }
        let mut sum = Vec::new();
        // Constants let a carry pass through gates that synthesis puts in a tree.
        let mut carried_bits = 0;
        for i in 0..width {
            let carry = if i == 0 { carry_in } else { generate[i - 1] };
            let bit = self.xor(half[i], carry, Origin::Carry);
            self.carries(bit, carried_bits);
            sum.push(bit);
            carried_bits += u32::from(a[i] > TRUE && b[i] > TRUE);
        }
        let carry_out = generate.last().copied().unwrap_or(carry_in);
        self.carries(carry_out, carried_bits);
        (sum, carry_out)
    }

    /// Whether `a < b`, or `a <= b`.
    pub fn less(&mut self, a: &[Literal], b: &[Literal], signed: bool, or_equal: bool) -> Literal {
        let (a, b) = if or_equal { (b, a) } else { (a, b) };
        let mut a = a.to_vec();
        let mut not_b: Vec<Literal> = b.iter().map(|bit| bit ^ 1).collect();
        if let (true, Some(top), Some(other)) = (signed, a.last_mut(), not_b.last_mut()) {
            (*top, *other) = (*top ^ 1, *other ^ 1);
        }
        // a - b borrows where a < b; a <= b is not (b < a).
        let borrow = self.carry_propagate(&a, &not_b, TRUE).1 ^ 1;
        borrow ^ u32::from(or_equal)
    }

    /// Whether `a` equals `b`.
    pub fn equal(&mut self, a: &[Literal], b: &[Literal]) -> Literal {
        let bits: Vec<Literal> = a.iter().zip(b).map(|(&a, &b)| self.xor(a, b, Origin::Logic) ^ 1).collect();
        self.all(&bits)
    }

    /// And of all bits, as a balanced tree.
    pub fn all(&mut self, bits: &[Literal]) -> Literal {
        self.tree(bits, TRUE, |graph, a, b| graph.and(a, b, Origin::Logic))
    }

    /// Bits put together pairwise.
    pub fn tree(
        &mut self,
        bits: &[Literal],
        empty: Literal,
        both: impl Fn(&mut Graph, Literal, Literal) -> Literal + Copy,
    ) -> Literal {
        match bits {
            [] => empty,
            [bit] => *bit,
            _ => {
                let (low, high) = bits.split_at(bits.len() / 2);
                let (low, high) = (self.tree(low, empty, both), self.tree(high, empty, both));
                both(self, low, high)
            }
        }
    }

    /// A shifter: a stage of multiplexers for each bit of the amount.
    pub fn shift(&mut self, word: &[Literal], amount: &[Literal], left: bool, fill: Literal) -> Vec<Literal> {
        let mut word = word.to_vec();
        for (stage, &choice) in amount.iter().enumerate() {
            let by = 1usize.checked_shl(stage as u32).unwrap_or(usize::MAX);
            let width = word.len();
            let moved = |i: usize| -> Literal {
                let from = if left { i.checked_sub(by) } else { i.checked_add(by) };
                from.filter(|&from| from < width).map_or(fill, |from| word[from])
            };
            let moved: Vec<Literal> = (0..width).map(moved).collect();
            word = (0..width).map(|i| self.mux(choice, moved[i], word[i], Origin::Logic)).collect();
        }
        word
    }

    /// One of several words by an index; the last for larger ones.
    pub fn select(&mut self, index: &[Literal], items: &[Vec<Literal>]) -> Vec<Literal> {
        match (index, items) {
            (_, [only]) => only.clone(),
            ([], _) => items[0].clone(),
            ([rest @ .., top], _) => {
                let half = 1usize.checked_shl(rest.len() as u32).unwrap_or(usize::MAX);
                if items.len() <= half {
                    // A set top bit is beyond all items.
                    let low = self.select(rest, items);
                    let last = &items[items.len() - 1];
                    return low
                        .iter()
                        .zip(last)
                        .map(|(&l, &d)| self.mux(*top, d, l, Origin::Table))
                        .collect();
                }
                let (low, high) = items.split_at(half);
                let (low, high) = (self.select(rest, low), self.select(rest, high));
                high.iter().zip(&low).map(|(&h, &l)| self.mux(*top, h, l, Origin::Table)).collect()
            }
        }
    }
}
