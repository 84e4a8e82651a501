//! docs/data.md lists every table and column, in the order in which they are written.

use super::*;
use crate::ledger::{AccountRow, EntriesRow, FreeRow, PendingRow, ReferenceRow, TileRow};
use crate::store::Table;

/// What a table's rows have: names, and how long all of them are together where they are sealed.
struct Columns(&'static [&'static str], Option<usize>);

/// A field that is added, taken away or renamed does not compile until it is here.
macro_rules! sealed {
    ($row:ident { $($column:ident),+ }) => {{
        fn _every_one($row { $($column: _),+ }: &$row) {}
        Columns(&[$(stringify!($column)),+], Some(<$row as Sealed>::BYTES))
    }};
    ($row:ident($column:ident)) => {{
        fn _every_one($row(_): &$row) {}
        Columns(&[stringify!($column)], Some(<$row as Sealed>::BYTES))
    }};
}

fn columns(table: Table) -> Columns {
    match table {
        Table::Meta => sealed!(SweptRow { expire, forget, settled, pass, dues_from, generation }),
        Table::Queues => sealed!(QueueRow {
            kind,
            epoch,
            free_until,
            window_days,
            used,
            unanswered,
            last,
            acknowledged,
            envelopes,
            bytes
        }),
        Table::Envelopes => Columns(&["envelope"], None),
        Table::Origins => {
            sealed!(OriginRow { submission, expires, class, origin, charge, offered })
        }
        Table::Expiries | Table::Forgets | Table::Reports | Table::Revocations => {
            Columns(&[], None)
        }
        Table::Submissions => sealed!(SubmissionRow {
            digest,
            to_person,
            reason,
            free_until,
            accepted,
            expires,
            fate,
            ended,
            charge
        }),
        Table::Certificates => sealed!(CertificateRow { certificate }),
        Table::Prekeys => sealed!(PrekeysRow { signed, kem, highest, one_time }),
        Table::OneTimePrekeys => sealed!(OneTimeRow(prekey)),
        Table::Profiles => sealed!(ProfileRow { issued, profile }),
        Table::Standings => sealed!(StandingRow { reputation, counts }),
        Table::Accounts => sealed!(AccountRow {
            account,
            generation,
            currency,
            credit,
            paid,
            owed,
            reserved,
            periods,
            tree
        }),
        Table::Entries => sealed!(EntriesRow(entries)),
        Table::Tiles => sealed!(TileRow(hash)),
        Table::Pending => sealed!(PendingRow { account, day, charges, unasked }),
        Table::Free => sealed!(FreeRow { count }),
        Table::References => sealed!(ReferenceRow { entry }),
    }
}

/// The rows of a table of the page: table, column, bytes.
fn documented() -> Vec<(&'static str, &'static str, &'static str)> {
    let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/data.md"));
    let row = |line: &'static str| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        match cells[..] {
            ["", table, column, bytes, says, kept, ""] if table.starts_with('`') => {
                assert!(!says.is_empty() && !kept.is_empty(), "{line}");
                Some((table.trim_matches('`'), column.trim_matches('`'), bytes))
            }
            _ => None,
        }
    };
    page.lines().filter_map(row).collect()
}

#[test]
fn the_documentation_states_every_column_of_every_table() {
    let mut rows = documented().into_iter();
    for table in Table::ALL {
        let Columns(names, sealed) = columns(*table);
        let mut bytes = 0;
        for column in [&["key"], names].concat() {
            let (of, said, length) = rows.next().unwrap_or_default();
            assert_eq!((of, said), (table.name(), column), "Remedy: correct docs/data.md.");
            bytes += length.parse().unwrap_or(0) * usize::from(column != "key");
        }
        let told = sealed.map(|_| bytes);
        assert_eq!(told, sealed, "bytes of `{}`. Remedy: correct docs/data.md.", table.name());
    }
    assert_eq!(rows.next(), None, "docs/data.md states a column that no table has");
}
