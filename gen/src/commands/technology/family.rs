//! FPGA families for people: a line each, or all that is known of one.

use bitmill_cost_model::{ErrorStatistics, Fabric, Fit};

use crate::table::Table;

/// A family a line, with its errors.
pub fn list(all: &[Fabric]) -> String {
    let mut table =
        Table::new(&["FPGA family", "tools", "LUTs", "flip-flops", "DSPs", "longest path", "designs"]);
    for family in all {
        let calibration = &family.calibration;
        let error = |found: &ErrorStatistics| format!("± {:.1} %", 100.0 * found.median);
        let path = calibration.delay.as_ref().map_or("-".to_owned(), |fit| error(&fit.held_out));
        table.row([
            family.name.clone(),
            family.summary.clone(),
            error(&calibration.luts.held_out),
            error(&calibration.flip_flops.held_out),
            error(&calibration.dsps),
            path,
            calibration.luts.held_out.designs.to_string(),
        ]);
    }
    table.text()
}

/// A family with its tools, errors and coefficients.
pub fn page(family: &Fabric) -> String {
    let mapper = &family.mapper;
    let mut text = format!(
        "{}: {}\n\nmapped by    {} ({})\n",
        family.name, family.summary, mapper.synthesis, mapper.version
    );
    if !mapper.place_and_route.is_empty() {
        text += &format!("placed by    {}\n", mapper.place_and_route.join(" "));
    }
    let mut errors =
        Table::new(&["figure", "", "designs", "median %", "nine in ten %", "worst %", "Kendall"]);
    let mut coefficients = Table::new(&["figure", "of", "coefficient"]);
    let mut error = |figure: &str, of: &str, e: &ErrorStatistics| {
        let percent = |share: f64| format!("{:.1}", 100.0 * share);
        errors.row([
            figure.to_owned(),
            of.to_owned(),
            e.designs.to_string(),
            percent(e.median),
            percent(e.percentile_90),
            percent(e.worst),
            format!("{:.3}", e.kendall),
        ]);
    };
    for (figure, fit) in fits(family) {
        error(figure, "held out", &fit.held_out);
        error(figure, "training", &fit.training);
        for (kind, value) in &fit.coefficients {
            coefficients.row([figure.to_owned(), kind.clone(), format!("{value:.4}")]);
        }
    }
    error("DSPs", "held out", &family.calibration.dsps);
    error("block RAMs", "held out", &family.calibration.block_rams);
    text + &format!("\n{}\n{}\n{}\n", errors.text(), coefficients.text(), family.limits())
}

/// Every figure that is fitted.
fn fits(family: &Fabric) -> Vec<(&'static str, &Fit)> {
    let calibration = &family.calibration;
    let mut fits = vec![
        ("LUTs", &calibration.luts),
        ("flip-flops", &calibration.flip_flops),
        ("LUTs of memories", &calibration.memory_luts),
        ("flip-flops of memories", &calibration.memory_flip_flops),
    ];
    fits.extend(calibration.delay.as_ref().map(|fit| ("longest path, ns", fit)));
    fits.extend(calibration.memory_delay.as_ref().map(|fit| ("memory, ns", fit)));
    fits
}
