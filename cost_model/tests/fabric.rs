//! The committed calibrations of FPGA families are what the fit makes of the committed measurements, and err as little as they say.
//!
//! `technologies/FAMILY.tsv` holds what `bitmill technology fit-fpga` measured. When lookup tables are counted differently, coefficients
//! change: `bitmill technology fit-fpga FAMILY --measurements FAMILY.tsv --out FAMILY.toml` fits them anew.

use bitmill_cost_model::{
    CostError, Fabric, Technology, estimate_on, fabric_measurements_from_text, fit_fabric, training_design,
};

const MEASURED: [(&str, &str); 2] =
    [("ecp5", include_str!("../technologies/ecp5.tsv")), ("xcup", include_str!("../technologies/xcup.tsv"))];

/// What medians of the errors on held-out designs may be. The aim for lookup tables is 0.05, which both families miss by far: see
/// docs/cost_model.md.
const LUTS_MEDIAN: f64 = 0.14;
const FLIP_FLOPS_MEDIAN: f64 = 0.05;
const DSPS_MEDIAN: f64 = 0.05;
const DELAY_MEDIAN: f64 = 0.15;
const HELD_OUT: usize = 20;

#[test]
fn the_committed_calibration_is_that_of_the_measurements() {
    let mut wrong = Vec::new();
    for (name, text) in MEASURED {
        let measurements = fabric_measurements_from_text(text).expect(name);
        let family = Fabric::named(name).expect(name).expect(name);
        let fitted = fit_fabric(&measurements, &family.rules, &family.memory);
        for (design, errors) in &fitted.held_out {
            let [luts, flip_flops, dsps, clock] =
                errors.map(|error| error.map_or("-".to_owned(), |error| format!("{:+.1} %", 100.0 * error)));
            println!("{name}: LUTs {luts}, flip-flops {flip_flops}, DSPs {dsps}, clock {clock}: {design}");
        }
        let found = &fitted.calibration;
        let (luts, flip_flops) = (found.luts.held_out, found.flip_flops.held_out);
        println!("{name}: LUTs {luts:?}\n{name}: flip-flops {flip_flops:?}\n{name}: DSPs {:?}", found.dsps);
        if luts.designs < HELD_OUT
            || luts.median > LUTS_MEDIAN
            || flip_flops.median > FLIP_FLOPS_MEDIAN
            || found.dsps.median > DSPS_MEDIAN
            || found.block_rams.median > 0.0
        {
            wrong.push(format!("{name} errs too much"));
        }
        if let Some(delay) = &found.delay {
            println!("{name}: longest path {:?}", delay.held_out);
            if delay.held_out.median > DELAY_MEDIAN {
                wrong.push(format!("the clock of {name} errs too much"));
            }
        }
        if *found != family.calibration {
            wrong
                .push(format!("the coefficients of {name} are not those of its measurements: fit them anew"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What the estimate tells of the whole is what the fit counted, and its parts do not come to more.
#[test]
fn a_design_takes_what_its_parts_take() {
    let design = training_design("t_int8_2x4x4 array").expect("a small accelerator");
    let family = Fabric::named("ecp5").expect("legal").expect("embedded");
    let cost = estimate_on(&design, &family);
    assert_eq!(cost.total.dsps, 32.0, "2 x 4 PEs of 4 lanes, a multiplier each");
    assert!(cost.clock_mhz() > 10.0 && cost.clock_mhz() < 400.0, "{}", cost.clock_mhz());
    let parts: f64 = cost.components.iter().map(|component| component.cost.flip_flops).sum();
    assert!((parts + cost.own.flip_flops - cost.total.flip_flops).abs() < 1e-6);
    let memory = estimate_on(&training_design("ram width=64 depth=1024").expect("a memory"), &family);
    assert_eq!(memory.total.block_rams, 4.0, "18 bits of 1024 words each");
    let small = estimate_on(&training_design("ram width=8 depth=16").expect("a memory"), &family);
    assert_eq!(small.total.block_rams, 0.0, "two cells of lookup tables");
}

#[test]
fn a_family_is_refused_where_areas_are_asked_for() {
    let error = Technology::named("ecp5").expect_err("no cell library");
    assert!(matches!(error, CostError::IsFabric { .. }));
    assert!(
        error.to_string().starts_with("`ecp5` is an FPGA family, of which neither areas nor energies"),
        "{error}"
    );
    let family = Fabric::named("xcup").expect("legal").expect("embedded");
    let text = family.to_toml().expect("text");
    assert_eq!(Fabric::from_toml(&text).as_ref(), Ok(&family));
    let error = Fabric::from_toml(
        &text.replace("[calibration.luts.coefficients]\n", "[calibration.luts.coefficients]\nwood = 1.0\n"),
    );
    let error = error.expect_err("unknown").to_string();
    assert!(error.contains("xcup: calibration.luts: wood is unknown; there are logic"), "{error}");
}
