//! Byte-pair tokens as llama2.c makes them: characters, then the best-scored neighbours joined until none are a token.

use std::collections::HashMap;

use crate::ModelError;

/// The token that every sequence begins with.
const BEGIN: usize = 1;
/// Bytes that are no token of their own stand behind the three special tokens.
const FIRST_BYTE: usize = 3;

/// A vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Tokenizer {
    tokens: HashMap<Vec<u8>, usize>,
    names: Vec<Vec<u8>>,
    scores: Vec<f32>,
}

impl Tokenizer {
    /// Reads llama2.c's file: the longest token's length, then a score, a length and the bytes of each token.
    ///
    /// # Errors
    /// Too few bytes.
    pub fn new(bytes: &[u8]) -> Result<Tokenizer, ModelError> {
        let truncated = || ModelError::Input("the tokenizer's file is truncated".to_owned());
        let mut rest = bytes.get(4..).ok_or_else(truncated)?;
        let (mut tokens, mut names, mut scores) = (HashMap::new(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            let (score, after) = rest.split_first_chunk::<4>().ok_or_else(truncated)?;
            let (length, after) = after.split_first_chunk::<4>().ok_or_else(truncated)?;
            let length = u32::from_le_bytes(*length) as usize;
            let (name, after) = after.split_at_checked(length).ok_or_else(truncated)?;
            tokens.entry(name.to_vec()).or_insert(names.len());
            names.push(name.to_vec());
            scores.push(f32::from_le_bytes(*score));
            rest = after;
        }
        Ok(Tokenizer { tokens, names, scores })
    }

    /// Number of tokens.
    pub fn vocabulary(&self) -> usize {
        self.names.len()
    }

    /// The tokens of a text, the one that begins a sequence first.
    ///
    /// # Errors
    /// A byte that the vocabulary has no token for.
    pub fn encode(&self, text: &str) -> Result<Vec<usize>, ModelError> {
        let mut tokens = vec![BEGIN];
        // A word begins with a blank, the first one too.
        for character in std::iter::once(' ').chain(text.chars()) {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            match self.tokens.get(bytes) {
                Some(&token) => tokens.push(token),
                None => tokens.extend(bytes.iter().map(|&byte| FIRST_BYTE + usize::from(byte))),
            }
        }
        if let Some(bad) = tokens.iter().find(|&&token| token >= self.names.len()) {
            let most = self.names.len();
            return Err(ModelError::Input(format!("the text needs token {bad}, the vocabulary has {most}")));
        }
        while let Some((at, joined)) = self.best_pair(&tokens) {
            tokens.splice(at..at + 2, [joined]);
        }
        Ok(tokens)
    }

    /// The first of the best-scored neighbours that are a token together.
    fn best_pair(&self, tokens: &[usize]) -> Option<(usize, usize)> {
        let pair = |(at, pair): (usize, &[usize])| {
            let name = [&self.names[pair[0]][..], &self.names[pair[1]]].concat();
            self.tokens.get(&name).map(|&joined| (at, joined))
        };
        let pairs = tokens.windows(2).enumerate().filter_map(pair);
        pairs.reduce(|best, next| if self.scores[next.1] > self.scores[best.1] { next } else { best })
    }
}
