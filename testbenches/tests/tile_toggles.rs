//! How often the tiles of the reconfigurable multiplier switch in each division: what is not in use stands still.
//!
//! The figures stand in docs/pe/rmmec_simd.md; with `BITMILL_BLESS` set, they are written there instead.

use std::collections::BTreeMap;

use bitmill_hdl::unit::Random;
use bitmill_hdl::{Design, Interpreter, Slot};
use bitmill_units::find;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/pe/rmmec_simd.md");
const MARKS: [&str; 2] = ["<!-- tiles -->\n", "<!-- end of tiles -->"];

/// Operands of each division.
const OPERANDS: u32 = 4096;

/// Tiles by the quarters of both operands: toggles of their partial products.
type Toggles = BTreeMap<(usize, usize), u64>;

/// Toggles of every tile, over random operands in a division: 0 for four lanes, 1 for two, 2 for one.
fn toggles(division: u64) -> Toggles {
    let unit = find("pe_rmmec_simd").and_then(|entry| entry.unit([])).expect("a unit of the catalogue");
    let design = Design::new(&unit.module().expect("a circuit")).expect("a circuit");
    let multiplier = design.modules.iter().find(|module| module.name.contains("multiplier"));
    let multiplier = multiplier.expect("the PE has a multiplier");
    let mut interpreter = Interpreter::new(multiplier);
    let input = |name: &str| interpreter.input(name).expect("a port");
    let [width, a, b] = ["width_i", "a_i", "b_i"].map(input);
    let bits = multiplier.port("a_i").expect("a port").1.shape.width;
    let tile = |name: &str| -> Option<(usize, usize)> {
        let mut parts = name.strip_prefix("tile_")?.split('_');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    };
    let partials: Vec<((usize, usize), Slot)> =
        interpreter.names().iter().filter_map(|(name, slot)| Some((tile(name)?, *slot))).collect();
    interpreter.set(width, division);
    let mut random = Random::new(11);
    let mut before: Vec<u64> = Vec::new();
    let mut toggles = Toggles::new();
    for _ in 0..OPERANDS {
        interpreter.set(a, random.below(1 << bits));
        interpreter.set(b, random.below(1 << bits));
        let now: Vec<u64> = partials.iter().map(|(_, slot)| interpreter.get(*slot)).collect();
        for (((tile, _), now), before) in partials.iter().zip(&now).zip(&before) {
            *toggles.entry(*tile).or_default() += u64::from((now ^ before).count_ones());
        }
        before = now;
    }
    toggles
}

fn table() -> String {
    let divisions = [toggles(0), toggles(1), toggles(2)];
    let mut text = String::from(
        "| tiles | four lanes of 4 bits | two lanes of 8 bits | one lane of 16 bits |\n|---|---|---|---|\n",
    );
    let groups = ["4 on the diagonal", "4 beside it, within a lane of 8 bits", "8 across"];
    let group = |i: usize, j: usize| match (i == j, i / 2 == j / 2) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    };
    for (index, name) in groups.into_iter().enumerate() {
        let mean = |toggles: &Toggles| {
            let of_group = toggles.iter().filter(|((i, j), _)| group(*i, *j) == index);
            of_group.map(|(_, count)| count).sum::<u64>() as f64 / f64::from(OPERANDS - 1)
        };
        let [four, two, one] = divisions.each_ref().map(mean);
        text += &format!("| {name} | {four:.1} | {two:.1} | {one:.1} |\n");
    }
    text
}

#[test]
fn idle_tiles_stand_still() {
    let is_used = |division: u64, i: usize, j: usize| match division {
        0 => i == j,
        1 => i / 2 == j / 2,
        _ => true,
    };
    for division in 0..3 {
        let toggles = toggles(division);
        assert_eq!(toggles.len(), 16, "tiles");
        for ((i, j), count) in toggles {
            assert_eq!(
                count > 0,
                is_used(division, i, j),
                "division {division}, tile {i} {j}: {count} toggles"
            );
        }
    }
}

#[test]
fn the_page_shows_the_toggles_of_the_tiles() {
    let page = std::fs::read_to_string(PAGE).expect("the page of the PE");
    let [begin, end] = MARKS.map(|mark| page.find(mark).expect("the page marks the table"));
    let expected = format!("{}{}{}", &page[..begin + MARKS[0].len()], table(), &page[end..]);
    if std::env::var_os("BITMILL_BLESS").is_some() {
        std::fs::write(PAGE, expected).expect("the page can be written");
    } else {
        assert_eq!(page, expected, "BITMILL_BLESS=1 writes the table");
    }
}
