//! The tables of the state. Numbers are never reused.

/// What kind of row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Table {
    /// Numbers that only rise, one for each table that counts.
    Counter = 1,
    /// The owner's own keys; one row.
    Identity = 2,
    /// Events the application has not handled, oldest first.
    Event = 3,
    /// Messages on their way out, oldest first.
    Outgoing = 4,
    /// Content ids received, so that a repeat is not shown.
    Seen = 5,
    /// Envelopes that were dealt with but whose acknowledgement is not confirmed, by commitment.
    Handled = 6,
    /// What a report of a received message needs, kept 30 days, by content id.
    Franking = 7,
    /// A person's conversations.
    Conversation = 8,
    /// A person's sessions, by conversation; a business's, by session id.
    Session = 9,
    /// Tickets a person's device minted and did not revoke, by ticket id.
    Ticket = 10,
    /// A business's customers.
    Customer = 11,
    /// A business's customers by identity key and address.
    CustomerIndex = 12,
    /// A business's signed prekeys of both kinds, by id.
    SignedPrekey = 13,
    /// A business's one-time prekeys, by id.
    OneTimePrekey = 14,
    /// Handshakes a business has seen.
    Replay = 15,
    /// What a person's conversations said, by conversation and place.
    History = 16,
    /// A business's own profile; what a person's device holds of others', by conversation.
    Profile = 17,
    /// The backup a business was restored from; one row.
    Restored = 18,
    /// The hour in which a business last ran; one row.
    Written = 19,
    /// The relay's ledger keys, the last head a business saw and which lines it keeps; one row.
    Ledger = 20,
    /// A business's receipts, by the entry's number.
    Receipt = 21,
    /// The relay's rate card as a business keeps it; one row.
    RateCard = 22,
    /// What a business read of its ledger, page by page, by the first entry's number.
    Line = 23,
    /// How the relay last said that a business stands; one row.
    Standing = 24,
}

/// How a row is named.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Name<'a> {
    /// By a number: the file shows it, and the table keeps its order.
    Number(u64),
    /// By two numbers, the second counting within the first: the file shows both.
    Within(u64, u64),
    /// By bytes that the file must not show: a keyed hash stands for them.
    Hidden(&'a [u8]),
}

impl Name<'_> {
    /// The only row of a table.
    pub(crate) const ONLY: Self = Name::Number(0);
}

impl Table {
    /// Its name in errors.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Identity => "identity",
            Self::Event => "event",
            Self::Outgoing => "outgoing",
            Self::Seen => "seen",
            Self::Handled => "handled",
            Self::Franking => "franking",
            Self::Conversation => "conversation",
            Self::Session => "session",
            Self::Ticket => "ticket",
            Self::Customer => "customer",
            Self::CustomerIndex => "customer index",
            Self::SignedPrekey => "signed prekey",
            Self::OneTimePrekey => "one-time prekey",
            Self::Replay => "replay",
            Self::History => "history",
            Self::Profile => "profile",
            Self::Restored => "restored",
            Self::Written => "written",
            Self::Ledger => "ledger",
            Self::Receipt => "receipt",
            Self::RateCard => "rate card",
            Self::Line => "line",
            Self::Standing => "standing",
        }
    }
}
