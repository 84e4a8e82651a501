//! One thing that somebody does: four bytes say what, who, and with what.

use bytes::Bytes;
use plico_protocol::certificate::Serial;
use plico_protocol::envelope::{EnvelopeBytes, SizeClass};
use plico_protocol::frame::{
    ClientFrame, Consent, Frame, Header, RelayFrame, Sequence, Submission,
};
use plico_protocol::id::{Address, SubmitId};
use plico_protocol::ledger::{Amount, EntrySequence};
use plico_protocol::limits::FRAME_HEADER_BYTES;
use plico_protocol::mac::MacKey;
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::profile::Profile;
use plico_protocol::report::{Disclosure, Report};
use plico_protocol::ticket::{Categories, Category, Terms};
use plico_protocol::time::Minute;
use plico_relay::request::Request;

use super::audit::{self, slot_of_person, slot_of_shop};
use super::parties::{OPENING, PARTIES, PEOPLE, SHOPS};
use super::world::{Life, SLOTS};
use crate::input::Input;
use crate::vectors;

/// Takes a step; whether the relay crashes.
pub(super) async fn take(
    life: &mut Life<'_>,
    [what, who, x, y]: [u8; 4],
    input: &mut Input<'_>,
) -> bool {
    let which = usize::from(who);
    match what % 32 {
        20 => subscribe(life, which, x & 1 == 1).await,
        21 => acknowledge(life, which, x, y).await,
        22 => {
            life.clients[which % SLOTS] = None;
            tokio::time::sleep(A_MOMENT).await;
        }
        23 => pass(life, x, y).await,
        24 => life.sweep().await,
        25 => pay(life, which, x, y).await,
        26 => return true,
        27 => {
            life.disk.set_full(x & 1 == 1);
            tokio::time::sleep(A_MOMENT).await;
        }
        28 => life.change = Some([who, x, y]),
        29 => {
            send(life, which % SLOTS, input.take(usize::from(x) + 256 * usize::from(y)).to_vec())
                .await
        }
        30 => certificates(life, which, x, y).await,
        31 => drop(audit::ledger(life, which).await),
        _ => {
            if let Some((slot, frame)) = frame(life, [what % 32, who, x, y]) {
                let natural = slot;
                // Now and then on a connection that may not ask this.
                let slot = if what & 0xc0 == 0xc0 { which % SLOTS } else { natural };
                speak(life, slot, frame, what & 0x20 != 0).await;
            }
        }
    }
    false
}

/// A request, and who would ask it.
fn frame(life: &mut Life<'_>, [what, who, x, y]: [u8; 4]) -> Option<(usize, ClientFrame)> {
    let which = usize::from(who);
    let (person, shop) = (slot_of_person(which), slot_of_shop(which));
    let address = PARTIES.person(which).public();
    let account = PARTIES.shop(which).account.public();
    Some(match what {
        0 => (person, ClientFrame::Prove(PARTIES.proof_of_person(which).clone())),
        1 => {
            let proof = PARTIES.proofs_of_shop(which)[usize::from(x & 1)].clone();
            (shop, ClientFrame::Prove(proof))
        }
        2 => (person, ClientFrame::Open { address }),
        3 => (person, ClientFrame::Close { address }),
        4 => (person, ClientFrame::Revoke { address }),
        5 => {
            let terms = terms(life, x, y);
            (person, ClientFrame::Mint { address, terms, window: y & 1 == 1 })
        }
        6 => (person, ClientFrame::ChangeTerms { address, terms: terms(life, x, y) }),
        7 | 8 => (shop, to_mailbox(life, which, x, y)?),
        9 => (0, to_inbox(life, which, y)),
        10 => {
            let at = usize::from(x).checked_rem(life.model.sent.len())?;
            let (slot, mut sent) = life.model.sent[at].clone();
            if y & 1 == 1 {
                sent.to = address;
            }
            (slot, ClientFrame::Submit(Box::new(sent)))
        }
        11 => {
            let sent = usize::from(x).checked_rem(life.model.sent.len());
            let id = sent.map_or(SubmitId::new([y; 16]), |at| life.model.sent[at].1.id);
            (0, ClientFrame::Status { id })
        }
        12 => {
            let first = life.model.published[which % SHOPS];
            life.model.published[which % SHOPS] += u32::from(x % 4);
            let hour = life.now().hour();
            let publication = PARTIES.shop(which).publication(first, u32::from(x % 4), hour);
            (shop, ClientFrame::PublishPrekeys(Box::new(publication)))
        }
        13 => (0, ClientFrame::FetchBundle { account }),
        14 => (person, report(life, x, y)?),
        15 => (0, ClientFrame::LookUp { handle: PARTIES.shop(which).handle.clone() }),
        16 => {
            let issued = Minute(life.now().minute().0.saturating_add(u32::from(y)));
            let profile = Profile { issued, ..Profile::default() };
            let signed = profile.sign(&PARTIES.shop(which).account).ok()?;
            (shop, ClientFrame::PublishProfile(signed.signed().clone()))
        }
        17 => (shop, if x & 1 == 1 { ClientFrame::AskStanding } else { ClientFrame::PrekeyStatus }),
        18 => (shop, ClientFrame::FetchRateCard { at: life.now().minute().plus(u32::from(x)) }),
        _ => match x & 1 {
            0 => (shop, ClientFrame::Head { since: y.into() }),
            _ => (shop, ClientFrame::ReadLedger { from: EntrySequence(y.into()) }),
        },
    })
}

fn terms(life: &Life<'_>, x: u8, y: u8) -> Terms {
    let minutes = if y & 4 == 0 { 300 * 24 * 60 } else { u32::from(y) };
    let categories = match y & 8 {
        0 => Categories::ALL,
        _ => Categories::of(&[Category::Service, Category::Utility]).unwrap(),
    };
    Terms {
        categories,
        messages_max: u16::from(x % 16),
        valid_until: life.now().minute().plus(minutes),
        commitment: PARTIES.shop(usize::from(y >> 1)).commitment(),
    }
}

/// Another envelope each time, of mostly the smallest class.
fn envelope(life: &mut Life<'_>, class: u8) -> EnvelopeBytes {
    let class = SizeClass::ALL[usize::from(class.saturating_sub(12)) % SizeClass::ALL.len()];
    let mut bytes = vec![0; class.bytes()];
    bytes[..4].copy_from_slice(&life.model.count().to_be_bytes());
    EnvelopeBytes(bytes.into())
}

fn id(life: &mut Life<'_>, early: bool) -> SubmitId {
    let [a, b, c, d] = life.model.count().to_be_bytes();
    let hour = life.now().hour().plus(if early { 2 } else { 0 });
    SubmitId::compose(hour, [1, 2, 3, 4, 5, 6, 7, 8, a, b, c, d])
}

fn to_mailbox(life: &mut Life<'_>, which: usize, x: u8, y: u8) -> Option<ClientFrame> {
    let back = usize::from(x).checked_rem(life.model.tickets.len())?;
    let minted = life.model.tickets.iter().rev().nth(back)?;
    let (to, ticket) = (minted.address, minted.ticket);
    let consent = Consent {
        ticket,
        opening: OPENING,
        category: Category::ALL[usize::from(y & 3)],
        price_max: if y & 4 == 0 { Millionths(1_000_000) } else { Millionths(u64::from(y) * 500) },
    };
    let (id, envelope) = (id(life, false), envelope(life, y >> 4));
    let sent = Submission { id, to, consent: Some(consent), envelope };
    life.model.sent.push((slot_of_shop(which), sent.clone()));
    Some(ClientFrame::Submit(Box::new(sent)))
}

fn to_inbox(life: &mut Life<'_>, which: usize, y: u8) -> ClientFrame {
    let to = PARTIES.shop(which).inbox.public();
    let (id, envelope) = (id(life, y & 15 == 15), envelope(life, y >> 4));
    let sent = Submission { id, to, consent: None, envelope };
    life.model.sent.push((0, sent.clone()));
    ClientFrame::Submit(Box::new(sent))
}

fn report(life: &Life<'_>, x: u8, y: u8) -> Option<ClientFrame> {
    let at = usize::from(x).checked_rem(life.model.delivered.len())?;
    let (address, delivery) = &life.model.delivered[at];
    let class = SizeClass::of(delivery.envelope.0.len())?;
    let c2 = delivery.envelope.0.first_chunk()?;
    let padded = Bytes::from(vec![0; class.bytes() - 128]);
    let disclosure = Disclosure { padded, franking_key: MacKey::new([y; 32]) };
    Some(ClientFrame::Report(Box::new(Report {
        address: *address,
        commitment: plico_protocol::id::Commitment::new(*c2),
        class,
        origin: delivery.origin?,
        // No envelope here commits to anything, so that this one must be refused.
        disclosure: (y & 1 == 1).then_some(disclosure),
    })))
}

/// Sends a frame, changed if that was asked for, or keeps it for the next one to follow in one piece.
async fn speak(life: &mut Life<'_>, slot: usize, frame: ClientFrame, hold: bool) {
    let mut bytes = frame.to_bytes();
    if let Some([high, low, value]) = life.change.take() {
        let at = usize::from(u16::from_be_bytes([high, low])) % bytes.len();
        bytes[at] ^= value;
    }
    if let Some((of, before)) = life.held.take() {
        match of == slot {
            true => bytes = [before, bytes].concat(),
            false => send(life, of, before).await,
        }
    }
    match hold {
        true => life.held = Some((slot, bytes)),
        false => send(life, slot, bytes).await,
    }
}

/// Sends bytes on a stream of their own, and compares each frame's answer with the model.
async fn send(life: &mut Life<'_>, slot: usize, bytes: Vec<u8>) {
    let before = life.rows();
    let frames = frames(&bytes);
    let answers = life.client(slot).exchange(bytes).await;
    let subscribes = |frame: &Option<(ClientFrame, Vec<u8>)>| {
        frame.as_ref().is_some_and(|(frame, _)| matches!(frame, ClientFrame::Subscribe { .. }))
    };
    let requests = frames.iter().position(subscribes).unwrap_or(frames.len());
    if requests == frames.len() {
        assert_eq!(answers.len(), frames.len(), "each frame is answered once: {answers:?}");
    } else {
        // Deliveries come in between: whoever subscribes properly checks them. The store is told.
        assert!(requests < answers.len(), "each frame is answered");
        tokio::time::sleep(A_MOMENT).await;
    }
    let refused = |answer: &RelayFrame| matches!(answer, RelayFrame::Refused(_));
    if let Some(before) = before
        && answers.iter().all(refused)
    {
        assert!(before == life.disk.rows(), "a refusal changed something");
    }
    for (frame, answer) in frames.iter().take(requests).zip(&answers) {
        match frame {
            Some((frame, body)) => answered(life, slot, frame, body, answer),
            None => assert!(refused(answer), "what does not decode is refused: {answer:?}"),
        }
    }
}

fn answered(
    life: &mut Life<'_>,
    slot: usize,
    frame: &ClientFrame,
    body: &[u8],
    answer: &RelayFrame,
) {
    let now = life.now();
    let client = life.client(slot);
    client.answered(frame, answer);
    if !matches!(answer, RelayFrame::Refused(_))
        && let Some(address) = owned(frame)
    {
        assert!(client.proved.contains(address.as_bytes()), "a mailbox that was not proven");
    }
    let account = client.account;
    life.model.answered(account, frame, body, answer, now);
}

/// Whose owner alone may ask this.
fn owned(frame: &ClientFrame) -> Option<Address> {
    match frame {
        ClientFrame::Open { address }
        | ClientFrame::Close { address }
        | ClientFrame::Revoke { address }
        | ClientFrame::Mint { address, .. }
        | ClientFrame::ChangeTerms { address, .. } => Some(*address),
        ClientFrame::Report(report) => Some(report.address),
        _ => None,
    }
}

/// The frames in a stream's bytes, up to the one after which nothing is understood; none for one that
/// does not decode.
fn frames(mut bytes: &[u8]) -> Vec<Option<(ClientFrame, Vec<u8>)>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.split_first_chunk::<FRAME_HEADER_BYTES>();
        let read = header.and_then(|(header, rest)| {
            let header = Header::parse::<ClientFrame>(*header).ok()?;
            Some((header, rest.split_at_checked(header.length)?))
        });
        let Some((header, (body, rest))) = read else {
            frames.push(None);
            break;
        };
        let frame = ClientFrame::decode_body(header, body.to_vec().into()).ok();
        frames.push(frame.map(|frame| (frame, body.to_vec())));
        bytes = rest;
    }
    frames
}

async fn subscribe(life: &mut Life<'_>, which: usize, as_shop: bool) {
    let (slot, address) = match as_shop {
        false => (slot_of_person(which), PARTIES.person(which).public()),
        true => (slot_of_shop(which), PARTIES.shop(which).inbox.public()),
    };
    audit::subscribe(life, slot, address).await;
}

async fn acknowledge(life: &mut Life<'_>, which: usize, x: u8, y: u8) {
    let slot = 1 + which % (PEOPLE + SHOPS);
    let Some((_, address)) = life.client(slot).channel else { return };
    let waiting = life.model.waiting(&address);
    let up_to = match waiting.get(usize::from(x)) {
        Some(sequence) => Sequence(*sequence),
        // Beyond what there is.
        None => Sequence(waiting.last().copied().unwrap_or_default() + u64::from(x & 1)),
    };
    let unreadable = if y & 1 == 1 { vec![up_to] } else { Vec::new() };
    audit::acknowledge(life, slot, up_to, unreadable).await;
}

async fn pass(life: &mut Life<'_>, x: u8, y: u8) {
    let minutes = match x % 3 {
        0 => u64::from(y),
        1 => u64::from(y) * 60,
        _ => u64::from(y % 40) * 24 * 60,
    };
    // As long as the ledger key is certified.
    if life.model.passed + minutes < 200 * 24 * 60 {
        life.model.passed += minutes;
        life.pass(minutes).await;
    }
}

async fn pay(life: &mut Life<'_>, which: usize, x: u8, y: u8) {
    let account = PARTIES.shop(which).account.public();
    let currency = Currency::new(if y & 4 == 0 { *b"EUR" } else { *b"USD" }).unwrap();
    let amount = Amount { millionths: Millionths(u64::from(x) * 100_000), currency };
    let request = match y & 3 {
        0 | 1 => {
            let reference = (y & 16 != 0).then(|| format!("transfer {}", y & 32));
            Request::Pay { account, amount, reference, correction: y & 8 != 0 }
        }
        2 => Request::SetCredit { account, credit: Some(amount) },
        _ => Request::SetCredit { account, credit: None },
    };
    let done = life.carry_out(request).await.is_ok();
    if done && y & 3 == 2 {
        life.model.credit_max = life.model.credit_max.max(amount.millionths);
    }
}

async fn certificates(life: &mut Life<'_>, which: usize, x: u8, y: u8) {
    // Refused or not: nothing was promised about it.
    let _ = match x & 1 {
        0 => life.certify(which).await,
        _ => {
            let serial = Serial(life.model.serial(y));
            life.carry_out(Request::RevokeCertificate { serial }).await
        }
    };
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    // Proofs, a mailbox, a ticket with a window, prekeys, a question, an answer, and so on.
    let begin: Vec<[u8; 4]> = vec![
        [0, 0, 0, 0],
        [2, 0, 0, 0],
        [5, 0, 3, 1],
        [1, 0, 0, 0],
        [1, 0, 1, 0],
        [12, 0, 3, 0],
        [13, 0, 0, 0],
        [9, 0, 0, 0],
        [20, 0, 1, 0],
        [21, 3, 0, 0],
        [7, 0, 0, 0],
        [20, 0, 0, 0],
    ];
    let later: Vec<Vec<[u8; 4]>> = vec![
        vec![[21, 0, 0, 0], [7, 0, 0, 1], [7, 0, 0, 2], [31, 0, 0, 0]],
        vec![[23, 0, 2, 2], [7, 0, 0, 1], [22, 1, 0, 0], [24, 0, 0, 0], [31, 0, 0, 0]],
        vec![[25, 0, 200, 0], [23, 0, 1, 30], [7, 0, 0, 1], [26, 0, 0, 0], [10, 0, 1, 0]],
        vec![[27, 0, 1, 0], [7, 0, 0, 0], [27, 0, 0, 0], [10, 0, 1, 0], [11, 0, 0, 0]],
        vec![[28, 0, 9, 1], [7, 0, 0, 0], [10, 0, 0, 1], [6, 0, 2, 0], [7, 0, 1, 0]],
        vec![[23, 0, 1, 25], [7, 0, 0, 1], [20, 0, 0, 0], [14, 0, 1, 0], [14, 0, 1, 1]],
        vec![[4, 0, 0, 0], [7, 0, 0, 0], [3, 0, 0, 0], [2, 0, 0, 0], [5, 0, 9, 0], [7, 0, 0, 0]],
        vec![[30, 0, 1, 0], [9, 0, 0, 0], [30, 0, 0, 0], [9, 0, 0, 0], [15, 0, 0, 0]],
        vec![
            [16, 0, 0, 1],
            [17, 0, 0, 0],
            [17, 0, 1, 0],
            [18, 0, 0, 0],
            [19, 0, 0, 0],
            [19, 0, 1, 0],
        ],
        vec![[0x29, 0, 0, 0], [9, 0, 0, 0], [0x20, 1, 0, 0], [2, 1, 0, 0], [0xc7, 0, 0, 0]],
        vec![[23, 0, 2, 35], [24, 0, 0, 0], [23, 0, 2, 30], [7, 0, 0, 1], [31, 0, 0, 0]],
    ];
    // With credit for everything, for one message, and for nothing.
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for credit in [255, 1, 0] {
        let with = |steps: &Vec<[u8; 4]>| {
            let steps = begin.iter().chain(steps).flatten().copied();
            [0x17, credit].into_iter().chain(steps).collect::<Vec<u8>>()
        };
        seeds.extend(later.iter().map(with));
    }
    seeds.push([&[0x17, 255], [0, 1, 2, 20].as_slice()].concat());
    for frame in vectors::document("frame")["testGroups"].as_array().unwrap() {
        for test in
            frame["tests"].as_array().unwrap().iter().filter(|test| test["result"] == "valid")
        {
            let bytes = vectors::unhex(test["frame"].as_str().unwrap()).unwrap();
            if let Ok(length) = u16::try_from(bytes.len())
                && bytes[0] < 0x41
            {
                let [high, low] = length.to_be_bytes();
                seeds.push([&[0, 0, 29, 6, low, high], bytes.as_slice()].concat());
            }
        }
    }
    seeds
}

/// On the paused clock: longer than it takes to tell the store what was offered.
const A_MOMENT: core::time::Duration = core::time::Duration::from_secs(3);
