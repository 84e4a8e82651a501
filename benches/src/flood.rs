//! One who asks for far more than is allowed, from a network of his own.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use plico_protocol::envelope::{EnvelopeBytes, SizeClass};
use plico_protocol::frame::{ClientFrame, Consent, Frame as _, RelayFrame, Submission};
use plico_protocol::id::{SubmitId, TicketOpening};
use plico_protocol::limits::TICKET_BYTES;
use plico_protocol::link::RelayLink;
use plico_protocol::pricing::Millionths;
use plico_protocol::prove::Proof;
use plico_protocol::signature::MailboxSecret;
use plico_protocol::ticket::{Categories, Category, Terms, Ticket, ticket_commitment};
use plico_protocol::time::Minute;
use plico_relay::policy::throttle::Rule;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::Serialize;

use crate::failure::Failure;
use crate::pair::{Bank, random};
use crate::relay::hour;
use crate::report::real;
use crate::wire::{self, Answers, Asking, Dialer};

/// Which allowance is exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Abuse {
    /// 2 KiB submissions of an account, under a ticket that nobody minted.
    Account,
    /// 2 KiB submissions of a network to an inbox.
    Inbox,
    /// 64 KiB submissions of an account.
    AccountLarge,
    /// Mailboxes that a network opens.
    Open,
    /// Tickets that a network has minted; no rule counts them but that of frames.
    Mint,
    /// Bundles that a network fetches; refused as frames, because their own rule refuses nothing.
    Bundle,
}

/// A connection that asks for one thing again and again.
#[derive(Debug)]
pub(crate) struct Flood {
    _connection: quinn::Connection,
    rule: Rule,
    stream: (Asking, Answers),
    frame: Vec<u8>,
}

/// What was answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flooded {
    /// Within the allowance.
    pub(crate) served: u64,
    /// By the rule that is measured.
    pub(crate) refused: u64,
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Amount {
    /// So many a second, until told to stop.
    Rate(u32),
    /// Until so many were refused.
    Refused(u64),
}

/// A flood on a thread of its own, on one core.
#[derive(Debug)]
pub(crate) struct Flooding {
    began: Instant,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Result<Flooded, Failure>>,
}

impl Flood {
    /// Connects, and proves what has to be proven for what it asks.
    pub(crate) async fn connect(
        link: &RelayLink,
        bank: &Bank,
        abuse: Abuse,
    ) -> Result<Self, Failure> {
        let dialer = Dialer::from(link, Some(ABUSER)).await?;
        let connection = dialer.connect().await?;
        let exporter = wire::exporter(&connection)?;
        let mut stream = wire::stream(&connection).await?;
        let frame = match abuse {
            Abuse::Account | Abuse::AccountLarge => {
                wire::prove(&mut stream, Proof::account(bank.account(), &exporter)).await?;
                submission(bank, abuse.class(), Some(consent()))
            }
            Abuse::Inbox => submission(bank, abuse.class(), None),
            Abuse::Open | Abuse::Mint => {
                let mailbox = MailboxSecret::from_seed(&random()?);
                wire::prove(&mut stream, Proof::mailbox(&mailbox, &exporter)).await?;
                let address = mailbox.public();
                let opened = |answer: &RelayFrame| matches!(answer, RelayFrame::Opened);
                wire::ask(&mut stream, &ClientFrame::Open { address }, opened).await?;
                let mint = ClientFrame::Mint { address, terms: terms(bank), window: false };
                if abuse == Abuse::Mint { mint } else { ClientFrame::Open { address } }
            }
            Abuse::Bundle => ClientFrame::FetchBundle { account: bank.account().public() },
        };
        Ok(Self { _connection: connection, rule: abuse.rule(), stream, frame: frame.to_bytes() })
    }

    /// Asks, and counts the answers.
    pub(crate) async fn run(self, amount: Amount, stop: &AtomicBool) -> Result<Flooded, Failure> {
        let Self { _connection, rule, stream: (mut asking, mut answers), frame } = self;
        match amount {
            Amount::Rate(per_second) => {
                let asking = at_a_rate(asking, &frame, per_second, stop);
                let answered = async {
                    let mut flooded = Flooded::default();
                    while let Some(answer) = answers.next().await? {
                        flooded.count(&answer, rule)?;
                    }
                    Ok(flooded)
                };
                let ((), flooded) = tokio::try_join!(asking, answered)?;
                Ok(flooded)
            }
            Amount::Refused(wanted) => {
                let mut flooded = Flooded::default();
                while flooded.refused < wanted {
                    // As many as are sure to be wanted, so that two runs differ by nothing else.
                    let together = TOGETHER.min(wanted - flooded.refused);
                    asking.send(repeated(&frame, together)).await?;
                    for _ in 0..together {
                        let Some(answer) = answers.next().await? else { break };
                        flooded.count(&answer, rule)?;
                    }
                }
                Ok(flooded)
            }
        }
    }
}

impl Flooded {
    /// What another rule refuses would be measured as if this one had.
    fn count(&mut self, answer: &RelayFrame, rule: Rule) -> Result<(), Failure> {
        let refusal = if let RelayFrame::Refused(refusal) = answer { refusal.rule() } else { None };
        match refusal {
            None => self.served += 1,
            Some(name) if name == rule.name() => self.refused += 1,
            Some(other) => {
                let wrong = format!("`{other}` refused what `{}` is to refuse", rule.name());
                return Err(Failure::Wrong(wrong));
            }
        }
        Ok(())
    }
}

impl Flooding {
    /// Begins on the machine's last core.
    pub(crate) fn start(
        link: RelayLink,
        bank: Bank,
        abuse: Abuse,
        rate: u32,
    ) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let run = move || {
            let mut core = CpuSet::new();
            core.set(std::thread::available_parallelism().map_or(1, usize::from) - 1);
            sched_setaffinity(None, &core)
                .map_err(|error| Failure::system("a core for the flood")(error.into()))?;
            // Of this thread alone, so that all of the flood is on that core.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(Failure::system("a tokio runtime"))?.block_on(async {
                let flood = Flood::connect(&link, &bank, abuse).await?;
                flood.run(Amount::Rate(rate), &told).await
            })
        };
        let thread = std::thread::Builder::new().name("flood".to_owned()).spawn(run);
        let began = Instant::now();
        Ok(Self { began, stop, thread: thread.map_err(Failure::system("a thread"))? })
    }

    /// Ends it; gives how many were refused in a second.
    pub(crate) fn stop(self) -> Result<f64, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.began.elapsed().as_secs_f64();
        let ended = self.thread.join();
        let panicked = |_| Err(Failure::Application("the flood panicked".to_owned()));
        Ok(real(ended.unwrap_or_else(panicked)?.refused) / seconds)
    }
}

impl Abuse {
    /// What is to refuse it.
    pub(crate) fn rule(self) -> Rule {
        match self {
            Self::Account | Self::AccountLarge => Rule::AccountSubmissions,
            Self::Inbox => Rule::Submissions,
            Self::Open => Rule::MailboxesOpened,
            Self::Mint | Self::Bundle => Rule::Frames,
        }
    }

    fn class(self) -> SizeClass {
        if self == Self::AccountLarge { SizeClass::Huge } else { SizeClass::Small }
    }
}

/// Sends what is due every millisecond. Where the relay takes less, so much less is sent.
async fn at_a_rate(
    mut asking: Asking,
    frame: &[u8],
    per_second: u32,
    stop: &AtomicBool,
) -> Result<(), Failure> {
    let (began, mut sent) = (Instant::now(), 0);
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let elapsed_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let due = elapsed_us.saturating_mul(u64::from(per_second)) / 1_000_000;
        let together = due.saturating_sub(sent).min(TOGETHER);
        if 0 < together {
            asking.send(repeated(frame, together)).await?;
        }
        // What could not be sent in time is not made up for: the rate is a cap.
        sent = due;
    }
    asking.finish();
    Ok(())
}

fn repeated(frame: &[u8], times: u64) -> Vec<u8> {
    frame.repeat(usize::try_from(times).unwrap_or_default())
}

/// The same each time: what is refused is not looked at closely.
fn submission(bank: &Bank, class: SizeClass, consent: Option<Consent>) -> ClientFrame {
    let id = SubmitId::compose(hour(), [7; 12]);
    let envelope = EnvelopeBytes(vec![7; class.bytes()].into());
    ClientFrame::Submit(Box::new(Submission { id, to: bank.inbox(), consent, envelope }))
}

/// Under a ticket that nobody minted: within the allowance it is found to be forged.
fn consent() -> Consent {
    Consent {
        ticket: Ticket::from_bytes([1; TICKET_BYTES]),
        opening: TicketOpening::new([7; 32]),
        category: Category::Service,
        price_max: Millionths::ZERO,
    }
}

fn terms(bank: &Bank) -> Terms {
    Terms {
        categories: Categories::ALL,
        messages_max: 1,
        valid_until: Minute(60 * (hour().0 + 24)),
        commitment: ticket_commitment(&bank.account().public(), &TicketOpening::new([7; 32])),
    }
}

/// A loopback address in another /24 than everybody else's.
const ABUSER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 66, 0, 1));
/// Frames of one write at most.
const TOGETHER: u64 = 64;
