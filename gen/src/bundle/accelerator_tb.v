// @TOP@_tb: runs one inference of @NETWORK@ on @TOP@ and its memory, and compares
// every element of the output and the number of cycles with what the simulator predicts.
// From the folder that holds files.f:
//   with Icarus:    iverilog -g2012 -f files.f -o @TOP@_tb.vvp tb/@TOP@_tb.v && vvp @TOP@_tb.vvp
//   with Verilator: verilator --binary -Wno-fatal -fno-const-bit-op-tree -f files.f --top-module @TOP@_tb tb/@TOP@_tb.v && obj_dir/V@TOP@_tb
// Prints PASS, or FAIL with the first difference and ends with a failure.
module @TOP@_tb;
  localparam BEAT_BITS = @BEAT_BITS@;
  localparam BEAT_BYTES = BEAT_BITS / 8;
  localparam MEMORY_BEATS = @MEMORY_BEATS@;
  localparam LATENCY_CYCLES = @LATENCY_CYCLES@;
  localparam BEAT_INTERVAL_CYCLES = @BEAT_INTERVAL_CYCLES@;
  localparam OUTPUT_BEAT = @OUTPUT_BEAT@;
  localparam OUTPUT_BEATS = @OUTPUT_BEATS@;
  localparam PREDICTED_CYCLES = @PREDICTED_CYCLES@;

  reg clk = 1'b0;
  reg rst_n = 1'b0;
  always #5 clk = ~clk;
  // Cycles since reset, and the cycle in which the run started.
  integer cycle = 0;
  integer start_cycle = 0;

  // Memory: commands, weights, parameters, the input, room for the output.
  reg [BEAT_BITS-1:0] memory [0:MEMORY_BEATS-1];
  // The output tensor; elements count where the mask of defined bits is set.
  reg [BEAT_BITS-1:0] expected [0:OUTPUT_BEATS-1];
  reg [BEAT_BITS-1:0] defined [0:OUTPUT_BEATS-1];

  // Memory side: reads are answered in order, the first beat LATENCY_CYCLES after the address; a write is
  // answered LATENCY_CYCLES after its last beat. Queues of 16: no more bursts than that are under way.
  wire arvalid, awvalid, wvalid, wlast;
  wire arid;
  wire [31:0] araddr, awaddr;
  wire [7:0] arlen, awlen;
  wire [BEAT_BITS-1:0] wdata;
  integer read_beat [0:15];
  integer read_left [0:15];
  integer read_due [0:15];
  reg read_id [0:15];
  integer write_beat [0:15];
  integer answer_due [0:15];
  reg [3:0] read_head = 0, read_tail = 0, write_head = 0, write_tail = 0, answer_head = 0, answer_tail = 0;
  integer next_read = 0;
  integer next_write = 0;
  integer written = 0;
  wire rvalid = read_head != read_tail && cycle >= read_due[read_head] && cycle >= next_read;
  wire rlast = read_left[read_head] == 1;
  wire wready = cycle >= next_write;
  wire bvalid = answer_head != answer_tail && cycle >= answer_due[answer_head];
  // A beat may come in the cycle of its address.
  wire [31:0] write_base = write_head == write_tail ? awaddr / BEAT_BYTES : write_beat[write_head];

  always @(posedge clk) begin
    if (rst_n) begin
      cycle <= cycle + 1;
      if (arvalid) begin
        read_beat[read_tail] <= araddr / BEAT_BYTES;
        read_left[read_tail] <= arlen + 1;
        read_due[read_tail] <= cycle + LATENCY_CYCLES;
        read_id[read_tail] <= arid;
        read_tail <= read_tail + 1'b1;
      end
      if (rvalid) begin
        read_beat[read_head] <= read_beat[read_head] + 1;
        read_left[read_head] <= read_left[read_head] - 1;
        next_read <= cycle + BEAT_INTERVAL_CYCLES;
        if (rlast) read_head <= read_head + 1'b1;
      end
      if (awvalid) begin
        write_beat[write_tail] <= awaddr / BEAT_BYTES;
        write_tail <= write_tail + 1'b1;
      end
      if (wvalid && wready) begin
        memory[write_base + written] <= wdata;
        written <= wlast ? 0 : written + 1;
        next_write <= cycle + BEAT_INTERVAL_CYCLES;
        if (wlast) begin
          write_head <= write_head + 1'b1;
          answer_due[answer_tail] <= cycle + LATENCY_CYCLES;
          answer_tail <= answer_tail + 1'b1;
        end
      end
      if (bvalid) answer_head <= answer_head + 1'b1;
    end
  end

  // Host side: writes the registers one after the other, the last one starts the run.
  localparam WRITES = @WRITES@;
  reg [39:0] writes [0:WRITES-1];
  integer write_index = 0;
  reg sent = 1'b0;
  wire host_valid = rst_n && write_index < WRITES && !sent;
  wire [39:0] host_write = writes[write_index < WRITES ? write_index : 0];
  wire host_answer;
  wire run_start, run_done, irq;
  always @(posedge clk) begin
    if (host_valid) sent <= 1'b1;
    if (host_answer) begin
      sent <= 1'b0;
      write_index <= write_index + 1;
    end
    if (run_start) start_cycle <= cycle;
  end

  @TOP@ dut (
@CONNECTIONS@
  );

  initial begin
@HOST_WRITES@
    $readmemh("tb/memory.hex", memory);
    $readmemh("tb/expected.hex", expected);
    $readmemh("tb/defined.hex", defined);
    repeat (2) @(posedge clk);
    @(negedge clk);
    rst_n = 1'b1;
  end

  integer index;
  integer done_cycle = 0;
  always @(negedge clk) begin
    if (cycle > 2 * PREDICTED_CYCLES + 1000) begin
      $display("FAIL: still running after %0d cycles, %0d were predicted", cycle, PREDICTED_CYCLES);
      $fatal(1);
    end
    if (rst_n && run_done) done_cycle = cycle - start_cycle;
    if (rst_n && irq) begin
      if (done_cycle != PREDICTED_CYCLES) begin
        $display("FAIL: done in cycle %0d, %0d was predicted", done_cycle, PREDICTED_CYCLES);
        $fatal(1);
      end
      for (index = 0; index < OUTPUT_BEATS; index = index + 1) begin
        if (((memory[OUTPUT_BEAT + index] ^ expected[index]) & defined[index]) !== {BEAT_BITS{1'b0}}) begin
          $display("FAIL: output beat %0d: expected %h, seen %h, compared bits %h",
                   index, expected[index], memory[OUTPUT_BEAT + index], defined[index]);
          $fatal(1);
        end
      end
      $display("PASS: @TOP@ runs @NETWORK@ in %0d cycles, every output element as predicted", done_cycle);
      $finish;
    end
  end
endmodule
