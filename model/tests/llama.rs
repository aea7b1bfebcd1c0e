//! A small Llama's perplexity against the one that its checkpoint is known to have.

mod common;

use bitmill_model::llama::{Llama, RunPrecision, Tokenizer};
use bitmill_model::{Clipping, WeightFormat, round_matrix};
use common::shared_model;

#[test]
fn stories260k_has_its_perplexity() {
    let file = |name: &str| shared_model(&format!("stories260K/{name}"));
    let (Some(model), Some(tokenizer), Some(text)) =
        (file("stories260K.bin"), file("tok512.bin"), file("tinystories_sample.txt"))
    else {
        return;
    };
    let model = Llama::from_checkpoint(&model).expect("a checkpoint");
    let tokenizer = Tokenizer::new(&tokenizer).expect("a tokenizer");
    let text = String::from_utf8(text).expect("text");
    let stories = text.split("<|endoftext|>").map(str::trim).filter(|story| !story.is_empty());
    let stories: Vec<_> = stories.map(|story| tokenizer.encode(story).expect("tokens")).collect();
    let tokens: usize = stories.iter().map(|story| story.len() - 1).sum();
    let perplexity =
        |model: &Llama| model.perplexity(&stories, RunPrecision::default()).expect("sequences that fit");
    let rounded = |bits: u8| {
        let format = WeightFormat::signed(bits).expect("a legal width");
        model
            .rounded(|_, real, sizes| round_matrix(real, sizes, &format, Clipping::MinMax))
            .expect("integers")
    };
    let (float, int8, int4) = (perplexity(&model), perplexity(&rounded(8)), perplexity(&rounded(4)));
    println!("stories260K on {tokens} tokens: float {float:.3}, int8 {int8:.3}, int4 {int4:.3}");
    // Measured elsewhere: float 3.548, on 1804 tokens.
    assert_eq!(tokens, 1804);
    assert!((float - 3.548).abs() < 0.001, "{float}");
    assert!((int8 - float).abs() < 0.02, "{int8}");
    assert!(int4 > float + 0.05 && int4 < 5.0, "{int4}");
    let truth = model.distributions(&stories[..1]).expect("a sequence that fits");
    let divergence = |model: &Llama| model.divergence(&truth, &stories[..1]).expect("a sequence that fits");
    assert_eq!(divergence(&model), 0.0);
    assert!(divergence(&rounded(8)) < 0.1 * divergence(&rounded(4)));
    assert_eq!(model.matrices().count(), 35);
    assert_eq!(
        model.matrices().nth(12).map(|m| (m.name, m.outputs, m.inputs)),
        Some(("1.down".to_owned(), 64, 172))
    );
}

#[test]
fn broken_checkpoints_are_refused() {
    let error = |bytes: &[u8]| Llama::from_checkpoint(bytes).expect_err("refused").to_string();
    assert!(error(b"short").contains("seven 32-bit integers"));
    let header = |sizes: [i32; 7]| sizes.iter().flat_map(|size| size.to_le_bytes()).collect::<Vec<u8>>();
    assert!(error(&header([64, 172, 5, 8, 3, 512, 512])).contains("not the sizes"));
    assert!(error(&header([8, 16, 1, 2, 2, 4, 8])).contains("truncated"));
    let mut nan = header([8, 16, 1, 2, 2, 4, 8]);
    nan.extend(f32::NAN.to_le_bytes().repeat(32));
    assert!(error(&nan).contains("holds NaN"));
    assert!(Tokenizer::new(&[0; 9]).is_err());
}
