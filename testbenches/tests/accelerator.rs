//! Whole networks on whole accelerators: the circuit does what the simulator predicts, to the cycle and to
//! the bit.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_hdl::Design;
use bitmill_model::{PtqConfig, QuantizedNetwork, import, npy, quantize};
use bitmill_sim::{Keep, lower, pack_tensor, run};
use bitmill_testbenches::accelerator::{Verdict, compare, interpret, verilate};
use bitmill_testbenches::{Sources, Verilator, readers};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{ROOT}/examples/digits/{name}")).unwrap()
}

fn images(name: &str) -> Vec<Vec<f32>> {
    let array = npy::read::<u8>(&file(name)).unwrap();
    array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel)).collect()).collect()
}

fn digits(bits: u8) -> QuantizedNetwork {
    let float = import(&file("digits.onnx")).unwrap().float;
    quantize(&float, &images("calibration_images.npy"), &PtqConfig::new(bits, bits)).unwrap()
}

fn configuration(bits: u32, rows: u32, columns: u32, extra: &str) -> Accelerator {
    let yaml = format!(
        "name: t{bits}_{rows}x{columns}\nprecision: {{activation_bits: {bits}, weight_bits: {bits}}}\n\
         pe: {{kind: integer, lanes: 4}}\narray: {{rows: {rows}, columns: {columns}}}\n\
         scratchpads: {{activations_kib: 16, weights_kib: 16}}\n{extra}"
    );
    Accelerator::new(Configuration::from_yaml(&yaml).unwrap()).unwrap()
}

fn check(
    accelerator: &Accelerator,
    network: &QuantizedNetwork,
    keep: Keep,
    verilator: Option<&Verilator>,
) -> Verdict {
    let program = lower(accelerator, network, keep).unwrap();
    let trace = run(accelerator, &program);
    let input = network.quantize_input(&images("test_images.npy")[3]);
    let tensors = network.run(&input).unwrap();
    let packed = pack_tensor(accelerator, &program.input.place, &input);
    let image = program.memory_with_input(&packed);
    let (top, port) = (accelerator.module().unwrap(), accelerator.configuration().memory);
    let limit = trace.cycles * 2 + 1000;
    let execution = match verilator {
        Some(verilator) => verilate(verilator, &top, port, &program, &image, limit, None).unwrap(),
        None => interpret(&top, port, &program, image, limit, &mut |_| ()),
    };
    compare(accelerator, network, &program, &trace, &tensors, &execution).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn digits_in_the_interpreter() {
    for bits in [8, 4] {
        let network = digits(bits);
        let started = std::time::Instant::now();
        let verdict =
            check(&configuration(bits.into(), 8, 8, "vector: {rows: 2}\n"), &network, Keep::Every, None);
        println!("int{bits}: {verdict:?} {:?}", started.elapsed());
    }
}

/// Shapes at the edges of what is legal: one row, one lane, one block a tile, all rows drained at once.
#[test]
fn odd_shapes_in_the_interpreter() {
    let network = digits(8);
    for (rows, columns, lanes, drained, memory) in [
        (1, 4, 4, 1, "{width_bits: 32}"),
        (2, 1, 1, 2, "{width_bits: 256, latency_cycles: 1}"),
        (4, 6, 2, 1, "{burst_beats: 1, latency_cycles: 3}"),
        (16, 8, 8, 16, "{beat_interval_cycles: 2, burst_beats: 7}"),
        (32, 16, 4, 8, "{width_bits: 128, burst_beats: 256}"),
        (8, 24, 8, 2, "{}"),
    ] {
        let yaml = format!(
            "name: odd\nprecision: {{activation_bits: 8, weight_bits: 8}}\n\
             pe: {{kind: integer, lanes: {lanes}}}\narray: {{rows: {rows}, columns: {columns}}}\n\
             scratchpads: {{activations_kib: 32, weights_kib: 16}}\nvector: {{rows: {drained}}}\nmemory: {memory}\n"
        );
        let accelerator = Accelerator::new(Configuration::from_yaml(&yaml).unwrap()).unwrap();
        let sources = Sources::of(&Design::new(&accelerator.module().unwrap()).unwrap());
        match readers::lint(&sources) {
            Err(error) if error.is_missing_tool() => println!("skipped: {error}"),
            result => result.unwrap(),
        }
        let verdict = check(&accelerator, &network, Keep::Output, None);
        println!("{rows}x{columns}x{lanes}: {verdict:?}");
    }
}

#[test]
fn digits_under_verilator() {
    let verilator = match Verilator::find() {
        Ok(verilator) => verilator.with_default_cache(format!("{ROOT}/target/verilator-cache")),
        Err(error) if error.is_missing_tool() => {
            println!("skipped: {error}");
            return;
        }
        Err(error) => panic!("{error}"),
    };
    for (bits, rows, columns, extra) in [
        (8, 8, 8, "vector: {rows: 2}\n"),
        (4, 8, 8, ""),
        (
            8,
            4,
            16,
            "vector: {rows: 4}\nmemory: {width_bits: 32, latency_cycles: 7, beat_interval_cycles: 3, burst_beats: 5}\n",
        ),
        (4, 16, 4, "memory: {width_bits: 128, latency_cycles: 1}\n"),
    ] {
        let network = digits(bits);
        let accelerator = configuration(bits.into(), rows, columns, extra);
        for keep in [Keep::Every, Keep::Output] {
            let verdict = check(&accelerator, &network, keep, Some(&verilator));
            println!("int{bits} {rows}x{columns} {keep:?}: {verdict:?}");
        }
    }
}
