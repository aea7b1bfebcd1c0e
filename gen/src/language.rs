//! The language model that is measured: a small Llama with texts, read from files.

use std::error::Error;
use std::path::{Path, PathBuf};

use bitmill_model::llama::{Llama, Tokenizer};
use bitmill_model::{InputMoments, ModelError};
use clap::Args;

use crate::source::in_file;
use crate::workload::read;

/// What stands between two texts.
const END_OF_TEXT: &str = "<|endoftext|>";

/// Pieces of another text that show what matrices read.
const CALIBRATION_PIECES: usize = 16;

/// Where a language model comes from.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Language model")]
pub struct LanguageArgs {
    /// Checkpoint of a Llama in llama2.c's layout
    #[arg(long, value_name = "FILE", requires_all = ["tokenizer", "text"])]
    pub llama: Option<PathBuf>,
    /// Its tokenizer, in llama2.c's layout
    #[arg(long, value_name = "FILE", requires = "llama")]
    tokenizer: Option<PathBuf>,
    /// Text to foretell; `<|endoftext|>` stands between texts
    #[arg(long, value_name = "FILE", requires = "llama")]
    text: Option<PathBuf>,
}

/// A language model and the texts that it foretells, as tokens.
pub struct Language {
    /// The model.
    pub model: Llama,
    /// The texts.
    pub texts: Vec<Vec<usize>>,
    words: Tokenizer,
}

impl LanguageArgs {
    /// The model with its texts; `None` where none was asked for.
    ///
    /// # Errors
    /// A file that cannot be read or is not legal.
    pub fn load(&self) -> Result<Option<Language>, Box<dyn Error>> {
        let (Some(llama), Some(tokenizer), Some(text)) = (&self.llama, &self.tokenizer, &self.text) else {
            return Ok(None);
        };
        Language::load(llama, tokenizer, text).map(Some)
    }
}

impl Language {
    /// The model of a checkpoint with the texts of a file.
    ///
    /// # Errors
    /// A file that cannot be read or is not legal.
    pub fn load(llama: &Path, tokenizer: &Path, text: &Path) -> Result<Language, Box<dyn Error>> {
        let within = |path: &Path, error: ModelError| in_file(path, &error.to_string());
        let model = Llama::from_checkpoint(&read(llama)?).map_err(|error| within(llama, error))?;
        let words = Tokenizer::new(&read(tokenizer)?).map_err(|error| within(tokenizer, error))?;
        let content =
            String::from_utf8(read(text)?).map_err(|_| in_file(text, "the file is not UTF-8 text"))?;
        let stories = content.split(END_OF_TEXT).map(str::trim).filter(|story| !story.is_empty());
        let texts = stories.map(|story| words.encode(story)).collect::<Result<Vec<_>, _>>();
        Ok(Language { model, texts: texts.map_err(|error| within(text, error))?, words })
    }

    /// What matrices of the model read at the beginning of another text, in pieces of as many letters as the model has
    /// positions.
    ///
    /// # Errors
    /// A file that cannot be read or is not legal.
    pub fn input_moments(&self, text: &Path) -> Result<Vec<InputMoments>, Box<dyn Error>> {
        let content =
            String::from_utf8(read(text)?).map_err(|_| in_file(text, "the file is not UTF-8 text"))?;
        let positions = self.model.positions();
        let letters: Vec<char> = content.chars().take(CALIBRATION_PIECES * positions).collect();
        let pieces = letters.chunks(positions).map(|piece| {
            let tokens = self.words.encode(&piece.iter().collect::<String>())?;
            Ok(tokens.into_iter().take(positions).collect())
        });
        let pieces = pieces.collect::<Result<Vec<Vec<usize>>, ModelError>>();
        let pieces = pieces.map_err(|error| in_file(text, &error.to_string()))?;
        Ok(self.model.input_moments(&pieces)?)
    }
}
