//! Section `fees`: what tasks cost.

use std::time::Duration;

use argus_domain::{U256, tariff::Tariff};

use super::reader::Reader;

/// Section `fees`.
#[derive(Debug, Clone)]
pub struct Fees {
    /// What quotes are made of.
    pub tariff: Tariff,
    /// Most wei that any job may let a task of it cost.
    pub cap: U256,
    /// A price of gas that is younger is not asked for again.
    pub price_fresh: Duration,
    /// One that is older is not believed.
    pub price_stale: Duration,
}

/// Reads the section.
pub fn read(r: &mut Reader<'_>) -> Fees {
    let [fixed_wei, computed_wei, choice_wei, fuel_million_wei, gas_price_max, cap] =
        ["fixed", "computed", "choice", "fuel_million", "gas_price_max", "cap"]
            .map(|name| r.wei(&format!("fees.{name}_wei")));
    if gas_price_max.is_zero() {
        r.fault(
            "fees.gas_price_max_wei",
            "a number of wei above 0: the cap of jobs that name none follows from it",
        );
    }
    if cap.is_zero() {
        r.fault(
            "fees.cap_wei",
            "a number of wei above 0: without a cap a job could cost its owner everything",
        );
    }
    let before = r.faults.len();
    let tariff = Tariff {
        fixed_wei,
        computed_wei,
        choice_wei,
        fuel_million_wei,
        gas_price_max,
        margin_percent: r.number("fees.margin_percent", 0, 1_000),
    };
    let fresh = r.number("fees.price_fresh_ms", 0, 60_000);
    let stale = r.number("fees.price_stale_ms", 0, 3_600_000);
    if r.faults.len() == before && stale < fresh {
        let says = format!(" is {stale}, below fees.price_fresh_ms = {fresh}: raise it, or lower the other");
        r.tell("fees.price_stale_ms", &says);
    }
    let (price_fresh, price_stale) = (Duration::from_millis(fresh), Duration::from_millis(stale));
    Fees { tariff, cap, price_fresh, price_stale }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    /// The defaults are written twice, for those who use the library and for operators.
    #[test]
    fn the_file_has_the_defaults_of_the_library() {
        let fees = Config::load(None, &[]).expect("defaults").fees;
        let edge = argus_api::Config::default();
        assert_eq!((fees.tariff, fees.cap), (Tariff::DEFAULT, edge.policy.fee_cap_max));
        assert_eq!((fees.price_fresh, fees.price_stale), (edge.prices.fresh, edge.prices.stale_max));
    }

    #[test]
    fn numbers_that_make_no_sense_are_told() {
        let wrong = ["fees.price_stale_ms = 10".to_owned(), "fees.fixed_wei = \"1.5\"".to_owned()];
        let said = Config::load(None, &wrong).expect_err("wrong").to_string();
        assert!(said.contains("fees.price_stale_ms is 10, below fees.price_fresh_ms = 3000"), "{said}");
        let said_of_cap =
            Config::load(None, &["fees.cap_wei = \"0\"".to_owned()]).expect_err("no cap").to_string();
        assert!(said_of_cap.contains("fees.cap_wei must be a number of wei above 0"), "{said_of_cap}");
        assert!(said.contains("fees.fixed_wei must be a number of wei in quotes"), "{said}");
    }
}
