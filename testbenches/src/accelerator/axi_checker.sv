// bitmill_axi_checker: the rules of AXI at both ports of an accelerator, bound to it in every simulation.
// Sections are those of the AMBA AXI and ACE protocol specification, issue H. A broken rule ends the simulation.
module bitmill_axi_checker #(
  parameter integer BEAT_BYTES = 8,
  parameter integer LONGEST_BURST = 16,
  parameter integer OUTSTANDING_READS = 1,
  parameter integer OUTSTANDING_WRITES = 1
) (
  input wire clk_i,
  input wire rst_ni,
  // Master
  input wire arid, input wire [31:0] araddr, input wire [7:0] arlen, input wire [2:0] arsize,
  input wire [1:0] arburst, input wire arvalid, input wire arready,
  input wire rid, input wire [1:0] rresp, input wire rlast, input wire rvalid, input wire rready,
  input wire [BEAT_BYTES*8-1:0] rdata,
  input wire awid, input wire [31:0] awaddr, input wire [7:0] awlen, input wire [2:0] awsize,
  input wire [1:0] awburst, input wire awvalid, input wire awready,
  input wire [BEAT_BYTES*8-1:0] wdata, input wire [BEAT_BYTES-1:0] wstrb, input wire wlast,
  input wire wvalid, input wire wready,
  input wire bid, input wire [1:0] bresp, input wire bvalid, input wire bready,
  // AXI4-Lite slave
  input wire [7:0] lite_awaddr, input wire lite_awvalid, input wire lite_awready,
  input wire [31:0] lite_wdata, input wire [3:0] lite_wstrb, input wire lite_wvalid, input wire lite_wready,
  input wire [1:0] lite_bresp, input wire lite_bvalid, input wire lite_bready,
  input wire [7:0] lite_araddr, input wire lite_arvalid, input wire lite_arready,
  input wire [31:0] lite_rdata, input wire [1:0] lite_rresp, input wire lite_rvalid, input wire lite_rready
);
  // A3.2.1: once valid is set, it and what it goes with stay until ready.
  reg ar_held, r_held, aw_held, w_held, b_held, law_held, lw_held, lb_held, lar_held, lr_held;
  reg [45:0] ar_kept, aw_kept;
  reg [BEAT_BYTES*8+3:0] r_kept;
  reg [BEAT_BYTES*9:0] w_kept;
  reg [2:0] b_kept;
  reg [7:0] law_kept, lar_kept;
  reg [35:0] lw_kept;
  reg [1:0] lb_kept;
  reg [33:0] lr_kept;
  wire [45:0] ar_now = {arid, araddr, arlen, arsize, arburst};
  wire [45:0] aw_now = {awid, awaddr, awlen, awsize, awburst};
  wire [BEAT_BYTES*8+3:0] r_now = {rid, rresp, rlast, rdata};
  wire [BEAT_BYTES*9:0] w_now = {wstrb, wlast, wdata};
  always @(posedge clk_i) begin
    ar_kept <= ar_now;
    aw_kept <= aw_now;
    r_kept <= r_now;
    w_kept <= w_now;
    b_kept <= {bid, bresp};
    law_kept <= lite_awaddr;
    lar_kept <= lite_araddr;
    lw_kept <= {lite_wdata, lite_wstrb};
    lb_kept <= lite_bresp;
    lr_kept <= {lite_rdata, lite_rresp};
    ar_held <= rst_ni && arvalid && !arready;
    r_held <= rst_ni && rvalid && !rready;
    aw_held <= rst_ni && awvalid && !awready;
    w_held <= rst_ni && wvalid && !wready;
    b_held <= rst_ni && bvalid && !bready;
    law_held <= rst_ni && lite_awvalid && !lite_awready;
    lw_held <= rst_ni && lite_wvalid && !lite_wready;
    lb_held <= rst_ni && lite_bvalid && !lite_bready;
    lar_held <= rst_ni && lite_arvalid && !lite_arready;
    lr_held <= rst_ni && lite_rvalid && !lite_rready;
    if (rst_ni) begin
      if (ar_held && !(arvalid && ar_kept == ar_now)) $fatal(1, "AXI rule: AR changed before it was taken");
      if (r_held && !(rvalid && r_kept == r_now)) $fatal(1, "AXI rule: R changed before it was taken");
      if (aw_held && !(awvalid && aw_kept == aw_now)) $fatal(1, "AXI rule: AW changed before it was taken");
      if (w_held && !(wvalid && w_kept == w_now)) $fatal(1, "AXI rule: W changed before it was taken");
      if (b_held && !(bvalid && b_kept == {bid, bresp})) $fatal(1, "AXI rule: B changed before it was taken");
      if (law_held && !(lite_awvalid && law_kept == lite_awaddr))
        $fatal(1, "AXI4-Lite rule: AW changed before it was taken");
      if (lw_held && !(lite_wvalid && lw_kept == {lite_wdata, lite_wstrb}))
        $fatal(1, "AXI4-Lite rule: W changed before it was taken");
      if (lb_held && !(lite_bvalid && lb_kept == lite_bresp))
        $fatal(1, "AXI4-Lite rule: B changed before it was taken");
      if (lar_held && !(lite_arvalid && lar_kept == lite_araddr))
        $fatal(1, "AXI4-Lite rule: AR changed before it was taken");
      if (lr_held && !(lite_rvalid && lr_kept == {lite_rdata, lite_rresp}))
        $fatal(1, "AXI4-Lite rule: R changed before it was taken");
    end
  end

  // A3.4.1: incrementing bursts of whole beats, no longer than configured, within a page of 4 KiB.
  localparam integer SIZE = $clog2(BEAT_BYTES);
  function automatic bit legal(input [31:0] address, input [7:0] length, input [2:0] size, input [1:0] kind);
    return kind == 2'b01 && size == SIZE[2:0] && length < LONGEST_BURST && address % BEAT_BYTES == 0
        && (address % 4096) + (32'(length) + 1) * BEAT_BYTES <= 4096;
  endfunction
  always @(posedge clk_i) begin
    if (rst_ni && arvalid && !legal(araddr, arlen, arsize, arburst))
      $fatal(1, "AXI rule: a read burst leaves its page or is of an illegal kind: address %h, length %0d",
             araddr, arlen);
    if (rst_ni && awvalid && !legal(awaddr, awlen, awsize, awburst))
      $fatal(1, "AXI rule: a write burst leaves its page or is of an illegal kind: address %h, length %0d",
             awaddr, awlen);
  end

  // A3.3.1, A5.3: every answer belongs to a burst, and the last beat is marked where it belongs.
  integer read_lengths [0:1][$];
  integer write_lengths [$];
  integer read_beats [0:1];
  integer write_beats, taken_addresses, sent_bursts, answers;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      read_lengths[0].delete();
      read_lengths[1].delete();
      write_lengths.delete();
      read_beats[0] = 0;
      read_beats[1] = 0;
      write_beats = 0;
      taken_addresses = 0;
      sent_bursts = 0;
      answers = 0;
    end else begin
      if (rvalid && rready) begin
        if (read_lengths[rid].size() == 0) $fatal(1, "AXI rule: R belongs to no burst");
        if (rlast != (read_beats[rid] == read_lengths[rid][0])) $fatal(1, "AXI rule: RLAST is misplaced");
        read_beats[rid] = read_beats[rid] + 1;
        if (rlast) begin
          read_beats[rid] = 0;
          void'(read_lengths[rid].pop_front());
        end
      end
      if (arvalid && arready) read_lengths[arid].push_back(32'(arlen));
      if (read_lengths[0].size() + read_lengths[1].size() > OUTSTANDING_READS)
        $fatal(1, "AXI rule: more read bursts than configured are under way");
      if (bvalid && bready) begin
        answers = answers + 1;
        if (answers > taken_addresses || answers > sent_bursts)
          $fatal(1, "AXI rule: B comes before the last beat of its burst");
      end
      if (awvalid && !aw_held) write_lengths.push_back(32'(awlen));
      if (wvalid && wready) begin
        if (write_lengths.size() == 0) $fatal(1, "AXI rule: W belongs to no burst");
        if (wlast != (write_beats == write_lengths[0])) $fatal(1, "AXI rule: WLAST is misplaced");
        write_beats = write_beats + 1;
        if (wlast) begin
          write_beats = 0;
          void'(write_lengths.pop_front());
          sent_bursts = sent_bursts + 1;
        end
      end
      if (awvalid && awready) taken_addresses = taken_addresses + 1;
      if (taken_addresses - answers > OUTSTANDING_WRITES)
        $fatal(1, "AXI rule: more write bursts than configured are under way");
    end
  end

  // A3.3.1: AXI4-Lite answers follow their requests, one for one.
  integer lite_addresses, lite_data, lite_reads;
  always @(posedge clk_i) begin
    if (!rst_ni) begin
      lite_addresses = 0;
      lite_data = 0;
      lite_reads = 0;
    end else begin
      if (lite_bvalid && (lite_addresses == 0 || lite_data == 0))
        $fatal(1, "AXI4-Lite rule: B comes before address and data");
      if (lite_rvalid && lite_reads == 0) $fatal(1, "AXI4-Lite rule: R comes before its address");
      if (lite_bvalid && lite_bready) begin
        lite_addresses = lite_addresses - 1;
        lite_data = lite_data - 1;
      end
      if (lite_rvalid && lite_rready) lite_reads = lite_reads - 1;
      if (lite_awvalid && lite_awready) lite_addresses = lite_addresses + 1;
      if (lite_wvalid && lite_wready) lite_data = lite_data + 1;
      if (lite_arvalid && lite_arready) lite_reads = lite_reads + 1;
    end
  end
endmodule
