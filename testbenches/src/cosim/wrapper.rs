//! The Verilog around the modules under test and the C++ that drives it.

use std::fmt::Write;
use std::sync::Arc;

use bitmill_hdl::{Direction, Module};

use super::vectors::Layout;

/// Name of the wrapper module.
pub(super) const NAME: &str = "bitmill_cosim";

/// A module with a stimulus and a response vector for each of `modules`.
pub(super) fn verilog(modules: &[Arc<Module>]) -> String {
    let mut ports = vec!["  input  wire clk_i".to_owned(), "  input  wire rst_ni".to_owned()];
    let mut body = String::new();
    for (number, module) in modules.iter().enumerate() {
        let layout = Layout::of(module);
        let (inputs, outputs) = (32 * layout.input_words(), 32 * layout.output_words());
        ports.push(format!("  input  wire [{}:0] stimulus_{number}", inputs - 1));
        ports.push(format!("  output wire [{}:0] response_{number}", outputs - 1));
        body.push_str(&instance(number, module, outputs as u32));
    }
    let ports = ports.join(",\n");
    format!(
        "// {NAME}: modules under test side by side, each with one vector in and one out, first port lowest.\n\
         /* verilator lint_off UNUSEDSIGNAL */\nmodule {NAME} (\n{ports}\n);\n{body}endmodule\n"
    )
}

fn instance(number: usize, module: &Module, output_bits: u32) -> String {
    let mut connections = Vec::new();
    if module.clocked {
        connections.extend(["clk_i", "rst_ni"].map(|port| format!("    .{port}({port})")));
    }
    let (mut input, mut output) = (0, 0);
    for port in &module.ports {
        let (vector, lsb) = match port.direction {
            Direction::Input => ("stimulus", &mut input),
            Direction::Output => ("response", &mut output),
        };
        let msb = *lsb + port.shape.width - 1;
        connections.push(format!("    .{}({vector}_{number}[{msb}:{lsb}])", port.name));
        *lsb += port.shape.width;
    }
    let rest = output_bits - output;
    let padding = if rest == 0 {
        String::new()
    } else {
        format!("  assign response_{number}[{}:{output}] = {rest}'d0;\n", output_bits - 1)
    };
    format!("  {} dut_{number} (\n{}\n  );\n{padding}", module.name, connections.join(",\n"))
}

/// The C++ program: reads the stimulus file, runs all modules, writes the response file.
pub(super) fn main(modules: &[Arc<Module>]) -> String {
    let mut devices = String::new();
    for (number, module) in modules.iter().enumerate() {
        let layout = Layout::of(module);
        let (inputs, outputs) = (layout.input_words(), layout.output_words());
        let (stimulus, response) = (format!("stimulus_{number}"), format!("response_{number}"));
        writeln!(
            devices,
            "  devices.push_back({{&top->{stimulus}[0], {inputs}, &top->{response}[0], {outputs}}});"
        )
        .expect("writing to a string does not fail");
    }
    MAIN.replace("@NAME@", NAME).replace("@DEVICES@", &devices)
}

const MAIN: &str = r#"// Runs every module under test on its own stimulus; see testbenches/src/cosim in Bitmill.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "V@NAME@.h"
#include "verilated.h"

struct Device {
  EData *inputs;
  size_t input_words;
  EData *outputs;
  size_t output_words;
  uint64_t cycles = 0;
  std::vector<uint32_t> stimulus = {};
  std::vector<uint32_t> responses = {};
};

static void fail(const char *action, const char *path) {
  std::fprintf(stderr, "cannot %s %s\n", action, path);
  std::exit(1);
}

static void read_stimulus(std::vector<Device> &devices, const char *path) {
  FILE *file = std::fopen(path, "rb");
  if (!file) fail("open", path);
  for (Device &device : devices) {
    if (std::fread(&device.cycles, sizeof device.cycles, 1, file) != 1) fail("read", path);
    device.stimulus.resize(device.cycles * device.input_words);
    size_t words = std::fread(device.stimulus.data(), 4, device.stimulus.size(), file);
    if (words != device.stimulus.size()) fail("read", path);
    device.responses.reserve(device.cycles * device.output_words);
  }
  std::fclose(file);
}

static void write_responses(const std::vector<Device> &devices, const char *path) {
  FILE *file = std::fopen(path, "wb");
  if (!file) fail("create", path);
  for (const Device &device : devices) {
    size_t words = std::fwrite(device.responses.data(), 4, device.responses.size(), file);
    if (words != device.responses.size()) fail("write", path);
  }
  if (std::fclose(file) != 0) fail("write", path);
}

int main(int argc, char **argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s STIMULUS RESPONSES\n", argv[0]);
    return 2;
  }
  // A `$fatal` aborts: what it says must not be left in a buffer.
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
  auto context = std::make_unique<VerilatedContext>();
  context->commandArgs(argc, argv);
  auto top = std::make_unique<V@NAME@>(context.get());
  std::vector<Device> devices;
@DEVICES@  read_stimulus(devices, argv[1]);

  uint64_t cycles = 0;
  for (const Device &device : devices) {
    std::memset(device.inputs, 0, 4 * device.input_words);
    if (device.cycles > cycles) cycles = device.cycles;
  }
  auto clock_edge = [&] {
    top->clk_i = 1;
    top->eval();
    top->clk_i = 0;
  };
  top->clk_i = 0;
  top->rst_ni = 0;
  top->eval();
  clock_edge();
  top->rst_ni = 1;
  for (uint64_t cycle = 0; cycle < cycles && !context->gotFinish(); cycle++) {
    for (Device &device : devices) {
      if (cycle >= device.cycles) continue;
      const uint32_t *words = &device.stimulus[cycle * device.input_words];
      std::memcpy(device.inputs, words, 4 * device.input_words);
    }
    top->eval();
    for (Device &device : devices) {
      if (cycle >= device.cycles) continue;
      device.responses.insert(device.responses.end(), device.outputs, device.outputs + device.output_words);
    }
    clock_edge();
  }
  top->final();
  write_responses(devices, argv[2]);
  return 0;
}
"#;
