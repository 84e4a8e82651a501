//! What the programs leave on disk and say beside their output, after a conversation in the open.
//!
//! Method: words that occur nowhere else are typed into a chat and come back from a business's
//! program; a backup is taken meanwhile, and both are killed, so that their journals stay. Then every
//! file of person, business and relay is searched, and every log.

use std::path::Path;

use crate::crash::trio::{PIPE, PROGRAM, chat};
use crate::harness::process::Home;
use crate::leak::{contains, files};
use crate::programs::shop::Shop;

const CANARY: &str = "canary-typed-5b7e";
const REFERENCE: &str = "canary-reference-90ac";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_backups_and_logs_hold_no_words() {
    let home = Home::new();
    let relay = home.start();
    let shop = Shop::open(&home, &relay);
    let programs = Home::new();
    std::fs::write(programs.path().join("program.py"), PROGRAM).unwrap();
    let program = programs.path().join("program.py");
    let mut serving = shop.serve(&[PIPE[0], PIPE[1], program.to_str().unwrap()]).await;
    let link = shop.run(&["link", "--ref", REFERENCE]).trim().to_owned();
    let person = tempfile::tempdir().unwrap();
    let mut talking = chat(person.path(), &link, None);
    talking.type_line(CANARY);
    let answer = format!(": answer to {CANARY}");
    talking.printed(|line| line.ends_with(&answer).then_some(())).await;
    shop.run(&["backup", "taken.backup"]);
    home.run(&["backup", "relay.backup"]);
    talking.kill();
    serving.kill();

    // Whom the words were for prints them, or nothing was said.
    let told = serving.messages();
    assert_eq!(
        (told[0]["text"].as_str(), told[0]["ref"].as_str()),
        (Some(CANARY), Some(REFERENCE))
    );
    let mut searched = Vec::new();
    for folder in [home.path(), shop.path("").as_path(), person.path()] {
        searched.extend(search(folder));
    }
    for name in ["anna", "plico-business", "taken.backup", "relay.backup"] {
        let found = searched.iter().any(|path| path.ends_with(name));
        assert!(found, "{name} was not searched: {searched:?}");
    }
    let complaints = [talking.errors(), serving.errors(), vec![relay.log(), relay.printed()]];
    for line in complaints.concat() {
        assert!(!line.contains(CANARY) && !line.contains(REFERENCE), "{line}");
    }
}

/// Searches every file of a folder; gives their paths.
fn search(folder: &Path) -> Vec<String> {
    let search = |(path, bytes): (String, Vec<u8>)| {
        for canary in [CANARY, REFERENCE] {
            assert!(!contains(&bytes, canary.as_bytes()), "{path} contains {canary}");
        }
        path
    };
    files(folder).into_iter().map(search).collect()
}
