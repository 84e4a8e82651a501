//! Which keys a relay checks tickets with.

/// Names a ticket key. A relay numbers its keys in turn, modulo 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TicketKeyId(pub u8);

/// The ticket keys that verify. A ticket of any other answers `ticket_forged`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketKeys {
    /// The first of them.
    pub oldest: TicketKeyId,
    /// The last, which signs.
    pub newest: TicketKeyId,
}

impl TicketKeyId {
    /// The id of the key that comes after this one.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

impl TicketKeys {
    /// Whether a key is among them.
    pub fn contains(self, id: TicketKeyId) -> bool {
        let place = |id: TicketKeyId| id.0.wrapping_sub(self.oldest.0);
        place(id) <= place(self.newest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(oldest: u8, newest: u8, inside: &[u8], outside: &[u8]) {
        let keys = TicketKeys { oldest: TicketKeyId(oldest), newest: TicketKeyId(newest) };
        for id in inside {
            assert!(keys.contains(TicketKeyId(*id)), "{id} in {keys:?}");
        }
        for id in outside {
            assert!(!keys.contains(TicketKeyId(*id)), "{id} not in {keys:?}");
        }
    }

    #[test]
    fn keys_are_counted_in_turn_beyond_255() {
        check(3, 3, &[3], &[2, 4, 255, 0]);
        check(3, 5, &[3, 4, 5], &[2, 6]);
        check(254, 1, &[254, 255, 0, 1], &[253, 2, 100]);
        assert_eq!(TicketKeyId(255).next(), TicketKeyId(0));
    }
}
