//! What may be spent: an amount, a share of the dearest uniform precision, or what a uniform precision costs.

use std::str::FromStr;

use bitmill_explore::assignment::{Cost, Resource, Study};
use bitmill_model::WeightFormat;

use crate::table::short;

/// What may be spent.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Budget {
    /// In the resource's unit.
    Amount(f64),
    /// Of what the dearest uniform precision costs.
    Share(f64),
    /// What this uniform precision costs.
    Format(String),
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Budget, String> {
        let number = |text: &str| text.parse::<f64>().ok();
        let budget = match (number(text), text.strip_suffix('%').map(str::trim)) {
            (Some(amount), _) => Budget::Amount(amount),
            (None, Some(percent)) => {
                let percent = number(percent).ok_or_else(|| format!("{text}: a share is written as 60%"))?;
                Budget::Share(percent / 100.0)
            }
            (None, None) => return Ok(Budget::Format(text.to_owned())),
        };
        match budget {
            Budget::Amount(number) | Budget::Share(number) if number.is_finite() && number > 0.0 => {
                Ok(budget)
            }
            _ => Err(format!(
                "{text}: a budget is a positive amount, a share as in 60%, or a format as in int4"
            )),
        }
    }
}

impl Budget {
    /// The amount, which some choice keeps and which is no more than the dearest uniform precision costs.
    ///
    /// # Errors
    /// A format that is none of `formats`, or an amount out of the range of what layers can cost.
    pub(super) fn amount(
        &self,
        study: &Study<'_>,
        formats: &[WeightFormat],
        resource: Resource,
    ) -> Result<f64, String> {
        let [cheapest, dearest] = study.range();
        let amount = match self {
            Budget::Amount(amount) => *amount,
            Budget::Share(share) => share * dearest,
            Budget::Format(name) => {
                let place = formats.iter().position(|format| format.to_string() == *name);
                let names: Vec<String> = formats.iter().map(ToString::to_string).collect();
                let place = place.ok_or_else(|| {
                    format!(
                        "--budget {name}: neither a number, nor a share as in 60%, nor one of the formats {}",
                        names.join(", ")
                    )
                })?;
                Cost::total(&study.uniform[place])
            }
        };
        let unit = resource.unit();
        if amount < cheapest {
            return Err(format!(
                "a budget of {} {unit} is below what the cheapest precisions cost, {} {unit}; the dearest uniform precision \
                 costs {} {unit}",
                short(amount),
                short(cheapest),
                short(dearest)
            ));
        }
        if amount > dearest {
            return Err(format!(
                "a budget of {} {unit} is above what the dearest uniform precision costs, {} {unit}: there is nothing to \
                 choose; the cheapest precisions cost {} {unit}",
                short(amount),
                short(dearest),
                short(cheapest)
            ));
        }
        Ok(amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_amounts_shares_or_formats() {
        assert_eq!("12.5".parse(), Ok(Budget::Amount(12.5)));
        assert_eq!("60%".parse(), Ok(Budget::Share(0.6)));
        assert_eq!("int4".parse(), Ok(Budget::Format("int4".to_owned())));
        for wrong in ["-3", "0", "NaN", "inf", "x%", "-5%"] {
            assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
        }
    }
}
