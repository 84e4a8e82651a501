//! What is left to settle, a bounded number of lines at a time.

use plico_protocol::ledger::{Amount, EntryReason, EntrySequence, Message as Charged, Rate};
use plico_protocol::pricing::Currency;

use super::*;
use crate::decide::settle::LINES_PER_STEP_MAX;
use crate::ledger::{OUTCOMES_PER_ROW, Outcome, PendingRow, Reserved};

#[test]
fn a_step_of_a_settlement_enters_so_many_lines_and_the_next_goes_on_behind_them() {
    scenario(|desk| {
        let (account, day) = (bank().account, desk.now.day());
        let outcome = |number: u16| {
            let (submission, accept) = (desk_id(number), EntrySequence(u64::from(number)));
            let rate = Rate { category: Category::Utility, zone: Zone::UNKNOWN };
            let amount =
                Amount { millionths: Millionths(1), currency: Currency::new(*b"EUR").unwrap() };
            let of = Reserved { message: Charged { submission, accept, rate }, amount };
            Outcome { of, reason: EntryReason::NotOffered }
        };
        let lines = u16::try_from(LINES_PER_STEP_MAX + 100).unwrap();
        let all: Vec<_> = (0..lines).map(outcome).collect();
        let rows = all.chunks(OUTCOMES_PER_ROW).enumerate().map(|(number, charges)| {
            let row = PendingRow { account, day, charges: charges.to_vec(), unasked: 0 };
            let mut key = [0; 16];
            key[..8].copy_from_slice(&number.to_be_bytes());
            let value = Some(Value::Open(row.encoded().into()));
            RowChange { table: Table::Pending, key: key.to_vec(), value }
        });
        desk.facts.apply(rows.collect());
        desk.pass_hours(24);

        let mut entered = Vec::new();
        loop {
            let (more, decision) = settle(&desk.facts, desk.now, &mut desk.rng);
            let step: Vec<_> = decision.appended.iter().map(|(_, entry)| *entry).collect();
            assert!(step.len() < LINES_PER_STEP_MAX + OUTCOMES_PER_ROW);
            if entered.is_empty() {
                assert!(LINES_PER_STEP_MAX <= step.len());
            }
            entered.extend(step.iter().filter_map(|entry| Some(entry.message?.accept.0)));
            desk.apply(decision.changes, decision.accounts);
            if !more.unwrap() {
                break;
            }
        }
        assert_eq!(entered, (0..u64::from(lines)).collect::<Vec<_>>(), "each once");
    });
}

fn desk_id(number: u16) -> SubmitId {
    let mut random = [0; 12];
    random[..2].copy_from_slice(&number.to_be_bytes());
    SubmitId::compose(Hour(3), random)
}
