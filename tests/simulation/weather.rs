//! What befalls everyone: cut lines, bad lines, full disks, hours and weeks that pass.

use std::sync::Arc;
use std::time::Duration;

use crate::simulation::chance::Chance;
use crate::simulation::history::{End, Fact};
use crate::simulation::medium::Medium;
use crate::simulation::network::Host;
use crate::simulation::world::World;

/// The weather of a world.
pub(crate) struct Weather {
    world: World,
    hosts: Vec<(End, Arc<Host>)>,
    medium: Arc<Medium>,
    chance: Chance,
    /// A month passes at most once: certificates end after three.
    month_passed: bool,
}

impl Weather {
    pub(crate) fn new(world: &World, hosts: Vec<(End, Arc<Host>)>, medium: Arc<Medium>) -> Self {
        let chance = world.chance("weather");
        Self { world: world.clone(), hosts, medium, chance, month_passed: false }
    }

    /// So many things befall them, and then all is well.
    pub(crate) async fn rage(mut self, times: u64) {
        for _ in 0..times {
            tokio::time::sleep(self.chance.millis(BETWEEN_MS)).await;
            match self.chance.within(0..10) {
                0..3 => self.cut().await,
                3..5 => self.worsen(),
                5 => self.fill_disk().await,
                _ => {
                    let hours = self.hours();
                    self.world.clock.jump(hours);
                }
            }
        }
        self.hosts.iter().for_each(|(_, host)| host.lose(0));
    }

    /// One end does not reach the relay for a while.
    async fn cut(&mut self) {
        let (end, host) = self.chance.pick(&self.hosts).clone();
        host.unplug(true);
        self.world.note(Fact::Cut { end, cut: true });
        tokio::time::sleep(self.chance.millis(CUT_MS)).await;
        host.unplug(false);
        self.world.note(Fact::Cut { end, cut: false });
    }

    /// One end loses some of what it sends, or not.
    fn worsen(&mut self) {
        let (_, host) = self.chance.pick(&self.hosts).clone();
        host.lose(*self.chance.pick(&[0, 10, 50, 250]));
    }

    async fn fill_disk(&mut self) {
        self.medium.set_full(true);
        self.world.note(Fact::DiskFull(true));
        tokio::time::sleep(self.chance.millis(FULL_MS)).await;
        self.medium.set_full(false);
        self.world.note(Fact::DiskFull(false));
    }

    fn hours(&mut self) -> Duration {
        let hours = match self.chance.within(0..30) {
            0 if !self.month_passed => {
                self.month_passed = true;
                31 * 24
            }
            0..5 => 25,
            _ => self.chance.within(1..7),
        };
        Duration::from_secs(hours * 3_600)
    }
}

const BETWEEN_MS: std::ops::Range<u64> = 2_000..30_000;
const CUT_MS: std::ops::Range<u64> = 2_000..90_000;
const FULL_MS: std::ops::Range<u64> = 1_000..40_000;
