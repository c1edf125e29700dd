//! Miners: blocks on the tip, and branches that replace others.

use super::{failure::Check, outsiders::wallet, world::World};

impl World {
    /// One or more blocks on the tip.
    pub(crate) fn mine(&mut self) -> Check {
        for _ in 0..self.random.count(1, self.profile.blocks_at_once) {
            let share = if self.random.chance(100) { 0 } else { 850 };
            self.mine_including(share)?;
        }
        Ok(())
    }

    /// A block on the tip with this share of the mempool, in 1,000.
    pub(crate) fn mine_including(&mut self, share: u64) -> Check {
        let ours =
            if self.random.chance(self.profile.rewards) { self.script_of_house() } else { None };
        let reward_to = ours.unwrap_or_else(|| wallet(0));
        let time = u32::try_from(self.clock.physical().to_seconds()).unwrap_or(u32::MAX);
        let random = &mut self.random;
        self.node.mine(time, reward_to, |_| random.chance(share))?;
        self.report.blocks = self.report.blocks.saturating_add(1);
        self.trace.line(format_args!("node: block {} ({})", self.node.height(), self.node.tip()));
        Ok(())
    }

    /// Blocks are taken back. Mostly a longer branch replaces them, with or without the same
    /// payments; sometimes nothing better is there yet.
    pub(crate) fn reorg(&mut self) -> Check {
        let deepest = if self.random.chance(200) { 8 } else { 3 };
        let depth = self.random.count(1, deepest).min(self.node.height());
        if depth == 0 {
            return Ok(());
        }
        let loses = self.profile.loses;
        for _ in 0..depth {
            let random = &mut self.random;
            self.node.disconnect_tip(|| random.chance(loses));
        }
        self.report.reorgs = self.report.reorgs.saturating_add(1);
        self.report.reorg_depth_max = self.report.reorg_depth_max.max(depth);
        self.trace.line(format_args!("node: {depth} blocks taken back"));
        if self.random.chance(500) {
            self.double_spend(300);
        }
        if self.random.chance(850) {
            for _ in 0..=depth {
                self.mine_including(600)?;
            }
        }
        Ok(())
    }
}
