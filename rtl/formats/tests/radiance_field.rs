//! Samples of a radiance field: the integers against real numbers, and the order of cubes against rays.

use bitmill_formats::radiance_field::{
    AXES, AlphaTable, Factors, Grid, Interpolation, MODES, MOST_SAMPLES, Pixel, Point, RAY_FRACTION_BITS,
    Ray, Thresholds, activation, outward,
};
use bitmill_hdl::unit::Random;

fn unit_real(random: &mut Random) -> f64 {
    random.below(1 << 32) as f64 / 2f64.powi(32)
}

fn between(random: &mut Random, low: f64, high: f64) -> f64 {
    low + (high - low) * unit_real(random)
}

fn random_factors(random: &mut Random, side: usize, components: usize, value_bits: u32) -> Factors {
    let mut values = |count: usize| -> Vec<i32> {
        (0..count).map(|_| (random.below(1 << value_bits) as i64 - (1 << (value_bits - 1))) as i32).collect()
    };
    Factors {
        components,
        planes: values(AXES * side * side * components),
        lines: values(AXES * side * components),
    }
}

/// The products at a point in real numbers, by weights of the eight nodes around; and the largest error of rounding.
fn real_products(factors: &Factors, grid: &Grid, at: [f64; AXES], guard_bits: u32) -> Vec<(f64, f64)> {
    let (side, count) = (grid.side(), factors.components);
    let node = |place: f64, step: usize| (place as usize + step).min(side - 1);
    let share = |place: f64, step: usize| [1.0 - place.fract(), place.fract()][step];
    let mut products = Vec::new();
    for (mode, axes) in MODES.iter().enumerate() {
        let [row, column] = axes.plane.map(|axis| at[axis]);
        let place = at[axes.line];
        for component in 0..count {
            let (mut plane, mut line) = (0.0, 0.0);
            for r in 0..2 {
                for c in 0..2 {
                    let index = ((mode * side + node(row, r)) * side + node(column, c)) * count + component;
                    plane += share(row, r) * share(column, c) * f64::from(factors.planes[index]);
                }
                let index = (mode * side + node(place, r)) * count + component;
                line += share(place, r) * f64::from(factors.lines[index]);
            }
            let one = 2f64.powi(guard_bits as i32);
            let (plane, line) = (plane * one, line * one);
            // Each factor is rounded by at most half a unit.
            products.push((plane * line, 0.5 * (plane.abs() + line.abs()) + 0.25));
        }
    }
    products
}

#[test]
fn products_are_those_of_real_numbers_within_half_a_unit_a_factor() {
    let mut random = Random::new(0x7e5);
    for (value_bits, fraction_bits, guard_bits) in [(8, 8, 4), (4, 5, 5), (12, 6, 0), (19, 12, 3), (2, 2, 1)]
    {
        let grid = Grid::new(3, fraction_bits).expect("a legal grid");
        let interpolation = Interpolation { value_bits, fraction_bits, guard_bits };
        let factors = random_factors(&mut random, grid.side(), 3, value_bits);
        for _ in 0..500 {
            let position: [i64; AXES] = std::array::from_fn(|_| random.below(8 << RAY_FRACTION_BITS) as i64);
            let point = grid.point(position).expect("a point within");
            let one = f64::from(1 << fraction_bits);
            let at = std::array::from_fn(|axis| point.voxel[axis] as f64 + point.fraction[axis] as f64 / one);
            let real = real_products(&factors, &grid, at, guard_bits);
            let found: Vec<i64> = factors.products(&grid, &interpolation, &point).collect();
            assert_eq!(found.len(), real.len());
            for (found, (real, error)) in found.iter().zip(real) {
                assert!((*found as f64 - real).abs() <= error, "{found} for {real}, {interpolation:?}");
                assert!(found.unsigned_abs() <= 1 << (interpolation.product_bits() - 2));
            }
        }
    }
}

#[test]
fn nodes_are_met_exactly_and_the_last_is_repeated() {
    let grid = Grid::new(1, 4).expect("a legal grid");
    let interpolation = Interpolation { value_bits: 8, fraction_bits: 4, guard_bits: 2 };
    let lines = vec![1, 3, 1, 3, 1, 3];
    let factors = Factors { components: 1, planes: vec![5, 5, -8, 7, 1, 1, 1, 1, 1, 1, 1, 1], lines };
    let first = |voxel, fraction| {
        factors.products(&grid, &interpolation, &Point { voxel, fraction }).next().expect("a product")
    };
    // Mode 0: the plane over axes 0 and 1, the line over axis 2; two guard bits a factor.
    assert_eq!(first([1, 0, 0], [0; 3]), -8 << 4);
    assert_eq!(first([1, 1, 1], [15; 3]), (7 * 3) << 4);
    assert_eq!(first([0, 1, 0], [8, 0, 8]), (6 * 2) << 4);
}

#[test]
fn rays_keep_to_where_their_samples_should_be() {
    let mut random = Random::new(11);
    let grid = Grid::new(6, 8).expect("a legal grid");
    for _ in 0..200 {
        let origin = std::array::from_fn(|_| between(&mut random, -200.0, 264.0));
        let increment = std::array::from_fn(|_| between(&mut random, -0.4, 0.4));
        let ray = Ray::nearest(origin, increment).expect("a legal ray");
        for k in [0, 1, 17, 400, MOST_SAMPLES - 1] {
            let position = ray.position(k);
            let mut is_inside = true;
            for axis in 0..AXES {
                let real = origin[axis] + f64::from(k) * increment[axis];
                let found = position[axis] as f64 / f64::from(1 << RAY_FRACTION_BITS);
                assert!((found - real).abs() <= (1.0 + f64::from(k)) / 2f64.powi(21) + 1e-12);
                is_inside &= (0.0..64.0).contains(&found);
            }
            assert_eq!(grid.point(position).is_some(), is_inside);
        }
    }
    let error = Ray::nearest([0.0; 3], [0.0, 0.0, 2.4]).expect_err("too far");
    assert_eq!(
        error,
        "a ray's coordinates must lie within ±2048 voxels for all of its 1024 samples, found 2457.6"
    );
    assert!(Ray::nearest([f64::NAN; 3], [0.0; 3]).is_err());
    assert!(Grid::new(9, 8).is_err() && Grid::new(0, 8).is_err() && Grid::new(6, 13).is_err());
}

#[test]
fn alphas_weights_and_pixels_follow_the_real_ones() {
    const THICKNESS: f64 = 0.02;
    let real_alpha = |density: f64| 1.0 - (-density.max(0.0) * THICKNESS).exp();
    let table = AlphaTable::new(3, real_alpha);
    let keep_all = Thresholds { least_weight: 0, opaque: 0 };
    let mut random = Random::new(3);
    for _ in 0..200 {
        let (mut pixel, mut transmittance, mut colour) = (Pixel::CLEAR, 1.0, 0.0);
        for sample in 1..=40 {
            let density = random.below(200) as i64 - 100;
            let code = random.below(256) as u8;
            let alpha = real_alpha(density as f64);
            // Half a step of the table changes alpha by at most 4 · THICKNESS; then half a unit of alpha, or a whole at 1.
            let found = table.alpha(density);
            assert!((f64::from(found) / 4096.0 - alpha).abs() <= 4.0 * THICKNESS + 1.0 / 4096.0);
            let alpha = f64::from(found) / 4096.0;
            let weight = pixel.absorb(found, &keep_all).unwrap_or(0);
            pixel.add(weight, [code, 0, 255]);
            colour += transmittance * alpha * f64::from(code);
            transmittance *= 1.0 - alpha;
            // Every sample rounds by half a unit of 2^-16, and errors before it never grow.
            let rest = f64::from(pixel.transmittance) / 65536.0;
            assert!((rest - transmittance).abs() <= 0.5 * f64::from(sample) / 65536.0);
        }
        let [red, green, blue] = pixel.finish([255, 128, 255]);
        // 40 weights, each off by half a unit and by what its transmittance is off: 40 · 20.5 units of 255 · 2^-16.
        assert!(
            (f64::from(red) - (colour + transmittance * 255.0)).abs() <= 0.5 + 40.0 * 20.5 * 255.0 / 65536.0
        );
        assert!((f64::from(green) - transmittance * 128.0).abs() <= 0.5 + 20.0 * 128.0 / 65536.0);
        assert_eq!(blue, 255, "weights and transmittance add up to one");
    }
}

#[test]
fn what_is_too_little_is_left_out() {
    let table = AlphaTable::new(0, |density| density / 1000.0);
    assert_eq!((table.alpha(-5), table.alpha(500), table.alpha(1 << 40)), (0, 2048, 4095));
    let thresholds = Thresholds { least_weight: 1 << 10, opaque: 1 << 14 };
    let mut pixel = Pixel::CLEAR;
    assert_eq!(pixel.absorb(63, &thresholds), None);
    assert_eq!(pixel, Pixel::CLEAR, "a sample that is too light changes nothing");
    assert_eq!(pixel.absorb(64, &thresholds), Some(1024));
    assert_eq!(pixel.absorb(3300, &thresholds), Some(51975));
    assert!(pixel.is_finished(&thresholds));
    assert_eq!(pixel.absorb(4095, &thresholds), None, "a finished pixel takes no more");
    assert_eq!(
        [activation(-17, 1), activation(17, 1), activation(1 << 20, 3), activation(-(1 << 20), 3)],
        [-8, 9, 127, -128]
    );
}

#[test]
fn cubes_are_walked_front_to_back_along_every_ray() {
    let mut random = Random::new(29);
    let count = 8;
    for _ in 0..2000 {
        let eye: [f64; AXES] = std::array::from_fn(|_| between(&mut random, -6.0, 14.0));
        let target: [f64; AXES] = std::array::from_fn(|_| between(&mut random, 0.0, 8.0));
        let step: [f64; AXES] = std::array::from_fn(|axis| (target[axis] - eye[axis]) / 100.0);
        let ranks: [Vec<usize>; AXES] = std::array::from_fn(|axis| {
            let order: Vec<usize> = outward(count, eye[axis].floor() as i64).collect();
            let mut ranks = vec![usize::MAX; count];
            order.iter().enumerate().for_each(|(rank, place)| ranks[*place] = rank);
            assert!(!ranks.contains(&usize::MAX), "every place once");
            ranks
        });
        let ray = Ray::nearest(eye, step).expect("a legal ray");
        let grid = Grid::new(3, 8).expect("a legal grid");
        let mut before = [0; AXES];
        for point in (0..MOST_SAMPLES).filter_map(|k| grid.point(ray.position(k))) {
            let now: [usize; AXES] = std::array::from_fn(|axis| ranks[axis][point.voxel[axis]]);
            assert!(now.iter().zip(&before).all(|(now, before)| now >= before), "{eye:?} to {target:?}");
            before = now;
        }
    }
}

#[test]
fn the_samples_in_a_box_are_those_that_stand_there() {
    let mut random = Random::new(5);
    for turn in 0..500 {
        let mut part = |low, high| if turn % 5 == 0 { 0.0 } else { between(&mut random, low, high) };
        let ray = Ray {
            origin: std::array::from_fn(|_| (part(-40.0, 72.0) * 1048576.0) as i64),
            // Now and then whole and half voxels, so that samples stand on the very faces.
            increment: std::array::from_fn(|_| {
                (part(-1.0, 1.0) * 2.0).round() as i64 * (1 << 19) + (turn % 3) - 1
            }),
        };
        let lowest = std::array::from_fn(|_| random.below(16) as usize);
        let highest = lowest.map(|low| low + 1 + random.below(16) as usize);
        let is_inside = |k: &u32| {
            let position = ray.position(*k);
            (0..AXES).all(|axis| {
                let voxel = position[axis] >> RAY_FRACTION_BITS;
                (lowest[axis] as i64..highest[axis] as i64).contains(&voxel)
            })
        };
        let inside: Vec<u32> = (0..MOST_SAMPLES).filter(is_inside).collect();
        assert_eq!(ray.within(lowest, highest).collect::<Vec<_>>(), inside, "{ray:?} {lowest:?} {highest:?}");
    }
}
