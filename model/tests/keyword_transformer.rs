//! KWT-1 from its TFLite file, real and in integers, where ../shared holds it.

use bitmill_model::tflite::KeywordTransformer;
use bitmill_model::{Exponential, PtqConfig, RowArithmetic, quantize};

/// The file, or `None` after a line that says that it is skipped.
fn kwt1() -> Option<KeywordTransformer> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/models/kwt1/kwt1.tflite");
    let Ok(bytes) = std::fs::read(path) else {
        println!("skipped: ../shared/data/models/kwt1 is not at hand");
        return None;
    };
    Some(KeywordTransformer::read(&bytes).expect("a Keyword Transformer"))
}

/// A second of a tone that rises and throbs, `pitch` times as high.
fn tone(pitch: f64) -> Vec<f32> {
    let sample = |i: f64| 0.4 * (i * pitch * (0.05 + i * 4e-6)).sin() * (i * 0.0006).sin().powi(2);
    (0..16000).map(|i| sample(f64::from(i)) as f32).collect()
}

/// What TFLite's reference kernels (ai-edge-litert 2.3.0, BUILTIN_REF) make of `tone(1.0)`.
const LOGITS: [f32; 12] = [
    -1.438_672_5,
    0.276_455_6,
    0.832_277_9,
    2.978_403_3,
    -1.183_351_2,
    0.148_889_8,
    -0.501_760_2,
    -0.623_304_4,
    -0.873_660_7,
    -0.710_129_5,
    -0.680_370_8,
    1.378_182_2,
];

#[test]
fn its_real_network_is_tflites() {
    let Some(model) = kwt1() else { return };
    assert_eq!((model.blocks.len(), model.front_end.tokens()), (12, 99));
    let network = model.encoder(RowArithmetic::default()).expect("a legal encoder");
    let tensors = network.run(&model.front_end.run(&tone(1.0))).expect("the tokens fit");
    let logits = tensors.last().expect("an output");
    // GELU is exact here and approximated there, by up to 5e-4.
    for (found, expected) in logits.iter().zip(LOGITS) {
        assert!((found - expected).abs() < 0.02, "{logits:?}");
    }
}

/// Integers keep the order of the classes, by and large: there is no speech at hand to measure accuracy on.
#[test]
fn its_integers_are_near() {
    if std::env::var_os("BITMILL_FULL").is_none() {
        return println!("skipped: BITMILL_FULL compares KWT-1's integers with its real numbers");
    }
    let Some(model) = kwt1() else { return };
    let pitches = |from: u32, count: u32| (0..count).map(move |i| 0.5 + f64::from(from + 2 * i) * 0.1);
    let tokens = |pitch| model.front_end.run(&tone(pitch));
    let calibration: Vec<Vec<f32>> = pitches(0, 8).map(tokens).collect();
    let config = PtqConfig::integers(8, 8).expect("legal widths");
    // Shiftmax and ShiftGELU err by some percent, twelve times; a table's exponentials by less than one.
    for (exponential, most) in [(Exponential::Shifts, 0.2), (Exponential::Table, 0.2)] {
        let arithmetic = RowArithmetic { exponential, ..RowArithmetic::default() };
        let network = model.encoder(arithmetic).expect("a legal encoder");
        let quantized = quantize(&network, &calibration, &config).expect("quantizable");
        let (mut same, mut error, mut size) = (0, 0.0, 0.0);
        for pitch in pitches(1, 8) {
            let input = tokens(pitch);
            let real = network.run(&input).expect("it fits").pop().expect("an output");
            let integers = quantized.run(&quantized.quantize_input(&input)).expect("it fits");
            let output = quantized.graph().output();
            let found = quantized.dequantize(output, integers.last().expect("an output"));
            let best = |values: &[f64]| (0..12).max_by(|&a, &b| values[a].total_cmp(&values[b]));
            let real: Vec<f64> = real.iter().map(|&x| f64::from(x)).collect();
            same += usize::from(best(&real) == best(&found));
            error += real.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
            size += real.iter().map(|a| a.powi(2)).sum::<f64>();
        }
        let relative = (error / size).sqrt();
        println!("{exponential:?}: {same} of 8 first classes, relative error of the logits {relative:.3}");
        assert!(same >= 7 && relative < most, "{exponential:?}: {same} of 8, {relative}");
    }
}
