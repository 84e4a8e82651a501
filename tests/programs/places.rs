//! States that are lost, damaged, somebody else's, or on a full disk.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use plico_client::{Person, Protection};

use crate::harness::process::Home;
use crate::programs::shop::Shop;

/// A link to nowhere: nothing is connected to before the state is open.
const LINK: &str = "plico://127.0.0.1:9/bank?pin=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&\
    auth=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&key=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Runs a shell's line in which `$0` is the program.
fn shell(home: &Path, line: &str) -> Output {
    let mut command = Command::new("bash");
    command.args(["-c", line, env!("CARGO_BIN_EXE_plico-under-test")]).stdin(Stdio::null());
    command.env("PLICO_STATE", home.join("state")).env("LINK", LINK).current_dir(home);
    command.output().unwrap()
}

fn fails(home: &Path, line: &str, status: i32, says: &str) {
    let output = shell(home, line);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let flat = errors.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(status), "{line}: {errors}");
    assert!(flat.contains(says), "{line}: {errors}");
}

#[test]
fn a_lost_state_is_not_replaced_unnoticed() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    fails(home, "$0 send $LINK ''", 2, "It is empty.");
    assert!(!home.join("state").exists());
    let send = "$0 send $LINK hello --wait stored";
    assert!(shell(home, send).status.success());
    fails(home, "$0 send $LINK hello --timeout 0", 6, "The message is safe");
    std::fs::write(home.join("state"), "").unwrap();
    fails(home, send, 10, "The state's file is empty");
    std::fs::remove_file(home.join("state")).unwrap();
    fails(home, send, 10, "its key file is there");
    assert!(!home.join("state").exists());

    std::fs::write(home.join("other"), "a host's name").unwrap();
    fails(home, "$0 inbox --state other", 10, "The file at this path is no state");
    fails(home, "$0 business restore other --lost --state new", 10, "is no business's state");
    assert!(!home.join("other.lock").exists());

    std::fs::write(home.join("right"), "right").unwrap();
    std::fs::write(home.join("wrong"), "wrong").unwrap();
    assert!(shell(home, &format!("{send} --state p --passphrase-file right")).status.success());
    fails(home, "$0 inbox --state p --passphrase-file wrong", 4, "The passphrase is wrong");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(home.join("p.lock")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_new_state_on_a_full_disk_is_explained() {
    let home = tempfile::tempdir().unwrap();
    for kibibytes in [0, 1] {
        let full =
            format!("trap '' XFSZ; ulimit -f {kibibytes}; exec $0 send $LINK hello --wait stored");
        fails(home.path(), &format!("rm -f state*; {full}"), 9, "disk is full");
        let full = full.replace(
            "send $LINK hello --wait stored",
            "business init --handle bank --name B --domain b.example",
        );
        fails(home.path(), &format!("rm -f state*; {full}"), 9, "disk is full");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_business_on_a_full_disk_is_explained() {
    let home = Home::new();
    let relay = home.start();
    let shop = Shop::open(&home, &relay);
    let serving = shop.serve(&[]).await;
    let link = shop.run(&["link"]);
    let protection = Protection::key_file(shop.path("person.key"));
    let person = Person::open(shop.path("person"), protection).await.unwrap();
    let chat = person.conversation(&link.trim().parse().unwrap()).await.unwrap();
    chat.send("hello").await.unwrap();
    serving.told(|told| told["type"] == "message").await;
    serving.terminate();
    let place = shop.path("");
    let full = |command: &str| {
        format!("unset PLICO_STATE; trap '' XFSZ; ulimit -f 8; exec $0 business {command}")
    };
    std::fs::write(shop.path("long"), "x".repeat(30_000)).unwrap();
    fails(&place, &full("send 1 - <long"), 9, "disk is full");
    fails(&place, &full("backup copy"), 9, "disk is full");
}
