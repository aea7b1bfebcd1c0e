//! The cache's tags: which pixels of a step are there, and the reads of those that are not.
//!
//! A step is looked up in a cycle, in all banks at once; each pixel that is not there takes the line of another at
//! once and asks memory for its word, one a cycle. The step then waits in a queue until its words have come; as the
//! words of lines are written in the order of the queue too, what is there when a step is looked up is there when it is
//! read (Igehy et al., "Prefetching in a texture cache architecture", 1998). Of an image, all lines carry its number, so
//! that none has to be cleared before the next one; when the numbers run out, all are.

use std::sync::Arc;

use bitmill_hdl::{HdlError, Memory, Module, ModuleBuilder, RamPorts, Signal, unsigned};

use super::cached_shape::{CachedShape, IMAGE_BITS};
use super::gather::{join, pack};

/// The pixel that a bank is asked for.
struct Asked<'m> {
    present: Signal<'m>,
    row: Signal<'m>,
    column: Signal<'m>,
}

impl CachedShape {
    /// Where a word of a pixel lies in its bank.
    fn line<'m>(&self, m: &'m ModuleBuilder, asked: &Asked<'m>, word: Signal<'m>) -> Signal<'m> {
        let [[row_low, row_end], [column_low, column_end]] = [0, 1].map(|axis| self.line_ends(axis));
        join(
            m,
            &[
                (asked.row, row_low, row_end),
                (asked.column, column_low, column_end),
                (word, 0, self.shape.word_bits()),
            ],
        )
    }

    /// What tells it from the others that may lie there.
    fn tag<'m>(&self, m: &'m ModuleBuilder, asked: &Asked<'m>, image: Signal<'m>) -> Signal<'m> {
        let [[_, row_end], [_, column_end]] = [0, 1].map(|axis| self.line_ends(axis));
        let side = self.shape.side_bits();
        join(m, &[(image, 0, IMAGE_BITS), (asked.row, row_end, side), (asked.column, column_end, side)])
    }
}

/// The `items` of the corners of a tap, as its banks are asked for them, or back: `parity` has the lowest bits of row and
/// column of the first corner.
pub(super) fn permuted<'m>(items: &[Signal<'m>], parity: Option<Signal<'m>>) -> Vec<Signal<'m>> {
    let Some(parity) = parity else { return items.to_vec() };
    let of = |bank: usize| {
        let choices: Vec<Signal> = (0..items.len()).map(|parity| items[bank ^ parity]).collect();
        parity.select(&choices, choices[0])
    };
    (0..items.len()).map(of).collect()
}

/// Counts images, and clears all lines when their numbers run out and after reset.
struct Images<'m> {
    number: Signal<'m>,
    clears: Signal<'m>,
    line: Signal<'m>,
}

impl<'m> Images<'m> {
    fn new(m: &'m ModuleBuilder, shape: &CachedShape, ends: Signal<'m>) -> Images<'m> {
        m.comment("Number 0 is that of no image: lines that are cleared have it.");
        let number = m.register("image_q", unsigned(IMAGE_BITS));
        let clears = number.q().eq_value(0).named("clears");
        let line = m.register("cleared_line_q", unsigned(shape.line_bits()));
        line.set_when(clears, line.q().increment());
        let cleared = clears.and(line.q().all()).named("cleared");
        number.set_when(ends.or(cleared), number.q().increment());
        Images { number: number.q(), clears, line: line.q() }
    }
}

/// The circuit.
pub(super) fn module(shape: &CachedShape) -> Result<Arc<Module>, HdlError> {
    let (banks, side_bits) = (shape.banks(), shape.shape.side_bits());
    let m = ModuleBuilder::new(
        format!("bitmill_deformable_lookup_{}", shape.name()),
        format!(
            "tags of {banks} banks of {} lines, and reads of what is not there.\n\
             A step takes a cycle for each word that it reads, one at least.",
            shape.lines()
        ),
    );
    m.group("Step");
    let load = m.input_with_comment("load_i", unsigned(1), "a step comes; only while free_o is set");
    let present = m.input_with_comment("present_i", unsigned(banks), "by corner");
    let pixels = m.input("pixels_i", unsigned(2 * banks * side_bits));
    let word = m.input("word_i", unsigned(shape.shape.word_bits()));
    let image_ends = m.input("image_ends_i", unsigned(1));
    m.group("Queue");
    let queue_free = m.input("queue_free_i", unsigned(1));
    m.group("Memory");
    let read_ready = m.input("read_ready_i", unsigned(1));
    let taken = m.input_with_comment("taken_i", unsigned(1), "a word that came was taken");
    let hold = |name: &str, next: Signal<'_>| {
        let register = m.register(name, next.shape()).without_reset();
        register.set_when(load, next);
        register.q()
    };
    let pixel = |corner: u32, part: u32| pixels.slice((2 * corner + part) * side_bits, side_bits);
    let parity = (banks > 1).then(|| m.concat(&[pixel(0, 1).bit(0), pixel(0, 0).bit(0)]));
    let part =
        |part: u32| permuted(&(0..banks).map(|corner| pixel(corner, part)).collect::<Vec<_>>(), parity);
    let asked = permuted(&present.bits(), parity).into_iter().zip(part(1)).zip(part(0));
    let asked: Vec<Asked> = asked.map(|((present, row), column)| Asked { present, row, column }).collect();

    m.comment("The step that is looked up.");
    let valid = m.register("valid_q", unsigned(1));
    let leaves = m.wire("leaves", unsigned(1));
    let image_ends_q = hold("image_ends_q", image_ends);
    let images = Images::new(&m, shape, leaves.value().and(image_ends_q));
    let word_q = hold("word_q", word);
    let held: Vec<Asked> = asked
        .iter()
        .enumerate()
        .map(|(bank, asked)| Asked {
            present: hold(&format!("present_{bank}_q"), asked.present),
            row: hold(&format!("row_{bank}_q"), asked.row),
            column: hold(&format!("column_{bank}_q"), asked.column),
        })
        .collect();
    let sent = m.register("sent_q", unsigned(banks)).without_reset();
    let room = m.register("room_q", unsigned(shape.most_reads.ilog2() + 1)).reset_to(shape.most_reads.into());
    let goes = read_ready.and(room.q().any()).named("goes");
    let (mut wanted, mut sends, mut misses, mut lines) = (m.bit(false), Vec::new(), Vec::new(), Vec::new());
    let mut address = m.lit(2 * side_bits, 0);
    for (bank, (next, held)) in asked.iter().zip(&held).enumerate() {
        let (line, tag) = (shape.line(&m, held, word_q), shape.tag(&m, held, images.number));
        let next_line = shape.line(&m, next, word);
        let send = m.wire(&format!("send_{bank}"), unsigned(1));
        let ports = RamPorts {
            write_enable: images.clears.or(send.value()),
            write_address: images.clears.mux(images.line, line),
            write_data: tag.gate(images.clears.not()),
            read_enable: load,
            read_address: next_line,
        };
        let size = Memory { width: shape.tag_bits(), depth: shape.lines() };
        let read = m.memory(&format!("tags_{bank}"), size, ports);
        // A tag that is written while it is read is not yet in what is read.
        let is_new = hold(&format!("is_new_{bank}_q"), send.value().and(next_line.eq(line)));
        let new = hold(&format!("new_tag_{bank}_q"), tag);
        let is_there = is_new.mux(new, read).eq(tag);
        let misses_here = valid.q().and(held.present).and(is_there.not()).named(&format!("misses_{bank}"));
        let wants = misses_here.and(sent.q().bit(bank as u32).not());
        let is_first = wants.and(wanted.not()).named(&format!("is_first_{bank}"));
        send.drive(is_first.and(goes));
        address = address.or(m.concat(&[held.row, held.column]).gate(is_first));
        wanted = wanted.or(wants);
        sends.push(send.value());
        misses.push((misses_here, wants));
        lines.push(line);
    }
    m.comment("A step leaves when all it misses is asked for.");
    let stays = misses.iter().zip(&sends).map(|((_, wants), send)| wants.and(send.not()));
    let stays = stays.reduce(Signal::or).unwrap_or(m.bit(false)).named("stays");
    leaves.drive(valid.q().and(stays.not()).and(queue_free));
    valid.set(load.or(valid.q().and(leaves.value().not())));
    sent.set(sent.q().or(pack(&m, &sends)).gate(load.not()));
    let width = room.q().width();
    let sends_one = wanted.and(goes).named("sends_one");
    room.set(room.q().sub_wrapping(sends_one.extend(width)).add_wrapping(taken.extend(width)));

    m.group("Answers");
    m.output("free_o", valid.q().not().or(leaves.value()).and(images.clears.not()));
    m.output_with_comment("image_ends_o", leaves.value().and(image_ends_q), "its last step leaves");
    m.group("Reads of memory");
    m.output("read_valid_o", wanted.and(room.q().any()));
    m.output("read_row_o", address.slice(side_bits, side_bits));
    m.output("read_column_o", address.truncate(side_bits));
    m.output("read_word_o", word_q);
    m.group("The step as it leaves, by bank");
    m.output("leaves_o", leaves.value());
    let present: Vec<Signal> = held.iter().map(|held| held.present).collect();
    m.output("present_o", pack(&m, &present));
    m.output("misses_o", pack(&m, &misses.iter().map(|(misses, _)| *misses).collect::<Vec<_>>()));
    m.output("lines_o", pack(&m, &lines));
    if let Some(parity) = parity {
        m.output_with_comment("parity_o", hold("parity_q", parity), "of the first corner's row and column");
    }
    m.finish()
}
