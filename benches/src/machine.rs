//! What the numbers were measured on; they mean nothing elsewhere.

use std::path::Path;

use serde::Serialize;

/// The machine and the file system under the relay's data.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    kernel: String,
    file_system: String,
    build: &'static str,
}

impl Machine {
    /// Asks `/proc`; what it does not say is `unknown`.
    pub(crate) fn describe(data: &Path) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: processor().unwrap_or_else(unknown),
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(unknown),
            file_system: file_system(data).unwrap_or_else(unknown),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }

    /// One line.
    pub(crate) fn line(&self) -> String {
        let Self { cores, processor, kernel, file_system, build } = self;
        format!("{cores} cores ({processor}), Linux {kernel}, {file_system}, {build} build")
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned())
}

/// The type of the mount with the longest path above `data`.
fn file_system(data: &Path) -> Option<String> {
    let data = data.canonicalize().ok()?;
    let mounts = read("/proc/self/mounts")?;
    let mount = |line: &str| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    };
    let above = mounts.lines().filter_map(mount).filter(|(path, _)| data.starts_with(path));
    above.max_by_key(|(path, _)| path.len()).map(|(_, kind)| kind)
}

fn unknown() -> String {
    "unknown".to_owned()
}
