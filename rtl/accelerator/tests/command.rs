//! The command format: what is written is read back, fields do not overlap, and the documentation is true.

use bitmill_accelerator::{
    COMMAND_WORDS, Command, Compute, ComputeKind, Field, PairOperation, Residual, RowOperator, Rows, Sample,
    Target, Tokens, Transfer, Walk, WeightOrder, decode, fields,
};
use bitmill_formats::{Multiplier, Requantization};

fn transfer() -> Transfer {
    let tokens = Tokens { wait: 0b010, post: 0b110 };
    Transfer { tokens, target: Target::Weights, address: 0xdead_bee8, line: 0xabcd, beats: 0x12_3456 }
}

fn compute() -> Compute {
    Compute {
        tokens: Tokens { wait: 0b101, post: 0b001 },
        kind: ComputeKind::Maximum,
        pair: PairOperation::default(),
        weight_order: WeightOrder::Repeated,
        pad_value: -128,
        rounding: Requantization::HalfAwayFromZero,
        zero_point: -7,
        low: -32768,
        high: 32767,
        kernel_width: 3,
        kernel_height: 255,
        input_line: 65535,
        group_stride: 1,
        channel_stride: 40000,
        channel_blocks: 77,
        input_dilation_log2: 0,
        lookup: None,
        input_width: 224,
        input_height: 32767,
        walk: Walk::new(8, 224, 112, 3, (2, 2), (1, 1), (1, 1)),
        pixels: 112 * 112,
        weight_line: 9,
        parameter_line: 10,
        output_line: 11,
        output_blocks: 12,
        output_stride: None,
        mode: 9,
        output_format: 5,
    }
}

fn pair() -> Compute {
    let factor = Some(Multiplier { multiplier: 0x7654_3210, shift: 62 });
    Compute { kind: ComputeKind::Pair, pair: PairOperation { zero_points: [-128, 127], factor }, ..compute() }
}

fn strided() -> Compute {
    Compute { kind: ComputeKind::Matrix, weight_order: WeightOrder::Strided(65535), ..compute() }
}

fn slice() -> Compute {
    let walk = Walk { tap_y: 0, ..compute().walk };
    Compute { kernel_height: 9, output_stride: Some(65535), walk, ..compute() }
}

fn rows() -> Rows {
    Rows {
        tokens: Tokens { wait: 0b001, post: 0b100 },
        operator: RowOperator::LayerNorm,
        rounding: Requantization::DyadicHalfUp,
        zero_point: -9,
        low: -128,
        high: 127,
        input_line: 65535,
        length: 4096,
        one: 255,
        pixels: 99,
        parameter_line: 12,
        output_line: 40000,
        output_format: 3,
    }
}

fn sample() -> Sample {
    Sample {
        tokens: Tokens { wait: 0b100, post: 0b001 },
        zero_point: -128,
        offset_zero_point: 127,
        offset_shift: 7,
        is_modulated: true,
        input_line: 65535,
        channel_stride: 40000,
        channel_blocks: 65535,
        input_width: 1024,
        input_height: 1023,
        start_y: 1000,
        start_x: 999,
        pixels: 8_000_000,
        offset_line: 1,
        mask_line: 65535,
        output_line: 3,
    }
}

fn residual() -> Residual {
    Residual {
        tokens: Tokens { wait: 0b101, post: 0b001 },
        pair: pair().pair,
        sum_is_second: true,
        multiplier: Multiplier { multiplier: 0x7fff_ffff, shift: 63 },
        rounding: Requantization::HalfAwayFromZero,
        zero_point: -7,
        low: -32768,
        high: 32767,
        input_line: 65535,
    }
}

fn commands() -> [Command; 9] {
    [
        Command::Load(transfer()),
        Command::Store(transfer()),
        Command::Compute(compute()),
        Command::Compute(pair()),
        Command::Compute(strided()),
        Command::Compute(slice()),
        Command::Rows(rows()),
        Command::Sample(sample()),
        Command::Residual(residual()),
    ]
}

#[test]
fn what_is_written_is_read_back() {
    for command in commands() {
        let words = command.encode().unwrap();
        for (field, value) in command.values() {
            assert_eq!(field.get(&words), value, "{}", field.name);
        }
        let (opcode, values) = decode(&words);
        assert_eq!((opcode, values.len()), (Some(command.opcode()), command.values().len()));
        assert!(command.values().iter().all(|pair| values.contains(pair)));
    }
}

#[test]
fn fields_of_a_command_do_not_overlap() {
    for command in commands() {
        let mut taken = [0u64; COMMAND_WORDS];
        for (field, _) in command.values() {
            let mask = ((1u64 << field.shape.width) - 1) << field.lsb;
            assert_eq!(taken[field.word] & mask, 0, "{} overlaps", field.name);
            taken[field.word] |= mask;
        }
    }
}

#[test]
fn values_that_do_not_fit_are_refused() {
    let wide = Command::Load(Transfer { beats: 1 << 24, ..transfer() });
    assert_eq!(
        wide.encode().unwrap_err().to_string(),
        "command field beats = 16777216 does not fit its 24 bits"
    );
}

/// The step to the next group of pixels is the walk over the pixels between.
#[test]
fn a_jump_is_as_many_steps_as_the_array_has_rows() {
    for (rows, width, stride) in [(8, 5, 1), (4, 8, 2), (16, 3, 2), (1, 7, 1)] {
        let output_width = (width - 1) / stride + 1;
        let walk = Walk::new(rows, width, output_width, 3, (stride, stride), (1, 1), (1, 1));
        let (mut column, mut y, mut x, mut index) = (0, walk.start_y, walk.start_x, walk.start_index);
        for _ in 0..rows {
            column += 1;
            x += walk.stride_x as i32;
            index += walk.stride_x as i32;
            if column == output_width {
                column = 0;
                x -= walk.wrap_x as i32;
                y += walk.wrap_y as i32;
                index += walk.wrap_index;
            }
        }
        let mut jumped = walk.jump_column;
        let (mut to_y, mut to_x) = (walk.start_y + walk.jump_y as i32, walk.start_x + walk.jump_x as i32);
        let mut to_index = walk.start_index + walk.jump_index;
        if jumped >= output_width {
            jumped -= output_width;
            to_x -= walk.wrap_x as i32;
            to_y += walk.wrap_y as i32;
            to_index += walk.wrap_index;
        }
        assert_eq!((column, y, x, index), (jumped, to_y, to_x, to_index));
        assert_eq!(index, y * width as i32 + x);
    }
}

#[test]
fn the_documentation_has_the_same_table() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md")).unwrap();
    let row = |field: &Field| {
        let high = field.lsb + field.shape.width - 1;
        let bits = if high == field.lsb { format!("{high}") } else { format!("{high}:{}", field.lsb) };
        let sign = if field.shape.signed { "signed" } else { "unsigned" };
        format!("| `{}` | {} | {bits} | {sign} |\n", field.name, field.word)
    };
    let expected: String = fields::all().map(row).collect();
    let start = page.find("| `opcode`").unwrap();
    assert_eq!(&page[start..], expected);
}
