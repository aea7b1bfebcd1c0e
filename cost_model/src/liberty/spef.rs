//! Capacitances of wires from SPEF (IEEE 1481): the total of each net. Resistances are not read: power does not need them.

use std::collections::{BTreeMap, HashMap};

/// Capacitance of each net in pF by its name, as far as the text tells it: escapes removed, bits in brackets.
///
/// # Errors
/// The line, and what is wrong with it.
pub fn net_capacitances(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let (mut unit_pf, mut is_map) = (None, false);
    let mut short: HashMap<&str, String> = HashMap::new();
    let mut found = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let wrong = |problem: &str| format!("line {}: {problem}: `{}`", number + 1, line.trim());
        let words: Vec<&str> = line.split("//").next().unwrap_or_default().split_whitespace().collect();
        match words[..] {
            ["*C_UNIT", factor, unit] => {
                unit_pf =
                    Some(capacitance_unit_pf(factor, unit).ok_or_else(|| wrong("no unit of capacitance"))?)
            }
            ["*NAME_MAP"] => is_map = true,
            ["*D_NET", name, total, ..] => {
                is_map = false;
                let unit_pf = unit_pf.ok_or_else(|| wrong("a net before *C_UNIT"))?;
                let total = total.parse::<f64>().ok().filter(|total| total.is_finite() && *total >= 0.0);
                let total =
                    total.ok_or_else(|| wrong("the capacitance is not a number that is positive or 0"))?;
                let name = match name.strip_prefix('*') {
                    Some(_) => short
                        .get(name)
                        .cloned()
                        .ok_or_else(|| wrong("a name that *NAME_MAP does not have"))?,
                    None => plain(name),
                };
                found.insert(name, total * unit_pf);
            }
            [number, name] if is_map && number.starts_with('*') => {
                short.insert(number, plain(name));
            }
            [keyword, ..] if keyword.starts_with('*') => is_map = false,
            _ => {}
        }
    }
    if found.is_empty() {
        return Err(
            "there is no net (*D_NET) in it: it is not SPEF, or of a circuit without wires".to_owned()
        );
    }
    Ok(found)
}

fn capacitance_unit_pf(factor: &str, unit: &str) -> Option<f64> {
    let pf = match unit.to_ascii_uppercase().as_str() {
        "PF" => 1.0,
        "FF" => 1e-3,
        _ => return None,
    };
    factor.parse::<f64>().ok().filter(|factor| *factor > 0.0).map(|factor| factor * pf)
}

fn plain(name: &str) -> String {
    name.replace('\\', "")
}

#[cfg(test)]
mod tests {
    use super::net_capacitances;

    #[test]
    fn totals_are_read_in_the_unit_of_the_file() {
        let text = "*SPEF \"ieee 1481-1999\"\n*C_UNIT 1 FF // femto\n\n*NAME_MAP\n\n*1 a\\[3\\]\n*2 top/u1\n\n*PORTS\n\n\
                    *D_NET *1 2.5\n*CONN\n*P a I\n*CAP\n1 *1 2.5\n*END\n*D_NET plain 4\n*END\n";
        let found = net_capacitances(text).expect("legal");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("a[3]".to_owned(), 2.5e-3), ("plain".to_owned(), 4e-3)]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, problem) in [
            ("*D_NET a 1", "line 1: a net before *C_UNIT: `*D_NET a 1`"),
            ("*C_UNIT 1 F", "line 1: no unit of capacitance: `*C_UNIT 1 F`"),
            (
                "*C_UNIT 1 PF\n*D_NET a x",
                "line 2: the capacitance is not a number that is positive or 0: `*D_NET a x`",
            ),
            ("*C_UNIT 1 PF\n*D_NET *7 1", "line 2: a name that *NAME_MAP does not have: `*D_NET *7 1`"),
            ("module m;", "there is no net (*D_NET) in it: it is not SPEF, or of a circuit without wires"),
        ] {
            assert_eq!(net_capacitances(text), Err(problem.to_owned()));
        }
    }
}
