//! Writes what each target begins from, vectors and corpus, into a folder of its name: `plico-fuzz-seeds FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args_os().nth(1).map(PathBuf::from) {
        None => ExitCode::FAILURE,
        Some(folder) => match write(&folder) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("cannot write seeds to {}: {error}", folder.display());
                ExitCode::FAILURE
            }
        },
    }
}

fn write(folder: &std::path::Path) -> std::io::Result<()> {
    for target in plico_fuzz::TARGETS {
        let of_target = folder.join(target.name);
        std::fs::create_dir_all(&of_target)?;
        let inputs = (target.seeds)().into_iter().chain(target.corpus());
        for (number, seed) in inputs.enumerate() {
            std::fs::write(of_target.join(format!("seed-{number:04}")), seed)?;
        }
    }
    Ok(())
}
