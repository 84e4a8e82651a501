//! What a process has used so far, from `/proc`.

use std::time::Duration;

use crate::failure::Failure;

/// A process that is watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(u32);

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Resident, shared pages included.
    pub(crate) resident: u64,
    /// Resident and belonging to this process alone.
    pub(crate) private: u64,
}

impl Process {
    /// By its number.
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// This one.
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    /// Processor time of all its threads, in user and kernel mode.
    pub(crate) fn cpu(self) -> Result<Duration, Failure> {
        let text = self.read("stat")?;
        // The name in parentheses may contain anything; fields 14 and 15 are counted from its end.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum();
        let per_second = rustix::param::clock_ticks_per_second().max(1);
        Ok(Duration::from_millis(ticks.saturating_mul(1_000) / per_second))
    }

    /// Memory now.
    pub(crate) fn memory(self) -> Result<Memory, Failure> {
        let text = self.read("smaps_rollup")?;
        let kib = |name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1));
            number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
        };
        Ok(Memory { resident: kib("Rss:"), private: kib("Private_Clean:") + kib("Private_Dirty:") })
    }

    fn read(self, file: &str) -> Result<String, Failure> {
        let read = std::fs::read_to_string(format!("/proc/{}/{file}", self.0));
        read.map_err(Failure::system("the relay's use of the machine cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let own = Process::own();
        let (before, mut sum) = (own.cpu().unwrap(), 0_u64);
        while own.cpu().unwrap() < before + Duration::from_millis(20) {
            sum = (0..100_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        let resident = own.memory().unwrap().resident;
        let block = vec![u8::try_from(sum % 255).unwrap() + 1; 32 << 20];
        let memory = own.memory().unwrap();
        assert!(resident + (30 << 20) < memory.resident, "{}", block.len());
        assert!(memory.private <= memory.resident);
    }
}
