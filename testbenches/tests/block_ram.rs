//! Scratchpad memories become block RAM in FPGAs: Yosys maps each shape that an accelerator uses to the
//! technology's own RAM and leaves no flip-flop of its contents behind.

use std::process::Command;

use bitmill_hdl::unit::Unit;
use bitmill_hdl::verilog;
use bitmill_units::common::ram::Ram;

/// Cells of the mapped design, by Yosys' own count.
fn mapped(width: u32, depth: u32, synthesis: &str) -> String {
    let module = Ram::new(width, depth).expect("a legal memory").module().expect("a circuit");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ram.v"), verilog::emit(&module)).expect("a file");
    let script = format!("read_verilog ram.v; {synthesis} -top {}; stat", module.name);
    let output = Command::new("yosys")
        .current_dir(folder.path())
        .args(["-p", &script])
        .output()
        .expect("yosys starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text[text.rfind("Number of cells").expect("a count")..].to_owned()
}

fn count(cells: &str, kinds: &[&str]) -> u32 {
    let of = |line: &str| {
        let mut words = line.split_whitespace();
        let kind = words.next().filter(|kind| kinds.contains(kind));
        kind.and_then(|_| words.next()?.parse::<u32>().ok())
    };
    cells.lines().filter_map(of).sum()
}

#[test]
fn scratchpads_become_block_ram() {
    if Command::new("yosys").arg("-V").output().is_err() {
        println!("skipped: yosys is not installed; on Debian or Ubuntu: apt-get install yosys");
        return;
    }
    for (synthesis, blocks) in
        [("synth_ecp5", &["DP16KD"][..]), ("synth_xilinx -family xcup", &["RAMB18E2", "RAMB36E2"][..])]
    {
        for (width, depth) in [(32, 512), (64, 1024), (128, 2048)] {
            let cells = mapped(width, depth, synthesis);
            let flip_flops = count(&cells, &["TRELLIS_FF", "FDRE", "FDSE", "FDCE"]);
            println!(
                "{synthesis}: {width} x {depth}: {} blocks, {flip_flops} flip-flops",
                count(&cells, blocks)
            );
            assert!(count(&cells, blocks) > 0, "{cells}");
            // Emulating `old word on a collision` may take registers beside the RAM, never one for each word.
            assert!(flip_flops <= 2 * width + 64, "{cells}");
        }
    }
}
