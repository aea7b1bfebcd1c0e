// @TOP@_tb: runs @TOP@ on its stimulus and compares every output that its model defines.
// From the folder that holds files.f:
//   with Icarus:    iverilog -g2012 -f files.f -o @TOP@_tb.vvp tb/@TOP@_tb.v && vvp @TOP@_tb.vvp
//   with Verilator: verilator --binary -Wno-fatal -fno-const-bit-op-tree -f files.f --top-module @TOP@_tb tb/@TOP@_tb.v && obj_dir/V@TOP@_tb
// Prints PASS, or FAIL with the first difference and ends with a failure.
module @TOP@_tb;
  localparam CYCLES = @CYCLES@;
  localparam INPUT_BITS = @INPUT_BITS@;
  localparam OUTPUT_BITS = @OUTPUT_BITS@;

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  always #5 clk = ~clk;

  // One word a cycle, the first port lowest; outputs count where the mask of defined bits is set.
  reg [INPUT_BITS-1:0] stimulus [0:CYCLES-1];
  reg [OUTPUT_BITS-1:0] expected [0:CYCLES-1];
  reg [OUTPUT_BITS-1:0] defined [0:CYCLES-1];
  reg [INPUT_BITS-1:0] inputs;
  wire [OUTPUT_BITS-1:0] outputs;
  integer cycle;

  @TOP@ dut (
@CONNECTIONS@
  );

  initial begin
    $readmemh("tb/stimulus.hex", stimulus);
    $readmemh("tb/expected.hex", expected);
    $readmemh("tb/defined.hex", defined);
    inputs = {INPUT_BITS{1'b0}};
    repeat (2) @(posedge clk);
    for (cycle = 0; cycle < CYCLES; cycle = cycle + 1) begin
      @(negedge clk);
      rst_n = 1'b1;
      inputs = stimulus[cycle];
      #4;
      if (((outputs ^ expected[cycle]) & defined[cycle]) !== {OUTPUT_BITS{1'b0}}) begin
        $display("FAIL: cycle %0d: inputs %h, expected %h, seen %h, compared bits %h",
                 cycle, inputs, expected[cycle], outputs, defined[cycle]);
        $fatal(1);
      end
    end
    $display("PASS: @TOP@ agrees with its model in %0d cycles", CYCLES);
    $finish;
  end
endmodule
