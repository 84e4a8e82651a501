//! A pseudo-terminal with a program in it, and what its screen shows.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// A running `plico` and its screen. Killed on drop.
pub(super) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
}

impl Terminal {
    /// Starts `plico` with its data below `home`.
    pub(super) fn start(home: &Path, arguments: &[&str]) -> Self {
        let pair = native_pty_system().openpty(size(24, 80)).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_plico-under-test"));
        command.args(arguments);
        command.env("XDG_DATA_HOME", home);
        command.env("TERM", "xterm-256color");
        command.env("TZ", "UTC");
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let screen = vt100::Parser::new(positive(24), positive(80), 0);
        Self { child, master: pair.master, keys, output, screen }
    }

    /// Presses keys.
    pub(super) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Types a line and presses Enter.
    pub(super) fn enter(&mut self, line: &str) {
        self.press(&format!("{line}\r"));
    }

    pub(super) fn resize(&mut self, rows: u16, columns: u16) {
        self.screen.screen_mut().set_size(positive(rows), positive(columns));
        self.master.resize(size(rows, columns)).unwrap();
    }

    /// Waits until the screen shows it, and gives the screen.
    pub(super) fn shows(&mut self, text: &str) -> String {
        self.until(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is as wished.
    pub(super) fn until(&mut self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + SILENCE_MAX;
        loop {
            let screen = self.screen.screen().contents();
            if holds(&screen) {
                return screen;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.screen.process(&bytes),
                Err(RecvTimeoutError::Timeout) => panic!("never showed {what:?}:\n{screen}"),
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("ended before it showed {what:?}:\n{screen}")
                }
            }
        }
    }

    /// Waits until the program ends; whether it ended well, and whether the terminal is as before.
    pub(super) fn ended(mut self) -> (bool, bool) {
        let success = self.child.wait().unwrap().success();
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(200)) {
            self.screen.process(&bytes);
        }
        let screen = self.screen.screen();
        let modes = self.master.get_termios().unwrap();
        let echoes = format!("{:?}", modes.local_flags).contains("ECHO");
        (success, echoes && !screen.alternate_screen() && !screen.bracketed_paste())
    }

    /// `kill -9`.
    pub(super) fn kill(mut self) {
        let id = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args(["-9", &id]).status().unwrap().success());
        self.child.wait().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Already dead where the test ended it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn positive(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

fn size(rows: u16, cols: u16) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// A bound on hanging, not a measure of speed: nothing passes because of it.
const SILENCE_MAX: Duration = Duration::from_secs(60);
