//! Plays the samples of a pixel several times, once for each group of output channels.
//!
//! Two pixels fit: while one is played the next is written, so that bank conflicts hide behind the groups.

use std::collections::VecDeque;
use std::sync::Arc;

use bitmill_hdl::{BigUint, HdlError, Memory, Module, ModuleBuilder, RamPorts, unsigned};

use super::line_buffer::count_to;
use super::steps::Steps;

/// The circuit, for group numbers of `group_bits`.
pub(super) fn module(steps: &Steps, group_bits: u32) -> Result<Arc<Module>, HdlError> {
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_replay_g{group_bits}_{}", steps.name()),
        "plays the samples of a pixel once for each group of output channels; two pixels fit.",
    );
    m.group("Samples in");
    let valid = m.input("valid_i", unsigned(1));
    let samples = m.input("samples_i", unsigned(steps.samples_bits()));
    m.group("Samples out");
    let ready = m.input("ready_i", unsigned(1));
    m.group("Settings");
    let last_word = m.input("last_word_i", unsigned(steps.word_bits()));
    let last_group = m.input("last_group_i", unsigned(group_bits));

    // The number of a step of a pixel: its word, then its group of taps.
    let numbers = |prefix: &str, step| {
        let (mut number, mut ends) = (Vec::new(), step);
        if steps.of_word > 1 {
            let last = m.lit(steps.tap_bits(), u64::from(steps.of_word) - 1);
            let (tap, tap_ends) = count_to(&m, &format!("{prefix}_tap"), step, last);
            (number, ends) = (vec![tap], tap_ends);
        }
        let (word, word_ends) = count_to(&m, &format!("{prefix}_word"), ends, last_word);
        number.insert(0, word);
        (m.concat(&number), word_ends)
    };
    let whole = m.register("whole_pixels_q", unsigned(2));
    m.comment("Writing: as long as no two whole pixels wait.");
    let write_ready = whole.q().bit(1).not().named("write_ready");
    let writes = valid.and(write_ready).named("writes");
    let (write_step, write_ends) = numbers("write", writes);
    let write_half = m.register("write_half_q", unsigned(1));
    write_half.set_when(write_ends, write_half.q().not());
    m.comment("Playing: a step a cycle, unless one waits.");
    let shown = m.register("shown_q", unsigned(1));
    let advance = shown.q().not().or(ready).named("advance");
    let reads = whole.q().any().and(advance).named("reads");
    let (read_step, steps_end) = numbers("read", reads);
    let (_, read_ends) = count_to(&m, "group", steps_end, last_group);
    let read_half = m.register("read_half_q", unsigned(1));
    read_half.set_when(read_ends, read_half.q().not());
    shown.set_when(advance, reads);
    whole.set(whole.q().add_wrapping(write_ends.extend(2)).sub_wrapping(read_ends.extend(2)));
    let ports = RamPorts {
        write_enable: writes,
        write_address: m.concat(&[write_half.q(), write_step]),
        write_data: samples,
        read_enable: reads,
        read_address: m.concat(&[read_half.q(), read_step]),
    };
    let size = Memory { width: steps.samples_bits(), depth: 2 << (steps.word_bits() + steps.tap_bits()) };
    let played = m.memory("pixels", size, ports);
    m.group("Answers");
    m.output("ready_o", write_ready);
    m.output("valid_o", shown.q());
    m.output("samples_o", played);
    m.finish()
}

/// The same, cycle by cycle.
pub(super) struct ReplayModel {
    steps: Steps,
    /// Pixels that are whole, and the one that is written.
    pixels: VecDeque<Vec<BigUint>>,
    /// The next step to be played, and in which group.
    at: [u32; 2],
    shown: Option<BigUint>,
}

impl ReplayModel {
    pub fn new(steps: Steps) -> ReplayModel {
        ReplayModel { steps, pixels: VecDeque::from([Vec::new()]), at: [0, 0], shown: None }
    }

    pub fn is_idle(&self) -> bool {
        self.shown.is_none() && self.pixels.len() == 1 && self.pixels[0].is_empty()
    }

    /// What is played now.
    pub fn shown(&self) -> Option<&BigUint> {
        self.shown.as_ref()
    }

    /// Whether samples may come.
    pub fn ready(&self) -> bool {
        self.pixels.len() < 3
    }

    /// The clock edge after samples were offered, while `ready` tells whether what is played is taken.
    pub fn step(&mut self, samples: Option<&BigUint>, ready: bool, last_word: u32, last_group: u32) {
        let takes = self.ready();
        let steps = (last_word + 1) * self.steps.of_word;
        if self.shown.is_none() || ready {
            self.shown = None;
            if self.pixels.len() > 1 {
                self.shown = Some(self.pixels[0][self.at[0] as usize].clone());
                self.at[0] = (self.at[0] + 1) % steps;
                if self.at[0] == 0 {
                    self.at[1] += 1;
                }
                if self.at[1] > last_group {
                    self.at[1] = 0;
                    self.pixels.pop_front();
                }
            }
        }
        if let (true, Some(samples)) = (takes, samples) {
            let written = self.pixels.back_mut().expect("a pixel is written");
            written.push(samples.clone());
            if written.len() as u32 == steps {
                self.pixels.push_back(Vec::new());
            }
        }
    }
}
