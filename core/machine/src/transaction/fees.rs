//! What a transaction offers per gas (EIP-1559), and what a replacement has to.

use argus_domain::chain::GasPrice;

/// Most per gas, and tip per gas, wei.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fees {
    pub max: u128,
    pub tip: u128,
}

/// The first offer: room for the base fee to double, as far as the cap goes; `None`: the cap is below the base fee.
pub(super) fn first(price: GasPrice, cap: u128) -> Option<Fees> {
    let tip = price.priority_fee.max(1);
    let max = price.base_fee.saturating_mul(2).saturating_add(tip).min(cap);
    (max > price.base_fee).then_some(Fees { max, tip: tip.min(max) })
}

/// The next offer for the same nonce: at least an eighth more of both, which every client's pool demands (geth's
/// default price bump is a tenth), and enough for the present price as far as the cap goes; `None`: the cap is below
/// even that eighth.
pub(super) fn replacement(old: Fees, price: GasPrice, cap: u128) -> Option<Fees> {
    let raised = |n: u128| n.saturating_add(n.div_ceil(8)).max(n.saturating_add(1));
    let (least, tip) = (raised(old.max), raised(old.tip).max(price.priority_fee));
    let wanted = price.base_fee.saturating_mul(2).saturating_add(tip).max(least).min(cap);
    (wanted >= least && raised(old.tip) <= wanted).then_some(Fees { max: wanted, tip: tip.min(wanted) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_as_a_table() {
        let price = |base_fee, priority_fee| GasPrice { base_fee, priority_fee };
        let fees = |max, tip| Some(Fees { max, tip });
        for (base, tip, cap, expect) in [
            (100, 2, 1000, fees(202, 2)),
            (100, 0, 1000, fees(201, 1)),
            (100, 2, 150, fees(150, 2)),
            (100, 2, 100, None),
        ] {
            assert_eq!(first(price(base, tip), cap), expect, "{base} {tip} {cap}");
        }
        for (old, base, tip, cap, expect) in [
            ((200, 8), 50, 2, 1000, fees(225, 9)),
            ((200, 8), 500, 2, 2000, fees(1009, 9)),
            ((200, 8), 500, 2, 600, fees(600, 9)),
            ((200, 8), 50, 2, 224, None),
            ((1, 1), 0, 0, 10, fees(2, 2)),
        ] {
            let old = Fees { max: old.0, tip: old.1 };
            assert_eq!(replacement(old, price(base, tip), cap), expect, "{old:?} {base} {tip} {cap}");
        }
    }
}
