//! Stories: what happens to money, from its first block to its last. Each shows balances, states
//! and books; the harness checks all invariants after every command.

mod accounts;
mod batches;
mod deposits;
mod payouts;
mod people;
mod reorgs;
mod settlements;
