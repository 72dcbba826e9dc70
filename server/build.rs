//! Embeds the built page: lists `web/dist`, compresses what gains from it, and writes a table of all files.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

type Failure = Box<dyn std::error::Error>;

/// Files smaller than this travel as they are, in bytes.
const WORTH_IT: usize = 512;

fn main() -> Result<(), Failure> {
    let dist = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?)
        .join("../web/dist")
        .canonicalize();
    let dist = dist.map_err(|error| format!("the built page, web/dist, is missing: {error}"))?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    println!("cargo::rerun-if-changed={}", dist.display());
    let mut files = Vec::new();
    collect(&dist, &mut files)?;
    let mut assets: Vec<(String, PathBuf)> = Vec::new();
    for file in files {
        println!("cargo::rerun-if-changed={}", file.display());
        let path = file
            .strip_prefix(&dist)?
            .to_str()
            .ok_or("a file name is not UTF-8")?;
        assets.push((format!("/{}", path.replace('\\', "/")), file));
    }
    assets.sort();
    let mut table = String::from("static ASSETS: &[Asset] = &[\n");
    for (index, (path, file)) in assets.iter().enumerate() {
        let plain = fs::read(file)?;
        let media_type = media_type(path)?;
        let tag = format!("\\\"{:08x}-{:x}\\\"", crc32fast::hash(&plain), plain.len());
        let variant = |ending: &str, packed: Vec<u8>| -> Result<String, Failure> {
            if plain.len() < WORTH_IT || packed.len() * 20 > plain.len() * 19 {
                return Ok("None".into());
            }
            let to = out.join(format!("{index}.{ending}"));
            fs::write(&to, packed)?;
            Ok(format!("Some(include_bytes!({:?}))", to))
        };
        let gzip = variant("gz", gzip(&plain)?)?;
        let brotli = variant("br", brotli(&plain)?)?;
        writeln!(
            table,
            "    Asset {{ path: {path:?}, media_type: {media_type:?}, tag: \"{tag}\", \
             plain: include_bytes!({file:?}), gzip: {gzip}, brotli: {brotli} }},"
        )?;
    }
    table.push_str("];\n");
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn media_type(path: &str) -> Result<&'static str, Failure> {
    Ok(match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => return Err(format!("what media type has {path}?").into()),
    })
}

fn gzip(plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain)?;
    Ok(encoder.finish()?)
}

fn brotli(plain: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut packed = Vec::new();
    let settings = brotli::enc::BrotliEncoderParams {
        quality: 10,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &plain[..], &mut packed, &settings)?;
    Ok(packed)
}
