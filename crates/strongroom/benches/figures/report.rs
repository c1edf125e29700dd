//! Printing figures, and what the measurements share.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{
    house::{House, Size},
    load::Watch,
};

/// What all measurements share: where files lie, how figures are printed, the large house.
pub struct Lab {
    folder: TempDir,
    json: bool,
    million: Option<House>,
}

impl Lab {
    pub fn new(dir: &Path, json: bool) -> Self {
        let folder = tempfile::tempdir_in(dir).expect("the folder can be written");
        Self { folder, json, million: None }
    }

    /// A path of this name on the disk that is measured.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The house with a million accounts, made when it is first needed and then gone on with.
    pub fn million(&mut self) -> House {
        if self.million.is_none() {
            let path = self.path("million");
            let begun = Instant::now();
            self.million = Some(House::build(&path, Size::MILLION));
            self.say(&format!("a million accounts made in {:.0} s", begun.elapsed().as_secs_f64()));
        }
        self.million.clone().expect("it was made above")
    }

    /// A remark, for people only.
    pub fn say(&self, text: &str) {
        if !self.json {
            println!("# {text}");
        }
    }

    /// Prints one figure.
    pub fn figure(&self, watch: &Watch, name: &str, (value, unit): (f64, &str), conditions: &str) {
        let (others, noisy) = watch.others();
        let others_percent = (others * 1000.0).round() / 10.0;
        if self.json {
            let line = serde_json::json!({
                "name": name, "value": value, "unit": unit, "conditions": conditions,
                "noisy": noisy, "others_percent": others_percent,
            });
            println!("{line}");
        } else {
            println!(
                "{name:42} {value:>12.3} {unit:12} {conditions}; noisy: {noisy} ({others_percent} %)"
            );
        }
    }

    /// Prints the processor time that each of `count` steps took on all threads together. Others
    /// can make it grow by a half through the caches, but not tenfold as they do the wall's time.
    pub fn processor(&self, watch: &Watch, name: &str, count: usize, conditions: &str) {
        let micros = watch.own_seconds() * 1e6 / count as f64;
        self.figure(watch, &format!("{name}/processor"), (micros, "us"), conditions);
    }

    /// Prints the median and the 99th percentile of what single steps took.
    pub fn latencies(&self, watch: &Watch, name: &str, took: &mut [Duration], conditions: &str) {
        took.sort_unstable();
        for (suffix, share) in [("p50", 0.5), ("p99", 0.99)] {
            let micros = percentile(took, share).as_secs_f64() * 1e6;
            self.figure(watch, &format!("{name}/{suffix}"), (micros, "us"), conditions);
        }
    }
}

/// The least of `sorted` that `share` of them do not exceed.
pub fn percentile(sorted: &[Duration], share: f64) -> Duration {
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The middle of an odd number of runs.
pub fn median(mut runs: Vec<f64>) -> f64 {
    runs.sort_unstable_by(f64::total_cmp);
    runs.get(runs.len() / 2).copied().unwrap_or(0.0)
}
