//! The files of vectors, as what fuzzing begins from.

use serde_json::Value;

/// A test of a file, with the group it is in.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) group: Value,
    pub(crate) test: Value,
}

/// The tests of a file that are of one kind of group, in their order.
pub(crate) fn cases(file: &str, kind: &str) -> Vec<Case> {
    let document = document(file);
    let groups = document["testGroups"].as_array().unwrap().iter();
    let groups = groups.filter(|group| group["type"] == kind);
    let cases = groups.flat_map(|group| {
        let mut rest = group.clone();
        rest["tests"].take();
        let tests = group["tests"].as_array().unwrap().iter();
        tests.map(move |test| Case { group: rest.clone(), test: test.clone() })
    });
    cases.collect()
}

/// Those of them that are to be accepted.
pub(crate) fn valid(file: &str, kind: &str) -> Vec<Case> {
    let mut cases = cases(file, kind);
    cases.retain(Case::is_valid);
    cases
}

/// A whole file.
pub(crate) fn document(file: &str) -> Value {
    let path = format!("{}/../vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every text in all files.
pub(crate) fn texts() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    let names = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    names.sort();
    let mut found = Vec::new();
    names.iter().for_each(|name| texts_in(&document(name), &mut found));
    found.sort();
    found.dedup();
    found
}

fn texts_in(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts_in(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts_in(value, found)),
        _ => (),
    }
}

impl Case {
    pub(crate) fn is_valid(&self) -> bool {
        self.test["result"] == "valid"
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        unhex(self.test[field].as_str().unwrap()).unwrap()
    }

    pub(crate) fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    pub(crate) fn u32(&self, field: &str) -> u32 {
        number(&self.test[field])
    }
}

pub(crate) fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    unhex(value.as_str().unwrap()).unwrap().try_into().unwrap()
}

/// None for what is no hex.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(core::str::from_utf8(pair).ok()?, 16).ok();
    digits.map(byte).collect()
}
