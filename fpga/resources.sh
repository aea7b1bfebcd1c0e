#!/usr/bin/env bash
# Resources of a generated accelerator on two FPGA families, from Yosys's technology mapping (no placement).
#
#   cargo run --release -- generate examples/digits_int8.yaml -o out/int8
#   fpga/resources.sh out/int8
#
# Prints cells by kind for Lattice ECP5 and Xilinx UltraScale+.
set -euo pipefail

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; exit "${1:-1}"; }
case "${1:-}" in -h | --help) usage 0 ;; "") usage 1 >&2 ;; esac
directory=$1
[ -f "$directory/files.f" ] || { echo "error: $directory holds no files.f: run bitmill generate first" >&2; exit 1; }
command -v yosys > /dev/null || { echo "error: yosys is not installed; on Debian or Ubuntu: apt-get install yosys" >&2; exit 1; }

top=$(sed -n 's/^ *"top": *"\([a-z0-9_]*\)".*/\1/p' "$directory/manifest.json" | head -n 1)
[ -n "$top" ] || { echo "error: $directory/manifest.json names no top module" >&2; exit 1; }
mapfile -t files < <(grep '\.v$' "$directory/files.f")
log=$(mktemp)
trap 'rm -f "$log"' EXIT

report() { # title, synthesis command
  echo "$1"
  (cd "$directory" && yosys -q -w "Resizing cell port" -p "read_verilog ${files[*]}; $2 -top $top -flatten; tee -q -o $log stat")
  awk '/Number of cells:/ { cells = 1 } cells && NF == 2 && $2 ~ /^[0-9]+$/ { printf "  %-16s %8d\n", $1, $2 }' "$log"
}

report "Lattice ECP5 (synth_ecp5)" "synth_ecp5"
report "Xilinx UltraScale+ (synth_xilinx -family xcup)" "synth_xilinx -family xcup -noiopad"
