//! A self-checking testbench of a whole accelerator: one inference, with memory and predictions as files.

use bitmill_accelerator::Accelerator;
use bitmill_hdl::Module;
use bitmill_model::{ModelError, QuantizedNetwork};
use bitmill_sim::{Program, Trace, pack_tensor};

use super::{connections, fill};
use crate::output::Files;

/// A network, lowered and predicted, with the input that it runs on.
pub struct Inference<'a> {
    /// Name of the network.
    pub name: &'a str,
    /// The network.
    pub network: &'a QuantizedNetwork,
    /// Its commands and memory.
    pub program: &'a Program,
    /// Its predicted run.
    pub trace: &'a Trace,
    /// The input, real numbers.
    pub input: &'a [f32],
}

/// The testbench of `top`, the circuit of `accelerator`, for one inference.
///
/// # Errors
/// An input of another shape than the network's.
pub fn testbench(
    accelerator: &Accelerator,
    top: &Module,
    inference: &Inference,
) -> Result<Files, ModelError> {
    let Inference { network, program, .. } = inference;
    let integers = network.quantize_input(inference.input);
    let tensors = network.run(&integers)?;
    let image = program.memory_with_input(&pack_tensor(accelerator, &program.input.place, &integers));
    let output = &program.outputs[program.outputs.len() - 1];
    let result = &tensors[output.tensor.index()];
    let expected = pack_tensor(accelerator, &output.place, result);
    let defined = pack_tensor(accelerator, &output.place, &vec![-1; result.len()]);
    let beat_bytes = accelerator.beat_bytes() as usize;
    let memory = accelerator.configuration().memory;
    let beats_bits = top.port("mem_request_beats_o").map_or(1, |(_, port)| port.shape.width);
    let text = fill(
        include_str!("accelerator_tb.v"),
        &[
            ("TOP", top.name.clone()),
            ("NETWORK", inference.name.to_owned()),
            ("BEAT_BITS", memory.width_bits.to_string()),
            ("BEATS_BITS", beats_bits.to_string()),
            ("MEMORY_BEATS", image.len().div_ceil(beat_bytes).to_string()),
            ("LATENCY_CYCLES", memory.latency_cycles.to_string()),
            ("BEAT_INTERVAL_CYCLES", memory.beat_interval_cycles.to_string()),
            ("OUTPUT_BEAT", (output.address as usize / beat_bytes).to_string()),
            ("OUTPUT_BEATS", (expected.len() / beat_bytes).to_string()),
            ("PREDICTED_CYCLES", inference.trace.cycles.to_string()),
            ("CONNECTIONS", ports(top, program)),
        ],
    );
    let mut files = Files::default();
    files.add(format!("tb/{}_tb.v", top.name), text);
    files.add("tb/memory.hex", beats(&image, beat_bytes));
    files.add("tb/expected.hex", beats(&expected, beat_bytes));
    files.add("tb/defined.hex", beats(&defined, beat_bytes));
    Ok(files)
}

/// A beat a line in hexadecimal, its lowest byte last.
fn beats(bytes: &[u8], beat_bytes: usize) -> String {
    let line = |beat: &[u8]| -> String {
        let padding = "00".repeat(beat_bytes - beat.len());
        let digits: String = beat.iter().rev().map(|byte| format!("{byte:02x}")).collect();
        format!("{padding}{digits}\n")
    };
    bytes.chunks(beat_bytes).map(line).collect()
}

fn ports(top: &Module, program: &Program) -> String {
    let mut pairs = vec![("clk_i".to_owned(), "clk".to_owned()), ("rst_ni".to_owned(), "rst_n".to_owned())];
    for port in &top.ports {
        let signal = match port.name.as_str() {
            "start_i" => "rst_n && cycle == 0".to_owned(),
            "command_address_i" => format!("{}'d{}", port.shape.width, program.command_address),
            "command_count_i" => format!("{}'d{}", port.shape.width, program.commands.len()),
            "mem_request_ready_i" => "state == IDLE".to_owned(),
            "mem_read_valid_i" => "read_valid".to_owned(),
            "mem_read_data_i" => "memory[beat]".to_owned(),
            "mem_write_ready_i" => "write_ready".to_owned(),
            "mem_write_done_i" => "write_done".to_owned(),
            "mem_request_valid_o" => "request_valid".to_owned(),
            "mem_request_write_o" => "request_write".to_owned(),
            "mem_request_address_o" => "request_address".to_owned(),
            "mem_request_beats_o" => "request_beats".to_owned(),
            "mem_write_valid_o" => "write_valid".to_owned(),
            "mem_write_data_o" => "write_data".to_owned(),
            "done_o" => "done".to_owned(),
            // Status and events that the testbench does not look at.
            _ => String::new(),
        };
        pairs.push((port.name.clone(), signal));
    }
    connections(&pairs)
}
