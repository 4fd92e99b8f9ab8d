//! What a task will cost, from what is known before it runs: integer wei through and through.
//!
//! A quote only estimates. What an owner is charged the executor contract computes from the gas that was used, within
//! the job's cap, which is quoted too, and the owner's deposit; see [`crate::fees`] for what the ledger then keeps of it.

use alloy_primitives::U256;

use crate::{contracts::execute_gas, job::Mode, quorum::threshold};

/// What an operator takes, and by how much quotes err on the safe side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Of a task with static arguments, wei.
    pub fixed_wei: U256,
    /// Of a task whose script gives the arguments, wei.
    pub computed_wei: U256,
    /// Of a task whose script chooses the call, wei.
    pub choice_wei: U256,
    /// Per million units of fuel, wei; a part of a million counts whole.
    pub fuel_million_wei: U256,
    /// Highest price of gas that an owner pays for whose job says nothing, wei.
    pub gas_price_max: U256,
    /// Margin of a quote's total, per cent.
    pub margin_percent: u64,
}

impl Tariff {
    /// What a fresh installation takes.
    pub const DEFAULT: Self = Self {
        fixed_wei: U256::from_limbs([2_000_000_000_000, 0, 0, 0]),
        computed_wei: U256::from_limbs([2_333_333_333_333, 0, 0, 0]),
        choice_wei: U256::from_limbs([3_333_333_333_333, 0, 0, 0]),
        fuel_million_wei: U256::from_limbs([1_000_000_000, 0, 0, 0]),
        gas_price_max: U256::from_limbs([50_000_000_000, 0, 0, 0]),
        margin_percent: 20,
    };

    /// Quotes a task:
    /// `current = max(1, max(by work, executor's fee) + ceil(fuel / 10^6) x fuel_million + (gas + aggregation) x price)`,
    /// `total = ceil(current x (100 + margin) / 100)`. What passes 2^256 - 1 stays there.
    pub fn quote(&self, task: &Measured) -> Quote {
        let by_work = match task.work {
            Work::Fixed => self.fixed_wei,
            Work::Computed => self.computed_wei,
            Work::Choice => self.choice_wei,
        };
        let off_chain = by_work.max(task.executor_fee);
        let fuel = self.fuel_million_wei.saturating_mul(U256::from(task.fuel.div_ceil(1_000_000)));
        let gas = task.gas;
        let call = U256::from(gas).saturating_mul(task.gas_price);
        let aggregation_gas = through_gas(gas, task.mode, task.calldata) - gas;
        let aggregation = U256::from(aggregation_gas).saturating_mul(task.gas_price);
        let sum = [off_chain, fuel, call, aggregation].into_iter().fold(U256::ZERO, U256::saturating_add);
        // Clients take a quote of nothing for none.
        let current = sum.max(U256::from(1));
        let margin = U256::from(self.margin_percent).saturating_add(U256::from(100));
        let total = current.checked_mul(margin).map_or(U256::MAX, |wei| wei.div_ceil(U256::from(100)));
        Quote { total, current, off_chain, fuel, call, aggregation, gas }
    }

    /// Most wei that a task is charged whose job says nothing of it: for all the gas that its call may use, at the highest
    /// price. It follows from what the job says alone, so that what is quoted is what is enforced.
    pub fn cap(&self, gas_limit: u64, mode: Mode) -> U256 {
        U256::from(through_gas(gas_limit, mode, 0)).saturating_mul(self.gas_price_max)
    }
}

/// Gas that an owner is charged for a call that itself uses `gas`.
fn through_gas(gas: u64, mode: Mode, calldata: usize) -> u64 {
    match mode {
        Mode::Quorum { .. } => execute_gas(gas, threshold(mode), calldata),
        // A keeper calls the target itself, and there is nothing to check.
        Mode::Solo => gas,
    }
}

/// What a task has of work that is priced by the piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Static arguments.
    Fixed,
    /// A script gives the arguments.
    Computed,
    /// A script chooses the call.
    Choice,
}

/// What is known of a task beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What is priced by the piece.
    pub work: Work,
    /// Fuel that its scripts used when they were tried.
    pub fuel: u64,
    /// How many keepers' signatures the executor checks, if there is one.
    pub mode: Mode,
    /// Gas of the call: simulated, or all that it may use.
    pub gas: u64,
    /// Bytes of its calldata.
    pub calldata: usize,
    /// Price of each, wei.
    pub gas_price: U256,
    /// What the chain's executor takes beside the gas, wei; zero where there is no executor.
    pub executor_fee: U256,
}

/// What a task would cost, wei.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    /// With the margin, rounded up.
    pub total: U256,
    /// Without it; at least 1.
    pub current: U256,
    /// By work, or the executor's fee where that is more.
    pub off_chain: U256,
    /// For the scripts' fuel.
    pub fuel: U256,
    /// For the gas of the call.
    pub call: U256,
    /// For checking the quorum and settling.
    pub aggregation: U256,
    /// Gas of the call: units, not wei.
    pub gas: u64,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wei() -> impl Strategy<Value = U256> {
        // Of every size, the ends included: an even spread would hardly ever be small.
        (any::<[u64; 4]>(), 0usize..=256).prop_map(|(limbs, bits)| {
            U256::from_limbs(limbs) & U256::MAX.checked_shr(256 - bits).unwrap_or_default()
        })
    }

    fn work() -> impl Strategy<Value = Work> {
        prop_oneof![Just(Work::Fixed), Just(Work::Computed), Just(Work::Choice)]
    }

    fn mode() -> impl Strategy<Value = Mode> {
        let quorum =
            (any::<u8>(), any::<u8>()).prop_map(|(keepers, threshold)| Mode::Quorum { keepers, threshold });
        prop_oneof![Just(Mode::Solo), quorum]
    }

    prop_compose! {
        fn task()(work in work(), mode in mode(), fuel in any::<u64>(), gas in any::<u64>(),
            calldata in any::<usize>(), gas_price in wei(), executor_fee in wei()) -> Measured {
            Measured { work, mode, fuel, gas, calldata, gas_price, executor_fee }
        }
    }

    prop_compose! {
        fn tariff()(by_work in [wei(), wei(), wei()], fuel_million_wei in wei(), gas_price_max in wei(),
            margin_percent in any::<u64>()) -> Tariff {
            let [fixed_wei, computed_wei, choice_wei] = by_work;
            Tariff { fixed_wei, computed_wei, choice_wei, fuel_million_wei, gas_price_max, margin_percent }
        }
    }

    proptest! {
        /// The parts make the sum, whatever the numbers; and where nothing passes the largest number, the total is
        /// the smallest that is no less than the sum and its margin.
        #[test]
        fn a_quote_is_its_parts_and_its_margin(tariff in tariff(), task in task()) {
            let quote = tariff.quote(&task);
            let sum = [quote.off_chain, quote.fuel, quote.call, quote.aggregation]
                .into_iter()
                .try_fold(U256::ZERO, U256::checked_add);
            prop_assert_eq!(quote.current, sum.unwrap_or(U256::MAX).max(U256::from(1)));
            prop_assert!(quote.total >= quote.current);
            let margin = U256::from(tariff.margin_percent) + U256::from(100);
            match quote.current.checked_mul(margin) {
                None => prop_assert_eq!(quote.total, U256::MAX),
                Some(exact) => {
                    let hundred = U256::from(100);
                    prop_assert!(quote.total.checked_mul(hundred).is_none_or(|whole| whole >= exact));
                    prop_assert!((quote.total - U256::from(1)).checked_mul(hundred).is_some_and(|less| less < exact));
                }
            }
        }

        /// More of anything never costs less.
        #[test]
        fn more_is_never_cheaper(tariff in tariff(), task in task(), fuel in any::<u64>(), gas in any::<u64>(), wei in wei()) {
            let base = tariff.quote(&task).total;
            let more = [
                Measured { fuel: task.fuel.saturating_add(fuel), ..task.clone() },
                Measured { gas: task.gas.saturating_add(gas), ..task.clone() },
                Measured { gas_price: task.gas_price.saturating_add(wei), ..task.clone() },
                Measured { executor_fee: task.executor_fee.saturating_add(wei), ..task.clone() },
            ];
            for more in more {
                prop_assert!(tariff.quote(&more).total >= base, "{:?}", more);
            }
        }
    }

    #[test]
    fn the_usual_numbers() {
        let task = Measured {
            work: Work::Computed,
            mode: Mode::Quorum { keepers: 3, threshold: 2 },
            fuel: 1_000_001,
            gas: 50_000,
            calldata: 100,
            gas_price: U256::from(1_000_000_001),
            executor_fee: U256::from(5),
        };
        let quote = Tariff::DEFAULT.quote(&task);
        let gas = 50_000 + 76_000 + 2 * 6_500 + 16 * (100 + 2 * 65);
        let current = 2_333_333_333_333u128 + 2 * 1_000_000_000 + gas * 1_000_000_001;
        assert_eq!((quote.current, quote.gas), (U256::from(current), 50_000));
        assert_eq!(quote.total, U256::from((current * 120).div_ceil(100)));
        let alone = Tariff::DEFAULT.quote(&Measured { mode: Mode::Solo, ..task });
        assert_eq!((alone.aggregation, alone.gas), (U256::ZERO, 50_000));
        assert_eq!(Tariff::DEFAULT.cap(100_000, Mode::Solo), U256::from(100_000 * 50_000_000_000u128));
        let through = Tariff::DEFAULT.cap(100_000, task.mode);
        assert_eq!(through, U256::from((100_000 + 76_000 + 2 * 6_500 + 16 * 2 * 65) * 50_000_000_000u128));
    }
}
