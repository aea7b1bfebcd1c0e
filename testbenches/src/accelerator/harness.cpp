// Drives an accelerator with a host and a memory: the C++ twin of host.rs, memory.rs and interpreted.rs.
// Arguments as NAME=VALUE: image, result, log, script (files), limit (cycles), and optionally seed, fault
// (w or r, number of the burst, response), waves (file), first and last (cycles to record).
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>
#include "verilated.h"
#ifdef TRACE
#include "verilated_fst_c.h"
#endif
#include TOP_HEADER

typedef unsigned long long u64;

static double time_stamp = 0;
double sc_time_stamp() { return time_stamp; }

// Marsaglia's xorshift64; without a seed everything agrees and nothing is late.
struct Random {
  bool moods;
  u64 state;
  Random(bool moods, u64 seed) : moods(moods), state(seed * 0x9e3779b97f4a7c15ull | 1) {}
  u64 below(u64 bound) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state >> 32 & (bound - 1);
  }
  bool agrees() { return !moods || below(2) == 1; }
  u64 jitter() { return moods ? below(32) : 0; }
};

struct Fault {
  bool given, write;
  u64 burst, response;
  u64 of(bool is_write, u64 number) const { return given && write == is_write && burst == number ? response : 0; }
};

struct Burst {
  u64 id, address, beats, due, response;
};

struct Beat {
  std::vector<uint8_t> data;
  u64 strobes;
};

struct Memory {
  Random random;
  Fault fault;
  std::deque<Burst> reads, writes;
  std::deque<Beat> beats;
  std::deque<std::pair<u64, u64>> responses;  // cycle from which each may come, BRESP
  u64 read_bursts = 0, write_bursts = 0, next_read = 0, next_write = 0;
  bool offers = false, answers = false, arready = false, awready = false, wready = false;
  size_t offered = 0;

  Memory(bool moods, u64 seed, const Fault& fault) : random(moods, seed), fault(fault) {}

  void begin(u64 cycle, TOP* top, const std::vector<uint8_t>& contents) {
    arready = random.agrees();
    awready = random.agrees();
    wready = random.agrees() && cycle >= next_write;
    if (!offers && !reads.empty()) {
      offered = choose();
      offers = cycle >= std::max(reads[offered].due, next_read);
    }
    top->m_axi_arready_i = arready;
    top->m_axi_awready_i = awready;
    top->m_axi_wready_i = wready;
    top->m_axi_rvalid_i = offers;
    if (offers) {
      const Burst& burst = reads[offered];
      top->m_axi_rid_i = burst.id;
      top->m_axi_rresp_i = burst.response;
      top->m_axi_rlast_i = burst.beats == 1;
      std::memset(&top->m_axi_rdata_i, 0, BEAT_BYTES);
      if (burst.address + BEAT_BYTES <= contents.size())
        std::memcpy(&top->m_axi_rdata_i, &contents[burst.address], BEAT_BYTES);
    }
    answers = !responses.empty() && cycle >= responses.front().first;
    top->m_axi_bvalid_i = answers;
    top->m_axi_bresp_i = answers ? responses.front().second : 0;
  }

  // The first burst, or in moods the first of another ID.
  size_t choose() {
    if (!random.moods) return 0;
    size_t other = 0;
    while (other < reads.size() && reads[other].id == reads[0].id) ++other;
    return random.below(2) == 1 && other < reads.size() ? other : 0;
  }

  void end(u64 cycle, u64 run_cycle, TOP* top, std::vector<uint8_t>& contents, FILE* log) {
    if (offers && top->m_axi_rready_o) {
      reads[offered].address += BEAT_BYTES;
      if (--reads[offered].beats == 0) reads.erase(reads.begin() + offered);
      next_read = cycle + INTERVAL;
      offers = false;
    }
    if (answers && top->m_axi_bready_o) responses.pop_front();
    if (arready && top->m_axi_arvalid_o) {
      const u64 response = fault.of(false, read_bursts++);
      const u64 due = cycle + LATENCY + random.jitter();
      reads.push_back({top->m_axi_arid_o, top->m_axi_araddr_o, top->m_axi_arlen_o + 1ull, due, response});
    }
    if (awready && top->m_axi_awvalid_o) {
      const u64 response = fault.of(true, write_bursts++);
      writes.push_back({top->m_axi_awid_o, top->m_axi_awaddr_o, top->m_axi_awlen_o + 1ull, 0, response});
    }
    if (wready && top->m_axi_wvalid_o) {
      const uint8_t* data = reinterpret_cast<const uint8_t*>(&top->m_axi_wdata_o);
      beats.push_back({std::vector<uint8_t>(data, data + BEAT_BYTES), top->m_axi_wstrb_o});
      next_write = cycle + INTERVAL;
    }
    while (!writes.empty() && !beats.empty()) {
      Burst& burst = writes.front();
      for (u64 byte = 0; byte < BEAT_BYTES; ++byte)
        if (beats.front().strobes >> byte & 1 && burst.address + byte < contents.size())
          contents[burst.address + byte] = beats.front().data[byte];
      std::fprintf(log, "w %llu %llu\n", run_cycle, burst.address);
      burst.address += BEAT_BYTES;
      beats.pop_front();
      if (--burst.beats == 0) {
        responses.push_back({cycle + LATENCY + random.jitter(), burst.response});
        writes.pop_front();
      }
    }
  }
};

// A channel on which the host sends once.
struct Sending {
  bool wanted = false, valid = false;
  void begin(Random& random) {
    const bool agrees = random.agrees();
    valid = valid || (wanted && agrees);
  }
  void end(bool ready) {
    if (valid && ready) wanted = valid = false;
  }
};

struct Step {
  char kind;
  u64 first, second;
};

struct Host {
  std::vector<Step> script;
  Random random;
  size_t at = 0;
  Sending address, data, read;
  bool begun = false, bready = false, rready = false;
  u64 cycles_left = 0;

  Host(std::vector<Step> script, bool moods, u64 seed) : script(script), random(moods, ~seed) {}
  bool finished() const { return at == script.size(); }
  bool resets() const { return !finished() && script[at].kind == 'x'; }

  void begin(TOP* top) {
    const Step step = finished() ? Step{'-', 0, 0} : script[at];
    if (!begun) {
      if (step.kind == 'w') address.wanted = data.wanted = true;
      if (step.kind == 'r') read.wanted = true;
      if (step.kind == 'c') cycles_left = step.first;
      begun = true;
    }
    address.begin(random);
    data.begin(random);
    read.begin(random);
    bready = random.agrees();
    rready = random.agrees();
    const bool bus = step.kind == 'w' || step.kind == 'r';
    top->s_axi_awvalid_i = address.valid;
    top->s_axi_wvalid_i = data.valid;
    top->s_axi_arvalid_i = read.valid;
    top->s_axi_awaddr_i = top->s_axi_araddr_i = bus ? step.first : 0;
    top->s_axi_wdata_i = step.kind == 'w' ? step.second : 0;
    top->s_axi_wstrb_i = 0xf;
    top->s_axi_bready_i = bready;
    top->s_axi_rready_i = rready;
  }

  void end(TOP* top, FILE* log) {
    address.end(top->s_axi_awready_o);
    data.end(top->s_axi_wready_o);
    read.end(top->s_axi_arready_o);
    if (finished()) return;
    const Step step = script[at];
    bool ended = false;
    if (step.kind == 'w' && top->s_axi_bvalid_o && bready) {
      ended = true;
      std::fprintf(log, "a %llu 0 %u\n", step.first, unsigned(top->s_axi_bresp_o));
    } else if (step.kind == 'r' && top->s_axi_rvalid_o && rready) {
      ended = true;
      std::fprintf(log, "a %llu %u %u\n", step.first, unsigned(top->s_axi_rdata_o), unsigned(top->s_axi_rresp_o));
    } else if (step.kind == 'i') {
      ended = top->irq_o;
    } else if (step.kind == 'c') {
      if (cycles_left) --cycles_left;
      ended = cycles_left == 0;
    } else if (step.kind == 'x') {
      ended = true;
    }
    if (ended) ++at, begun = false;
  }
};

static FILE* open_file(const std::string& path, const char* mode) {
  FILE* file = std::fopen(path.c_str(), mode);
  if (!file) { std::perror(path.c_str()); std::exit(2); }
  return file;
}

static std::vector<uint8_t> read_file(const std::string& path) {
  FILE* file = open_file(path, "rb");
  std::vector<uint8_t> bytes;
  uint8_t buffer[1 << 16];
  while (size_t n = std::fread(buffer, 1, sizeof buffer, file)) bytes.insert(bytes.end(), buffer, buffer + n);
  std::fclose(file);
  return bytes;
}

static std::vector<Step> read_script(const std::string& path) {
  FILE* file = open_file(path, "r");
  std::vector<Step> script;
  Step step;
  while (std::fscanf(file, " %c %llu %llu", &step.kind, &step.first, &step.second) == 3) script.push_back(step);
  std::fclose(file);
  return script;
}

int main(int argc, char** argv) {
  // A rule of AXI that is broken ends the program without flushing what is buffered.
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  Verilated::commandArgs(argc, argv);
  std::map<std::string, std::string> given;
  for (int i = 1; i < argc; ++i) {
    const char* equals = std::strchr(argv[i], '=');
    if (equals) given[std::string(static_cast<const char*>(argv[i]), equals)] = equals + 1;
  }
  const auto number = [&](const char* name) { return std::strtoull(given[name].c_str(), nullptr, 10); };
  std::vector<uint8_t> contents = read_file(given["image"]);
  FILE* log = open_file(given["log"], "wb");
  const bool moods = given.count("seed");
  const u64 limit = number("limit"), seed = number("seed");
  Fault fault = {false, false, 0, 0};
  char direction;
  if (std::sscanf(given["fault"].c_str(), "%c %llu %llu", &direction, &fault.burst, &fault.response) == 3) {
    fault.given = true;
    fault.write = direction == 'w';
  }
  Memory memory(moods, seed, fault);
  Host host(read_script(given["script"]), moods, seed);
  TOP* top = new TOP;
#ifdef TRACE
  Verilated::traceEverOn(true);
  VerilatedFstC* trace = nullptr;
  const u64 first = number("first"), last = number("last");
  if (given.count("waves")) {
    trace = new VerilatedFstC;
    top->trace(trace, 99);
    trace->open(given["waves"].c_str());
  }
#endif
  // One clock edge with reset, all inputs zero.
  top->clk_i = 0; top->rst_ni = 0; top->eval();
  top->clk_i = 1; top->eval();
  top->clk_i = 0;

  u64 run_cycle = 0;
  bool started = false;
  for (u64 cycle = 0; cycle < limit && !host.finished(); ++cycle) {
    top->rst_ni = 1;
    memory.begin(cycle, top, contents);
    host.begin(top);
    top->eval();
    if (top->RUN_START) {
      run_cycle = 0;
      started = true;
      std::fprintf(log, "s 0 0\n");
    }
#ifdef TRACE
    const bool records = trace && started && run_cycle >= first && run_cycle <= last;
    if (records) trace->dump(uint64_t(2 * run_cycle));
#else
    (void)started;
#endif
    const unsigned happened = EVENTS;
    if (happened) std::fprintf(log, "e %llu %u\n", run_cycle, happened);
    if (top->RUN_DONE) std::fprintf(log, "d %llu 0\n", run_cycle);
    memory.end(cycle, run_cycle, top, contents, log);
    const bool resets = host.resets();
    host.end(top, log);
    if (resets) {
      top->rst_ni = 0;
      memory = Memory(moods, seed, {false, false, 0, 0});
    }
    top->clk_i = 1; top->eval();
#ifdef TRACE
    if (records) trace->dump(uint64_t(2 * run_cycle + 1));
    if (trace && started && run_cycle >= last) break;
#endif
    top->clk_i = 0;
    ++run_cycle;
    time_stamp += 1;
  }
  if (host.finished()) std::fprintf(log, "f 0 0\n");
#ifdef TRACE
  if (trace) trace->close();
#endif
  top->final();
  if (std::fclose(log) != 0) { std::perror("log"); return 2; }
  FILE* out = open_file(given["result"], "wb");
  if (std::fwrite(contents.data(), 1, contents.size(), out) != contents.size() || std::fclose(out) != 0) {
    std::perror("result");
    return 2;
  }
  return 0;
}
