//! Block diagrams of units, drawn from the graph that is emitted.
//!
//! A box is a section of a module: what stands behind one comment of the emitted Verilog, with its registers.
//! Instances are opened, so that a box stands for a section wherever it lies in the hierarchy. An arrow means
//! that a section reads what another one makes; its label names the signals. So a diagram cannot say anything
//! that the circuit does not.

mod blocks;
mod layout;
mod svg;

use bitmill_hdl::Module;

/// The block diagram of `module` as SVG, readable on light and on dark ground.
pub fn diagram(module: &Module) -> String {
    let graph = blocks::graph(module);
    svg::draw(&graph, &layout::arrange(&graph))
}

#[cfg(test)]
mod tests {
    use super::diagram;

    /// The pages of docs/pe and the settings that their diagrams show.
    const PAGES: &[(&str, &str)] = &[
        ("bit_serial_grouped", ""),
        ("pe_binary", ""),
        ("pe_bit_plane", ""),
        ("pe_bit_serial", "activation=fp16 accumulator=floating28"),
        ("pe_block_dot", ""),
        ("pe_complex", ""),
        ("pe_dual_binary", ""),
        ("pe_float_mac", ""),
        ("pe_integer", ""),
        ("pe_l_mul", ""),
        ("pe_matryoshka", ""),
        ("pe_sherry", ""),
        ("pe_rmmec_simd", ""),
        ("pe_ternary", ""),
    ];

    #[test]
    fn the_pages_show_what_is_emitted() {
        for (name, settings) in PAGES {
            let path = format!("{}/../docs/pe/{name}.svg", env!("CARGO_MANIFEST_DIR"));
            let unit = bitmill_units::find(name).unwrap().unit(settings.split_whitespace()).unwrap();
            let set: String = settings.split_whitespace().map(|pair| format!(" --set {pair}")).collect();
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == diagram(unit.module().unwrap().as_ref()),
                "draw it again: bitmill units diagram {name}{set} -o docs/pe/{name}.svg"
            );
        }
    }
}
