//! Checks the code against the vectors that `tests/vectors/python` generates from the
//! specification alone. `README.md` beside this file says what each group asks for.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a vector that is not what its schema says, or that fails, stops the test there"
)]

mod content;
mod derive;
mod frames;
mod keys;
mod ledger;
mod link;
mod pricing;
mod report;
mod scripts;
mod sessions;
mod signed;
mod statement;
mod tickets;

use core::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use serde_json::Value;

/// A file of vectors.
struct Vectors {
    name: &'static str,
    document: Value,
}

/// One test, with the group it is in.
#[derive(Clone, Copy)]
struct Case<'a> {
    group: &'a Value,
    test: &'a Value,
}

impl Vectors {
    fn read(name: &'static str) -> Self {
        let folder = env!("CARGO_MANIFEST_DIR");
        let text = std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap();
        Self { name, document: serde_json::from_str(&text).unwrap() }
    }

    /// Runs every test of the file: `accepts` is given the group's type and says whether the code
    /// accepts. What an accepted test promises beyond that, `accepts` asserts itself.
    fn check(&self, accepts: impl Fn(&str, Case<'_>) -> bool) {
        let mut checked = 0;
        let mut wrong = Vec::new();
        for group in list(&self.document["testGroups"]) {
            for test in list(&group["tests"]) {
                let case = Case { group, test };
                let accepted = accepts(text(&group["type"]), case);
                let valid = match text(&test["result"]) {
                    "valid" => true,
                    "invalid" => false,
                    other => panic!("{}: result {other}", self.name),
                };
                if accepted != valid {
                    wrong.push(format!("{} {case}: accepted is {accepted}", self.name));
                }
                checked += 1;
            }
        }
        assert_eq!(self.document["numberOfTests"], checked, "{}", self.name);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

impl Case<'_> {
    /// A field of the test.
    fn bytes(&self, field: &str) -> Vec<u8> {
        unhex(&self.test[field])
    }

    /// A field of the test with a fixed length.
    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        array(&self.test[field])
    }

    /// A number of the test.
    fn number(&self, field: &str) -> u64 {
        number(&self.test[field])
    }

    fn u32(&self, field: &str) -> u32 {
        self.number(field).try_into().unwrap()
    }
}

impl core::fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} {} ({})", self.group["type"], self.test["tcId"], self.test["comment"])
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = text(value);
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value).try_into().unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The random bytes that a vector gives, in the order in which they are drawn (SPEC §8.4).
struct Given(Vec<u8>);

impl Given {
    /// That all were drawn.
    fn finish(self) {
        assert!(self.0.is_empty(), "{} random bytes were not drawn", self.0.len());
    }
}

impl TryRng for Given {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("numbers are not drawn from vectors")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("numbers are not drawn from vectors")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        assert!(bytes.len() <= self.0.len(), "a vector gives too few random bytes");
        bytes.copy_from_slice(&self.0.drain(..bytes.len()).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for Given {}
