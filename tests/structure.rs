//! The architecture as a test: what must be absent, what must agree, each with its remedy.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages that a package's normal dependencies reach.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}", "--package", package])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// Every file of ours with the given ending, as (path from the root, text).
fn sources(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && name != ".git" {
                folders.push(path);
            } else if name.ends_with(ending) {
                let short = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
                found.push((short, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_relay_cannot_name_a_session() {
    let relay = dependencies("plico-relay");
    assert!(relay.contains("plico-protocol"), "cargo tree did not list what it should");
    for secret in ["plico-endpoint", "plico-client", "x25519-dalek", "ml-kem", "hpke", "prost"] {
        assert!(
            !relay.contains(secret),
            "plico-relay depends on {secret}. The relay must not be able to name a session, a \
             message key or content. Remedy: move what it needs into plico-protocol, as a type \
             that holds no secret, and drop the dependency from relay/Cargo.toml."
        );
    }
}

#[test]
fn the_protocol_does_no_io() {
    for package in ["plico-protocol", "plico-endpoint"] {
        let found = dependencies(package);
        for io in ["tokio", "quinn", "quinn-proto", "rustls", "mio", "getrandom", "socket2"] {
            assert!(
                !found.contains(io),
                "{package} reaches {io}. It must do no I/O and take its time and randomness as \
                 arguments. Remedy: take `now` or `rng` as the last argument and let relay or \
                 client supply it; a dependency's feature may have to be switched off."
            );
        }
    }
}

#[test]
fn the_protocol_reads_no_clock() {
    for (path, text) in sources(".rs") {
        let banned = ["SystemTime::now", "Instant::now", "SysRng", "OsRng"];
        let inside = path.starts_with("protocol/")
            && !path.contains("/tests/")
            && !path.contains("/benches/");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for name in banned {
            assert!(
                !inside || !code.contains(name),
                "{path} uses {name}. Remedy: take the time or the generator as the last argument."
            );
        }
    }
}

#[test]
fn files_say_what_they_are_for_and_stay_small() {
    for (path, text) in sources(".rs") {
        assert!(
            text.starts_with("//!"),
            "{path} does not open with `//!`. Remedy: say in a sentence what it is for and, if it \
             matters, what it must not know."
        );
        let lines = text.lines().count();
        assert!(
            lines <= FILE_LINES_MAX,
            "{path} has {lines} lines, at most {FILE_LINES_MAX} allowed. Remedy: a group of fields \
             or functions that earns a banner is a type or a module; cut it out."
        );
        for word in ["#[allow(", "#[ignore", "todo!(", "unimplemented!(", "dbg!("] {
            let here = path != "tests/structure.rs" && text.contains(word);
            assert!(
                !here,
                "{path} contains {word}. Remedy: finish it, or use #[expect] with a reason."
            );
        }
    }
}

#[test]
fn the_specification_states_every_limit() {
    let spec = read("protocol/SPEC.md");
    for (name, value) in limits() {
        assert!(
            spec.contains(&format!("| `{name}` | {value} |")),
            "protocol/SPEC.md §3 does not say `{name}` = {value}. Remedy: correct the table there."
        );
    }
}

#[test]
fn the_specification_states_every_refusal() {
    let spec = read("protocol/SPEC.md");
    for code in plico_protocol::refusal::Code::ALL {
        let row = format!("| {} | `{}` | {} |", code.number(), code.name(), code.text());
        assert!(
            spec.contains(&row),
            "protocol/SPEC.md §12 lacks the row `{row}`. Remedy: add or correct it there."
        );
    }
}

#[test]
fn the_specification_states_every_limit_of_a_relay() {
    let spec = read("protocol/SPEC.md");
    for rule in plico_relay::policy::throttle::Rule::ALL {
        let row = format!("| `{}` | {} | {} |", rule.name(), rule.counts(), rule.default());
        assert!(
            spec.contains(&row),
            "protocol/SPEC.md §12.1 lacks the row `{row}`. Remedy: add or correct it there."
        );
    }
}

#[test]
fn the_operators_guide_states_every_metric() {
    let guide = read("docs/operate.md");
    for metric in plico_relay::metrics::ALL {
        let plico_relay::metrics::Metric { name, kind, unit, meaning } = metric;
        let row = format!("| `{name}` | {kind} | {unit} | {meaning} |");
        assert!(
            guide.contains(&row),
            "docs/operate.md lacks the row `{row}`. Remedy: add or correct it there."
        );
    }
    assert_eq!(
        guide.matches("| `plico_").count(),
        plico_relay::metrics::ALL.len(),
        "docs/operate.md has a metric that relay/src/metrics.rs has not. Remedy: take it out there."
    );
}

#[test]
fn the_review_guide_names_commands_that_exist() {
    let guide = read("docs/review.md");
    let commands: Vec<&str> = guide.split('`').filter(|text| !text.contains('\n')).collect();
    let tests = commands.iter().filter(|text| text.contains("cargo test -p "));
    let code = code();
    for filter in tests.filter_map(|text| text.split_once(" -- ")).flat_map(|(_, f)| f.split(' ')) {
        assert!(
            filter.split("::").all(|name| {
                code.contains(&format!("fn {name}(")) || code.contains(&format!("mod {name}"))
            }),
            "docs/review.md runs tests named {filter}. Remedy: name them as they are called now."
        );
    }
    let scripts: Vec<_> = commands.iter().filter(|text| text.starts_with(".ci/")).collect();
    assert!(3 < scripts.len(), "docs/review.md is no longer read as it should");
    for script in scripts {
        assert!(root().join(script).exists(), "docs/review.md runs {script}, which is not there.");
    }
}

/// Somebody who changes such a sentence, or writes a new one, says what checks it.
#[test]
fn every_must_of_the_specification_is_checked() {
    let (mut spec, code) = (normative(), code());
    for row in read("tests/musts.md").lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (words, checks) = (cells[2], cells[3]);
        assert!(
            spec.contains(words),
            "protocol/SPEC.md no longer says \"{words}\". Remedy: correct the row in tests/musts.md \
             after a look at whether its tests still check it."
        );
        spec = spec.replacen(words, "", 1);
        let names: Vec<&str> = checks.split('`').skip(1).step_by(2).collect();
        let there = |name: &&str| match name.strip_prefix(".ci/") {
            Some(_) => root().join(name).exists(),
            None => code.contains(&format!("fn {name}(")),
        };
        assert!(!names.is_empty(), "tests/musts.md names no test for \"{words}\".");
        let lacking: Vec<_> = names.iter().filter(|name| !there(name)).collect();
        assert!(lacking.is_empty(), "tests/musts.md names {lacking:?}, which is not there.");
    }
    if let Some(at) = spec.find("must") {
        let rest: String = spec[at..].chars().take(80).collect();
        panic!(
            "Nothing checks \"…{rest}…\" of SPEC.md. Remedy: a test, and a row in tests/musts.md."
        );
    }
}

/// The specification in one line, without headings, contents and the list of vectors.
fn normative() -> String {
    let spec = read("protocol/SPEC.md");
    let body = spec.split("\n## Appendix").next().unwrap_or_default();
    let lines = body.lines().filter(|line| !line.starts_with('#') && !line.contains("](#"));
    lines.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

/// All our Rust.
fn code() -> String {
    sources(".rs").into_iter().map(|(_, text)| text).collect()
}

#[test]
fn the_minimum_rust_version_has_one_owner() {
    let manifest = read("Cargo.toml");
    let line = manifest.lines().find(|line| line.starts_with("rust-version")).unwrap();
    let version = line.split('"').nth(1).unwrap();
    assert!(
        read("README.md").contains(&format!("Rust {version}")),
        "README.md names another Rust version than Cargo.toml ({version}). Remedy: correct README."
    );
}

/// The numbers of `limits.rs` that are plain constants, by evaluating their products and sums.
fn limits() -> Vec<(String, u64)> {
    let text = read("protocol/src/limits.rs");
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.starts_with("pub const ")) {
        let Some((name, rest)) = line["pub const ".len()..].split_once(':') else { continue };
        let Some((_, value)) = rest.split_once(" = ") else { continue };
        let factors = value.trim_end_matches(';').split('*');
        let product: Option<u64> =
            factors.map(|f| f.trim().replace('_', "").parse::<u64>().ok()).product();
        if let Some(product) = product {
            found.push((name.to_owned(), product));
        }
    }
    assert!(20 < found.len(), "limits.rs is no longer read as it should");
    found
}

const FILE_LINES_MAX: usize = 500;
