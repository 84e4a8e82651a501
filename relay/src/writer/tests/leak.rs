//! The bytes of a store say nothing about people (design: the metadata budget).

use crate::request::Request;
use crate::store::Table;
use crate::writer::fixture::{World, acknowledge, bank, person};

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn no_row_shows_an_address_an_id_or_an_account_beside_a_message() {
    let (mut world, disk) = World::new();
    world.certify_bank();
    world.call(Request::Open { address: person(1) }).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let mut ids = Vec::new();
    for n in 1..=4 {
        ids.push(world.id(n));
        let request = world.to_mailbox(n, person(1), &ticket);
        world.call(request).unwrap();
    }
    world.call(acknowledge(person(1), 2, &[1])).unwrap();
    let request = world.to_inbox(5);
    world.call(request).unwrap();
    let hour = world.now().hour().0.to_be_bytes();
    let bucket_hours = [hour, (world.now().hour().0 + 720).to_be_bytes()];
    let rows = disk.rows();
    assert!(20 < rows.len());
    for (table, key, value) in rows {
        let both = [key.as_slice(), &value].concat();
        assert!(!contains(&both, person(1).as_bytes()), "{table:?} shows an address");
        assert!(!contains(&both, &ticket.as_bytes()[72..88]), "{table:?} shows a ticket id");
        for id in &ids {
            assert!(!contains(&both, &id.as_bytes()[..]), "{table:?} shows a submit_id");
        }
        assert!(!contains(&both, bank().account.as_bytes()), "{table:?} shows an account");
        assert!(!contains(&both, bank().inbox.as_bytes()), "{table:?} shows an inbox");
        for hour in bucket_hours {
            assert!(!contains(&key, &hour), "{table:?} shows an hour in its key");
        }
    }
}

#[test]
fn every_sealed_table_has_values_of_one_length() {
    let (mut world, disk) = World::new();
    world.certify_bank();
    world.call(Request::Open { address: person(1) }).unwrap();
    let ticket = world.mint(person(1), 9, true);
    let to_person = world.to_mailbox(1, person(1), &ticket);
    let to_bank = world.to_inbox(2);
    world.call(to_person).unwrap();
    world.call(to_bank).unwrap();
    for table in [Table::Queues, Table::Origins, Table::Submissions] {
        let rows = disk.rows();
        let mut lengths: Vec<usize> =
            rows.iter().filter(|row| row.0 == table).map(|row| row.2.len()).collect();
        assert_eq!(lengths.len(), 2);
        lengths.dedup();
        assert_eq!(lengths.len(), 1, "{table:?}");
    }
}
