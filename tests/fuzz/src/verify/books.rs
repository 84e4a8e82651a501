//! A relay that holds its own key signs whatever books it likes. The business has the receipts it was
//! given, and perhaps the last head and what it read up to there: what it believes must charge it as they
//! say, each message once, and lack nothing that the head counts.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use plico_protocol::id::{AccountKey, SubmitId};
use plico_protocol::ledger::{
    Amount, Books, Entry, EntryKind, EntryReason, EntrySequence, Frontier, Generation, Head,
    HeadBody, Kept, LedgerKeyBody, Message, Period, Proof, Rate, Receipt, Statement, Subtree,
    TreeHash, VerifiedHead, VerifiedLedgerKey, totals, verify,
};
use plico_protocol::pricing::{Currency, Millionths};
use plico_protocol::signature::{AuthoritySecret, LedgerSecret};
use plico_protocol::ticket::{Category, Zone};
use plico_protocol::time::Hour;

use crate::input::Input;

static RELAY: LazyLock<Relay> = LazyLock::new(|| {
    let secret = LedgerSecret::from_seed(&[1; 32]);
    let body = LedgerKeyBody { key: secret.public(), valid_from: DAY, valid_to: DAY.plus(9_000) };
    Relay { key: body.sign(&AuthoritySecret::from_seed(&[2; 32])).unwrap(), secret }
});

struct Relay {
    secret: LedgerSecret,
    key: VerifiedLedgerKey,
}

/// Honest entries first, each two bytes, until a zero; then how they are changed.
pub(super) fn rewrite(input: &mut Input<'_>) {
    let options = input.u8().unwrap_or_default();
    let knows_head = options & 1 == 1;
    let honest = entries(input);
    let mut known = books(&honest, knows_head);
    if options & 2 == 2 {
        known.read.clone_from(&honest);
    }
    assert!(verify(&statement(&honest), &known).is_ok(), "honest, and not believed");
    let mut told = honest.clone();
    while let Some(change) = input.array() {
        rewritten(&mut told, change);
    }
    // Entries that no reader takes cannot be told.
    let readable = told.iter().all(readable);
    if !readable || told == honest {
        return;
    }
    let Ok(_) = totals(&told, ALWAYS) else { return };
    if verify(&statement(&told), &known).is_ok() {
        believed(&honest, &told, knows_head);
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let honest = [1, 7, 1, 200, 2, 0, 4, 9, 1, 30, 3, 1, 2, 2, 0];
    let changes: [[u8; 3]; 9] = [
        [0, 1, 0],
        [1, 2, 0],
        [2, 0, 1],
        [3, 1, 5],
        [4, 0, 3],
        [5, 2, 1],
        [6, 3, 0],
        [7, 0, 0],
        [8, 2, 9],
    ];
    let of = |options: u8| {
        changes.map(|change| [&[options], honest.as_slice(), change.as_slice()].concat())
    };
    [1, 0, 3].into_iter().flat_map(of).collect()
}

fn entries(input: &mut Input<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut open: Vec<Entry> = Vec::new();
    while entries.len() < ENTRIES_MAX
        && let Some([what, value]) = input.array()
        && 0 < what
    {
        let sequence = EntrySequence(entries.len() as u64);
        let entry = match (what % 4, usize::from(value).checked_rem(open.len())) {
            (2, Some(at)) => ended(sequence, &open.remove(at), EntryKind::Settle),
            (3, Some(at)) => ended(sequence, &open.remove(at), EntryKind::Release),
            (0, _) => paid(sequence, value),
            _ => {
                let entry = accepted(sequence, value);
                open.push(entry);
                entry
            }
        };
        entries.push(entry);
    }
    entries
}

fn amount(value: u8) -> Amount {
    let currency = Currency::new(*b"EUR").unwrap();
    Amount { millionths: Millionths(u64::from(value) * 10_000), currency }
}

fn accepted(sequence: EntrySequence, value: u8) -> Entry {
    let submission = SubmitId::compose(DAY, [sequence.0 as u8; 12]);
    let rate = Rate { category: Category::Utility, zone: Zone::new(*b"FR").unwrap() };
    Entry {
        sequence,
        hour: DAY,
        kind: EntryKind::Accept,
        reason: EntryReason::OutsideWindow,
        message: Some(Message { submission, accept: sequence, rate }),
        generation: Generation(0),
        amount: amount(value),
    }
}

fn ended(sequence: EntrySequence, accept: &Entry, kind: EntryKind) -> Entry {
    let settled = kind == EntryKind::Settle;
    let reason = if settled { EntryReason::Opened } else { EntryReason::NotOffered };
    Entry { sequence, kind, reason, ..*accept }
}

fn paid(sequence: EntrySequence, value: u8) -> Entry {
    let (kind, reason) = (EntryKind::Payment, EntryReason::Itself);
    Entry { kind, reason, message: None, ..accepted(sequence, value) }
}

/// The head of the first so many entries, and what joins an entry to it.
fn head(entries: &[Entry]) -> VerifiedHead {
    let mut tree = Frontier::default();
    entries.iter().for_each(|entry| tree.push(entry.hash(), |_, _| ()));
    let body = HeadBody {
        account: ACCOUNT,
        generation: Generation(0),
        size: tree.size(),
        root: tree.root(),
        hour: DAY,
    };
    body.sign(&RELAY.secret)
}

fn subtree(entries: &[Entry], tree: Subtree) -> TreeHash {
    match tree.halves() {
        None => entries[usize::try_from(tree.index).unwrap()].hash(),
        Some((left, right)) => TreeHash::node(&subtree(entries, left), &subtree(entries, right)),
    }
}

fn receipt(entries: &[Entry], place: usize) -> Receipt {
    // In a commit with the one after it, where there is one.
    let size = entries.len().min(place + 2);
    let found = |tree| Ok::<_, ()>(subtree(entries, tree));
    let path = Proof::inclusion(place as u64, size as u64, found).unwrap().unwrap();
    let head: Head = *head(&entries[..size]).head();
    let receipt = Receipt { entry: entries[place], path, head };
    assert!(receipt.verify(&ACCOUNT, &RELAY.key).is_ok(), "an honest receipt");
    receipt
}

fn books(entries: &[Entry], knows_head: bool) -> Books {
    let accepts = (0..entries.len()).filter(|place| entries[*place].kind == EntryKind::Accept);
    let kept = accepts.map(|place| {
        let receipt = receipt(entries, place);
        (receipt.entry.sequence, Kept { receipt, ended: None })
    });
    Books {
        account: ACCOUNT,
        keys: vec![RELAY.key],
        receipts: kept.collect(),
        head: knows_head.then(|| head(entries)),
        read: Vec::new(),
    }
}

fn statement(entries: &[Entry]) -> Statement {
    Statement {
        period: ALWAYS,
        opening: Frontier::default(),
        entries: entries.to_vec(),
        totals: totals(entries, ALWAYS).unwrap(),
        head: *head(entries).head(),
        link: Proof::default(),
    }
}

/// One lie.
fn rewritten(told: &mut Vec<Entry>, [lie, place, value]: [u8; 3]) {
    let Some(at) = usize::from(place).checked_rem(told.len()) else { return };
    let other = usize::from(value) % told.len();
    match lie % 10 {
        0 => drop(told.remove(at)),
        1 => told.insert(other, told[at]),
        2 => told.swap(at, other),
        3 => told[at].amount = amount(value),
        4 => {
            let rate = told[at].message.as_mut().map(|message| &mut message.rate);
            let category = Category::ALL[usize::from(value) % Category::ALL.len()];
            rate.into_iter().for_each(|rate| rate.category = category);
        }
        5 => {
            let to = EntrySequence(u64::from(value));
            told[at].message.iter_mut().for_each(|message| message.accept = to);
        }
        6 => told[at].kind = EntryKind::ALL[usize::from(value) % EntryKind::ALL.len()],
        7 => told[at].reason = EntryReason::ALL[usize::from(value) % EntryReason::ALL.len()],
        8 => told.push(paid(EntrySequence(told.len() as u64), value)),
        _ => told[at].hour = DAY.plus(u32::from(value)),
    }
    for (sequence, entry) in (0..).map(EntrySequence).zip(told) {
        entry.sequence = sequence;
        if entry.kind == EntryKind::Accept {
            entry.message.iter_mut().for_each(|message| message.accept = sequence);
        }
    }
}

fn readable(entry: &Entry) -> bool {
    use plico_protocol::wire::Wire;
    Entry::decode(entry.encode()).as_ref() == Ok(entry)
}

/// What a business that believes must not have been deceived in.
fn believed(honest: &[Entry], told: &[Entry], knows_head: bool) {
    if knows_head {
        assert!(told.starts_with(honest), "less than the last head counts, or something else");
    }
    let accepts = |entries: &[Entry]| -> Vec<Entry> {
        entries.iter().filter(|entry| entry.kind == EntryKind::Accept).copied().collect()
    };
    assert_eq!(accepts(honest), accepts(told), "a message that was not charged so");
    let mut ends = BTreeMap::new();
    for entry in told {
        if let (EntryKind::Settle | EntryKind::Release, Some(message)) = (entry.kind, entry.message)
        {
            let accept = &told[usize::try_from(message.accept.0).unwrap()];
            let same = accept.message.map(|of| (of.submission, of.rate));
            assert_eq!(same, Some((message.submission, message.rate)));
            assert_eq!(accept.amount, entry.amount, "another amount than was agreed");
            assert_eq!(ends.insert(message.accept, ()), None, "charged twice");
        }
    }
}

const ACCOUNT: AccountKey = AccountKey::new([3; 32]);
/// The first hour of a UTC day.
const DAY: Hour = Hour(24 * 20_000);
const ALWAYS: Period = Period { from: DAY, to: Hour(DAY.0 + 9_000) };
const ENTRIES_MAX: usize = 24;
