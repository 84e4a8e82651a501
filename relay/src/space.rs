//! Free disk space: whether new messages are taken. Everything else goes on below the watermark,
//! because delivery and acknowledgement are what frees space.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says how many bytes are free. Tests inject their own.
pub trait SpaceProbe: Send + Sync {
    /// Free bytes for this process, as far as known.
    ///
    /// # Errors
    ///
    /// What the operating system answered.
    fn free_bytes(&self) -> std::io::Result<u64>;
}

/// Asks the file system of a directory (`statvfs`).
#[derive(Debug)]
pub struct FileSystemSpace {
    directory: PathBuf,
}

/// Whether new messages are taken, as last polled.
#[derive(Clone)]
pub struct Watermark {
    probe: Arc<dyn SpaceProbe>,
    min_bytes: u64,
    low: Arc<AtomicBool>,
}

impl FileSystemSpace {
    /// Of the file system that holds `directory`.
    pub fn of(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }
}

impl SpaceProbe for FileSystemSpace {
    fn free_bytes(&self) -> std::io::Result<u64> {
        let stat = rustix::fs::statvfs(&self.directory)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
}

impl Watermark {
    /// Polls `probe` at once and then whenever [`Watermark::poll`] is called.
    pub fn new(probe: Arc<dyn SpaceProbe>, min_bytes: u64) -> Self {
        let watermark = Self { probe, min_bytes, low: Arc::default() };
        watermark.poll();
        watermark
    }

    /// Whether space is too short for new messages.
    pub fn is_low(&self) -> bool {
        self.low.load(Ordering::Relaxed)
    }

    /// Bytes free now; 0 where that cannot be known.
    pub fn free_bytes(&self) -> u64 {
        self.probe.free_bytes().unwrap_or(0)
    }

    /// Asks the probe. What cannot be asked counts as low: a relay that does not know refuses
    /// rather than accepts what it may not be able to keep.
    pub fn poll(&self) {
        let free_bytes = self.free_bytes();
        let low = free_bytes < self.min_bytes;
        if self.low.swap(low, Ordering::Relaxed) == low {
            return;
        }
        let min_bytes = self.min_bytes;
        match low {
            true => tracing::warn!(
                free_bytes,
                min_bytes,
                "disk space is short: new messages are refused until some is freed"
            ),
            false => {
                tracing::info!(free_bytes, min_bytes, "disk space is back: new messages are taken")
            }
        }
    }
}

impl core::fmt::Debug for Watermark {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { probe: _, min_bytes, low } = self;
        f.debug_struct("Watermark").field("min_bytes", min_bytes).field("low", low).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    struct Free(AtomicU64);

    impl SpaceProbe for Free {
        fn free_bytes(&self) -> std::io::Result<u64> {
            match self.0.load(Ordering::Relaxed) {
                0 => Err(std::io::Error::other("gone")),
                free => Ok(free),
            }
        }
    }

    #[test]
    fn the_watermark_follows_the_probe_both_ways_and_fails_closed() {
        let free = Arc::new(Free(AtomicU64::new(100)));
        let watermark = Watermark::new(free.clone(), 100);
        for (bytes, low) in [(100, false), (99, true), (100, false), (0, true), (101, false)] {
            free.0.store(bytes, Ordering::Relaxed);
            watermark.poll();
            assert_eq!(watermark.is_low(), low, "{bytes}");
        }
    }

    #[test]
    fn a_real_file_system_has_some_space() {
        let directory = tempfile::tempdir().unwrap();
        assert!(0 < FileSystemSpace::of(directory.path()).free_bytes().unwrap());
    }
}
