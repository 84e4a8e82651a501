//! Whatever somebody signed, MACed or committed to: valid vectors, changed. And books that a relay with
//! its own key rewrites (`books.rs`).

mod books;
mod ledger;
mod signed;

use std::sync::LazyLock;

use crate::input::Input;

static HONEST: LazyLock<Vec<Honest>> =
    LazyLock::new(|| signed::honest().chain(ledger::honest()).collect());

/// The target: two bytes say which vector, or that books are rewritten; changes follow.
///
/// # Panics
///
/// Where something changed is believed, or something honest is not.
pub fn verify(input: &[u8]) {
    let mut input = Input::new(input);
    match input.u16() {
        Some(BOOKS) => books::rewrite(&mut input),
        Some(which) => {
            if let Some(honest) = HONEST.get(usize::from(which)) {
                honest.judge(&mut input);
            }
        }
        None => (),
    }
}

/// Each vector as it is and changed in one byte, and some books.
pub fn seeds() -> Vec<Vec<u8>> {
    let all = 0..u16::try_from(HONEST.len()).unwrap();
    let as_it_is = all.clone().map(|which| which.to_be_bytes().to_vec());
    let changed = all.map(|which| [&which.to_be_bytes(), [0, 0, 30, 1].as_slice()].concat());
    let books = books::seeds().into_iter().map(|seed| [&BOOKS.to_be_bytes(), &*seed].concat());
    as_it_is.chain(changed).chain(books).collect()
}

/// Given the object and the context.
type Takes = dyn Fn(&[u8], &[u8]) -> bool + Send + Sync;

/// Something to be believed.
struct Honest {
    /// What is signed, MACed or committed to.
    object: Vec<u8>,
    /// The time, and what else is not bound to it: with another one it may be refused or not.
    context: Vec<u8>,
    /// Whether it is believed.
    takes: Box<Takes>,
    /// Whether two objects that are believed say the same.
    same: fn(&[u8], &[u8]) -> bool,
}

impl Honest {
    fn new(
        object: Vec<u8>,
        context: Vec<u8>,
        takes: impl Fn(&[u8], &[u8]) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { object, context, takes: Box::new(takes), same: |one, other| one == other }
    }

    fn judge(&self, input: &mut Input<'_>) {
        let Self { object, context, takes, same } = self;
        let mut bytes = [object.as_slice(), context].concat();
        input.change(&mut bytes);
        let Some(at) = bytes.len().checked_sub(context.len()) else { return };
        let (changed, at_another) = bytes.split_at(at);
        let believed = takes(changed, at_another);
        assert!(!believed || same(object, changed), "believed, and it is not what was signed");
        let as_it_is = changed == object && at_another == context;
        assert!(believed || !as_it_is, "honest, and not believed");
    }
}

/// Instead of a vector.
const BOOKS: u16 = 0xffff;
