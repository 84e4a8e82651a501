//! Compiles `proto/content.proto` without `protoc`: the published file is the one owner of the
//! content format.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto/content.proto");
    let files = protox::compile(["proto/content.proto"], ["proto"])?;
    // Documentation stays in the .proto; comments there are not rustdoc.
    prost_build::Config::new().disable_comments(["."]).compile_fds(files)?;
    Ok(())
}
