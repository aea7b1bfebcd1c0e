//! The circuit rotates rows as the quantizer does: what was rotated before it was quantized meets activations that the
//! hardware rotates.

use bitmill_hdl::BigUint;
use bitmill_hdl::unit::{Random, Unit, interpret, lane, pack, signed_number, to_bits};
use bitmill_model::walsh_hadamard;
use bitmill_units::engine::hadamard::Hadamard;

#[test]
fn the_circuit_and_the_quantizer_rotate_alike() {
    // Square roots of these are powers of two, so that both are exact.
    for lanes in [4, 16, 64] {
        let unit = Hadamard::new(lanes, 8).expect("legal");
        let module = unit.module().expect("a circuit");
        let mut random = Random::new(lanes.into());
        let rows: Vec<Vec<i64>> =
            (0..50).map(|_| (0..lanes).map(|_| random.below(256) as i64 - 128).collect()).collect();
        let one = BigUint::from(1_u8);
        let stimulus: Vec<Vec<BigUint>> = rows
            .iter()
            .map(|row| {
                let codes: Vec<BigUint> = row.iter().map(|&x| to_bits(x.into(), 8)).collect();
                vec![one.clone(), pack(&codes, 8), one.clone()]
            })
            .collect();
        let seen = interpret(&module, &stimulus);
        let bits = unit.result_bits();
        for (row, outputs) in rows.iter().zip(&seen[unit.latency_cycles() as usize..]) {
            let mut rotated: Vec<f32> = row.iter().map(|&x| x as f32).collect();
            walsh_hadamard(&mut rotated);
            let scale = 1.0 / (lanes as f32).sqrt();
            let circuit =
                (0..lanes).map(|index| signed_number(&lane(&outputs[2], index, bits), bits) as f32 * scale);
            assert_eq!(circuit.collect::<Vec<f32>>(), rotated, "{lanes} lanes");
        }
    }
}
