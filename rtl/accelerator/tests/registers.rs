//! The register map: registers do not overlap, and the documentation has the same tables.

use bitmill_accelerator::{Access, Counters, Fault, MAGIC, REGISTER_ADDRESS_BITS, registers};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/registers.md");

#[test]
fn registers_and_their_bits_do_not_overlap() {
    assert_eq!(&MAGIC.to_be_bytes(), b"BMIL");
    for pair in registers::ALL.windows(2) {
        assert!(pair[0].offset < pair[1].offset, "{} before {}", pair[0].name, pair[1].name);
    }
    for register in registers::ALL {
        assert!(
            register.offset < 1 << REGISTER_ADDRESS_BITS && register.offset % 4 == 0,
            "{}",
            register.name
        );
        let mut taken = 0;
        for bits in register.bits {
            assert!(
                bits.lsb + bits.width <= 32 && taken & bits.mask() == 0,
                "{}.{}",
                register.name,
                bits.name
            );
            taken |= bits.mask();
            assert_eq!(bits.of(bits.mask()), (u64::from(u32::MAX) >> (32 - bits.width)) as u32);
        }
    }
    assert!(Counters::REGISTERS.iter().all(|counter| registers::ALL.contains(counter)));
}

fn access(access: Access) -> &'static str {
    match access {
        Access::Read => "read",
        Access::ReadWrite => "read, write",
        Access::WriteOneToClear => "read, write 1 to clear",
        Access::Trigger => "write 1 to trigger",
    }
}

fn tables() -> String {
    let mut text =
        "| address | register | bits | name | access | meaning |\n|---|---|---|---|---|---|\n".to_owned();
    for register in registers::ALL {
        let (name, kind) = (register.name, access(register.access));
        text += &format!("| `0x{:02x}` | `{name}` | | | {kind} | {} |\n", register.offset, register.help);
        for bits in register.bits {
            let high = bits.lsb + bits.width - 1;
            let range = if bits.width == 1 { bits.lsb.to_string() } else { format!("{high}:{}", bits.lsb) };
            text += &format!("| | | {range} | `{}` | | {} |\n", bits.name, bits.help);
        }
    }
    text += "\n## Error codes\n\n| code | meaning |\n|---|---|\n";
    for fault in Fault::ALL {
        assert_eq!(Fault::from_code(fault.code()), Some(fault));
        text += &format!("| {} | {} |\n", fault.code(), fault.meaning());
    }
    text
}

/// With `BITMILL_BLESS` set, writes the tables into the page instead.
#[test]
fn the_documentation_has_the_same_tables() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let start = page.find("| address |").unwrap();
    if std::env::var_os("BITMILL_BLESS").is_some() {
        std::fs::write(PAGE, format!("{}{}", &page[..start], tables())).unwrap();
    } else {
        assert_eq!(&page[start..], tables());
    }
}
