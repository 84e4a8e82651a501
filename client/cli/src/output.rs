//! What is printed, and what is known of it afterwards. What was not written was not said: it is
//! not taken for shown, and the exit status tells.

use core::fmt::Display;
use std::fs::metadata;
use std::io::{Error, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use rustix::fs::{OFlags, fcntl_getfl, fstat};

use crate::failure::Failure;

/// Why something that was said at a command's end was not written.
static LOST: OnceLock<Failure> = OnceLock::new();

/// Prints one line, or several, and hands them to whoever reads them.
///
/// # Errors
///
/// They were not written whole. What they tell of must not be taken for shown.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|error| unwritten(&error))
}

/// The same for what is done already, whether somebody reads of it or not; the exit status tells
/// by [`lost`].
pub(crate) fn say(text: impl Display) {
    if let Err(failure) = print(text) {
        // The first reason is the reason.
        let _ = LOST.set(failure);
    }
}

/// The same beside the output: what a script that reads the output must not meet.
pub(crate) fn remark(text: impl Display) {
    // Where not even this is written, the exit status is all there is.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Why not everything was written that [`say`] was given.
pub(crate) fn lost() -> Option<Failure> {
    LOST.get().cloned()
}

/// Whether this program was started without standard output, as by `>&-`.
///
/// The standard library then opens `/dev/null` in its place before the program begins, and every
/// write seems to go well. It opens it for reading and writing, a shell's `>/dev/null` for writing.
pub(crate) fn check_is_open() -> Result<(), Failure> {
    let out = std::io::stdout();
    let Ok(found) = fstat(&out) else { return Ok(()) };
    let is_null = metadata("/dev/null").is_ok_and(|null| null.rdev() == found.st_rdev);
    let both = fcntl_getfl(&out).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    match is_null && both {
        true => Err(unwritten(&Error::other("it is closed, or /dev/null opened for reading, too"))),
        false => Ok(()),
    }
}

fn unwritten(error: &Error) -> Failure {
    Failure::output(error)
}
