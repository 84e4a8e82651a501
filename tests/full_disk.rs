//! A relay on a file system that is really full. It needs a mount of its own, so it runs as root only.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use plico_protocol::envelope::SizeClass;
use plico_protocol::frame::{ClientFrame, RelayFrame, SubmissionState};
use plico_protocol::refusal::Code;

use crate::harness::process::Home;
use crate::harness::raw::Raw;
use crate::harness::world::{Bank, submission_now, submit_id_now};

/// A small file system in memory, mounted in a namespace of its own, which a process holds and which
/// goes with it.
struct SmallDisk {
    holder: Child,
    filler: String,
}

impl SmallDisk {
    /// None where mounting is not permitted, with the reason printed.
    fn mount(at: &Path, mebibytes: u32) -> Option<Self> {
        let at = at.display();
        let mount = format!(
            "mount -t tmpfs -o size={mebibytes}m,mode=700 none {at} && echo mounted && exec sleep 900"
        );
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", &mount]).stdin(Stdio::null());
        let holder = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut holder = holder.map_err(|error| eprintln!("SKIPPED: no unshare: {error}")).ok()?;
        let mut said = String::new();
        let stdout = std::io::BufReader::new(holder.stdout.take()?);
        std::io::BufRead::read_line(&mut { stdout }, &mut said).ok()?;
        if said != "mounted\n" {
            let output = holder.wait_with_output().ok()?;
            let why = String::from_utf8_lossy(&output.stderr).into_owned();
            eprintln!("SKIPPED: a full disk needs a mount, which is not permitted here: {why}");
            return None;
        }
        Some(Self { holder, filler: format!("{at}/filler") })
    }

    /// Takes every byte that is left.
    fn fill(&self) {
        // Ends with an error, as it is meant to.
        let _ = self
            .inside("dd")
            .args(["if=/dev/zero", &format!("of={}", self.filler), "bs=4k"])
            .output();
    }

    fn make_room(&self) {
        assert!(self.inside("rm").arg(&self.filler).status().unwrap().success());
    }

    /// A program that sees the disk. A path below `/proc/PID/root` would not do: what resolves links
    /// in it, as the store does, comes out of the namespace.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &self.holder.id().to_string(), program]);
        command
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

#[tokio::test]
async fn a_relay_on_a_full_disk_refuses_serves_on_and_recovers() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("plico-data");
    std::fs::create_dir(&data).unwrap();
    let Some(disk) = SmallDisk::mount(&data, 256) else { return };
    let bank = Bank::new(1);
    let home = Home::inside(directory, disk.holder.id());
    home.begin();
    home.certify(&bank, "bank");
    // The watermark would refuse before the disk is full.
    let relay = home.start_set("free_space_min_bytes = 0\n");
    let inbox = bank.inbox.public();
    let sender = Raw::connect(relay.address()).await;
    let submit = |n: u32| submission_now(&inbox, n, SizeClass::Small);
    let first = sender.ask(&submit(0)).await;
    assert!(matches!(first, RelayFrame::Accepted(_)), "{first:?}");

    disk.fill();
    let mut accepted = vec![0];
    let refused = loop {
        let n = accepted.len() as u32;
        match sender.ask(&submit(n)).await {
            RelayFrame::Accepted(_) => accepted.push(n),
            RelayFrame::Refused(refusal) => break refusal.code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(refused, Code::StorageFull);
    // What was accepted is there, and asking is answered.
    for n in &accepted {
        let status = ClientFrame::Status { id: submit_id_now(*n) };
        assert_eq!(sender.ask(&status).await, RelayFrame::State(SubmissionState::Queued));
    }
    disk.make_room();
    // The same submission, on the same connection, once the store was opened again in process.
    let again = submit(accepted.len() as u32);
    let recovered = async {
        while !matches!(sender.ask(&again).await, RelayFrame::Accepted(_)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), recovered).await.expect("it did not recover");
    for n in 0..=accepted.len() as u32 {
        let status = ClientFrame::Status { id: submit_id_now(n) };
        assert_eq!(sender.ask(&status).await, RelayFrame::State(SubmissionState::Queued));
    }
    relay.terminate();
}
