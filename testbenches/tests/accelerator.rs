//! Whole networks on whole accelerators: the circuit does what the simulator predicts, to the cycle and to
//! the bit.

use bitmill_accelerator::{Accelerator, Configuration};
use bitmill_model::{PtqConfig, QuantizedNetwork, import, npy, quantize};
use bitmill_sim::{Keep, lower, pack_tensor, run};
use bitmill_testbenches::accelerator::{Verdict, compare, interpret, verilate};
use bitmill_testbenches::Verilator;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn file(name: &str) -> Vec<u8> {
    std::fs::read(format!("{ROOT}/examples/digits/{name}")).unwrap()
}

fn images(name: &str) -> Vec<Vec<f32>> {
    let array = npy::read::<u8>(&file(name)).unwrap();
    array.rows().map(|row| row.iter().map(|&pixel| f32::from(pixel) / 16.0).collect()).collect()
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

fn check(accelerator: &Accelerator, network: &QuantizedNetwork, keep: Keep, verilator: Option<&Verilator>) -> Verdict {
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
        let verdict = check(&configuration(bits.into(), 8, 8, "vector: {rows: 2}\n"), &network, Keep::Every, None);
        println!("int{bits}: {verdict:?} {:?}", started.elapsed());
    }
}
