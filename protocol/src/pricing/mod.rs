//! What a message from a business costs, computed alike by relay and business.

mod money;

pub use money::{BadAmount, Currency, Millionths};
