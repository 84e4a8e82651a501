//! `plico-relay status`: what the running relay counts, without Prometheus.

use serde_json::{Map, Value};

use super::{Failure, business, say};
use crate::admin::command::{Answer, Command};
use crate::admin::socket;
use crate::config::Config;

pub(super) fn run(config: &Config, json: bool) -> Result<(), Failure> {
    let text = match socket::call(&config.data_dir, &Command::Status) {
        Ok(Answer::Status(text)) => text,
        Ok(Answer::Refused(why)) => return Err(Failure::Refused(why)),
        Ok(_) => return Err(business::unexpected()),
        Err(error) => return Err(Failure::failed(error)),
    };
    match json {
        true => say(Value::Object(values(&text).collect::<Map<_, _>>())),
        false => lines(&text).for_each(say),
    }
    Ok(())
}

/// Name with labels, and value: the samples of Prometheus's text format.
fn samples(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' '))
}

fn values(text: &str) -> impl Iterator<Item = (String, Value)> {
    samples(text).filter_map(|(name, value)| {
        Some((name.to_owned(), serde_json::from_str::<serde_json::Number>(value).ok()?.into()))
    })
}

/// For the eye: no buckets, and of what has a label only what happened.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let shown = |(name, value): &(&str, &str)| {
        let is_idle = name.contains('{') && *value == "0";
        !is_idle && !name.contains("_bucket{")
    };
    samples(text).filter(shown).map(|(name, value)| format!("{value:>16}  {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_total x\n# TYPE a_total counter\na_total{code=\"x\"} 0\n\
                        b 1.5\nc_bucket{le=\"1\"} 2\n";

    #[test]
    fn the_eye_sees_what_happened_and_a_program_everything() {
        assert_eq!(lines(TEXT).collect::<Vec<_>>(), ["             1.5  b"]);
        let all: Map<_, _> = values(TEXT).collect();
        assert_eq!((all.len(), &all["b"]), (3, &Value::from(1.5)));
    }
}
