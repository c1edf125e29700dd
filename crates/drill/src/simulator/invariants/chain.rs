//! `coins-match-chain`: the coins that custody counts are the unspent outputs to our scripts at
//! the block where custody stands, no more and no fewer.

use custody::Custody;

use crate::simulator::{
    convert,
    failure::{Check, Found},
    mirror::Mirror,
};

pub(crate) fn coins_match_chain(state: &Custody, mirror: &Mirror) -> Check {
    const NAME: &str = "coins-match-chain";
    for (outpoint, coin) in state.coins().iter() {
        let real = mirror.coins().get(&convert::out_point(outpoint)).copied();
        if real != Some(coin.value.to_sat()) {
            let found = format!("custody has {outpoint} with {}, the chain {real:?}", coin.value);
            return Err(Found::new(NAME, found));
        }
    }
    if state.coins().len() == mirror.coins().len() {
        return Ok(());
    }
    let missed =
        mirror.coins().iter().map(|(outpoint, value)| (convert::outpoint(outpoint), value));
    let missed = missed.into_iter().find(|(outpoint, _)| state.coins().get(outpoint).is_none());
    Err(Found::new(NAME, format!("the chain has {missed:?}, custody does not")))
}
