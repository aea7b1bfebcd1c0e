//! Ports that a module hands on to the modules within, and streams of samples between them.

use bitmill_hdl::{InstanceHandle, Module, ModuleBuilder, Signal};

/// The ports by which a multiply stage is loaded.
pub(super) const LOADS: [&str; 8] = [
    "weight_load_i",
    "weight_element_i",
    "weight_address_i",
    "weight_i",
    "scale_load_i",
    "scale_lane_i",
    "scale_address_i",
    "scale_i",
];

/// Those of `ports` that `module` has, as inputs of the module around it, where `prefix` stands before their names.
pub(super) fn inputs<'m>(
    m: &'m ModuleBuilder,
    module: &Module,
    prefix: &str,
    ports: &[&'static str],
) -> Vec<(&'static str, Signal<'m>)> {
    let found = ports.iter().filter_map(|port| Some((*port, module.port(port)?.1)));
    found
        .map(|(name, port)| {
            (name, m.input_with_comment(&format!("{prefix}{name}"), port.shape, &port.comment))
        })
        .collect()
}

/// Samples flow from `source` to `sink`.
pub(super) fn connect<'m>(source: InstanceHandle<'m>, sink: InstanceHandle<'m>) {
    sink.input("valid_i", source.output("valid_o"));
    sink.input("samples_i", source.output("samples_o"));
    source.input("ready_i", sink.output("ready_o"));
}
