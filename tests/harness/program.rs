//! A program as a process of its own, whose lines tests wait for and which they kill.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

/// A running process. Killed on drop.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: watch::Receiver<Vec<String>>,
    errors: watch::Receiver<Vec<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts it; what it prints is read as it comes.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (lines, stdout) = lines_of(child.stdout.take().unwrap());
        let (errors, stderr) = lines_of(child.stderr.take().unwrap());
        let input = child.stdin.take();
        Self { child, input, lines, errors, readers: vec![stdout, stderr] }
    }

    /// Types a line. One that is dead or stopped reads it never, which is the test's to find out.
    pub(crate) fn type_line(&mut self, line: &str) {
        let Some(input) = &mut self.input else { return };
        let _ = writeln!(input, "{line}").and_then(|()| input.flush());
    }

    /// Waits for the first line that `wanted` takes.
    pub(crate) async fn printed<T>(&self, wanted: impl Fn(&str) -> Option<T>) -> T {
        let found = |lines: &Vec<String>| lines.iter().find_map(|line| wanted(line));
        let mut lines = self.lines.clone();
        let waited = lines.wait_for(|lines| found(lines).is_some());
        match tokio::time::timeout(SILENCE_MAX, waited).await {
            Ok(Ok(lines)) => found(&lines).unwrap(),
            _ => panic!("it did not print it: {:?} {:?}", self.lines(), self.errors()),
        }
    }

    /// Waits for a line on standard error with these words.
    pub(crate) async fn complained(&self, words: &str) {
        let found = |lines: &Vec<String>| lines.iter().any(|line| line.contains(words));
        let mut errors = self.errors.clone();
        let waited = tokio::time::timeout(SILENCE_MAX, errors.wait_for(found)).await;
        assert!(matches!(waited, Ok(Ok(_))), "{words}: {:?} {:?}", self.lines(), self.errors());
    }

    /// What it printed so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.borrow().clone()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn errors(&self) -> Vec<String> {
        self.errors.borrow().clone()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// `kill -9`. Everything it printed is read afterwards.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.input = None;
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
    }

    /// Ends it as its user does and checks that it ends well.
    pub(crate) fn terminate(mut self) {
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {:?}", self.errors());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Already dead where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> (watch::Receiver<Vec<String>>, JoinHandle<()>) {
    let (sender, lines) = watch::channel(Vec::new());
    let reader = std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            sender.send_modify(|lines| lines.push(line));
        }
    });
    (lines, reader)
}

/// A bound on hanging, not a measure of speed: nothing passes because of it.
const SILENCE_MAX: Duration = Duration::from_secs(120);
