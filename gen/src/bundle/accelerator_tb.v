// @TOP@_tb: runs one inference of @NETWORK@ on @TOP@ and its memory, and compares
// every element of the output and the number of cycles with what the simulator predicts.
// From the folder that holds files.f:
//   with Icarus:    iverilog -g2012 -f files.f -o @TOP@_tb.vvp tb/@TOP@_tb.v && vvp @TOP@_tb.vvp
//   with Verilator: verilator --binary -Wno-fatal -f files.f --top-module @TOP@_tb tb/@TOP@_tb.v && obj_dir/V@TOP@_tb
// Prints PASS, or FAIL with the first difference and ends with a failure.
module @TOP@_tb;
  localparam BEAT_BITS = @BEAT_BITS@;
  localparam MEMORY_BEATS = @MEMORY_BEATS@;
  localparam LATENCY_CYCLES = @LATENCY_CYCLES@;
  localparam BEAT_INTERVAL_CYCLES = @BEAT_INTERVAL_CYCLES@;
  localparam OUTPUT_BEAT = @OUTPUT_BEAT@;
  localparam OUTPUT_BEATS = @OUTPUT_BEATS@;
  localparam PREDICTED_CYCLES = @PREDICTED_CYCLES@;

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  always #5 clk = ~clk;
  integer cycle = 0;

  // Memory: commands, weights, parameters, the input, room for the output.
  reg [BEAT_BITS-1:0] memory [0:MEMORY_BEATS-1];
  // The output tensor; elements count where the mask of defined bits is set.
  reg [BEAT_BITS-1:0] expected [0:OUTPUT_BEATS-1];
  reg [BEAT_BITS-1:0] defined [0:OUTPUT_BEATS-1];

  wire request_valid;
  wire request_write;
  wire [31:0] request_address;
  wire [@BEATS_BITS@-1:0] request_beats;
  wire write_valid;
  wire [BEAT_BITS-1:0] write_data;
  wire done;

  // One burst at a time. A read delivers its first beat LATENCY_CYCLES after the request; a write is
  // confirmed LATENCY_CYCLES after its last beat.
  localparam [1:0] IDLE = 2'd0, READ = 2'd1, WRITE = 2'd2, CONFIRM = 2'd3;
  reg [1:0] state = IDLE;
  integer beat = 0;
  integer beats_left = 0;
  integer due = 0;
  wire read_valid = state == READ && cycle == due;
  wire write_ready = state == WRITE && cycle >= due;
  wire write_done = state == CONFIRM && cycle == due;

  always @(posedge clk) begin
    if (rst_n) begin
      cycle <= cycle + 1;
      case (state)
        IDLE:
          if (request_valid) begin
            state <= request_write ? WRITE : READ;
            beat <= request_address / (BEAT_BITS / 8);
            beats_left <= {{(32 - @BEATS_BITS@){1'b0}}, request_beats};
            due <= request_write ? cycle + 1 : cycle + LATENCY_CYCLES;
          end
        READ:
          if (read_valid) begin
            state <= beats_left == 1 ? IDLE : READ;
            beat <= beat + 1;
            beats_left <= beats_left - 1;
            due <= cycle + BEAT_INTERVAL_CYCLES;
          end
        WRITE:
          if (write_ready && write_valid) begin
            memory[beat] <= write_data;
            state <= beats_left == 1 ? CONFIRM : WRITE;
            beat <= beat + 1;
            beats_left <= beats_left - 1;
            due <= beats_left == 1 ? cycle + LATENCY_CYCLES : cycle + BEAT_INTERVAL_CYCLES;
          end
        default:
          if (write_done) state <= IDLE;
      endcase
    end
  end

  @TOP@ dut (
@CONNECTIONS@
  );

  initial begin
    $readmemh("tb/memory.hex", memory);
    $readmemh("tb/expected.hex", expected);
    $readmemh("tb/defined.hex", defined);
    repeat (2) @(posedge clk);
    @(negedge clk);
    rst_n = 1'b1;
  end

  integer index;
  always @(negedge clk) begin
    if (cycle > 2 * PREDICTED_CYCLES + 1000) begin
      $display("FAIL: still running after %0d cycles, %0d were predicted", cycle, PREDICTED_CYCLES);
      $fatal(1);
    end
    if (rst_n && done) begin
      if (cycle != PREDICTED_CYCLES) begin
        $display("FAIL: done in cycle %0d, %0d was predicted", cycle, PREDICTED_CYCLES);
        $fatal(1);
      end
      for (index = 0; index < OUTPUT_BEATS; index = index + 1) begin
        if (((memory[OUTPUT_BEAT + index] ^ expected[index]) & defined[index]) !== {BEAT_BITS{1'b0}}) begin
          $display("FAIL: output beat %0d: expected %h, seen %h, compared bits %h",
                   index, expected[index], memory[OUTPUT_BEAT + index], defined[index]);
          $fatal(1);
        end
      end
      $display("PASS: @TOP@ runs @NETWORK@ in %0d cycles, every output element as predicted", cycle);
      $finish;
    end
  end
endmodule
