// Drives an accelerator with a memory: the C++ twin of memory.rs and interpreted.rs.
// Arguments: image in, image out, events out, command address, command count, limit in cycles, and
// optionally an FST file with the first and last cycle to record.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>
#include "verilated.h"
#ifdef TRACE
#include "verilated_fst_c.h"
#endif
#include TOP_HEADER

static double time_stamp = 0;
double sc_time_stamp() { return time_stamp; }

static void get_beat(uint8_t* to, const void* port) { std::memcpy(to, port, BEAT_BYTES); }

static std::vector<uint8_t> read_file(const char* path) {
  FILE* file = std::fopen(path, "rb");
  if (!file) { std::perror(path); std::exit(2); }
  std::vector<uint8_t> bytes;
  uint8_t buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, file)) bytes.insert(bytes.end(), buffer, buffer + n);
  std::fclose(file);
  return bytes;
}

int main(int argc, char** argv) {
  if (argc < 7) { std::fprintf(stderr, "six arguments are needed\n"); return 2; }
  Verilated::commandArgs(argc, argv);
  std::vector<uint8_t> memory = read_file(argv[1]);
  FILE* events = std::fopen(argv[3], "wb");
  if (!events) { std::perror(argv[3]); return 2; }
  const uint64_t limit = std::strtoull(argv[6], nullptr, 10);
  TOP* top = new TOP;
#ifdef TRACE
  Verilated::traceEverOn(true);
  VerilatedFstC* trace = nullptr;
  uint64_t first = 0, last = 0;
  if (argc >= 10) {
    trace = new VerilatedFstC;
    top->trace(trace, 99);
    trace->open(argv[7]);
    first = std::strtoull(argv[8], nullptr, 10);
    last = std::strtoull(argv[9], nullptr, 10);
  }
#endif
  // One clock edge with reset, all inputs zero.
  top->clk_i = 0; top->rst_ni = 0; top->eval();
  top->clk_i = 1; top->eval();
  top->clk_i = 0; top->rst_ni = 1;
  top->command_address_i = std::strtoull(argv[4], nullptr, 10);
  top->command_count_i = std::strtoull(argv[5], nullptr, 10);

  enum { IDLE, READ, WRITE, CONFIRM } state = IDLE;
  uint64_t address = 0, beats_left = 0, at = 0;
  bool ended = false;
  for (uint64_t cycle = 0; cycle < limit && !ended; ++cycle) {
    const bool reads = state == READ && cycle == at;
    const bool write_ready = state == WRITE && cycle >= at;
    const bool write_done = state == CONFIRM && cycle == at;
    top->start_i = cycle == 0;
    top->mem_request_ready_i = state == IDLE;
    top->mem_read_valid_i = reads;
    if (reads && address + BEAT_BYTES <= memory.size())
      std::memcpy(&top->mem_read_data_i, &memory[address], BEAT_BYTES);
    top->mem_write_ready_i = write_ready;
    top->mem_write_done_i = write_done;
    top->eval();
#ifdef TRACE
    if (trace && cycle >= first && cycle <= last) trace->dump(2 * cycle);
#endif

    const unsigned happened = EVENTS;
    if (happened) std::fprintf(events, "e %llu %u\n", (unsigned long long)cycle, happened);
    if (state == IDLE && top->mem_request_valid_o) {
      address = top->mem_request_address_o;
      beats_left = top->mem_request_beats_o;
      state = top->mem_request_write_o ? WRITE : READ;
      at = cycle + (state == WRITE ? 1 : LATENCY);
    } else if (reads) {
      address += BEAT_BYTES;
      at = cycle + INTERVAL;
      if (--beats_left == 0) state = IDLE;
    } else if (write_ready && top->mem_write_valid_o) {
      if (address + BEAT_BYTES <= memory.size()) get_beat(&memory[address], &top->mem_write_data_o);
      std::fprintf(events, "w %llu %llu\n", (unsigned long long)cycle, (unsigned long long)address);
      address += BEAT_BYTES;
      at = cycle + INTERVAL;
      if (--beats_left == 0) { state = CONFIRM; at = cycle + LATENCY; }
    } else if (write_done) {
      state = IDLE;
    }
    if (top->done_o) { std::fprintf(events, "d %llu\n", (unsigned long long)cycle); ended = true; }
    top->clk_i = 1; top->eval();
#ifdef TRACE
    if (trace && cycle >= first && cycle <= last) trace->dump(2 * cycle + 1);
#endif
    top->clk_i = 0;
    time_stamp += 1;
  }
#ifdef TRACE
  if (trace) trace->close();
#endif
  top->final();
  if (std::fclose(events) != 0) { std::perror(argv[3]); return 2; }
  FILE* out = std::fopen(argv[2], "wb");
  if (!out || std::fwrite(memory.data(), 1, memory.size(), out) != memory.size() || std::fclose(out) != 0) {
    std::perror(argv[2]);
    return 2;
  }
  return 0;
}
