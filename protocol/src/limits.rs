//! Every number that bounds a peer, with its unit, its reason and the inequalities between them.
//!
//! SPEC.md §3 repeats this table; a test compares the two.

/// ALPN protocol name (RFC 7301).
pub const ALPN: &[u8] = b"plico/1";

/// Bytes of a frame header: `u8 type | u24 length`.
pub const FRAME_HEADER_BYTES: usize = 4;
/// Largest frame body. A 64 KiB envelope with every field that can travel beside it, rounded up.
pub const FRAME_BODY_BYTES_MAX: usize = 68 * 1024;

/// Sizes of an envelope in bytes, smallest first; the class is the index plus one.
pub const SIZE_CLASSES: [usize; 4] = [2 * 1024, 8 * 1024, 32 * 1024, 64 * 1024];

/// Shortest handle of a business, in bytes (ASCII).
pub const HANDLE_BYTES_MIN: usize = 3;
/// Longest handle of a business, in bytes (ASCII).
pub const HANDLE_BYTES_MAX: usize = 32;
/// Longest display name, in bytes of UTF-8.
pub const DISPLAY_NAME_BYTES_MAX: usize = 96;
/// Longest domain name, in bytes (RFC 1035 §2.3.4).
pub const DOMAIN_BYTES_MAX: usize = 253;
/// Longest `ref` of a link, in bytes of UTF-8.
pub const LINK_REFERENCE_BYTES_MAX: usize = 256;
/// Longest certificate body with its signature, in bytes.
pub const CERTIFICATE_BYTES_MAX: usize = 1024;
/// Longest explanation carried by a refusal, in bytes of UTF-8.
pub const REFUSAL_TEXT_BYTES_MAX: usize = 256;

/// One-time prekeys accepted in one frame: 104 bytes each.
pub const ONE_TIME_PREKEYS_PER_FRAME_MAX: usize = 100;
/// One-time prekeys a relay stores for one account.
pub const ONE_TIME_PREKEYS_STORED_MAX: usize = 1_000;
/// At or below this many one-time prekeys the relay sends a `prekeys_low` notice.
pub const ONE_TIME_PREKEYS_LOW: usize = 20;
/// Hours a prekey may be valid at most (30 days).
pub const PREKEY_HOURS_MAX: u32 = 30 * 24;
/// Hours within which a fetched bundle must be used.
pub const BUNDLE_USE_HOURS_MAX: u32 = 24;

/// Hours a certificate is valid at most (90 days).
pub const CERTIFICATE_HOURS_MAX: u32 = 90 * 24;
/// Hours after which a client looks a certificate up again.
pub const CERTIFICATE_RECHECK_HOURS: u32 = 24;

/// Hours a ledger key is valid at most (400 days).
pub const LEDGER_KEY_HOURS_MAX: u32 = 400 * 24;

/// Entries of a ledger in one frame: 52 bytes each.
pub const ENTRIES_PER_FRAME_MAX: usize = 1_000;
/// Entries of one statement at most: 52 bytes each.
pub const STATEMENT_ENTRIES_MAX: usize = 4_000_000;

/// Longest profile with its signature, in bytes (8 KiB).
pub const PROFILE_BYTES_MAX: usize = 8 * 1024;
/// Longest description in a profile, in bytes of UTF-8.
pub const PROFILE_DESCRIPTION_BYTES_MAX: usize = 1_536;
/// Longest hours in a profile, in bytes of UTF-8.
pub const PROFILE_HOURS_BYTES_MAX: usize = 512;
/// Longest site in a profile, in bytes of ASCII.
pub const PROFILE_SITE_BYTES_MAX: usize = 256;
/// Longest status in a profile, in bytes of UTF-8.
pub const PROFILE_STATUS_BYTES_MAX: usize = 512;
/// Minutes a status is shown at most (24 hours).
pub const PROFILE_STATUS_MINUTES_MAX: u32 = 24 * 60;
/// Longest logo in a profile, in bytes.
pub const PROFILE_LOGO_BYTES_MAX: usize = 5 * 1024;
/// Pixels a logo has each way at most: a decoder then needs half a MiB for 16-bit RGBA.
pub const PROFILE_LOGO_PIXELS_MAX: u32 = 256;
/// Minutes a profile may be issued in the future: business and relay clocks differ.
pub const PROFILE_EARLY_MINUTES: u32 = 60;

/// Hours an envelope waits for its recipient (30 days), exact to the hour.
pub const RETENTION_HOURS: u32 = 30 * 24;
/// Hours an acceptance is remembered, so that a repeated submission is answered alike.
pub const SUBMISSION_MEMORY_HOURS: u32 = 48;
/// A `submit_id` whose hour is this many hours or more in the past is `stale`.
pub const SUBMIT_ID_STALE_HOURS: u32 = 47;
/// A `submit_id` whose hour is more than this many hours ahead is `early`.
pub const SUBMIT_ID_EARLY_HOURS: u32 = 1;

/// What a ticket says of a window is rounded to this many minutes, so that it does not date a message.
pub const WINDOW_ROUNDING_MINUTES: u32 = 5;
/// Messages that a business may send outside a window, under tickets with one, until the person
/// opens another.
pub const UNANSWERED_MAX: u32 = 5;
/// Minutes a ticket may be valid at most (400 days).
pub const TICKET_MINUTES_MAX: u32 = 400 * 24 * 60;
/// Bytes of a ticket.
pub const TICKET_BYTES: usize = 128;

/// Longest rate card with its signature, in bytes.
pub const RATE_CARD_BYTES_MAX: usize = 4096;
/// Groups of countries in a rate card.
pub const RATE_CARD_TARIFFS_MAX: usize = 32;
/// Countries in a tariff: every pair of letters.
pub const RATE_CARD_COUNTRIES_MAX: usize = 26 * 26;
/// Tiers in a rate card.
pub const RATE_CARD_TIERS_MAX: usize = 8;
/// Longest name of a tariff, in bytes (ASCII).
pub const TARIFF_NAME_BYTES_MAX: usize = 32;
/// Highest price of one message, in millionths (1,000 units): above it somebody mistook the unit.
pub const PRICE_MILLIONTHS_MAX: u64 = 1_000_000_000;
/// Days of one period of a subscription.
pub const SUBSCRIPTION_DAYS_MAX: u16 = 400;
/// Days for which an account whose subscription is unpaid may still send.
pub const SUBSCRIPTION_GRACE_DAYS_MAX: u16 = 400;
/// Hours of a window that a rate card may state.
pub const WINDOW_HOURS_MAX: u8 = 72;
/// Days of a month on which a mailbox may open a window.
pub const WINDOW_DAYS_PER_MONTH_MAX: u8 = 31;

/// Days whose reports and deliveries a business is judged by.
pub const REPUTATION_DAYS: u32 = 7;
/// Reports below which nobody is suspended: twenty people.
pub const SUSPENDED_REPORTS_MIN: u32 = 20;
/// Reports in a million deliveries from which on a business is suspended: 5 %.
pub const SUSPENDED_PER_MILLION: u32 = 50_000;
/// Reports below which nobody's tier falls: five people.
pub const DEMOTED_REPORTS_MIN: u32 = 5;
/// Reports in a million deliveries from which on a tier falls: 1 %.
pub const DEMOTED_PER_MILLION: u32 = 10_000;
/// Deliveries below which nobody's tier rises.
pub const PROMOTED_DELIVERIES_MIN: u32 = 500;
/// Reports in a million deliveries from which on no tier rises: 0.1 %.
pub const PROMOTED_PER_MILLION: u32 = 1_000;

/// Mailboxes one person's connection may prove.
pub const MAILBOXES_PER_CONNECTION_MAX: usize = 256;
/// Channels (subscribed mailboxes) of one delivery stream.
pub const CHANNELS_PER_CONNECTION_MAX: usize = 256;
/// Unacknowledged envelopes of one channel.
pub const UNACKNOWLEDGED_PER_CHANNEL_MAX: usize = 256;
/// Unacknowledged bytes of one connection's channels together. The first envelope of an idle
/// connection always fits.
pub const UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX: usize = 1024 * 1024;

/// Bidirectional streams a client may have open: an idle quinn connection costs about 30 KiB with
/// four, 240 KiB with thousands.
pub const BIDIRECTIONAL_STREAMS_MAX: u32 = 8;
/// Requests of one stream that may be in progress: enough to fill a group commit, few enough that
/// a connection holds at most 64 × 68 KiB × 8 of memory.
pub const REQUESTS_IN_PROGRESS_PER_STREAM_MAX: usize = 64;
/// QUIC connection flow-control window, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// QUIC stream flow-control window, in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 128 * 1024;
/// Milliseconds without a packet after which a connection is gone.
pub const IDLE_MS_MAX: u32 = 60_000;
/// Milliseconds between a client's keep-alive packets; NAT bindings for UDP may vanish after 30 s
/// (RFC 9308 §3.2).
pub const KEEP_ALIVE_MS: u64 = 20_000;
/// Milliseconds a new connection has for its first frame.
pub const FIRST_FRAME_MS_MAX: u64 = 5_000;

const _: () = {
    let [_, _, _, largest] = SIZE_CLASSES;
    // The largest envelope must fit in a frame with a ticket, an opening and an origin beside it.
    assert!(largest + 1024 <= FRAME_BODY_BYTES_MAX);
    assert!(FRAME_BODY_BYTES_MAX < 1 << 24);
    // A frame larger than the stream window could never be sent whole before it is read.
    assert!(FRAME_BODY_BYTES_MAX + FRAME_HEADER_BYTES <= STREAM_WINDOW_BYTES as usize);
    assert!(STREAM_WINDOW_BYTES <= CONNECTION_WINDOW_BYTES);
    // One channel must never be stuck because a single envelope exceeds the connection's allowance.
    assert!(largest <= UNACKNOWLEDGED_BYTES_PER_CONNECTION_MAX);
    assert!(CHANNELS_PER_CONNECTION_MAX <= MAILBOXES_PER_CONNECTION_MAX);
    assert!(CHANNELS_PER_CONNECTION_MAX <= u16::MAX as usize);
    // A full publication of prekeys fits in one frame: 1,288 bytes of signed keys, 104 for each.
    assert!(1_392 + 104 * ONE_TIME_PREKEYS_PER_FRAME_MAX <= FRAME_BODY_BYTES_MAX);
    assert!(4 + 52 * ENTRIES_PER_FRAME_MAX <= FRAME_BODY_BYTES_MAX);
    assert!(ONE_TIME_PREKEYS_LOW < ONE_TIME_PREKEYS_PER_FRAME_MAX);
    // An id is refused as stale before its acceptance is forgotten: otherwise a repeat would be
    // stored twice.
    assert!(SUBMIT_ID_STALE_HOURS + SUBMIT_ID_EARLY_HOURS <= SUBMISSION_MEMORY_HOURS);
    assert!(60u32.is_multiple_of(WINDOW_ROUNDING_MINUTES));
    assert!(60 * WINDOW_HOURS_MAX as u32 <= TICKET_MINUTES_MAX);
    // Every field at its bound, with its lengths and options, and the signature.
    assert!(
        PROFILE_DESCRIPTION_BYTES_MAX
            + PROFILE_HOURS_BYTES_MAX
            + PROFILE_SITE_BYTES_MAX
            + PROFILE_STATUS_BYTES_MAX
            + PROFILE_LOGO_BYTES_MAX
            + (1 + 4 + 3 * 4 + 1 + 4 + 4 + 4 + 1 + 4 + 64)
            <= PROFILE_BYTES_MAX
    );
    // Every field at its bound, with its options, and the signature.
    assert!(
        (1 + 3 * 4 + 3 + 2 + 3 + 11 + 4 + 4 + 4 * RATE_CARD_TIERS_MAX + 4)
            + RATE_CARD_TARIFFS_MAX * (4 + TARIFF_NAME_BYTES_MAX + 4 + 4 * 9)
            + 2 * RATE_CARD_COUNTRIES_MAX
            + 64
            <= RATE_CARD_BYTES_MAX
    );
    // A look-up's answer: authority, certificate and profile.
    assert!(32 + 4 + CERTIFICATE_BYTES_MAX + 1 + 4 + PROFILE_BYTES_MAX <= FRAME_BODY_BYTES_MAX);
    assert!(PROMOTED_PER_MILLION < DEMOTED_PER_MILLION);
    assert!(DEMOTED_PER_MILLION < SUSPENDED_PER_MILLION);
    assert!(DEMOTED_REPORTS_MIN < SUSPENDED_REPORTS_MIN);
    assert!(KEEP_ALIVE_MS * 2 < IDLE_MS_MAX as u64);
    assert!(
        HANDLE_BYTES_MAX + DISPLAY_NAME_BYTES_MAX + DOMAIN_BYTES_MAX + 256 <= CERTIFICATE_BYTES_MAX
    );
};
