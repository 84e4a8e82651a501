//! A round in which somebody asks for far more than is allowed, beside a pair that keeps to what is.
//!
//! The pair first has the relay for itself, then beside the flood, on the same relay: what the flood
//! costs is the difference.

use clap::ValueEnum as _;

use crate::failure::Failure;
use crate::flood::{Abuse, Amount, Flood, Flooded, Flooding};
use crate::frames::{self, Load};
use crate::pair::Bank;
use crate::relay::Relay;
use crate::report::AbuseRound;
use crate::tally::Watch;

/// How much of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    /// What is asked.
    pub(crate) abuse: Abuse,
    /// How often, at most.
    pub(crate) per_second: u32,
}

/// Runs one round.
pub(crate) async fn round(
    relay: &Relay,
    pair: &Bank,
    flow: Flow,
    (load, number): (Load, usize),
    watch: Watch,
) -> Result<AbuseRound, Failure> {
    let banks = core::slice::from_ref(pair);
    let calm = frames::round(relay, banks, load, watch).await?;
    let abuser = Bank::certified(relay, number)?;
    let flooding = Flooding::start(relay.link().clone(), abuser, flow.abuse, flow.per_second)?;
    let abused = frames::round(relay, banks, load, watch).await;
    let refused_per_second = flooding.stop()?;
    Ok(AbuseRound { calm, abused: abused?, refused_per_second })
}

/// Has exactly `refused` requests refused, for tools that count what the relay does meanwhile.
pub(crate) async fn count(relay: &Relay, abuse: Abuse, refused: u64) -> Result<Flooded, Failure> {
    let abuser = Bank::certified(relay, 0)?;
    let flood = Flood::connect(relay.link(), &abuser, abuse).await?;
    flood.run(Amount::Refused(refused), &Default::default()).await
}

/// As it is called on the command line.
pub(crate) fn name(abuse: Abuse) -> String {
    abuse.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}
