//! A self-checking testbench of a whole accelerator: one inference, with memory and predictions as files.

use std::error::Error;

use bitmill_accelerator::{Accelerator, COMMAND_BYTES, Register, registers};
use bitmill_hdl::Module;
use bitmill_model::QuantizedNetwork;
use bitmill_sim::{Program, Trace, pack_tensor, tensor_bits};

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
/// An input of another shape than the network's, or weights that there are no words for.
pub fn testbench(
    accelerator: &Accelerator,
    top: &Module,
    inference: &Inference,
) -> Result<Files, Box<dyn Error>> {
    let Inference { network, program, .. } = inference;
    let integers = network.quantize_input(inference.input);
    let tensors = network.run(&integers)?;
    let image = program.memory_image(accelerator, network, &integers)?;
    let output = &program.outputs[program.outputs.len() - 1];
    let result = &tensors[output.tensor.index()];
    let expected = pack_tensor(accelerator, &output.place, result);
    let defined = tensor_bits(accelerator, &output.place);
    let beat_bytes = accelerator.beat_bytes() as usize;
    let memory = accelerator.configuration().memory;
    let writes = host_writes(program);
    let text = fill(
        include_str!("accelerator_tb.v"),
        &[
            ("TOP", top.name.clone()),
            ("NETWORK", inference.name.to_owned()),
            ("BEAT_BITS", memory.width_bits.to_string()),
            ("MEMORY_BEATS", image.len().div_ceil(beat_bytes).to_string()),
            ("LATENCY_CYCLES", memory.latency_cycles.to_string()),
            ("BEAT_INTERVAL_CYCLES", memory.beat_interval_cycles.to_string()),
            ("OUTPUT_BEAT", (output.address as usize / beat_bytes).to_string()),
            ("OUTPUT_BEATS", (expected.len() / beat_bytes).to_string()),
            ("PREDICTED_CYCLES", inference.trace.cycles.to_string()),
            ("WRITES", writes.len().to_string()),
            ("HOST_WRITES", assignments(&writes)),
            ("CONNECTIONS", ports(top)),
        ],
    );
    let mut files = Files::default();
    files.add(format!("tb/{}_tb.v", top.name), text);
    let first = program.command_address as usize;
    let commands = &image[first..first + program.commands.len() * COMMAND_BYTES as usize];
    files.add("tb/commands.bin", commands);
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

/// What the host writes to start a run: registers and values.
fn host_writes(program: &Program) -> [(&'static Register, u32); 4] {
    let interrupts = registers::DONE_INTERRUPT.mask() | registers::ERROR_INTERRUPT.mask();
    [
        (&registers::INTERRUPT_ENABLE, interrupts),
        (&registers::COMMAND_ADDRESS, program.command_address),
        (&registers::COMMAND_COUNT, program.commands.len() as u32),
        (&registers::CONTROL, registers::START.mask()),
    ]
}

fn assignments(writes: &[(&Register, u32)]) -> String {
    let line = |(number, (register, value)): (usize, &(&Register, u32))| {
        format!(
            "    writes[{number}] = {{8'h{:02x}, 32'h{value:08x}}};  // {}",
            register.offset, register.name
        )
    };
    writes.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
}

fn ports(top: &Module) -> String {
    let mut pairs = vec![("clk_i".to_owned(), "clk".to_owned()), ("rst_ni".to_owned(), "rst_n".to_owned())];
    for port in &top.ports {
        let signal = match port.name.as_str() {
            "s_axi_awvalid_i" | "s_axi_wvalid_i" => "host_valid",
            "s_axi_awaddr_i" => "host_write[39:32]",
            "s_axi_wdata_i" => "host_write[31:0]",
            "s_axi_wstrb_i" => "4'hf",
            "s_axi_bready_i" => "1'b1",
            "s_axi_bvalid_o" => "host_answer",
            "s_axi_arvalid_i" | "s_axi_rready_i" => "1'b0",
            "s_axi_araddr_i" => "8'h00",
            "m_axi_arready_i" | "m_axi_awready_i" => "1'b1",
            "m_axi_rvalid_i" => "rvalid",
            "m_axi_rid_i" => "read_id[read_head]",
            "m_axi_rdata_i" => "memory[read_beat[read_head]]",
            "m_axi_rresp_i" | "m_axi_bresp_i" => "2'b00",
            "m_axi_rlast_i" => "rlast",
            "m_axi_wready_i" => "wready",
            "m_axi_bvalid_i" => "bvalid",
            "m_axi_bid_i" => "1'b0",
            "m_axi_arid_o" => "arid",
            "m_axi_araddr_o" => "araddr",
            "m_axi_arlen_o" => "arlen",
            "m_axi_arvalid_o" => "arvalid",
            "m_axi_awaddr_o" => "awaddr",
            "m_axi_awlen_o" => "awlen",
            "m_axi_awvalid_o" => "awvalid",
            "m_axi_wdata_o" => "wdata",
            "m_axi_wlast_o" => "wlast",
            "m_axi_wvalid_o" => "wvalid",
            "irq_o" => "irq",
            "run_start_o" => "run_start",
            "run_done_o" => "run_done",
            // What the testbench does not look at.
            _ => "",
        };
        pairs.push((port.name.clone(), signal.to_owned()));
    }
    connections(&pairs)
}
